import FeedbackCore
import FeedbackModel

/// The adds of a batch to one session that are sent in one update.
struct AppendGroup {
    let session: ExactText
    let missingSession: MissingSessionPolicy
    /// The indexes of the adds in the batch.
    var members: [Int]
    /// An upper bound of the group's size in a bulk write, in bytes.
    var bytes: Int
    /// True if the session is known to exist; otherwise it needs an update of its own.
    var isSeen = false

    private struct Key: Hashable {
        let session: ExactText
        let missingSession: MissingSessionPolicy
    }

    private struct RequestKey: Hashable {
        let group: Key
        let requestID: ExactText
    }

    /// Groups the adds by session, in order.
    ///
    /// `repeats` holds all adds but the first with the same request_id, each with the index of the
    /// first.
    static func groups(
        of appends: [Append],
        bytesMax: Int
    ) -> (groups: [AppendGroup], repeats: [(index: Int, of: Int)]) {
        var groups: [AppendGroup] = []
        var repeats: [(index: Int, of: Int)] = []
        var places: [Key: Int] = [:]
        var first: [RequestKey: Int] = [:]
        places.reserveCapacity(appends.count)
        first.reserveCapacity(appends.count)
        for (index, append) in appends.enumerated() {
            let session = ExactText(append.feedback.sessionID)
            let key = Key(session: session, missingSession: append.missingSession)
            let requestID = ExactText(FeedbackDocument.requestID(of: append.feedback))
            let request = RequestKey(group: key, requestID: requestID)
            if let original = first[request] {
                repeats.append((index, original))
                continue
            }
            first[request] = index
            let bytes = FeedbackDocument.bytes(of: append.feedback)
            if let place = places[key], groups[place].bytes + bytes <= bytesMax {
                groups[place].members.append(index)
                groups[place].bytes += bytes
            } else {
                places[key] = groups.count
                groups.append(
                    AppendGroup(
                        session: session,
                        missingSession: append.missingSession,
                        members: [index],
                        bytes: AppendStatement.bytes(ofSession: session.text) + bytes
                    )
                )
            }
        }
        return (groups, repeats)
    }

    func halves(of appends: [Append]) -> [AppendGroup] {
        let middle = members.count / 2
        return [members[..<middle], members[middle...]].map { members in
            var half = self
            half.members = Array(members)
            half.bytes = members.reduce(AppendStatement.bytes(ofSession: session.text)) {
                $0 + FeedbackDocument.bytes(of: appends[$1].feedback)
            }
            return half
        }
    }
}

/// One update of a bulk write.
struct AppendUpdate {
    /// The groups; if there are several, they are of different sessions and have one add each.
    let groups: [AppendGroup]

    var isShared: Bool { groups.count > 1 }

    /// Returns the updates for the groups.
    ///
    /// A shared update is the first, so that other updates of its sessions follow it.
    static func updates(of groups: [AppendGroup], mayShare: Bool) -> [AppendUpdate] {
        var shared: [AppendGroup] = []
        var others: [AppendUpdate] = []
        var sessions: Set<ExactText> = []
        for group in groups {
            let isFirst = sessions.insert(group.session).inserted
            if mayShare, isFirst, group.isSeen, group.members.count == 1 {
                shared.append(group)
            } else {
                others.append(AppendUpdate(groups: [group]))
            }
        }
        return shared.isEmpty ? others : [AppendUpdate(groups: shared)] + others
    }
}
