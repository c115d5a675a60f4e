import FeedbackModel

/// A change in the stream of changes.
struct StreamChange: Sendable {
    let place: StreamPlace
    let kind: FeedbackChange.Kind
    let feedback: Feedback
}

/// The end of a stream: the collection was dropped or renamed at that moment.
struct StreamEnd: Error {
    let time: ClusterTime

    /// The error for the readers.
    var error: CallError { .gone("of a collection that was dropped or renamed") }
}

/// Reads the changes after a place from a change stream of its own, on one thread.
///
/// The number of a change follows from its event alone, so that another reader finds the same
/// change at the same place.
final class ChangeStreamReader {
    /// The place up to which all changes have been returned.
    private(set) var place: StreamPlace
    private let start: StreamPlace
    private let collection: MongoCollection
    private let stream: ChangeStream

    /// Opens a stream; see ``ChangeStream/init(on:from:wait:batchMax:)``.
    init(
        on collection: MongoCollection,
        after start: StreamPlace,
        wait: Duration,
        batchMax: Int = .max
    ) {
        self.collection = collection
        self.start = start
        place = StreamPlace(time: start.time, number: 0)
        stream = ChangeStream(on: collection, from: start.time, wait: wait, batchMax: batchMax)
    }

    /// Returns the changes of the next event, perhaps none; nil if no event came within the wait.
    ///
    /// - Throws: ``StreamEnd``; OUT_OF_RANGE if the stream does not have the change at which the
    ///   reader begins; the failures of MongoDB.
    func next() throws -> [StreamChange]? {
        guard let document = try stream.next() else {
            if let time = stream.time { try advance(to: time) }
            return nil
        }
        guard let event = ChangeEvent(document) else { return [] }
        if event.isEnd { throw StreamEnd(time: event.time) }
        try advance(to: event.time)
        var looked: [Int: (BSON, BSON?)]?
        var changes: [StreamChange] = []
        for element in event.elements {
            place.number += 1
            if place <= start { continue }
            var (value, createdAt) = (element.value, element.createdAt)
            if value == nil {
                if looked == nil { looked = try lookUp(event) }
                (value, createdAt) = looked?[element.index] ?? (.null, .none)
            }
            // An element that is not a document, or no longer there, is no feedback.
            guard let document = value?.document else { continue }
            changes.append(
                StreamChange(
                    place: place,
                    kind: element.value == nil ? .updated : .added,
                    feedback: FeedbackDocument.feedback(
                        document,
                        sessionID: event.sessionID,
                        createdAt: createdAt
                    )
                )
            )
        }
        return changes
    }

    private func advance(to time: ClusterTime) throws(CallError) {
        guard time > place.time else { return }
        // The changes up to the start must be there; if not, this is the history of another
        // deployment, or of this one before it was restored.
        if place < start, place.time == start.time {
            throw .gone("of another deployment, or of this one before it was restored")
        }
        place = StreamPlace(time: time, number: 0)
    }

    /// Reads the elements that the event's write has changed in place, as they are now.
    private func lookUp(_ event: ChangeEvent) throws -> [Int: (BSON, BSON?)] {
        let indexes = event.elements.lazy.filter { $0.value == nil }
            .map { BSON.int64(Int64($0.index)) }
        let element: BSON = ["$arrayElemAt": ["$feedbacks", "$$index"]]
        let row: BSON = [
            "$let": [
                "vars": ["element": element],
                "in": ["i": "$$index", "v": "$$element", "at": Pipeline.created("$$element")],
            ]
        ]
        let rows: BSON = ["$map": ["input": .array(Array(indexes)), "as": "index", "in": row]]
        let pipeline: [BSON] = [
            ["$match": ["_id": .string(event.sessionID)]],
            ["$set": ["feedbacks": Pipeline.feedbacks]],
            ["$project": ["rows": rows]],
        ]
        var found: [Int: (BSON, BSON?)] = [:]
        try collection.aggregate(
            pipeline,
            options: [
                "readConcern": ["level": "majority", "afterClusterTime": .timestamp(event.time)]
            ]
        ) { document, _ in
            for row in document["rows"]?.array ?? [] {
                guard let row = row.document, let index = row["i"]?.integer, let value = row["v"]
                else { continue }
                found[Int(index)] = (value, row["at"])
            }
            return true
        }
        return found
    }
}
