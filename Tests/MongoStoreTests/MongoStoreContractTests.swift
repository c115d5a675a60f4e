import FeedbackCore
import Logging
import MongoServers
import MongoStore
import SQLiteStore
import StoreContract
import TestSupport
import Testing

struct MongoStoreContractTests {
    @Test(arguments: StoreContract.behaviours + StoreContract.logging)
    func keeps_the_contract(_ behaviour: StoreBehaviour) async throws {
        try await behaviour.verify { try await TestStore.open() }
    }
}

/// Stores with databases of their own.
enum TestStore {
    /// Opens a store on the server that the tests share; the store serves when this returns.
    static func open(
        database: String = SharedServer.newDatabase(),
        limits: MongoStoreLimits = MongoStoreLimits(),
        logger: Logger = .silent
    ) async throws -> MongoStore {
        try await open(SharedServer.uri(), database: database, limits: limits, logger: logger)
    }

    /// Opens a store on any server; the store serves when this returns.
    static func open(
        _ uri: String,
        database: String = SharedServer.newDatabase(),
        limits: MongoStoreLimits = MongoStoreLimits(),
        logger: Logger = .silent
    ) async throws -> MongoStore {
        let store = try MongoStore(
            uri: MongoURI(uri),
            database: database,
            limits: limits,
            logger: logger
        )
        let deadline = ContinuousClock.now + .seconds(30)
        while await store.health() != .serving {
            guard .now < deadline else { throw NotServing() }
            try await Task.sleep(for: .milliseconds(5))
        }
        return store
    }

    struct NotServing: Error {}
}

extension Logger {
    static var silent: Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }
}
