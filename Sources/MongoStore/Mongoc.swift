import CMongoC
import Synchronization

/// libmongoc as a whole.
enum Mongoc {
    /// The warnings of the URI that is being read; nil when none is.
    private static let warnings = Mutex<[String]?>(nil)
    /// Held while a URI is being read.
    private static let reading = Mutex<Void>(())

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
            Mongoc.warnings.withLock { $0?.append(String(cString: message)) }
        },
        nil
    )

    /// What libmongoc warns of while the body runs, which must not block.
    static func collectingWarnings<R>(_ body: () -> R) -> (R, [String]) {
        redirectLog
        return reading.withLock { _ in
            warnings.withLock { $0 = [] }
            let result = body()
            return (result, warnings.withLock { $0.take() ?? [] })
        }
    }
}
