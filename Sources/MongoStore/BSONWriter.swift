import FeedbackModel

/// Encodes documents as BSON (bsonspec.org, version 1.1).
///
/// Swift cannot call libbson's functions for this, since it does not import functions whose
/// parameters are structures aligned to 128 bytes.
struct BSONWriter {
    /// The place of a ``BSON/blank(_:_:)``.
    struct Blank {
        let number: Int
        let offset: Int
    }

    /// A document or array that contains blanks.
    struct Surrounding {
        let start: Int
        let end: Int
        /// The indexes of the contained blanks.
        let blanks: Range<Int>
    }

    private(set) var bytes: [UInt8] = []
    private(set) var blanks: [Blank] = []
    private(set) var surroundings: [Surrounding] = []

    init() {
        bytes.reserveCapacity(1_024)
    }

    init(_ document: BSONDocument) {
        self.init()
        write(document)
    }

    /// Removes everything that was written.
    mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }

    // MARK: Elements

    mutating func write(_ value: BSON, _ key: String) {
        begin(value.kind, key)
        switch value {
        case .double(let number): write(number.bitPattern)
        case .string(let text): writeValue(text)
        case .document(let document): write(document)
        case .array(let values):
            writeMeasured { writer in
                for (index, value) in values.enumerated() { writer.write(value, String(index)) }
            }
        case .bool(let value): bytes.append(value ? 1 : 0)
        case .date(let milliseconds): writeValue(date: milliseconds)
        case .null: break
        case .int32(let number): write(UInt32(bitPattern: number))
        case .int64(let number): write(UInt64(bitPattern: number))
        case .timestamp(let time): write(time.rawValue)
        case .blank(_, let number): blanks.append(Blank(number: number, offset: bytes.count))
        case .objectID, .uuid, .other: preconditionFailure("only read")
        }
    }

    mutating func write(_ text: String, _ key: String) {
        begin(.string, key)
        writeValue(text)
    }

    mutating func write(date milliseconds: Int64, _ key: String) {
        begin(.date, key)
        writeValue(date: milliseconds)
    }

    /// Writes the type and the key of an element, which its value must follow.
    mutating func begin(_ kind: BSON.Kind, _ key: String) {
        bytes.append(kind.rawValue)
        append(key)
        bytes.append(0)
    }

    // MARK: Values

    mutating func write(_ document: BSONDocument) {
        writeMeasured { writer in
            for (key, value) in document.fields { writer.write(value, key) }
        }
    }

    mutating func writeValue(_ text: String) {
        write(UInt32(text.utf8.count + 1))
        append(text)
        bytes.append(0)
    }

    mutating func writeValue(date milliseconds: Int64) {
        write(UInt64(bitPattern: milliseconds))
    }

    /// Writes a document or an array: its length, its elements and the closing zero.
    mutating func writeMeasured(_ elements: (inout BSONWriter) -> Void) {
        let (start, blank) = (bytes.count, blanks.count)
        write(UInt32(0))
        elements(&self)
        bytes.append(0)
        measure(from: start, to: bytes.count)
        if blanks.count > blank {
            surroundings.append(
                Surrounding(start: start, end: bytes.count, blanks: blank..<blanks.count)
            )
        }
    }

    /// Sets the length of the document that was written from `start` to `end`.
    mutating func measure(from start: Int, to end: Int) {
        let length = UInt32(end - start)
        for index in 0..<4 {
            bytes[start + index] = UInt8(truncatingIfNeeded: length >> UInt32(8 * index))
        }
    }

    // MARK: Bytes

    mutating func append(_ part: ArraySlice<UInt8>) { bytes.append(contentsOf: part) }

    private mutating func append(_ text: String) {
        text.withUTF8Bytes { bytes.append(contentsOf: $0) }
    }

    private mutating func write(_ number: some FixedWidthInteger) {
        withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
    }
}

extension BSON {
    /// The types of values, by their codes.
    enum Kind: UInt8 {
        case double = 0x01
        case string = 0x02
        case document = 0x03
        case array = 0x04
        case objectID = 0x07
        case bool = 0x08
        case date = 0x09
        case null = 0x0A
        case int32 = 0x10
        case timestamp = 0x11
        case int64 = 0x12
    }

    fileprivate var kind: Kind {
        switch self {
        case .double: .double
        case .string: .string
        case .document: .document
        case .array: .array
        case .objectID: .objectID
        case .bool: .bool
        case .date: .date
        case .null: .null
        case .int32: .int32
        case .int64: .int64
        case .timestamp: .timestamp
        case .blank(let kind, _): kind
        case .uuid, .other: preconditionFailure("only read")
        }
    }
}
