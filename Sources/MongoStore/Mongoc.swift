import CMongoC
import Glibc
import Synchronization

/// The global state of libmongoc.
enum Mongoc {
    private struct Collection {
        let thread: pthread_t
        var warnings: [String] = []
    }

    /// The warnings of the collecting thread; nil if no thread collects.
    private static let collection = Mutex<Collection?>(nil)
    /// The lock held by the thread that collects.
    private static let collecting = Mutex<Void>(())

    /// Initializes the library on the first call; it is never cleaned up.
    static func start() {
        _ = started
    }

    private static let started: Void = {
        redirectLog
        mongoc_init()
    }()

    /// Prevents libmongoc from printing its log.
    ///
    /// Its messages may contain parts of a URI; everything important is also reported to callers as
    /// errors.
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

    /// Returns the warnings that libmongoc logs on this thread while the body runs; the body must
    /// not block.
    static func collectingWarnings<R>(_ body: () -> R) -> (R, [String]) {
        redirectLog
        return collecting.withLock { _ in
            collection.withLock { $0 = Collection(thread: pthread_self()) }
            let result = body()
            return (result, collection.withLock { $0.take()?.warnings ?? [] })
        }
    }
}
