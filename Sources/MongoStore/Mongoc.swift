import CMongoC
import Glibc
import Synchronization

/// libmongoc as a whole.
enum Mongoc {
    private struct Collection {
        let thread: pthread_t
        var warnings: [String] = []
    }

    /// What a thread collects; nil when none does.
    private static let collection = Mutex<Collection?>(nil)
    /// Held by the thread that collects.
    private static let collecting = Mutex<Void>(())

    /// Starts the library, the first time; it lives as long as the process.
    static func start() {
        _ = started
    }

    private static let started: Void = {
        redirectLog
        mongoc_init()
    }()

    /// Keeps libmongoc from printing.
    ///
    /// What it logs may repeat a part of a URI; what matters of it reaches its callers as errors
    /// too.
    private static let redirectLog: Void = mongoc_log_set_handler(
        { _, _, message, _ in
            guard let message else { return }
            Mongoc.collection.withLock { collection in
                guard collection?.thread == pthread_self() else { return }
                collection?.warnings.append(String(cString: message))
            }
        },
        nil
    )

    /// What libmongoc warns of on this thread while the body runs, which must not block.
    static func collectingWarnings<R>(_ body: () -> R) -> (R, [String]) {
        redirectLog
        return collecting.withLock { _ in
            collection.withLock { $0 = Collection(thread: pthread_self()) }
            let result = body()
            return (result, collection.withLock { $0.take()?.warnings ?? [] })
        }
    }
}
