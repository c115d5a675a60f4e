import FeedbackCore
import FeedbackModel

/// A change of a session's metadata that waits for its turn.
///
/// Keys are set and removed individually, so that concurrent changes on several hosts are all kept.
/// Together they may then exceed the limit of the metadata's size.
struct MetadataWrite: Sendable {
    let sessionID: String
    let change: MetadataChange
    let missingSession: MissingSessionPolicy
    private let arrivedAt = ContinuousClock.now

    /// Attempts once to make the change; the outcome is the metadata after it.
    func commit(to sessions: SessionCollection) -> CommitResult<ChangeOutcome> {
        if let refusal = sessions.refusal(arrivedAt: arrivedAt, for: .writing) {
            return .refused(refusal)
        }
        do {
            let metadata = try sessions.use(for: .writing) { try commit(to: $0, of: sessions) }
            guard let metadata else {
                return .undecided(CallError(.unavailable, "metadata: others keep changing it"))
            }
            return .done(.metadata(metadata))
        } catch let failure as MongoFailure {
            if failure.isDocumentTooLarge {
                return .refused(failure.documentTooLarge(session: sessionID))
            }
            let mayPass = failure.isDuplicateKey || failure.isTransient
            return mayPass ? .undecided(failure.error) : .refused(failure.error)
        } catch {
            return .refused(error)
        }
    }

    /// Makes the change and returns the metadata after it; nil if it was changed by others between
    /// reading and writing.
    private func commit(
        to collection: MongoCollection,
        of sessions: SessionCollection
    ) throws -> Metadata? {
        let before = try storedMetadata(in: collection, timeMax: sessions.pool.serverTimeMax)
        if before == nil, missingSession == .reject { throw CallError.unknownSession }
        let after = change.applied(to: before.map(Metadata.init) ?? [:])
        _ = try MetadataJSON.encode(after)
        let command = MetadataCommand(
            sessionID: sessionID,
            change: change,
            before: before,
            after: after
        )
        let reply = try collection.write(command.document(collection: sessions.name.collection))
        return (reply["value"]?.document).map { Metadata($0["metadata"]?.document ?? [:]) }
    }

    /// Reads the metadata from the primary, even if it is not durable yet; nil if the session does
    /// not exist.
    private func storedMetadata(
        in collection: MongoCollection,
        timeMax: Duration
    ) throws -> StoredMetadata? {
        var metadata: StoredMetadata?
        try collection.aggregate(
            StoredMetadata.pipeline(ofSession: sessionID),
            options: [
                "readConcern": ["level": "local"],
                "maxTimeMS": .int64(Int64(timeMax / .milliseconds(1))),
            ],
            onPrimary: true
        ) { session, _ in
            metadata = StoredMetadata(session)
            return true
        }
        return metadata
    }
}

/// A `findAndModify` command that makes a change.
///
/// Its query selects the session only if it is still in the state that was read: without a
/// document, without metadata, or with metadata.
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
        // The condition is an expression, since a filter by $type also matches arrays that contain
        // a document.
        let type: BSON = ["$type": "$metadata"]
        switch before {
        case .document?: query["$expr"] = ["$eq": [type, "object"]]
        case .missing?: query["$expr"] = ["$ne": [type, "object"]]
        // The server does not allow an expression in an upsert.
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

extension BSON {
    fileprivate init(_ value: MetadataValue) {
        switch value {
        case .null: self = .null
        case .bool(let value): self = .bool(value)
        // Other programs read whole numbers as such, as if they had written them.
        case .number(let number): self = number.wholeNumber.map(BSON.int64) ?? .double(number)
        case .string(let text): self = .string(text)
        case .list(let values): self = .array(values.map { BSON($0) })
        case .object(let pairs):
            self = .document(BSONDocument(pairs.map { (key: $0, value: BSON($1)) }))
        }
    }
}
