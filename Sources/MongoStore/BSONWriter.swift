/// Writes documents as bytes (bsonspec.org, version 1.1).
///
/// libbson's own functions are out of Swift's reach: it does not import functions that take
/// structures aligned to 128 bytes with their types.
struct BSONWriter {
    private(set) var bytes: [UInt8] = []

    init(_ document: BSONDocument) {
        bytes.reserveCapacity(1_024)
        write(document)
    }

    private mutating func write(_ document: BSONDocument) {
        writeMeasured { writer in
            for (key, value) in document.fields { writer.write(value, key) }
        }
    }

    private mutating func write(_ value: BSON, _ key: String) {
        bytes.append(value.typeCode)
        bytes.append(contentsOf: key.utf8)
        bytes.append(0)
        switch value {
        case .double(let number): write(number.bitPattern)
        case .string(let text):
            write(UInt32(text.utf8.count + 1))
            bytes.append(contentsOf: text.utf8)
            bytes.append(0)
        case .document(let document): write(document)
        case .array(let values):
            writeMeasured { writer in
                for (index, value) in values.enumerated() { writer.write(value, String(index)) }
            }
        case .bool(let value): bytes.append(value ? 1 : 0)
        case .date(let milliseconds): write(UInt64(bitPattern: milliseconds))
        case .null: break
        case .int32(let number): write(UInt32(bitPattern: number))
        case .int64(let number): write(UInt64(bitPattern: number))
        case .objectID, .other: preconditionFailure("only read")
        }
    }

    /// Writes elements between their length and the closing zero.
    private mutating func writeMeasured(_ elements: (inout BSONWriter) -> Void) {
        let start = bytes.count
        write(UInt32(0))
        elements(&self)
        bytes.append(0)
        let length = UInt32(bytes.count - start)
        for index in 0..<4 {
            bytes[start + index] = UInt8(truncatingIfNeeded: length >> UInt32(8 * index))
        }
    }

    private mutating func write(_ number: some FixedWidthInteger) {
        withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
    }
}

extension BSON {
    fileprivate var typeCode: UInt8 {
        switch self {
        case .double: 0x01
        case .string: 0x02
        case .document: 0x03
        case .array: 0x04
        case .objectID: 0x07
        case .bool: 0x08
        case .date: 0x09
        case .null: 0x0A
        case .int32: 0x10
        case .int64: 0x12
        case .other: preconditionFailure("only read")
        }
    }
}
