/// Parses BSON documents (bsonspec.org, version 1.1) without reading beyond the given bytes.
///
/// Text that is not UTF-8 is repaired.
struct BSONReader {
    private let bytes: UnsafeRawBufferPointer
    private var position = 0

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    /// Reads the document at the current position; nil if the bytes are not a document.
    mutating func document() -> BSONDocument? {
        guard let length = integer(Int32.self), length >= 5 else { return nil }
        var document = BSONDocument()
        while let type = integer(UInt8.self) {
            if type == 0 { return document }
            guard let key = key(), let value = value(type) else { return nil }
            document.fields.append((key, value))
        }
        return nil
    }

    /// Reads a value of the type; nil if the bytes end before it or the type is unknown.
    private mutating func value(_ type: UInt8) -> BSON? {
        switch type {
        case 0x01: integer(UInt64.self).map { .double(Double(bitPattern: $0)) }
        case 0x02: text().map(BSON.string)
        case 0x03: document().map(BSON.document)
        case 0x04: document().map { .array($0.fields.map(\.value)) }
        case 0x07: skip(12).map { .objectID($0.map(hex).joined()) }
        case 0x08: integer(UInt8.self).map { .bool($0 != 0) }
        case 0x09: integer(Int64.self).map(BSON.date)
        case 0x0A: .null
        case 0x05: binary()
        case 0x10: integer(Int32.self).map(BSON.int32)
        case 0x11: integer(UInt64.self).map { .timestamp(ClusterTime(rawValue: $0)) }
        case 0x12: integer(Int64.self).map(BSON.int64)
        default: other(type)
        }
    }

    /// Skips a value of a type that this service never writes.
    private mutating func other(_ type: UInt8) -> BSON? {
        switch type {
        case 0x06, 0x7F, 0xFF: .other  // undefined, MaxKey, MinKey
        case 0x13: skip(16).map { _ in .other }  // decimal128
        case 0x0D, 0x0E: text().map { _ in .other }  // code, symbol
        case 0x0B: key().flatMap { _ in key() }.map { _ in .other }  // regular expression
        case 0x0C: text().flatMap { _ in skip(12) }.map { _ in .other }  // DBPointer
        case 0x0F: integer(Int32.self).flatMap { skip(Int($0) - 4) }.map { _ in .other }  // code
        default: nil
        }
    }

    /// Reads binary data; only UUIDs (subtype 4) are kept.
    private mutating func binary() -> BSON? {
        guard let length = integer(Int32.self), let part = skip(Int(length) + 1) else { return nil }
        return length == 16 && part[0] == 4 ? .uuid(part.dropFirst().map(hex).joined()) : .other
    }

    private mutating func integer<T: FixedWidthInteger>(_ type: T.Type) -> T? {
        guard let part = skip(MemoryLayout<T>.size) else { return nil }
        return T(littleEndian: part.loadUnaligned(as: T.self))
    }

    private mutating func text() -> String? {
        guard let length = integer(Int32.self), length > 0, let part = skip(Int(length)) else {
            return nil
        }
        return String(decoding: part.dropLast(), as: UTF8.self)
    }

    private mutating func key() -> String? {
        guard let end = bytes[position...].firstIndex(of: 0) else { return nil }
        defer { position = end + 1 }
        return String(decoding: bytes[position..<end], as: UTF8.self)
    }

    /// Takes the next `count` bytes; nil if there are fewer.
    private mutating func skip(_ count: Int) -> UnsafeRawBufferPointer? {
        guard count >= 0, count <= bytes.count - position else { return nil }
        defer { position += count }
        return UnsafeRawBufferPointer(rebasing: bytes[position..<position + count])
    }
}

private func hex(_ byte: UInt8) -> String {
    (byte < 16 ? "0" : "") + String(byte, radix: 16)
}
