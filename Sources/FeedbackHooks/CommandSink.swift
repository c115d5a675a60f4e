internal import Dispatch
internal import FeedbackModel
internal import Foundation
internal import Synchronization

/// A sink that runs a program for each alert, with the body on its standard input.
///
/// A program that exits with 0 has accepted the alert. A program that runs longer than the timeout
/// is killed.
struct CommandSink: AlertSink {
    /// The program's absolute path, followed by its arguments.
    let command: [String]
    let body: AlertBody
    let timeout: Duration

    var deliveriesMax: Int { 1 }

    func deliver(_ alert: Alert) async -> Delivery {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: command[0])
        process.arguments = Array(command.dropFirst())
        // The daemon's settings may contain secrets of its store and of other hooks.
        process.environment = ProcessInfo.processInfo.environment.filter {
            !$0.key.hasPrefix("FEEDBACKD_")
        }
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        let input: FileHandle
        do {
            input = try Self.unnamedFile(holding: Data(body.text(for: alert).utf8))
        } catch {
            return .unavailable("the alert cannot be passed to the command", retryDelay: nil)
        }
        process.standardInput = input
        let wasKilled = Atomic(false)
        let status: Int32? = await withCheckedContinuation { continuation in
            process.terminationHandler = { process in
                let isExit = process.terminationReason == .exit
                continuation.resume(returning: isExit ? process.terminationStatus : -1)
            }
            do {
                try process.run()
            } catch {
                process.terminationHandler = nil
                continuation.resume(returning: nil)
                return
            }
            // The child process has its own descriptor now.
            try? input.close()
            let id = process.processIdentifier
            Self.timers.asyncAfter(deadline: .now() + timeout / .seconds(1)) { [weak process] in
                guard let process, process.isRunning else { return }
                wasKilled.store(true, ordering: .relaxed)
                // The signal goes to the process group, if the program leads one, and so to its
                // children.
                kill(getpgid(id) == id ? -id : id, SIGKILL)
            }
        }
        if status == 0 { return .delivered }
        let error =
            if wasKilled.load(ordering: .relaxed) {
                "the command took too long"
            } else if let status {
                status < 0
                    ? "the command was ended by a signal" : "the command exited with \(status)"
            } else {
                "the command cannot be started"
            }
        return .unavailable(error, retryDelay: nil)
    }

    private static let timers = DispatchQueue(label: "feedbackd.hooks.command")

    /// Returns an unlinked temporary file with the data.
    ///
    /// A pipe would block the writer if the program does not read it.
    private static func unnamedFile(holding data: Data) throws -> FileHandle {
        var path = Array("\(NSTemporaryDirectory())/feedbackd-alert-XXXXXX".utf8CString)
        let descriptor = mkstemp(&path)
        guard descriptor >= 0 else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
        unlink(path)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        try file.write(contentsOf: data)
        try file.seek(toOffset: 0)
        return file
    }
}
