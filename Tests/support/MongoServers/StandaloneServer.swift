internal import TestSupport

/// A `mongod` on loopback that belongs to no replica set, in a temporary folder.
public final class StandaloneServer: Sendable {
    private let folder: TemporaryFolder
    private let server: Mongod

    /// Starts the server, which serves a moment later.
    public init() throws {
        let folder = try TemporaryFolder()
        self.folder = folder
        server = try Mongod(folder: folder.path("0"), replicaSet: nil, extraArguments: [])
        try server.start()
    }

    /// The connection string.
    public var uri: String { "mongodb://\(server.address)/" }
}
