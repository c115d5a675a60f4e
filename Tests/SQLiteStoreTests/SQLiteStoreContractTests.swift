import FeedbackCore
import Logging
import SQLiteStore
import StoreContract
import TestSupport
import Testing

struct SQLiteStoreContractTests {
    @Test(arguments: StoreContract.behaviours + StoreContract.logging + StoreContract.alerting)
    func keeps_the_contract(_ behaviour: StoreBehaviour) async throws {
        let folder = try TemporaryFolder()
        try await behaviour.verify { try SQLiteStore(path: folder.databasePath) }
    }

    @Test(arguments: StoreContract.behaviours + StoreContract.logging + StoreContract.alerting)
    func keeps_the_contract_while_it_checkpoints_after_every_commit(
        _ behaviour: StoreBehaviour
    ) async throws {
        let folder = try TemporaryFolder()
        let limits = SQLiteStoreLimits(readersMax: 1, walBytesBeforeCheckpoint: 1)
        try await behaviour.verify { try SQLiteStore(path: folder.databasePath, limits: limits) }
    }

    @Test(arguments: StoreContract.behaviours + StoreContract.alerting)
    func keeps_the_contract_with_the_alerts_in_a_file_beside_the_store(
        _ behaviour: StoreBehaviour
    ) async throws {
        let folder = try TemporaryFolder()
        try await behaviour.verify {
            let store = AlertFileStore(
                MemoryStore(),
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            ) { folder.path("alerts.db") }
            try store.open()
            return store
        }
    }
}
