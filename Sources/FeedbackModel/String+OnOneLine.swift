extension String {
    /// The text with the characters that need an escape written as `\n`, `\r`, `\t` or `\u{1b}`, so
    /// that it neither begins a new line, nor controls a terminal, nor looks like another text.
    package var onOneLine: String {
        guard unicodeScalars.contains(where: \.needsEscape) else { return self }
        var text = ""
        for scalar in unicodeScalars {
            switch scalar {
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case _ where scalar.needsEscape:
                text += "\\u{\(String(scalar.value, radix: 16))}"
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}

extension Unicode.Scalar {
    /// True if the character must not reach a terminal as it is: it is a control character, ends a
    /// line or paragraph, or is a format character that cannot be seen, as are those that change
    /// the direction of text.
    ///
    /// The two joiners are invisible, too, but emoji and several scripts cannot be written without
    /// them, and they leave all other characters in their places.
    package var needsEscape: Bool {
        switch value {
        case 0..<0x20, 0x7F..<0xA0: return true
        case 0x20..<0x7F: return false
        case 0x200C, 0x200D: return false
        default: break
        }
        switch properties.generalCategory {
        case .lineSeparator, .paragraphSeparator: return true
        case .format: return properties.isDefaultIgnorableCodePoint
        default: return false
        }
    }
}
