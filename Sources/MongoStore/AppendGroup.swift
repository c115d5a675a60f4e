import FeedbackCore
import FeedbackModel

/// The appends of a batch to one session that are sent in one update.
struct AppendGroup {
    let session: ExactText
    let missingSession: MissingSessionPolicy
    /// Indexes of appends.
    var members: [Int]
    /// At most how many bytes of a bulk write it takes.
    var bytes: Int
    /// Whether the session was there when somebody looked last; else it needs an update of its own.
    var isSeen = false
    /// Whether some of it may be stored already.
    var isSent = false
    /// How often it was looked up.
    var lookUps = 0

    private struct Key: Hashable {
        let session: ExactText
        let missingSession: MissingSessionPolicy
    }

    private struct RequestKey: Hashable {
        let group: Key
        let requestID: ExactText
    }

    /// Groups the appends, each session's in order.
    ///
    /// `repeats` are of the appends with the same request_id all but the first, with the first.
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
    /// If there are several, they are of different sessions and have one append each.
    let groups: [AppendGroup]

    var isShared: Bool { groups.count > 1 }

    /// The updates that carry the groups.
    ///
    /// A shared one comes first, so that what else goes to one of its sessions comes after it.
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
