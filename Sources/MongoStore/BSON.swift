/// A BSON value.
///
/// Documents, pipelines and commands are written as literals:
///
///     let stage: BSONDocument = ["$match": ["_id": .string(sessionID)]]
enum BSON: Sendable {
    case double(Double)
    case string(String)
    case document(BSONDocument)
    case array([BSON])
    /// An ObjectId as 24 hexadecimal digits; only read.
    case objectID(String)
    case bool(Bool)
    /// The number of milliseconds since 1970-01-01T00:00:00Z.
    case date(Int64)
    case null
    case int32(Int32)
    case int64(Int64)
    /// A moment in the order of a deployment's writes.
    case timestamp(ClusterTime)
    /// A UUID as 32 hexadecimal digits; only read.
    case uuid(String)
    /// A placeholder of a ``BSONTemplate``, with the type of its value and a number that identifies
    /// it.
    case blank(Kind, Int)
    /// A value of a type that this service never writes; only read.
    case other
}

/// A BSON document: named values in order.
struct BSONDocument: Sendable {
    var fields: [(key: String, value: BSON)]

    init(_ fields: [(key: String, value: BSON)] = []) {
        self.fields = fields
    }

    /// The first value with the name.
    ///
    /// Setting a value appends it; setting nil does nothing.
    subscript(key: String) -> BSON? {
        get { fields.first { $0.key.utf8.elementsEqual(key.utf8) }?.value }
        set { if let newValue { fields.append((key, newValue)) } }
    }
}

extension BSON {
    var string: String? {
        if case .string(let text) = self { text } else { nil }
    }

    var document: BSONDocument? {
        if case .document(let document) = self { document } else { nil }
    }

    var array: [BSON]? {
        if case .array(let values) = self { values } else { nil }
    }

    /// The number of milliseconds since 1970-01-01T00:00:00Z; nil if the value is not a date.
    var date: Int64? {
        if case .date(let milliseconds) = self { milliseconds } else { nil }
    }

    /// The moment in the order of a deployment's writes; nil if the value is no such moment.
    var timestamp: ClusterTime? {
        if case .timestamp(let time) = self { time } else { nil }
    }

    /// The value if it is a whole number of any type; nil otherwise.
    var integer: Int64? {
        switch self {
        case .int32(let number): Int64(number)
        case .int64(let number): number
        case .double(let number): Int64(exactly: number)
        default: nil
        }
    }
}

extension BSON: ExpressibleByDictionaryLiteral, ExpressibleByArrayLiteral,
    ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByNilLiteral
{
    init(dictionaryLiteral fields: (String, BSON)...) {
        self = .document(BSONDocument(fields.map { (key: $0, value: $1) }))
    }

    init(arrayLiteral values: BSON...) { self = .array(values) }
    init(stringLiteral text: String) { self = .string(text) }
    init(integerLiteral number: Int32) { self = .int32(number) }
    init(booleanLiteral value: Bool) { self = .bool(value) }
    init(nilLiteral: ()) { self = .null }
}

extension BSONDocument: ExpressibleByDictionaryLiteral {
    init(dictionaryLiteral fields: (String, BSON)...) {
        self.init(fields.map { (key: $0, value: $1) })
    }
}
