internal import Foundation
internal import TestSupport

@testable internal import MongoStore

/// A MongoDB replica set on loopback, in a temporary folder.
///
/// Elections take about a second, so that tests need not wait for longer.
public final class ReplicaSet: Sendable {
    /// The members, running or not.
    public let members: [Mongod]
    private let folder: TemporaryFolder

    /// Starts a replica set and returns when it has a primary.
    public init(members count: Int, arguments: [String] = []) async throws {
        let folder = try TemporaryFolder()
        self.folder = folder
        members = try (0..<count).map {
            try Mongod(folder: folder.path("\($0)"), extraArguments: arguments)
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
                _ = try Self.run(command, on: members[0].address)
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

    /// What programs connect to.
    public var uri: String {
        "mongodb://\(members.map(\.address).joined(separator: ","))/?replicaSet=tests"
    }

    /// The member that is the primary, as soon as there is one.
    public func primary() async throws -> Mongod {
        var found: Mongod?
        _ = await eventually(within: .seconds(60)) {
            found = members.first { member in
                let reply = try? Self.run(["hello": 1], on: member.address)
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
        // It may close its connections before it answers.
        _ = try? Self.run(["replSetStepDown": 5, "force": true], on: member.address)
    }

    /// Makes the primary answer bulk writes with a `writeConcernError`, though it has done them; nil
    /// ends that.
    public func failWriteConcern(code: Int32?) async throws {
        let mode: BSON = code == nil ? "off" : "alwaysOn"
        let error: BSON = ["code": .int32(code ?? 0), "errmsg": "made by a test"]
        let command: BSONDocument = [
            "configureFailPoint": "failCommand", "mode": mode,
            "data": ["failCommands": ["update"], "writeConcernError": error],
        ]
        _ = try Self.run(command, on: try await primary().address)
    }

    private static func run(_ command: BSONDocument, on address: String) throws -> BSONDocument {
        let uri = try MongoURI(
            "mongodb://\(address)/?directConnection=true&serverSelectionTimeoutMS=2000"
                + "&connectTimeoutMS=1000&socketTimeoutMS=5000"
        )
        return try ClientPool(uri, clientsMax: 1).withClient {
            try $0.run(command, database: "admin")
        }
    }
}
