internal import Foundation
internal import TestSupport

/// The one-member replica set that the tests of a process share, each with a database of its own.
public enum SharedServer {
    private static let server = Task { try await ReplicaSet(members: 1) }

    /// The connection string: `FEEDBACKD_TEST_MONGODB_URI`, or that of a server which is started.
    public static func uri() async throws -> String {
        let given = ProcessInfo.processInfo.environment["FEEDBACKD_TEST_MONGODB_URI"]
        if let given, !given.isEmpty { return given }
        return try await server.value.uri
    }

    /// Returns the name of a database that no other test uses.
    public static func newDatabase() -> String { "test-\(UInt64.random(in: 0 ... .max))" }
}
