internal import CoreMetrics
internal import Dispatch
internal import FeedbackCore
internal import FeedbackModel
internal import Logging

/// Takes a rule's alerts from the outbox to a sink, until it is cancelled.
///
/// An alert leaves the outbox when the sink has taken it, so it is delivered at least once. While
/// the receiver is not there it is asked with one alert at a time, at growing intervals.
struct AlertDelivery: Sendable {
    /// How long to wait after failures.
    struct Backoff: Sendable {
        /// After the first failure; doubled with each that follows.
        var first = Duration.seconds(1)
        /// While the receiver is not there.
        var receiverMax = Duration.seconds(15)
        /// Before an alert that the receiver refused is tried again.
        var alertMax = Duration.seconds(300)
        /// The longest that a receiver may ask for.
        var askedMax = Duration.seconds(3_600)

        /// A time between half of the interval and the whole, so that many senders do not come back
        /// at once.
        func interval(failures: Int, max: Duration) -> Duration {
            let whole = min(first * (1 << min(failures, 20)), max)
            return whole * Double.random(in: 0.5...1)
        }
    }

    /// How many alerts are taken from the outbox at once.
    private static let batchMax = 64
    /// How long to wait for a wake-up before looking all the same: alerts may also be queued, or
    /// become due, without one.
    private static let idleMax = Duration.seconds(2)

    let rule: String
    let sink: any AlertSink
    let outbox: any AlertOutbox
    let giveUpAfter: Duration
    let backoff: Backoff
    let instruments: AlertInstruments
    let logger: Logger

    /// - Parameter wakeUp: is signalled when there may be a new alert.
    func run(_ wakeUp: WakeUp) async {
        var receiver = Receiver()
        while !Task.isCancelled {
            do {
                let due = try await outbox.due(of: rule, at: .now, limit: Self.batchMax)
                if due.isEmpty {
                    let next = try await outbox.nextDue(of: rule)
                    let pause = next.map { Duration.milliseconds($0.milliseconds(since: .now)) }
                    await wakeUp.wait(atMost: min(pause ?? Self.idleMax, Self.idleMax))
                    continue
                }
                if receiver.failures > 0 {
                    // Not each has to be tried before it is given up.
                    let tooOld = due.filter { age(of: $0, at: .now) > giveUpAfter }
                    if tooOld.count > 1 {
                        try await settle(
                            tooOld.map {
                                AlertOutcome(id: $0.id, next: .dead(error: receiver.error))
                            }
                        )
                        continue
                    }
                }
                let part = due.prefix(receiver.failures > 0 ? 1 : Self.batchMax)
                guard let pause = try await deliver(part, &receiver) else { continue }
                try await Task.sleep(for: pause)
            } catch is CancellationError {
                return
            } catch {
                // The outbox fails as the store does, which says so itself.
                logger.debug("alerts wait for the store: \(error)", metadata: ["hook": "\(rule)"])
                try? await Task.sleep(for: backoff.receiverMax)
            }
        }
    }

    /// What is known of the receiver.
    private struct Receiver {
        /// How often in a row it was not there.
        var failures = 0
        /// How often in a row it has refused all that it was given.
        var refusals = 0
        var error = ""
    }

    /// Tries all of them and notes what became of each; how long to pause if the receiver is not
    /// there, or wants none of them.
    private func deliver(
        _ due: ArraySlice<QueuedAlert>,
        _ receiver: inout Receiver
    ) async throws -> Duration? {
        var rest = due
        var outcomes: [AlertOutcome] = []
        var pause: Duration?
        while !rest.isEmpty, pause == nil, !Task.isCancelled {
            let part = rest.prefix(sink.deliveriesMax)
            rest = rest.dropFirst(part.count)
            let deliveries = await deliver(part)
            let unavailable = deliveries.lazy.compactMap { delivery -> (String, Duration?)? in
                guard case .unavailable(let error, let retryAfter) = delivery else { return nil }
                return (error, retryAfter)
            }
            if let (error, retryAfter) = unavailable.first {
                let own = backoff.interval(
                    failures: receiver.failures,
                    max: backoff.receiverMax
                )
                pause = max(own, min(retryAfter ?? .zero, backoff.askedMax))
                note("alerts cannot be delivered: \(error)", isFirst: receiver.failures == 0)
                receiver = Receiver(failures: receiver.failures + 1, error: error)
            } else if deliveries.contains(.delivered) {
                if receiver.failures + receiver.refusals > 0 {
                    logger.notice("alerts are delivered again", metadata: ["hook": "\(rule)"])
                }
                receiver = Receiver()
            } else if case .refused(let error)? = deliveries.first {
                pause = backoff.interval(failures: receiver.refusals, max: backoff.receiverMax)
                note("alerts are refused: \(error)", isFirst: receiver.refusals == 0)
                receiver = Receiver(refusals: receiver.refusals + 1)
            }
            for (alert, delivery) in zip(part, deliveries) {
                outcomes.append(outcome(of: alert, delivery, pause: pause))
            }
        }
        try await settle(outcomes)
        return pause
    }

    /// Notes what became of alerts, before any other is tried: those delivered would be so again.
    private func settle(_ outcomes: [AlertOutcome]) async throws {
        var dead = 0
        for outcome in outcomes {
            switch outcome.next {
            case .delivered: instruments.delivered.increment()
            case .retry: instruments.failed.increment()
            case .dead:
                instruments.dead.increment()
                dead += 1
            }
        }
        if dead > 0 {
            logger.warning(
                "\(dead) alerts are given up: see feedbackctl alerts",
                metadata: ["hook": "\(rule)"]
            )
        }
        var failures = 0
        while true {
            do {
                return try await outbox.settle(outcomes)
            } catch {
                let pause = backoff.interval(failures: failures, max: backoff.receiverMax)
                failures += 1
                try await Task.sleep(for: pause)
            }
        }
    }

    private func deliver(_ alerts: ArraySlice<QueuedAlert>) async -> [Delivery] {
        if alerts.count == 1, let alert = alerts.first {
            return [await attempt(alert)]
        }
        return await withTaskGroup(of: (Int, Delivery).self) { group in
            for (index, alert) in zip(alerts.indices, alerts) {
                group.addTask { (index, await attempt(alert)) }
            }
            var deliveries: [Int: Delivery] = [:]
            for await (index, delivery) in group { deliveries[index] = delivery }
            return alerts.indices.compactMap { deliveries[$0] }
        }
    }

    private func attempt(_ alert: QueuedAlert) async -> Delivery {
        let begin = DispatchTime.now()
        let delivery = await sink.deliver(alert.alert)
        let end = DispatchTime.now()
        instruments.time.recordNanoseconds(end.uptimeNanoseconds - begin.uptimeNanoseconds)
        return delivery
    }

    private func outcome(
        of alert: QueuedAlert,
        _ delivery: Delivery,
        pause: Duration?
    ) -> AlertOutcome {
        let now = Timestamp.now
        func failed(_ error: String, _ interval: Duration) -> AlertOutcome {
            let due = now.advanced(byMilliseconds: Int64(interval / .milliseconds(1)))
            let isTooOld = age(of: alert, at: due) > giveUpAfter
            return AlertOutcome(
                id: alert.id,
                next: isTooOld ? .dead(error: error) : .retry(at: due, error: error)
            )
        }
        switch delivery {
        case .delivered: return AlertOutcome(id: alert.id, next: .delivered)
        case .refused(let error):
            return failed(
                error,
                backoff.interval(failures: alert.attempts, max: backoff.alertMax)
            )
        case .unavailable(let error, _): return failed(error, pause ?? .zero)
        }
    }

    private func age(of alert: QueuedAlert, at moment: Timestamp) -> Duration {
        .milliseconds(moment.milliseconds(since: alert.queuedAt))
    }

    private func note(_ trouble: String, isFirst: Bool) {
        let level: Logger.Level = isFirst ? .warning : .debug
        logger.log(level: level, "\(trouble)", metadata: ["hook": "\(rule)"])
    }
}
