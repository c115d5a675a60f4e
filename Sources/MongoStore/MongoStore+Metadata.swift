public import FeedbackCore
public import FeedbackModel
import Glibc

extension MongoStore {
    /// See ``Store``.
    public func metadata(
        ofSession sessionID: String,
        context: CallContext
    ) async throws -> Metadata? {
        try await read(context) { sessions in
            try sessions.storedMetadata(ofSession: sessionID).map(Metadata.init)
        }
    }

    /// See ``Store``.
    ///
    /// The keys are set and removed one by one, so that changes on several hosts at once are all
    /// kept. They may then together pass the limit of the metadata's size.
    public func changeMetadata(
        ofSession sessionID: String,
        by change: MetadataChange,
        missingSession: MissingSessionPolicy,
        context: CallContext
    ) async throws -> Metadata {
        try await read(context, for: .writing) { sessions in
            let giveUpAt = ContinuousClock.now + MongoStoreLimits.repetitionTimeout
            var repetitions: UInt32 = 0
            while true {
                do {
                    if let metadata = try sessions.change(sessionID, by: change, missingSession) {
                        return metadata
                    }
                    if .now > giveUpAt || context.reasonToDrop != nil {
                        throw FeedbackError(.unavailable, "metadata: others keep changing it")
                    }
                } catch let failure as MongoFailure
                    where failure.isDuplicateKey || failure.isPassing
                {
                    if .now > giveUpAt || context.reasonToDrop != nil { throw failure }
                }
                repetitions += 1
                usleep(min(repetitions * 5_000, 200_000))
            }
        }
    }
}

/// A session's metadata as it is stored.
enum StoredMetadata {
    case document(BSONDocument)
    /// The session has none, or something that is no document.
    case missing
}

/// One `findAndModify` that makes a change.
///
/// It finds only what is still as it was read: no session, one without metadata, or one with.
private struct MetadataCommand {
    let sessionID: String
    let change: MetadataChange
    let before: StoredMetadata?
    let after: Metadata

    func document(collection: String) -> BSONDocument {
        [
            "findAndModify": .string(collection),
            "query": .document(query),
            "update": .document(update),
            "upsert": .bool(before == nil),
            "new": true,
            "fields": ["metadata": 1],
        ]
    }

    private var query: BSONDocument {
        var query: BSONDocument = ["_id": .string(sessionID)]
        // As an expression, since a filter by $type also finds arrays that contain a document.
        let type: BSON = ["$type": "$metadata"]
        switch before {
        case .document?: query["$expr"] = ["$eq": [type, "object"]]
        case .missing?: query["$expr"] = ["$ne": [type, "object"]]
        // The server allows no expression where the document may have to be made.
        case nil: query["metadata"] = ["$not": ["$type": "object"]]
        }
        return query
    }

    private var update: BSONDocument {
        let now = Timestamp.now
        var set: BSONDocument = ["updated_at": .date(now.millisecondsSinceEpoch)]
        var unset = BSONDocument()
        switch (before, change) {
        case (.document?, .merge(let added)):
            for (key, value) in added { set["metadata.\(key)"] = BSON(value) }
        case (.document?, .remove(let keys)):
            for key in Set(keys.map(ExactText.init)) { unset["metadata.\(key.text)"] = "" }
        default:
            set["metadata"] = BSON(.object(after))
        }
        var update: BSONDocument = ["$set": .document(set)]
        if !unset.fields.isEmpty { update["$unset"] = .document(unset) }
        if before == nil {
            var session = FeedbackDocument.newSession(
                .string(sessionID),
                at: .date(now.millisecondsSinceEpoch)
            )
            session.fields.removeAll { $0.key == "metadata" }
            session["feedbacks"] = []
            update["$setOnInsert"] = .document(session)
        }
        return update
    }
}

extension ReadableSessions {
    /// A session's metadata; nil if the session is unknown.
    fileprivate func storedMetadata(
        ofSession sessionID: String,
        onPrimary: Bool = false
    ) throws -> StoredMetadata? {
        var metadata: StoredMetadata?
        let pipeline: [BSON] = [
            ["$match": ["_id": .string(sessionID)]], ["$project": ["metadata": 1]],
        ]
        try aggregate(pipeline, onPrimary: onPrimary) { session, _ in
            metadata = session["metadata"]?.document.map(StoredMetadata.document) ?? .missing
            return true
        }
        return metadata
    }

    /// Makes the change once and returns the metadata as it is then; nil if another changed it
    /// between reading and writing.
    fileprivate func change(
        _ sessionID: String,
        by change: MetadataChange,
        _ missingSession: MissingSessionPolicy
    ) throws -> Metadata? {
        let before = try storedMetadata(ofSession: sessionID, onPrimary: true)
        if before == nil, missingSession == .reject { throw FeedbackError.unknownSession }
        let after = change.applied(to: before.map(Metadata.init) ?? [:])
        _ = try MetadataJSON.encode(after)
        let command = MetadataCommand(
            sessionID: sessionID,
            change: change,
            before: before,
            after: after
        )
        do {
            return try run(command)
        } catch let failure as MongoFailure where failure.isDocumentTooLarge {
            throw failure.documentTooLarge(session: sessionID)
        }
    }

    /// Makes the change and returns the metadata as it is then; nil if the session is not as it was.
    private func run(_ command: MetadataCommand) throws -> Metadata? {
        let reply = try collection.write(command.document(collection: name.collection))
        return (reply["value"]?.document).map { Metadata($0["metadata"]?.document ?? [:]) }
    }
}

extension Metadata {
    fileprivate init(_ stored: StoredMetadata) {
        switch stored {
        case .document(let document): self.init(document)
        case .missing: self = [:]
        }
    }

    fileprivate init(_ document: BSONDocument) {
        self.init(
            document.fields.compactMap { field in
                MetadataValue(field.value).map { (field.key, $0) }
            },
            uniquingKeysWith: { _, last in last }
        )
    }
}

extension MetadataValue {
    /// Nil for what has no form in JSON, as only other programs write it.
    init?(_ value: BSON) {
        switch value {
        case .null: self = .null
        case .bool(let value): self = .bool(value)
        case .double(let number):
            guard number.isFinite else { return nil }
            self = .number(number)
        case .int32(let number): self = .number(Double(number))
        case .int64(let number): self = .number(Double(number))
        case .string(let text): self = .string(text)
        case .date(let moment):
            self = .string(Timestamp(clampingMilliseconds: moment).description)
        case .objectID(let digits): self = .string(digits)
        case .array(let values): self = .list(values.compactMap(MetadataValue.init))
        case .document(let document): self = .object(Metadata(document))
        case .blank, .other: return nil
        }
    }
}

extension BSON {
    fileprivate init(_ value: MetadataValue) {
        switch value {
        case .null: self = .null
        case .bool(let value): self = .bool(value)
        case .number(let number): self = .double(number)
        case .string(let text): self = .string(text)
        case .list(let values): self = .array(values.map { BSON($0) })
        case .object(let pairs):
            self = .document(BSONDocument(pairs.map { (key: $0, value: BSON($1)) }))
        }
    }
}
