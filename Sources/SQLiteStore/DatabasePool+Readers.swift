import Dispatch
import GRDB
import Synchronization

extension DatabasePool {
    /// Opens `count` readers, all that the pool may have: later there may be no descriptors left for
    /// them.
    func openReaders(_ count: Int) throws {
        let (opened, allAreOpen) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        let failure = Mutex<(any Error)?>(nil)
        for _ in 0..<count {
            asyncRead { reader in
                do {
                    // The first read opens the log.
                    _ = try Int.fetchOne(reader.get(), sql: "PRAGMA schema_version")
                    opened.signal()
                    // A reader that is not busy would be given to the next read.
                    allAreOpen.wait()
                } catch {
                    failure.withLock { $0 = error }
                    opened.signal()
                }
            }
        }
        for _ in 0..<count { opened.wait() }
        for _ in 0..<count { allAreOpen.signal() }
        if let error = failure.withLock({ $0 }) { throw error }
    }
}
