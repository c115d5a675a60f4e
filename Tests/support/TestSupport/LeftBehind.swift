internal import Foundation
internal import Synchronization

/// The processes and folders that static values of the tests own, whose `deinit` never runs.
///
/// When the test process exits, the processes are killed, then the folders are removed.
public enum LeftBehind {
    private struct Things {
        var processes: Set<Int32> = []
        var folders: Set<String> = []
    }

    private static let things: Mutex<Things> = {
        atexit {
            let things = LeftBehind.things.withLock { $0 }
            // A process that is no longer a child has ended, and its id may belong to another
            // process.
            for process in things.processes where waitpid(process, nil, WNOHANG) == 0 {
                kill(process, SIGKILL)
                waitpid(process, nil, 0)
            }
            for folder in things.folders { try? FileManager.default.removeItem(atPath: folder) }
        }
        return Mutex(Things())
    }()

    /// Registers a child of this process.
    public static func add(process: Int32) {
        things.withLock { _ = $0.processes.insert(process) }
    }

    /// Unregisters a child that has ended.
    public static func remove(process: Int32) {
        things.withLock { _ = $0.processes.remove(process) }
    }

    /// Registers a folder.
    static func add(folder: String) { things.withLock { _ = $0.folders.insert(folder) } }

    /// Unregisters a folder that has been removed.
    static func remove(folder: String) { things.withLock { _ = $0.folders.remove(folder) } }
}
