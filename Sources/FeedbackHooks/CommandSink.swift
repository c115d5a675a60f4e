internal import CLinux
internal import Dispatch
internal import FeedbackModel
internal import Glibc

/// A sink that runs a program for each alert, with the body on its standard input.
///
/// A program that exits with 0 has accepted the alert. A program that runs longer than the timeout
/// is killed with the processes of its group; those that it leaves behind in time go on.
struct CommandSink: AlertSink {
    /// The program's absolute path, followed by its arguments.
    let command: [String]
    let body: AlertBody
    let timeout: Duration
    private let queue = DispatchQueue(label: "feedbackd.hooks.command")

    init(command: [String], body: AlertBody, timeout: Duration) {
        self.command = command
        self.body = body
        self.timeout = timeout
    }

    var deliveriesMax: Int { 1 }

    func deliver(_ alert: Alert) async -> DeliveryOutcome {
        await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: run(alert)) }
        }
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
            return .unavailable("the command cannot be started: \(reason)", retryDelay: nil)
        }
        let error =
            switch ending {
            case .exited(0): ""
            case .exited(let code): "the command exited with \(code)"
            case .ended: "the command was ended by a signal"
            case .timedOut: "the command took too long"
            case .unknown: "the command's exit code is not known"
            }
        return error.isEmpty ? .delivered : .unavailable(error, retryDelay: nil)
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
