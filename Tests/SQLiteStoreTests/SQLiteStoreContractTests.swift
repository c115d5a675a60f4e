import FeedbackCore
import SQLiteStore
import StoreContract
import Testing

struct SQLiteStoreContractTests {
    @Test(arguments: StoreContract.behaviours)
    func keeps_the_contract(_ behaviour: StoreBehaviour) async throws {
        let directory = try TemporaryDirectory()
        try await behaviour.verify { try SQLiteStore(path: directory.file()) }
    }

    @Test(arguments: StoreContract.behaviours)
    func keeps_the_contract_while_it_checkpoints_after_every_commit(
        _ behaviour: StoreBehaviour
    ) async throws {
        let directory = try TemporaryDirectory()
        let limits = SQLiteStoreLimits(readersMax: 1, walPagesBeforeCheckpoint: 1)
        try await behaviour.verify { try SQLiteStore(path: directory.file(), limits: limits) }
    }
}
