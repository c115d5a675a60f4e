internal import CoreMetrics
internal import Dispatch
internal import FeedbackCore
internal import FeedbackModel
internal import Logging

/// Delivers a rule's alerts from the outbox to a sink, until its task is cancelled.
///
/// An alert leaves the outbox after the sink has accepted it: delivery is at least once. While the
/// receiver is unavailable, it is tried with one alert at a time, with backoff.
struct AlertDelivery: Sendable {
    /// The intervals between attempts.
    struct Backoff: Sendable {
        /// The interval after the first failure; it doubles with each further failure.
        var first = Duration.seconds(1)
        /// The longest interval while the receiver is unavailable.
        var receiverMax = Duration.seconds(15)
        /// The longest interval before an alert that the receiver refused is tried again.
        var alertMax = Duration.seconds(300)
        /// The longest interval that a receiver may request.
        var askedMax = Duration.seconds(3_600)

        /// Returns a random time between half of the interval and the whole (jitter), so that many
        /// senders do not return at once.
        func interval(failures: Int, max: Duration) -> Duration {
            let whole = min(first * (1 << min(failures, 20)), max)
            return whole * Double.random(in: 0.5...1)
        }
    }

    /// The maximum number of alerts that are taken from the outbox at once.
    private static let batchMax = 64
    /// The longest wait for a wakeup; alerts may also be queued, or become due, without one.
    private static let idleMax = Duration.seconds(2)

    let rule: String
    let sink: any AlertSink
    let outbox: any AlertOutbox
    let giveUpAfter: Duration
    let backoff: Backoff
    let instruments: AlertInstruments
    let logger: Logger

    /// Delivers alerts until the task is cancelled.
    ///
    /// - Parameter wakeup: is signalled when there may be a new alert.
    func run(_ wakeup: Wakeup) async {
        var receiver = Receiver()
        while !Task.isCancelled {
            do {
                let due = try await outbox.due(of: rule, at: .now, limit: Self.batchMax)
                if due.isEmpty {
                    let next = try await outbox.nextDue(of: rule)
                    let pause = next.map { Duration.milliseconds($0.milliseconds(since: .now)) }
                    await wakeup.wait(atMost: min(pause ?? Self.idleMax, Self.idleMax))
                    continue
                }
                if receiver.failures > 0 {
                    // Expired alerts become dead letters without one more attempt each.
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
                // The outbox fails for the reasons of the store, which logs them itself.
                logger.debug("alerts wait for the store: \(error)", metadata: ["hook": "\(rule)"])
                try? await Task.sleep(for: backoff.receiverMax)
            }
        }
    }

    /// The failures of the receiver since its last success.
    private struct Receiver {
        /// The number of consecutive attempts for which the receiver was unavailable.
        var failures = 0
        /// The number of consecutive attempts in which the receiver refused all alerts.
        var refusals = 0
        var error = ""
    }

    /// Attempts to deliver the alerts and records the outcomes.
    ///
    /// Returns the time to wait before the next attempt if the receiver is unavailable, or refuses
    /// all alerts; nil otherwise.
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
                guard case .unavailable(let error, let retryDelay) = delivery else { return nil }
                return (error, retryDelay)
            }
            if let (error, retryDelay) = unavailable.first {
                let own = backoff.interval(
                    failures: receiver.failures,
                    max: backoff.receiverMax
                )
                pause = max(own, min(retryDelay ?? .zero, backoff.askedMax))
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

    /// Records the outcomes, retrying until the outbox accepts them: an alert that was delivered
    /// would otherwise be delivered again.
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

    private func deliver(_ alerts: ArraySlice<QueuedAlert>) async -> [DeliveryOutcome] {
        if alerts.count == 1, let alert = alerts.first {
            return [await attempt(alert)]
        }
        return await withTaskGroup(of: (Int, DeliveryOutcome).self) { group in
            for (index, alert) in zip(alerts.indices, alerts) {
                group.addTask { (index, await attempt(alert)) }
            }
            var deliveries: [Int: DeliveryOutcome] = [:]
            for await (index, delivery) in group { deliveries[index] = delivery }
            return alerts.indices.compactMap { deliveries[$0] }
        }
    }

    private func attempt(_ alert: QueuedAlert) async -> DeliveryOutcome {
        let begin = DispatchTime.now()
        let delivery = await sink.deliver(alert.alert)
        let end = DispatchTime.now()
        instruments.time.recordNanoseconds(end.uptimeNanoseconds - begin.uptimeNanoseconds)
        return delivery
    }

    private func outcome(
        of alert: QueuedAlert,
        _ delivery: DeliveryOutcome,
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
