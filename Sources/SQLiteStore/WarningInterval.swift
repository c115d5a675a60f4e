internal import Synchronization

/// The least time between two warnings about the same thing, so that a fault which stays does not
/// fill the log.
final class WarningInterval: Sendable {
    private let interval: Duration
    private let last = Mutex<ContinuousClock.Instant?>(nil)

    init(_ interval: Duration = .seconds(60)) {
        self.interval = interval
    }

    /// Returns true if the caller is to warn now.
    func isDue() -> Bool {
        last.withLock { last in
            if let last, .now - last < interval { return false }
            last = .now
            return true
        }
    }

    /// Lets the next warning be due at once; returns true if there has been one before.
    func reset() -> Bool {
        last.withLock { last in
            defer { last = nil }
            return last != nil
        }
    }
}
