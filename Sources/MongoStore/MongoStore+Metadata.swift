import FeedbackCore
public import FeedbackModel

extension MongoStore {
    /// See ``Store``.
    public func metadata(
        ofSession sessionID: String,
        context: CallContext
    ) async throws -> Metadata? {
        try await read(context) { sessions in
            var metadata: StoredMetadata?
            try sessions.aggregate(StoredMetadata.pipeline(ofSession: sessionID)) { session, _ in
                metadata = StoredMetadata(session)
                return true
            }
            return metadata.map(Metadata.init)
        }
    }
}

/// A session's metadata as it is stored.
enum StoredMetadata {
    case document(BSONDocument)
    /// The session has no metadata, or its metadata is not a document.
    case missing

    /// Reads a result of ``pipeline(ofSession:)``.
    init(_ session: BSONDocument) {
        self = session["metadata"]?.document.map(StoredMetadata.document) ?? .missing
    }

    /// Returns the pipeline that finds a session's metadata.
    static func pipeline(ofSession sessionID: String) -> [BSON] {
        [["$match": ["_id": .string(sessionID)]], ["$project": ["metadata": 1]]]
    }
}

extension Metadata {
    init(_ stored: StoredMetadata) {
        switch stored {
        case .document(let document): self.init(document)
        case .missing: self = [:]
        }
    }

    init(_ document: BSONDocument) {
        self.init()
        for (key, value) in document.fields {
            if let value = MetadataValue(value) { self[key] = value }
        }
    }
}

extension MetadataValue {
    /// Converts a BSON value; nil for values without a form in JSON, which only other programs
    /// write.
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
        case .timestamp, .uuid, .blank, .other: return nil
        }
    }
}
