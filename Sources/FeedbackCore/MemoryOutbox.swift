package import FeedbackModel
internal import Synchronization

/// An outbox that keeps its queues in memory.
package final class MemoryOutbox: AlertOutbox {
    private struct State {
        var alerts: [QueuedAlert] = []
        var lastID: Int64 = 0
    }

    private let state = Mutex(State())

    /// Makes an empty outbox.
    package init() {}

    /// Queues an alert that is due at once; does nothing for nil.
    func queue(_ alert: Alert?) {
        guard let alert else { return }
        state.withLock { state in
            state.lastID += 1
            let due = QueuedAlert.State.pending(due: alert.createdAt)
            state.alerts.append(
                QueuedAlert(id: state.lastID, alert: alert, state: due, queuedAt: alert.createdAt)
            )
        }
    }

    package func due(of rule: String, at now: Timestamp, limit: Int) async throws -> [QueuedAlert] {
        let due = pending(of: rule).filter { $0.due <= now }.sorted { $0.due < $1.due }
        return due.prefix(limit).map(\.alert)
    }

    package func nextDue(of rule: String) async throws -> Timestamp? {
        pending(of: rule).map(\.due).min()
    }

    package func settle(_ outcomes: [AlertOutcome]) async throws {
        state.withLock { state in
            for outcome in outcomes {
                let index = state.alerts.firstIndex { $0.id == outcome.id }
                guard let index else { continue }
                switch outcome.next {
                case .delivered:
                    state.alerts.remove(at: index)
                    continue
                case .retry(let moment, let error):
                    state.alerts[index].state = .pending(due: moment)
                    state.alerts[index].lastError = error
                case .dead(let error):
                    state.alerts[index].state = .dead
                    state.alerts[index].lastError = error
                }
                state.alerts[index].attempts += 1
            }
        }
    }

    package func list(
        dead: Bool,
        after id: Int64,
        limit: Int
    ) async throws -> (alerts: [QueuedAlert], totalSize: Int64) {
        let alerts = state.withLock { $0.alerts }.filter { ($0.state == .dead) == dead }
        return (Array(alerts.filter { $0.id > id }.prefix(limit)), Int64(alerts.count))
    }

    package func retry(_ ids: [Int64], at now: Timestamp) async throws -> Int {
        state.withLock { state in
            var count = 0
            for index in state.alerts.indices where state.alerts[index].state == .dead {
                guard ids.isEmpty || ids.contains(state.alerts[index].id) else { continue }
                state.alerts[index].state = .pending(due: now)
                state.alerts[index].queuedAt = now
                state.alerts[index].attempts = 0
                count += 1
            }
            return count
        }
    }

    private func pending(of rule: String) -> [(alert: QueuedAlert, due: Timestamp)] {
        state.withLock { $0.alerts }.compactMap { alert in
            guard ExactText(alert.alert.rule) == ExactText(rule),
                case .pending(let due) = alert.state
            else { return nil }
            return (alert, due)
        }
    }
}
