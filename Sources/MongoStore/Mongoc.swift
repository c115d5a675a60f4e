import CMongoC
import Glibc
import Synchronization

/// The global state of libmongoc.
enum Mongoc {
    private struct WarningRecording {
        let thread: pthread_t
        var warnings: [String] = []
    }

    /// The warnings of the thread that records; nil if none does.
    private static let recording = Mutex<WarningRecording?>(nil)
    /// The lock held by the thread that records.
    private static let recordingLock = Mutex<Void>(())

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
            Mongoc.recording.withLock { recording in
                guard recording?.thread == pthread_self() else { return }
                recording?.warnings.append(String(cString: message))
            }
        },
        nil
    )

    /// Returns the warnings that libmongoc logs on this thread while the body runs; the body must
    /// not block.
    static func recordingWarnings<R>(_ body: () -> R) -> (R, [String]) {
        redirectLog
        return recordingLock.withLock { _ in
            recording.withLock { $0 = WarningRecording(thread: pthread_self()) }
            let result = body()
            return (result, recording.withLock { $0.take()?.warnings ?? [] })
        }
    }
}
