import FeedbackClient
import Foundation
import MongoServers
import TestSupport
import Testing

/// The daemon with its feedback in MongoDB, together with the Python library feedback-system.
@Suite("the daemon on MongoDB", .serialized)
struct MongoDaemonTests {
    private let folder: TemporaryFolder
    private let database = SharedServer.newDatabase()

    init() throws { folder = try TemporaryFolder() }

    /// Runs a command of the program that stands in for the Python library.
    private func python(_ arguments: String...) async throws -> String {
        let program = Programs.source("python/guide_package.py")
        let interpreter = Programs.source("../../.build/pymongo/bin/python")
        let uri = try await SharedServer.uri()
        let outcome = try Programs.run(interpreter, [program, uri, database] + arguments)
        guard outcome.code == 0 else { throw Failure("guide_package.py: \(outcome.errors)") }
        return outcome.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    private func startDaemon(_ uri: String) async throws -> Daemon {
        try await Daemon(in: folder, ["--store", uri, "--mongodb-database", database])
    }

    /// Returns the log of all daemons in the folder.
    private func log() throws -> String {
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        return try names.filter { $0.hasPrefix("daemon-") }
            .map { try Programs.text(folder.path($0)) }.joined()
    }

    private func listed(_ daemon: Daemon, _ session: String) throws -> [String] {
        let outcome = try daemon.control("list", session, "--json")
        let value = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
        let page = try #require(value as? [String: Any])
        let feedbacks = try #require(page["feedbacks"] as? [[String: Any]])
        return feedbacks.map { "\($0["rating"] as? String ?? "none") \($0["comment"] ?? "")" }
    }

    @Test func works_on_the_same_sessions_as_the_python_package_in_turn() async throws {
        let daemon = try await startDaemon(await SharedServer.uri())
        for (first, session) in ["python", "feedbackd"].map({ ($0, "of \($0)") }) {
            var expected: [String] = []
            for round in 0..<6 {
                let comment = "\(round) \u{1F44D}\u{1F3FD}"
                let rating = ["up", "down", "none"][round % 3]
                if (round % 2 == 0) == (first == "python") {
                    let stamp = "_validated_at=2024-01-22T15:00:00"
                    #expect(try await python("add", session, rating, comment, stamp) == #""added""#)
                } else {
                    let outcome = try daemon.control(
                        "add",
                        session,
                        "--rating",
                        rating,
                        "--comment",
                        comment
                    )
                    #expect(outcome.code == 0, "\(outcome.errors)")
                }
                expected.append("\(rating) \(comment)")
                #expect(try listed(daemon, session) == expected)
                let seen = try JSONSerialization.jsonObject(
                    with: Data(try await python("list", session).utf8)
                )
                let ratings = try #require(seen as? [[String: Any]])
                #expect(
                    ratings.map { "\($0["rating"] as? String ?? "none") \($0["comment"] ?? "")" }
                        == expected
                )
            }
            let metrics = try daemon.control("metrics", session).output
            #expect(metrics.contains("\n6      2   2     2 "))
        }
        // An A/B test, which is a use case of the Python library.
        _ = try daemon.control("metadata", "set", "of python", "variant=B")
        #expect(
            try await python("metadata", "of python", "experiment=prompt_v2")
                == #"{"experiment": "prompt_v2", "variant": "B"}"#
        )
        #expect(try daemon.control("metadata", "get", "of python").output.contains("prompt_v2"))
        #expect(try await python("find", "B", "up") == #"["of python"]"#)
        let groups = try daemon.control("metrics", "--group-by", "metadata:variant").output
        #expect(groups.contains("\nB      6 "))
        #expect(daemon.terminate() == 0)
    }

    @Test(
        "what cannot be used is refused at the start in one line without secrets",
        arguments: [
            (["mongodb://"], "must be mongodb://"),
            (["mongodb://ann:s3cret@host/x?fooBar=s3cret"], "there is no option foobar"),
            (["mongodb://ann:s3/cret@host"], "must be mongodb://"),
            (["mongodb://ann:s3cret@host/?tls=s3cret"], "the option tls has a value"),
            (["mongodb://ann:s3cret@host/?w=1"], "the option w must be majority"),
            (["mongodb://ann:s3cret@host/?journal=false"], "the option journal must be true"),
            (["mongodb://ann:s3cret@a,b/?directConnection=true"], "do not exclude each other"),
            (["mongodb://ann:s3cret@host/?authMechanism=s3"], "authmechanism must be one of"),
            (["mongodb://host/?readConcernLevel=s3"], "readconcernlevel must be one of"),
            (["mongodb://host/?readPreference=s3"], "must be mongodb://"),
            (["mongodb://host/?tls=true&tlsCAFile=/s3"], "the option tlscafile cannot be read"),
            (["mongodb://host", "--mongodb-collection", "a$b"], "the MongoDB collection's name"),
            (["mongodb://host", "--mongodb-collection", ""], "mongodb_collection must be a text"),
            (["mongodb://host", "--mongodb-database", "a b"], "the MongoDB database's name"),
            (["mongo://host"], "the store must be memory:, sqlite:PATH or mongodb://"),
        ]
    )
    func refusedStarts(_ arguments: [String], _ message: String) throws {
        let outcome = try Programs.run(
            Programs.path("feedbackd"),
            ["--socket", folder.path("d.sock"), "--store"] + arguments
        )
        #expect(outcome.code == 1)
        #expect(outcome.errors.contains(message), "\(outcome.errors)")
        #expect(outcome.errors.hasPrefix("feedbackd: "))
        #expect(outcome.errors.split(separator: "\n").count == 1)
        #expect(!outcome.errors.contains("s3"))
        #expect(!FileManager.default.fileExists(atPath: folder.path("d.sock")))
    }

    @Test func wrong_credentials_are_UNAVAILABLE_and_the_log_does_not_tell_them() async throws {
        let uri = try await SharedServer.uri()
        let daemon = try await startDaemon(
            uri.replacingOccurrences(of: "mongodb://", with: "mongodb://ann:s3cret@")
        )
        var options = FeedbackClient.Options()
        options.attemptsMax = 1
        let client = try FeedbackClient(socket: daemon.socket, options: options)
        let error = await #expect(throws: CallError.self) {
            try await client.addFeedback(sessionID: "s")
        }
        #expect(error?.code == .unavailable)
        #expect(error?.message == "MongoDB refused the credentials")
        #expect(try await eventually { try log().contains("MongoDB refused the credentials") })
        #expect(try !log().contains("s3cret"))
        #expect(try log().contains("(store mongodb://127.0.0.1:"))
        #expect(try daemon.control("health").code == 1)
        client.close()
        #expect(daemon.terminate() == 0)
    }

    @Test func starts_before_MongoDB_and_serves_as_soon_as_it_is_there() async throws {
        let server = try await ReplicaSet(members: 1)
        server.members[0].kill()
        let daemon = try await startDaemon(server.uri + "&serverSelectionTimeoutMS=500")
        #expect(try daemon.control("health").output == "NOT_SERVING\n")
        var options = FeedbackClient.Options()
        options.attemptsMax = 1
        let client = try FeedbackClient(socket: daemon.socket, options: options)
        let error = await #expect(throws: CallError.self) {
            try await client.addFeedback(sessionID: "s")
        }
        #expect(error?.code == .unavailable)
        try server.members[0].start()
        #expect(try await eventually { try daemon.control("health").output == "SERVING\n" })
        try await client.addFeedback(sessionID: "s")
        server.members[0].kill()
        #expect(
            try await eventually(within: .seconds(2)) {
                try daemon.control("health").output == "NOT_SERVING\n"
            }
        )
        client.close()
        #expect(daemon.terminate() == 0)
    }
}
