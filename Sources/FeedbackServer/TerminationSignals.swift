internal import Dispatch
internal import Glibc
internal import Synchronization

/// Waits for SIGTERM or SIGINT, which end the process no more from then on, or for another reason to
/// stop.
final class TerminationSignals: @unchecked Sendable {
    // Unchecked: `sources` is set in init and used in deinit only; `state` has its lock.

    private struct State {
        var received: String?
        var waiter: CheckedContinuation<String, Never>?
    }

    private let state = Mutex(State())
    private let sources: [any DispatchSourceSignal]

    init() {
        let queue = DispatchQueue(label: "feedbackd.signals")
        let names = [(SIGTERM, "SIGTERM"), (SIGINT, "SIGINT")]
        sources = names.map { number, _ in
            signal(number, SIG_IGN)
            return DispatchSource.makeSignalSource(signal: number, queue: queue)
        }
        // A signal that comes before its source is registered would be ignored, and with it the only
        // request to end that a service manager makes.
        let registrations = DispatchGroup()
        for (source, (_, name)) in zip(sources, names) {
            registrations.enter()
            source.setRegistrationHandler { registrations.leave() }
            source.setEventHandler { [weak self] in self?.receive(name) }
            source.activate()
        }
        registrations.wait()
    }

    deinit { for source in sources { source.cancel() } }

    /// The name of the first signal or reason that came, or comes.
    func wait() async -> String {
        await withCheckedContinuation { continuation in
            let received = state.withLock { state in
                if state.received == nil { state.waiter = continuation }
                return state.received
            }
            if let received { continuation.resume(returning: received) }
        }
    }

    /// Takes note of a signal, or of another reason to stop.
    func receive(_ name: String) {
        let waiter = state.withLock { state in
            state.received = state.received ?? name
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume(returning: name)
    }
}

/// Runs the work and tells whether it ended in time.
///
/// Work that did not goes on by itself.
func finishes(within timeout: Duration, _ work: @escaping @Sendable () async -> Void) async -> Bool
{
    let (outcomes, continuation) = AsyncStream.makeStream(of: Bool.self)
    Task {
        await work()
        continuation.yield(true)
    }
    let timer = Task {
        try await Task.sleep(for: timeout)
        continuation.yield(false)
    }
    defer { timer.cancel() }
    for await isDone in outcomes { return isDone }
    return false
}
