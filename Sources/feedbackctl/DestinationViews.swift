internal import FeedbackClient

// What commands show of destinations and deliveries; JSON has the field names of the proto files.

extension Table {
    /// Makes a table of destinations.
    init(_ destinations: [DestinationStatus]) {
        self.init([
            "NAME", "KIND", "POSITION", "BEHIND", "RETRYING", "DEAD", "SKIPPED", "STATE",
            "LAST ERROR",
        ])
        for destination in destinations {
            add([
                destination.name, destination.kind, destination.position.text,
                destination.behind, "\(destination.retryingCount)", "\(destination.deadCount)",
                "\(destination.skippedCount)", destination.state, destination.lastError,
            ])
        }
    }
}

extension DestinationStatus {
    /// The number of changes behind, with the age of the first of them.
    fileprivate var behind: String {
        changesBehind == 0 ? "0" : "\(changesBehind) (\(secondsBehind) s)"
    }

    /// The state for people: `paused`, the time of the next attempt if it does not answer, or
    /// `running`.
    fileprivate var state: String {
        if isPaused { return "paused" }
        return nextAttemptAt.map { "away until \($0)" } ?? "running"
    }

    /// The destination as JSON.
    var jsonView: MetadataValue {
        .object([
            "name": .string(name), "kind": .string(kind), "position": .string(position.text),
            "behind_changes": .number(Double(changesBehind)),
            "behind_seconds": .number(Double(secondsBehind)),
            "retrying": .number(Double(retryingCount)), "dead": .number(Double(deadCount)),
            "skipped": .number(Double(skippedCount)), "last_error": .string(lastError),
            "paused": .bool(isPaused), "next_attempt_at": MetadataValue(nextAttemptAt),
        ])
    }
}

extension Delivery {
    /// The delivery as JSON.
    var jsonView: MetadataValue {
        var fields: Metadata = [
            "delivery_id": .string(id), "destination": .string(destination),
            "feedback_id": .string(feedbackID?.description ?? ""),
            "session_id": .string(sessionID),
            "state": .string(state == .dead ? "dead" : "retrying"),
            "attempts": .number(Double(attempts)),
            "first_attempt_at": MetadataValue(firstAttemptAt),
            "next_attempt_at": MetadataValue(nextAttemptAt), "last_error": .string(lastError),
        ]
        if let feedback { fields["feedback"] = feedback.jsonView }
        return .object(fields)
    }
}

extension ServerStatus {
    /// The status as JSON.
    var jsonView: MetadataValue {
        .object([
            "version": .string(version), "started_at": MetadataValue(startedAt),
            "store": .string(store), "position": .string(position?.text ?? ""),
            "destinations": .list(destinations.map(\.jsonView)),
            "unreplicated": .number(Double(unreplicatedCount)),
            "unreplicated_since": MetadataValue(unreplicatedSince),
        ])
    }
}

extension MetadataValue {
    /// Makes the text of a time; null if there is none.
    fileprivate init(_ time: Timestamp?) { self = time.map { .string("\($0)") } ?? .null }
}
