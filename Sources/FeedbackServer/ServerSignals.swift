internal import Dispatch
internal import Glibc
internal import Synchronization

/// Receives SIGTERM, SIGINT and SIGHUP, which no longer end the process.
final class ServerSignals: @unchecked Sendable {
    // Unchecked Sendable: `sources` is set in init and used in deinit only; a lock guards `state`.

    enum Event: Sendable {
        /// The server must stop, because of the named signal or for the given reason.
        case stop(String)
        case hangup
    }

    private struct State {
        var stop: String?
        var isHungUp = false
        var waiter: CheckedContinuation<Event, Never>?

        /// Returns the next event: a stop precedes everything else, and several hangups in a row
        /// are one.
        mutating func next() -> Event? {
            if let stop { return .stop(stop) }
            defer { isHungUp = false }
            return isHungUp ? .hangup : nil
        }
    }

    private let state = Mutex(State())
    private let sources: [any DispatchSourceSignal]

    /// Begins to receive the signals.
    ///
    /// - Parameter hangups: true to receive SIGHUP; otherwise it ends the process.
    init(hangups: Bool) {
        let queue = DispatchQueue(label: "feedbackd.signals")
        let names = [(SIGTERM, "SIGTERM"), (SIGINT, "SIGINT")] + (hangups ? [(SIGHUP, "")] : [])
        sources = names.map { number, _ in
            signal(number, SIG_IGN)
            return DispatchSource.makeSignalSource(signal: number, queue: queue)
        }
        // A signal that arrives before its source is registered is ignored; it might be the only
        // stop request that the service manager sends.
        let registrations = DispatchGroup()
        for (source, (number, name)) in zip(sources, names) {
            registrations.enter()
            source.setRegistrationHandler { registrations.leave() }
            source.setEventHandler { [weak self] in
                self?.receive { state in
                    if number == SIGHUP { state.isHungUp = true } else { state.stop = name }
                }
            }
            source.activate()
        }
        registrations.wait()
    }

    deinit { for source in sources { source.cancel() } }

    /// Returns the next event, waiting for it if none has occurred since the last call.
    func next() async -> Event {
        await withCheckedContinuation { continuation in
            let event = state.withLock { state in
                let event = state.next()
                if event == nil { state.waiter = continuation }
                return event
            }
            if let event { continuation.resume(returning: event) }
        }
    }

    /// Requests a stop for another reason than a signal.
    func stop(_ reason: String) { receive { $0.stop = $0.stop ?? reason } }

    private func receive(_ note: (inout State) -> Void) {
        let resumption = state.withLock { state -> (CheckedContinuation<Event, Never>, Event)? in
            note(&state)
            guard let waiter = state.waiter, let event = state.next() else { return nil }
            state.waiter = nil
            return (waiter, event)
        }
        if let (waiter, event) = resumption { waiter.resume(returning: event) }
    }
}

/// Runs the work and returns true if it ended within the timeout.
///
/// Work that did not end continues in the background.
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
