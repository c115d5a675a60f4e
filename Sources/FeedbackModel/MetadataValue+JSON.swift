// JSON (RFC 8259) for metadata. Foundation's coders take keys for the same that differ in Unicode
// normalisation only.

extension MetadataValue {
    /// The maximum depth of arrays and objects that are read; more than metadata may have.
    private static let jsonDepthMax = 512

    /// Reads a JSON text.
    ///
    /// Of a key that an object has twice, the last value counts. Nil if the text is no JSON, or has
    /// a number that is too large for a double.
    public init?(json: String) {
        let value = json.withUTF8Bytes { bytes -> MetadataValue? in
            var reader = JSONReader(bytes: bytes, depthMax: Self.jsonDepthMax)
            guard let value = reader.value(depth: 1) else { return nil }
            reader.skipSpace()
            return reader.isAtEnd ? value : nil
        }
        guard let value else { return nil }
        self = value
    }

    /// The value as JSON, with the keys sorted by their bytes; a number that is not finite, which
    /// JSON lacks, is null.
    public var json: String { json(isPretty: false) }

    /// Returns the value as JSON; a pretty one has each element and each pair on a line of its own.
    package func json(isPretty: Bool) -> String {
        var writer = JSONWriter(isPretty: isPretty)
        writer.write(self, depth: 0)
        return String(decoding: writer.bytes, as: UTF8.self)
    }
}

private struct JSONWriter {
    let isPretty: Bool
    var bytes: [UInt8] = []

    init(isPretty: Bool) { self.isPretty = isPretty }

    mutating func write(_ value: MetadataValue, depth: Int) {
        switch value {
        case .null: put("null")
        case .bool(let value): put(value ? "true" : "false")
        case .number(let number): put(Self.text(number))
        case .string(let text): put(quoted: text)
        case .list(let values):
            putAll(values, "[", "]", depth) { $0.write($1, depth: depth + 1) }
        case .object(let pairs):
            let sorted = pairs.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
            putAll(sorted, "{", "}", depth) { writer, pair in
                writer.put(quoted: pair.key)
                writer.put(writer.isPretty ? " : " : ":")
                writer.write(pair.value, depth: depth + 1)
            }
        }
    }

    private mutating func putAll<Element>(
        _ elements: [Element],
        _ begin: String,
        _ end: String,
        _ depth: Int,
        _ putOne: (inout Self, Element) -> Void
    ) {
        put(begin)
        for (index, element) in elements.enumerated() {
            if index > 0 { put(",") }
            newLine(depth + 1)
            putOne(&self, element)
        }
        if !elements.isEmpty { newLine(depth) }
        put(end)
    }

    private mutating func newLine(_ depth: Int) {
        if isPretty { put("\n" + String(repeating: "  ", count: depth)) }
    }

    private mutating func put(_ text: String) { bytes.append(contentsOf: text.utf8) }

    private mutating func put(quoted text: String) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""): put("\\\"")
            case UInt8(ascii: "\\"): put("\\\\")
            case 0x08: put("\\b")
            case 0x09: put("\\t")
            case 0x0A: put("\\n")
            case 0x0C: put("\\f")
            case 0x0D: put("\\r")
            case 0..<0x20: put((byte < 16 ? "\\u000" : "\\u00") + String(byte, radix: 16))
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    private static func text(_ number: Double) -> String {
        if let whole = number.wholeNumber { return "\(whole)" }
        if !number.isFinite { return "null" }
        return number == 0 ? "-0" : "\(number)"
    }
}

private struct JSONReader {
    let bytes: UnsafeRawBufferPointer
    let depthMax: Int
    private var position = 0

    init(bytes: UnsafeRawBufferPointer, depthMax: Int) {
        self.bytes = bytes
        self.depthMax = depthMax
    }

    var isAtEnd: Bool { position == bytes.count }

    private var next: UInt8? { isAtEnd ? nil : bytes[position] }

    mutating func skipSpace() {
        while let byte = next, byte == 0x20 || (0x09...0x0A).contains(byte) || byte == 0x0D {
            position += 1
        }
    }

    /// Reads a value after white space; nil if there is none that is valid.
    mutating func value(depth: Int) -> MetadataValue? {
        skipSpace()
        switch next {
        case UInt8(ascii: "n")?: return take("null") ? .null : nil
        case UInt8(ascii: "t")?: return take("true") ? .bool(true) : nil
        case UInt8(ascii: "f")?: return take("false") ? .bool(false) : nil
        case UInt8(ascii: "\"")?: return string().map(MetadataValue.string)
        case UInt8(ascii: "[")?:
            var values: [MetadataValue] = []
            let isValid = elements(until: "]", depth) { reader in
                guard let value = reader.value(depth: depth + 1) else { return false }
                values.append(value)
                return true
            }
            return isValid ? .list(values) : nil
        case UInt8(ascii: "{")?:
            var pairs = Metadata()
            let isValid = elements(until: "}", depth) { reader in
                reader.skipSpace()
                guard reader.next == UInt8(ascii: "\""), let key = reader.string() else {
                    return false
                }
                reader.skipSpace()
                guard reader.take(":"), let value = reader.value(depth: depth + 1) else {
                    return false
                }
                pairs[key] = value
                return true
            }
            return isValid ? .object(pairs) : nil
        default: return number().map(MetadataValue.number)
        }
    }

    /// Reads elements that commas separate, from the bracket to its counterpart.
    private mutating func elements(
        until end: StaticString,
        _ depth: Int,
        _ element: (inout Self) -> Bool
    ) -> Bool {
        guard depth <= depthMax else { return false }
        position += 1
        skipSpace()
        if take(end) { return true }
        while element(&self) {
            skipSpace()
            if take(end) { return true }
            guard take(",") else { return false }
        }
        return false
    }

    /// Passes over the text if it is next.
    private mutating func take(_ text: StaticString) -> Bool {
        let count = text.utf8CodeUnitCount
        let expected = UnsafeRawBufferPointer(start: text.utf8Start, count: count)
        guard bytes[position...].starts(with: expected) else { return false }
        position += count
        return true
    }

    // MARK: - Strings

    private mutating func string() -> String? {
        position += 1
        var text: [UInt8] = []
        while let byte = next {
            position += 1
            switch byte {
            case UInt8(ascii: "\""): return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"): guard appendEscaped(to: &text) else { return nil }
            case 0..<0x20: return nil
            default: text.append(byte)
            }
        }
        return nil
    }

    private mutating func appendEscaped(to text: inout [UInt8]) -> Bool {
        guard let byte = next else { return false }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "u"):
            guard let scalar = escapedScalar() else { return false }
            text.append(contentsOf: String(scalar).utf8)
        default: return false
        }
        return true
    }

    /// Reads the digits after `\u`, and those of the other half if it is a surrogate.
    private mutating func escapedScalar() -> Unicode.Scalar? {
        guard let unit = fourDigits() else { return nil }
        guard 0xD800..<0xDC00 ~= unit else { return Unicode.Scalar(unit) }
        guard take("\\u"), let low = fourDigits(), 0xDC00..<0xE000 ~= low else { return nil }
        return Unicode.Scalar(0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00))
    }

    private mutating func fourDigits() -> UInt32? {
        guard bytes.count - position >= 4 else { return nil }
        var number: UInt32 = 0
        for byte in bytes[position..<position + 4] {
            guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else { return nil }
            number = number << 4 | UInt32(digit)
        }
        position += 4
        return number
    }

    // MARK: - Numbers

    private mutating func number() -> Double? {
        let start = position
        _ = take("-")
        if !take("0") { guard skipDigits() else { return nil } }
        if take(".") { guard skipDigits() else { return nil } }
        if take("e") || take("E") {
            if !take("+") { _ = take("-") }
            guard skipDigits() else { return nil }
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        guard let number = Double(text), number.isFinite else { return nil }
        return number
    }

    private mutating func skipDigits() -> Bool {
        let start = position
        while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
            position += 1
        }
        return position > start
    }
}
