// swift-tools-version:6.2
import PackageDescription

/// Settings of every Swift target.
///
/// The test command makes warnings errors; a user's build, perhaps with a newer compiler, does not.
let settings: [SwiftSetting] =
    [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    ]
    + (Context.environment["FEEDBACKD_WARNINGS_AS_ERRORS"] == "1"
        ? [.treatAllWarnings(as: .error)] : [])

let argumentParser = Target.Dependency.product(
    name: "ArgumentParser",
    package: "swift-argument-parser"
)
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let grdbSQLite = Target.Dependency.product(name: "GRDBSQLite", package: "GRDB.swift")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let metrics = Target.Dependency.product(name: "Metrics", package: "swift-metrics")

let package = Package(
    name: "feedbackd",
    products: [
        .executable(name: "feedbackd", targets: ["feedbackd"]),
        .executable(name: "feedbackctl", targets: ["feedbackctl"]),
        .executable(name: "feedbackd-bench", targets: ["feedbackd-bench"]),
        .library(name: "FeedbackClient", targets: ["FeedbackClient"]),
        .library(
            name: "FeedbackServer",
            targets: [
                "FeedbackServer", "FeedbackCore", "FeedbackHooks", "FeedbackModel", "SQLiteStore",
                "MongoStore", "PrometheusMetrics",
            ]
        ),
    ],
    dependencies: [
        // Arguments, help and exit codes of the programs.
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        // A heap, for deadlines, and queues.
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        // HMAC, so that page tokens cannot be made up.
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        // Log lines that a program which embeds the server can send elsewhere.
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        // Counters and latencies that a program which embeds the server can send elsewhere.
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        // The benchmark's latencies.
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
        // SQLite connections, statements and migrations.
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        // The configuration file, with lines for errors to name.
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        // C
        .systemLibrary(
            name: "CProtobufC",
            pkgConfig: "libprotobuf-c",
            providers: [.apt(["libprotobuf-c-dev"])]
        ),
        .systemLibrary(
            name: "CMongoC",
            pkgConfig: "libmongoc-1.0",
            providers: [.apt(["libmongoc-dev"])]
        ),
        // gRPC's transport.
        .systemLibrary(
            name: "CNGHTTP2",
            pkgConfig: "libnghttp2",
            providers: [.apt(["libnghttp2-dev"])]
        ),
        // Webhooks.
        .systemLibrary(
            name: "CCurl",
            pkgConfig: "libcurl",
            providers: [.apt(["libcurl4-openssl-dev"])]
        ),
        // gRPC's message compression.
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CLinux"),
        .target(name: "CFeedbackProto", dependencies: ["CProtobufC", "CRPCProto"]),
        .target(name: "CRPCProto", dependencies: ["CProtobufC"]),
        // The descriptors of all served .proto files, for gRPC's server reflection.
        .target(name: "CFeedbackDescriptors"),
        // What the daemon does before its libraries are set up.
        .target(name: "CProgramStart"),

        // The outcomes of calls, for all that makes or answers them
        .target(name: "CallStatus", swiftSettings: settings),

        // The service
        .target(name: "FeedbackModel", dependencies: ["CallStatus"], swiftSettings: settings),
        .target(
            name: "FeedbackCore",
            dependencies: [
                "FeedbackModel", .product(name: "Crypto", package: "swift-crypto"), metrics,
            ],
            swiftSettings: settings
        ),
        .target(
            name: "SQLiteStore",
            dependencies: [
                "CLinux", "FeedbackCore", "FeedbackModel", grdb, grdbSQLite, logging, metrics,
            ],
            swiftSettings: settings
        ),
        .target(
            name: "MongoStore",
            dependencies: ["CMongoC", "FeedbackCore", "FeedbackModel", logging, metrics],
            swiftSettings: settings
        ),
        .target(
            name: "FeedbackHooks",
            dependencies: ["CCurl", "CLinux", "FeedbackCore", "FeedbackModel", logging, metrics],
            swiftSettings: settings
        ),

        // The wire
        .target(name: "ProtoCodec", dependencies: ["CProtobufC"], swiftSettings: settings),
        .target(
            name: "RPC",
            dependencies: [
                "CLinux", "CNGHTTP2", "CProtobufC", "CRPCProto", "CZlib", "CallStatus",
                "ProtoCodec", logging, metrics,
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "HeapModule", package: "swift-collections"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "FeedbackMessages",
            dependencies: ["FeedbackModel", "CFeedbackProto", "ProtoCodec"],
            swiftSettings: settings
        ),

        // What is recorded of both, as Prometheus reads it
        .target(
            name: "PrometheusMetrics",
            dependencies: ["CLinux", "CallStatus", logging, metrics],
            swiftSettings: settings
        ),

        // Both together
        .target(
            name: "FeedbackServer",
            dependencies: [
                "CFeedbackDescriptors", "FeedbackCore", "FeedbackHooks", "FeedbackMessages",
                "FeedbackModel", "MongoStore", "PrometheusMetrics", "RPC", "SQLiteStore", logging,
                metrics,
            ],
            swiftSettings: settings
        ),
        .target(
            name: "FeedbackClient",
            dependencies: ["FeedbackCore", "FeedbackMessages", "FeedbackModel", "RPC"],
            swiftSettings: settings
        ),

        // The programs
        .target(name: "StandardStreams", swiftSettings: settings),
        .executableTarget(
            name: "feedbackd",
            dependencies: [
                "CLinux", "CProgramStart", "FeedbackHooks", "FeedbackServer", "StandardStreams",
                argumentParser, logging, metrics,
                .product(name: "Yams", package: "Yams"),
            ],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "feedbackctl",
            dependencies: ["FeedbackClient", "StandardStreams", argumentParser],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "feedbackd-bench",
            dependencies: [
                "CLinux", argumentParser,
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ],
            swiftSettings: settings
        ),

        // The program of docs/HOOKS.md, "A daemon of your own".
        .executableTarget(
            name: "OwnDaemon",
            dependencies: ["FeedbackHooks", "FeedbackServer"],
            path: "Tests/Examples/OwnDaemon",
            swiftSettings: settings
        ),

        // Tests
        .target(
            name: "TestSupport",
            dependencies: ["FeedbackCore", "FeedbackModel"],
            path: "Tests/support/TestSupport",
            swiftSettings: settings
        ),
        // The repository itself: imports, sizes of files, documents.
        .testTarget(name: "LayoutTests", swiftSettings: settings),
        .testTarget(
            name: "ProtoCodecTests",
            dependencies: [
                "CFeedbackProto", "CProtobufC", "CRPCProto", "ProtoCodec", "TestSupport",
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "RPCTests",
            dependencies: [
                "CFeedbackDescriptors", "CLinux", "CNGHTTP2", "CRPCProto", "CZlib", "CallStatus",
                "ProtoCodec", "RPC", "TestSupport", logging,
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "PrometheusMetricsTests",
            dependencies: ["CallStatus", "PrometheusMetrics", "TestSupport", logging, metrics],
            swiftSettings: settings
        ),
        .testTarget(
            name: "FeedbackMessagesTests",
            dependencies: ["FeedbackMessages", "FeedbackModel", "ProtoCodec", "TestSupport"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "FeedbackClientTests",
            dependencies: [
                "FeedbackClient", "FeedbackCore", "FeedbackModel", "FeedbackServer", "TestSupport",
                logging,
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "FeedbackServerTests",
            dependencies: [
                "FeedbackClient", "FeedbackCore", "FeedbackModel", "FeedbackServer", "RPC",
                "TestSupport", logging, metrics,
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "FeedbackdTests",
            dependencies: [
                "FeedbackHooks", "FeedbackServer", "TestSupport", "feedbackd", argumentParser,
                logging,
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "IntegrationTests",
            dependencies: [
                "FeedbackClient", "FeedbackModel", "FeedbackServer", "MongoServers", "TestSupport",
                logging,
            ],
            exclude: ["cpp", "failing-disk.c", "go", "go-grpc", "python", "ruby"],
            swiftSettings: settings
        ),
        .target(
            name: "StoreContract",
            dependencies: ["FeedbackCore", "FeedbackModel"],
            path: "Tests/StoreContract",
            swiftSettings: settings
        ),
        .testTarget(
            name: "FeedbackModelTests",
            dependencies: ["FeedbackModel"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "FeedbackCoreTests",
            dependencies: [
                "FeedbackCore", "FeedbackModel", "PrometheusMetrics", "StoreContract",
                "TestSupport",
                metrics,
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "FeedbackHooksTests",
            dependencies: [
                "FeedbackCore", "FeedbackHooks", "FeedbackModel", "PrometheusMetrics",
                "SQLiteStore", "TestSupport", logging, metrics,
            ],
            swiftSettings: settings
        ),
        .target(
            name: "MongoServers",
            dependencies: ["MongoStore", "TestSupport"],
            path: "Tests/support/MongoServers",
            swiftSettings: settings
        ),
        .testTarget(
            name: "MongoStoreTests",
            dependencies: [
                "FeedbackCore", "FeedbackModel", "MongoServers", "MongoStore", "SQLiteStore",
                "StoreContract", "TestSupport", logging,
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "SQLiteStoreTests",
            dependencies: [
                "FeedbackCore", "FeedbackModel", "SQLiteStore", "StoreContract", "TestSupport",
                grdb, grdbSQLite, logging,
            ],
            exclude: ["fixtures"],
            swiftSettings: settings
        ),
    ],
    swiftLanguageModes: [.v6]
)
