extension String {
    /// The text with its control characters and line separators escaped as `\n`, `\r`, `\t` or
    /// `\u{1b}`, so that it neither begins a new line nor controls a terminal.
    package var onOneLine: String {
        guard unicodeScalars.contains(where: \.breaksLine) else { return self }
        var text = ""
        for scalar in unicodeScalars {
            switch scalar {
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case _ where scalar.breaksLine:
                text += "\\u{\(String(scalar.value, radix: 16))}"
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}

extension Unicode.Scalar {
    fileprivate var breaksLine: Bool {
        switch value {
        case 0..<0x20, 0x7F..<0xA0, 0x2028, 0x2029: true
        default: false
        }
    }
}
