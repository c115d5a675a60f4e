import FeedbackCore
import SQLiteStore
import StoreContract
import TestSupport
import Testing

struct SQLiteStoreContractTests {
    @Test(
        arguments:
            StoreContract.behaviours + StoreContract.logging + StoreContract.numbering
            + StoreContract.cursors
    )
    func keeps_the_contract(_ behaviour: StoreBehaviour) async throws {
        let folder = try TemporaryFolder()
        try await behaviour.verify { try SQLiteStore(path: folder.databasePath) }
    }

    @Test(
        arguments:
            StoreContract.behaviours + StoreContract.logging + StoreContract.numbering
            + StoreContract.cursors
    )
    func keeps_the_contract_while_it_checkpoints_after_every_commit(
        _ behaviour: StoreBehaviour
    ) async throws {
        let folder = try TemporaryFolder()
        let limits = SQLiteStoreLimits(readersMax: 1, walBytesBeforeCheckpoint: 1)
        try await behaviour.verify { try SQLiteStore(path: folder.databasePath, limits: limits) }
    }
}
