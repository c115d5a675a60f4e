internal import Foundation
internal import TestSupport

@testable internal import MongoStore

/// A MongoDB replica set on loopback, in a temporary folder.
///
/// Elections take about a second, so that tests do not wait long.
public final class ReplicaSet: Sendable {
    /// The members, running or not.
    public let members: [Mongod]
    private let folder: TemporaryFolder
    private let options: String

    /// Starts a replica set and returns when it has a primary.
    ///
    /// - Parameters:
    ///   - count: the number of members.
    ///   - oplogMegabytes: the size of each member's oplog.
    ///   - arguments: further arguments of each mongod.
    ///   - options: URI options with which one can connect, each after a `&`.
    /// - Throws: the error that keeps it from starting, or from having a primary within a minute.
    public init(
        members count: Int,
        oplogMegabytes: Int = 64,
        arguments: [String] = [],
        options: String = ""
    ) async throws {
        let folder = try TemporaryFolder()
        self.folder = folder
        self.options = options
        members = try (0..<count).map {
            try Mongod(
                folder: folder.path("\($0)"),
                oplogMegabytes: oplogMegabytes,
                extraArguments: arguments
            )
        }
        for member in members { try member.start() }
        let list = members.enumerated().map { index, member -> BSON in
            ["_id": .int32(Int32(index)), "host": .string(member.address)]
        }
        let command: BSONDocument = [
            "replSetInitiate": [
                "_id": "tests",
                "members": .array(list),
                "settings": ["electionTimeoutMillis": 1_000, "heartbeatIntervalMillis": 200],
            ]
        ]
        var failure: (any Error)?
        let isInitiated = await eventually(within: .seconds(60)) {
            do {
                _ = try run(command, on: members[0])
                return true
            } catch {
                failure = error
                return false
            }
        }
        guard isInitiated else {
            throw ServerFailure("the replica set was not made: \(failure.map { "\($0)" } ?? "")")
        }
        _ = try await primary()
    }

    /// The connection string of the replica set.
    public var uri: String {
        "mongodb://\(members.map(\.address).joined(separator: ","))/?replicaSet=tests"
    }

    /// Returns the member that is the primary, as soon as there is one.
    public func primary() async throws -> Mongod {
        var found: Mongod?
        _ = await eventually(within: .seconds(60)) {
            found = members.first { member in
                let reply = try? run(["hello": 1], on: member)
                guard case .bool(true)? = reply?["isWritablePrimary"] else { return false }
                return true
            }
            return found != nil
        }
        guard let found else { throw ServerFailure("the replica set has no primary") }
        return found
    }

    /// Makes the primary step down.
    public func stepDown() async throws {
        let member = try await primary()
        // The primary may close its connections before it answers.
        _ = try? run(["replSetStepDown": 5, "force": true], on: member)
    }

    /// Makes the primary answer bulk writes with a `writeConcernError` although it has done them;
    /// nil ends that.
    public func failWriteConcern(code: Int32?) async throws {
        let mode: BSON = code == nil ? "off" : "alwaysOn"
        let error: BSON = ["code": .int32(code ?? 0), "errmsg": "made by a test"]
        let command: BSONDocument = [
            "configureFailPoint": "failCommand", "mode": mode,
            "data": ["failCommands": ["update"], "writeConcernError": error],
        ]
        _ = try run(command, on: try await primary())
    }

    /// Creates the first user, who may read and write; servers with `--keyFile` allow that to
    /// anyone on the same machine.
    public func addUser(_ name: String, password: String) async throws {
        let role: BSON = ["role": "readWriteAnyDatabase", "db": "admin"]
        let command: BSONDocument = [
            "createUser": .string(name), "pwd": .string(password), "roles": [role],
        ]
        _ = try run(command, on: try await primary())
    }

    private func run(_ command: BSONDocument, on member: Mongod) throws -> BSONDocument {
        let uri = try MongoURI(
            "mongodb://\(member.address)/?directConnection=true&serverSelectionTimeoutMS=2000"
                + "&connectTimeoutMS=1000&socketTimeoutMS=5000" + options
        )
        return try ClientPool(uri, clientsMax: 1).withClient {
            try $0.run(command, database: "admin")
        }
    }
}
