internal import CLinux
internal import Dispatch
internal import FeedbackCore
internal import FeedbackModel
internal import Glibc
internal import Synchronization

/// A sink that runs a program for each alert, with the body on its standard input.
///
/// A program that exits with 0 has accepted the alert. A program that runs longer than the timeout
/// is killed with the processes of its group; those that it leaves behind in time go on.
final class CommandSink: AlertSink {
    /// The program's absolute path, followed by its arguments.
    let command: [String]
    let body: AlertBody
    let timeout: Duration
    let kind = "command"
    let concurrency: Int
    /// The queues that run no command now; each waits for one at a time.
    private let idle: Mutex<[DispatchQueue]>

    init(command: [String], body: AlertBody, options: NotificationDestination.Options) {
        self.command = command
        self.body = body
        timeout = options.timeout
        concurrency = options.concurrency ?? 1
        // One more for a test alert beside the deliveries.
        idle = Mutex(
            (0...concurrency).map { DispatchQueue(label: "feedbackd.hooks.command.\($0)") }
        )
    }

    func deliver(_ alert: Alert) async -> DeliveryOutcome {
        guard let queue = idle.withLock({ $0.popLast() }) else {
            return .away("too many commands run", retryDelay: nil)
        }
        let outcome = await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: self.run(alert)) }
        }
        idle.withLock { $0.append(queue) }
        return outcome
    }

    /// Runs the program; blocks until it has ended.
    private func run(_ alert: Alert) -> DeliveryOutcome {
        let ending: ChildProcess.Ending
        do throws(ChildProcess.Failure) {
            let child = try ChildProcess(
                command,
                environment: Self.environment(),
                input: Array(body.text(for: alert).utf8)
            )
            ending = child.wait(timeout: timeout)
        } catch {
            let reason = String(cString: strerror(error.number))
            return .away("the command cannot be started: \(reason)", retryDelay: nil)
        }
        return switch ending {
        case .exited(0): .delivered
        case .exited(let code): .refused("the command exited with \(code)")
        case .ended: .refused("the command was ended by a signal")
        case .timedOut: .timedOut("the command took too long")
        case .unknown: .refused("the command's exit code is not known")
        }
    }

    /// Returns the lines of the environment without the daemon's settings, which may contain
    /// secrets of its store and of other hooks.
    private static func environment() -> [[CChar]] {
        var lines: [[CChar]] = []
        var next = process_environment()
        while let line = next?.pointee {
            if strncmp(line, "FEEDBACKD_", 10) != 0 {
                lines.append(Array(UnsafeBufferPointer(start: line, count: strlen(line) + 1)))
            }
            next = next?.successor()
        }
        return lines
    }
}
