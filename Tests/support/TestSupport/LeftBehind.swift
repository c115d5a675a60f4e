internal import Foundation
internal import Synchronization

/// What the end of a test process would leave behind: what its static values own, whose `deinit`
/// never runs.
///
/// At exit the processes are ended, then the folders are removed.
public enum LeftBehind {
    private struct Things {
        var processes: Set<Int32> = []
        var folders: Set<String> = []
    }

    private static let things: Mutex<Things> = {
        atexit {
            let things = LeftBehind.things.withLock { $0 }
            // What is no child any more has ended, and its number may be another's.
            for process in things.processes where waitpid(process, nil, WNOHANG) == 0 {
                kill(process, SIGKILL)
                waitpid(process, nil, 0)
            }
            for folder in things.folders { try? FileManager.default.removeItem(atPath: folder) }
        }
        return Mutex(Things())
    }()

    /// Takes a child of this process in.
    public static func add(process: Int32) {
        things.withLock { _ = $0.processes.insert(process) }
    }

    /// Forgets a child that has ended.
    public static func remove(process: Int32) {
        things.withLock { _ = $0.processes.remove(process) }
    }

    /// Takes a folder in.
    static func add(folder: String) { things.withLock { _ = $0.folders.insert(folder) } }

    /// Forgets a folder that is gone.
    static func remove(folder: String) { things.withLock { _ = $0.folders.remove(folder) } }
}
