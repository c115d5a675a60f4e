internal import FeedbackModel

extension FieldRules {
    /// Checks the name of a destination, and a position after which it is to deliver again.
    ///
    /// - Throws: INVALID_ARGUMENT that names all fields at fault.
    static func check(
        destination name: String,
        rewindingTo position: LogPosition? = nil
    ) throws(CallError) {
        var faults = Faults()
        faults.checkDestination(name, "name")
        if let position, !(1...LogPosition.bytesMax).contains(position.text.utf8.count) {
            faults.add("position", "must be 1 to \(LogPosition.bytesMax) bytes")
        }
        try faults.throwIfAny()
    }

    /// Checks the query and returns it with its page size resolved.
    ///
    /// - Throws: INVALID_ARGUMENT that names all fields at fault.
    static func checked(_ query: DeliveryQuery) throws(CallError) -> DeliveryQuery {
        var faults = Faults()
        faults.checkID(query.destination, "destination")
        faults.checkPageSize(query.pageSize)
        faults.checkID(query.pageToken, "page_token")
        try faults.throwIfAny()
        var query = query
        if query.pageSize == 0 { query.pageSize = FieldLimits.pageSizeDefault }
        return query
    }

    /// Checks the fields of a request to retry or to drop deliveries.
    ///
    /// - Throws: INVALID_ARGUMENT that names all fields at fault.
    static func check(_ selection: DeliverySelection) throws(CallError) {
        var faults = Faults()
        faults.checkDestination(selection.destination, "destination")
        if let ids = selection.ids {
            let max = FieldLimits.deliveryIDsMax
            if ids.isEmpty {
                faults.add("delivery_ids", "one of delivery_ids and all must be given")
            }
            if ids.count > max {
                faults.add("delivery_ids", "must be at most \(max), are \(ids.count)")
            }
            for id in ids.prefix(max) {
                if id.isEmpty { faults.add("delivery_ids", "must not be empty") }
                faults.checkID(id, "delivery_ids")
            }
        }
        try faults.throwIfAny()
    }
}

extension Faults {
    fileprivate mutating func checkDestination(_ name: String, _ field: String) {
        if name.isEmpty {
            add(field, "must be 1 to \(FieldLimits.idBytesMax) bytes, is empty")
        }
        checkID(name, field)
    }
}
