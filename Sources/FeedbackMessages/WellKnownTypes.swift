internal import CFeedbackProto
internal import FeedbackModel
internal import ProtoCodec

// Conversions between values and protobuf's own types, and between Swift and C arrays, in both
// directions.

private let timestampType = ProtoType(google__protobuf__timestamp__init)
private let structType = ProtoType(google__protobuf__struct__init)
private let fieldType = ProtoType(google__protobuf__struct__fields_entry__init)
private let valueType = ProtoType(google__protobuf__value__init)
private let listType = ProtoType(google__protobuf__list_value__init)

extension Timestamp {
    /// Makes a moment, rounded up to whole milliseconds.
    ///
    /// As the bound of a range, the rounded moment selects the same stored moments as the original,
    /// since all of these are whole milliseconds.
    ///
    /// - Throws: INVALID_ARGUMENT if it is not within the years 1 to 9999, or nanos are out of
    ///   range (protobuf.dev, google.protobuf.Timestamp).
    init(_ message: Google__Protobuf__Timestamp, field: String) throws(CallError) {
        let (milliseconds, overflow) = message.seconds.multipliedReportingOverflow(by: 1_000)
        let nanos = Int64(message.nanos)
        guard !overflow, (0..<1_000_000_000).contains(nanos),
            Timestamp.range.contains(Timestamp(millisecondsSinceEpoch: milliseconds))
        else {
            throw .invalid(field, "must be in the years 1 to 9999, with nanos of 0 to 999999999")
        }
        let roundedUp = milliseconds + (nanos + 999_999) / 1_000_000
        // The last moments of the year 9999, which callers use as "no end", would be rounded beyond
        // the range.
        self = min(Timestamp(millisecondsSinceEpoch: roundedUp), Timestamp.range.upperBound)
    }
}

extension Metadata {
    init(_ message: Google__Protobuf__Struct?) {
        self.init()
        guard let message else { return }
        for index in 0..<message.n_fields {
            guard let field = message.fields[index]?.pointee else { continue }
            self[String(proto: field.key)] = MetadataValue(field.value?.pointee)
        }
    }
}

extension MetadataValue {
    /// Makes a metadata value; a message without a kind is null.
    ///
    /// The depth of the recursion is bounded, since it was checked before decoding.
    init(_ message: Google__Protobuf__Value?) {
        guard let message else {
            self = .null
            return
        }
        switch message.kind_case {
        case GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE: self = .number(message.number_value)
        case GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE:
            self = .string(String(proto: message.string_value))
        case GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE: self = .bool(message.bool_value != 0)
        case GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE:
            self = .object(Metadata(message.struct_value?.pointee))
        case GOOGLE__PROTOBUF__VALUE__KIND_LIST_VALUE:
            guard let list = message.list_value?.pointee else {
                self = .list([])
                return
            }
            self = .list((0..<list.n_values).map { MetadataValue(list.values[$0]?.pointee) })
        default: self = .null
        }
    }
}

extension ProtoArena {
    func message(
        of moment: Timestamp
    ) throws(ProtoError) -> UnsafeMutablePointer<Google__Protobuf__Timestamp> {
        let message = try make(timestampType)
        let milliseconds = moment.millisecondsSinceEpoch
        message.pointee.seconds = milliseconds.floorDivided(by: 1_000)
        // The product may overflow near Int64's lower end; the difference still fits.
        let rest = milliseconds &- message.pointee.seconds &* 1_000
        message.pointee.nanos = Int32(rest) * 1_000_000
        return message
    }

    func message(
        of metadata: Metadata
    ) throws(ProtoError) -> UnsafeMutablePointer<Google__Protobuf__Struct> {
        let message = try make(structType)
        message.pointee.fields = try entries(metadata) { key, value throws(ProtoError) in
            let entry = try make(fieldType)
            entry.pointee.key = try string(key, field: "metadata")
            entry.pointee.value = try self.message(of: value)
            return entry
        }
        message.pointee.n_fields = metadata.count
        return message
    }

    private func message(
        of value: MetadataValue
    ) throws(ProtoError) -> UnsafeMutablePointer<Google__Protobuf__Value> {
        let message = try make(valueType)
        switch value {
        case .null: message.pointee.kind_case = GOOGLE__PROTOBUF__VALUE__KIND_NULL_VALUE
        case .bool(let value):
            message.pointee.kind_case = GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE
            message.pointee.bool_value = value ? 1 : 0
        case .number(let value):
            message.pointee.kind_case = GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE
            message.pointee.number_value = value
        case .string(let value):
            message.pointee.kind_case = GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE
            message.pointee.string_value = try string(value, field: "metadata")
        case .object(let value):
            message.pointee.kind_case = GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE
            message.pointee.struct_value = try self.message(of: value)
        case .list(let values):
            let list = try make(listType)
            let entries = try allocate(
                of: UnsafeMutablePointer<Google__Protobuf__Value>?.self,
                count: values.count
            )
            for (index, value) in values.enumerated() {
                entries[index] = try self.message(of: value)
            }
            list.pointee.values = entries
            list.pointee.n_values = values.count
            message.pointee.kind_case = GOOGLE__PROTOBUF__VALUE__KIND_LIST_VALUE
            message.pointee.list_value = list
        }
        return message
    }

    /// Builds a repeated field of strings; nil if there are none.
    func strings(
        _ texts: [String],
        field: String
    ) throws(ProtoError) -> UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? {
        if texts.isEmpty { return nil }
        let array = try allocate(of: UnsafeMutablePointer<CChar>?.self, count: texts.count)
        for (index, text) in texts.enumerated() { array[index] = try string(text, field: field) }
        return array
    }

    /// Builds a map field, an array of the entries that `make` builds; nil if the map is empty.
    func entries<Value, Entry>(
        _ map: ExactDictionary<Value>,
        _ make: (String, Value) throws(ProtoError) -> UnsafeMutablePointer<Entry>
    ) throws(ProtoError) -> UnsafeMutablePointer<UnsafeMutablePointer<Entry>?>? {
        if map.isEmpty { return nil }
        let array = try allocate(of: UnsafeMutablePointer<Entry>?.self, count: map.count)
        for (index, (key, value)) in map.enumerated() { array[index] = try make(key, value) }
        return array
    }
}

extension [String] {
    /// Copies a repeated field of strings.
    init(proto texts: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?, count: Int) {
        self = count == 0 ? [] : (0..<count).map { String(proto: texts?[$0]) }
    }
}
