import FeedbackModel

/// An event of a change stream, as ``pipeline`` prepares it: what one write has done to the feedback
/// of a session.
///
/// Writes that add to the array are told with the elements that they add. One that replaces the
/// array or the document, as also the first add to an empty array and `$pull` are reported, is told
/// with all elements that are there after it. One that changes an element in place is told without
/// its content. What a write has removed is not told.
struct ChangeEvent {
    /// A change of one element of the array.
    struct Element {
        /// The index in the session's array.
        let index: Int
        /// The element; nil if it was changed in place and has to be looked up.
        let value: BSON?
        /// The time of its creation, if its `created_at` is not a date.
        let createdAt: BSON?
    }

    /// The moment of the write.
    let time: ClusterTime
    /// The session; empty if the `_id` is not a text.
    let sessionID: String
    /// The elements that the write has added or changed, in the order of the array.
    let elements: [Element]
    /// True if the collection was dropped or renamed, after which the stream has no more events.
    let isEnd: Bool

    /// Reads an event; nil if it is not of a form that MongoDB documents.
    init?(_ document: BSONDocument) {
        guard let time = document["clusterTime"]?.timestamp,
            let kind = document["operationType"]?.string
        else { return nil }
        self.time = time
        isEnd = ["drop", "rename", "dropDatabase", "invalidate"].contains(kind)
        let name = document["documentKey"]?.document?["_id"]?.string
        sessionID = name ?? ""
        elements = name == nil ? [] : Self.elements(document)
    }

    private static func elements(_ document: BSONDocument) -> [Element] {
        let values = document["values"]?.array ?? []
        let dates = document["dates"]?.array
        guard let paths = document["paths"]?.array else {
            return values.indices.map {
                Element(index: $0, value: values[$0], createdAt: dates?[$0])
            }
        }
        var elements: [Int: Element] = [:]
        for (number, path) in paths.enumerated() {
            let parts = (path.string ?? "").split(separator: ".", maxSplits: 2)
            guard parts.count >= 2, let index = Int(parts[1]), index >= 0 else { continue }
            if parts.count == 2, number < values.count {
                elements[index] = Element(
                    index: index,
                    value: values[number],
                    createdAt: dates?[number]
                )
            } else {
                elements[index] = Element(index: index, value: .none, createdAt: .none)
            }
        }
        return elements.values.sorted { $0.index < $1.index }
    }

    /// The stages that leave only what ``init(_:)`` reads: a session's document may be large, and
    /// the programs that share it write more than feedback.
    static let pipeline: [BSON] = {
        let array: BSON = [
            "$ifNull": ["$fullDocument.feedbacks", "$updateDescription.updatedFields.feedbacks"]
        ]
        func ofFeedback(_ paths: BSON, _ path: BSON) -> BSON {
            let isOfFeedback: BSON = ["$regexMatch": ["input": path, "regex": "^feedbacks\\."]]
            return ["$filter": ["input": paths, "cond": isOfFeedback]]
        }
        let fields = ofFeedback(
            ["$objectToArray": ["$ifNull": ["$updateDescription.updatedFields", [:]]]],
            "$$this.k"
        )
        let removed = ofFeedback(["$ifNull": ["$updateDescription.removedFields", []]], "$$this")
        let isDated: BSON = ["$eq": [["$type": "$$this.created_at"], "date"]]
        return [
            [
                "$project": [
                    "operationType": 1, "clusterTime": 1, "documentKey._id": 1, "array": array,
                    "fields": fields, "removed": removed,
                ]
            ],
            [
                "$project": [
                    "operationType": 1, "clusterTime": 1, "documentKey": 1,
                    "values": ["$cond": [["$isArray": "$array"], "$array", "$fields.v"]],
                    "paths": [
                        "$cond": [
                            ["$isArray": "$array"], nil,
                            ["$concatArrays": ["$fields.k", "$removed"]],
                        ]
                    ],
                ]
            ],
            [
                "$match": [
                    "$or": [
                        ["values.0": ["$exists": true]], ["paths.0": ["$exists": true]],
                        ["operationType": ["$nin": ["insert", "update", "replace", "delete"]]],
                    ]
                ]
            ],
            [
                "$set": [
                    "dates": [
                        "$cond": [
                            ["$allElementsTrue": [["$map": ["input": "$values", "in": isDated]]]],
                            nil,
                            ["$map": ["input": "$values", "in": Pipeline.created("$$this")]],
                        ]
                    ]
                ]
            ],
        ]
    }()
}
