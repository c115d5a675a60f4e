import FeedbackCore
import StoreContract
import Testing

struct MemoryStoreTests {
    @Test(
        arguments:
            StoreContract.behaviours + StoreContract.logging + StoreContract.numbering
            + StoreContract.cursors
    )
    func keeps_the_contract(_ behaviour: StoreBehaviour) async throws {
        try await behaviour.verify { MemoryStore() }
    }
}
