internal import Dispatch
internal import Logging
internal import Synchronization

/// Bounds the lines of the log that peers can cause.
///
/// The first lines of a kind are logged and the further ones counted, until the interval is over:
/// then a line says how many were left out.
final class LogLimiter: Sendable {
    /// The limit of lines of one kind within an interval.
    static let linesPerIntervalMax = 10

    private struct Kind {
        var end: ContinuousClock.Instant
        var lines = 0
        var leftOut = 0
    }

    private let logger: Logger
    private let interval: Duration
    private let kinds = Mutex<[String: Kind]>([:])

    init(_ logger: Logger, interval: Duration = .seconds(10)) {
        self.logger = logger
        self.interval = interval
    }

    /// Logs a line if its kind has room.
    ///
    /// - Parameters:
    ///   - level: the level of the line.
    ///   - kind: the things that the lines tell of, as a subject of "are left out". There are few
    ///     of them: they do not contain what peers send.
    ///   - message: the line.
    ///   - metadata: what belongs to it.
    /// - Returns: true if the line is logged.
    @discardableResult
    func log(
        _ level: Logger.Level,
        _ kind: String,
        _ message: @autoclosure () -> Logger.Message,
        metadata: Logger.Metadata? = nil
    ) -> Bool {
        guard logger.logLevel <= level else { return false }
        let (hasRoom, isFirstLeftOut) = kinds.withLock { kinds in
            let now = ContinuousClock.now
            var state = kinds[kind] ?? Kind(end: now + interval)
            // An interval with lines that were left out ends when they are told of.
            if state.end <= now, state.leftOut == 0 { state = Kind(end: now + interval) }
            defer { kinds[kind] = state }
            if state.lines < Self.linesPerIntervalMax {
                state.lines += 1
                return (true, false)
            }
            state.leftOut += 1
            return (false, state.leftOut == 1)
        }
        if hasRoom { logger.log(level: level, message(), metadata: metadata) }
        if isFirstLeftOut {
            let seconds = Double(interval.nanoseconds) / 1e9
            DispatchQueue.global().asyncAfter(deadline: .now() + seconds) {
                let leftOut = self.kinds.withLock { $0.removeValue(forKey: kind)?.leftOut ?? 0 }
                self.logger.log(level: level, "\(leftOut) lines are left out: \(kind)")
            }
        }
        return hasRoom
    }
}
