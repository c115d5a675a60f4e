internal import FeedbackModel

/// The rules of all fields, checked before anything is stored or looked up.
enum FieldRules {
    /// Checks the fields of a change.
    ///
    /// - Throws: INVALID_ARGUMENT that names all fields at fault.
    static func check(_ change: borrowing Change) throws(CallError) {
        var faults = Faults()
        switch change {
        case .add(let draft): faults.checkDraft(draft)
        case .changeMetadata(let sessionID, let change):
            faults.checkSessionID(sessionID)
            faults.checkMetadataChange(change)
        }
        try faults.throwIfAny()
    }

    /// Checks the query and returns it with its page size resolved.
    ///
    /// - Throws: INVALID_ARGUMENT that names all fields at fault.
    static func checked(_ query: FeedbackQuery) throws(CallError) -> FeedbackQuery {
        var faults = Faults()
        faults.checkFilter(query.filter)
        faults.checkPageSize(query.pageSize)
        try faults.throwIfAny()
        var query = query
        if query.pageSize == 0 { query.pageSize = FieldLimits.pageSizeDefault }
        return query
    }

    /// Checks the fields of a query of changes.
    ///
    /// - Throws: INVALID_ARGUMENT that names all fields at fault.
    static func check(_ query: WatchQuery) throws(CallError) {
        var faults = Faults()
        faults.checkFilter(query.filter)
        faults.moveInside("filter")
        if case .after(let position) = query.start { faults.checkPosition(position) }
        try faults.throwIfAny()
    }

    /// Checks the fields of a metrics query.
    ///
    /// - Throws: INVALID_ARGUMENT that names all fields at fault.
    static func check(_ query: MetricsQuery) throws(CallError) {
        var faults = Faults()
        if let sessionID = query.sessionID { faults.checkSessionID(sessionID) }
        faults.checkRange(query.created)
        if case .metadata(let key) = query.grouping { faults.checkMetadataKey(key, "metadata_key") }
        try faults.throwIfAny()
    }

    /// Checks a session's identifier.
    ///
    /// - Throws: INVALID_ARGUMENT if it is not 1 to 255 bytes.
    static func check(sessionID: String) throws(CallError) {
        var faults = Faults()
        faults.checkSessionID(sessionID)
        try faults.throwIfAny()
    }
}

/// The violations found so far.
struct Faults {
    /// The maximum number of reported violations; more would not be read, and each costs memory.
    private static let violationsMax = 32
    private var violations: [CallError.FieldViolation] = []

    mutating func add(_ field: String, _ description: String) {
        let violation = CallError.FieldViolation(field: field, description: description)
        guard violations.count < Self.violationsMax else { return }
        if !violations.contains(violation) { violations.append(violation) }
    }

    /// Names the faults so far as those of a message in a field.
    mutating func moveInside(_ parent: String) {
        for index in violations.indices {
            violations[index].field = "\(parent).\(violations[index].field)"
        }
    }

    func throwIfAny() throws(CallError) {
        if !violations.isEmpty { throw .invalid(violations) }
    }

    mutating func checkDraft(_ draft: borrowing FeedbackDraft) {
        checkSessionID(draft.sessionID)
        checkID(draft.requestID, "request_id")
        checkID(draft.messageID, "message_id")
        checkID(draft.agentID, "agent_id")
        if let author = draft.author { checkID(author.id, "author.id") }
        checkComment(draft.comment)
        if !draft.tags.isEmpty { checkTags(draft.tags) }
        if !draft.attributes.isEmpty { checkAttributes(draft.attributes) }
    }

    mutating func checkMetadataChange(_ change: MetadataChange) {
        switch change {
        case .merge(let metadata): checkMetadata(.object(metadata), depth: 1)
        case .remove(let keys): for key in keys { checkMetadataKey(key, "keys") }
        }
    }

    mutating func checkFilter(_ filter: FeedbackFilter) {
        if let sessionID = filter.sessionID { checkSessionID(sessionID) }
        checkID(filter.messageID, "message_id")
        checkRange(filter.created)
    }

    mutating func checkPosition(_ position: LogPosition) {
        let bytes = position.text.utf8
        guard (1...LogPosition.bytesMax).contains(bytes.count),
            bytes.allSatisfy({ (0x20...0x7E).contains($0) })
        else {
            return add("start_position", "must be a position that a stream gave")
        }
    }

    mutating func checkPageSize(_ size: Int) {
        guard !(0...FieldLimits.pageSizeMax).contains(size) else { return }
        add(
            "page_size",
            "must be 0 (for \(FieldLimits.pageSizeDefault)) to \(FieldLimits.pageSizeMax)"
        )
    }

    mutating func checkSessionID(_ id: String) {
        if id.isEmpty {
            add("session_id", FieldLimits.emptySessionID)
        }
        checkID(id, "session_id")
    }

    mutating func checkID(_ id: String, _ field: String) {
        checkBytes(id, max: FieldLimits.idBytesMax, field)
    }

    mutating func checkComment(_ comment: String) {
        checkNoNUL(comment, "comment")
        // Each code point has at least one byte: most comments need no counting.
        let max = FieldLimits.commentCodePointsMax
        guard comment.utf8.count > max else { return }
        let length = comment.codePointCount
        if length > max { add("comment", "must be at most \(max) code points, has \(length)") }
    }

    mutating func checkTags(_ tags: [String]) {
        if tags.count > FieldLimits.tagsMax {
            add("tags", "must be at most \(FieldLimits.tagsMax), are \(tags.count)")
        }
        for tag in tags {
            if tag.isEmpty { add("tags", "must not be empty") }
            checkBytes(tag, max: FieldLimits.tagBytesMax, "tags")
        }
    }

    mutating func checkAttributes(_ attributes: Attributes) {
        if attributes.count > FieldLimits.attributesMax {
            add(
                "attributes",
                "must be at most \(FieldLimits.attributesMax), are \(attributes.count)"
            )
        }
        for (key, value) in attributes {
            if key.isEmpty { add("attributes.key", "must not be empty") }
            checkBytes(key, max: FieldLimits.attributeKeyBytesMax, "attributes.key")
            checkBytes(value, max: FieldLimits.attributeValueBytesMax, "attributes.value")
        }
    }

    mutating func checkRange(_ range: TimeRange) {
        if let from = range.from, !Timestamp.range.contains(from) {
            add("created_at_or_after", "must be in the years 1 to 9999")
        }
        if let until = range.until, !Timestamp.range.contains(until) {
            add("created_before", "must be in the years 1 to 9999")
        }
    }

    mutating func checkMetadata(_ value: MetadataValue, depth: Int) {
        switch value {
        case .null, .bool: break
        case .string(let text): checkNoNUL(text, "metadata")
        case .number(let number):
            if !number.isFinite { add("metadata", "numbers must be finite") }
        case .list(let values):
            guard checkDepth(depth) else { return }
            for value in values { checkMetadata(value, depth: depth + 1) }
        case .object(let pairs):
            guard checkDepth(depth) else { return }
            for (key, value) in pairs {
                checkMetadataKey(key, "metadata")
                checkMetadata(value, depth: depth + 1)
            }
        }
    }

    private mutating func checkDepth(_ depth: Int) -> Bool {
        if depth <= FieldLimits.metadataDepthMax { return true }
        add("metadata", "must be at most \(FieldLimits.metadataDepthMax) levels deep")
        return false
    }

    mutating func checkMetadataKey(_ key: String, _ field: String) {
        checkNoNUL(key, field)
        if key.isEmpty || key.utf8.contains(UInt8(ascii: "."))
            || key.utf8.first == UInt8(ascii: "$")
        {
            add(field, "keys must not be empty, have a '.' or begin with '$'")
        }
    }

    private mutating func checkBytes(_ text: String, max: Int, _ field: String) {
        if text.utf8.count > max {
            add(field, "must be at most \(max) bytes, has \(text.utf8.count)")
        }
        checkNoNUL(text, field)
    }

    private mutating func checkNoNUL(_ text: String, _ field: String) {
        if text.containsNUL { add(field, "must not have the NUL character") }
    }
}
