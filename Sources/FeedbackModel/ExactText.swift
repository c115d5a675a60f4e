/// A text that equals another only byte for byte.
///
/// Swift's `String` finds "é" and "e" with a combining accent equal, and so would keep only one of
/// two sessions that databases and callers tell apart.
package struct ExactText: Sendable, Hashable {
    /// The text itself.
    package let text: String

    package init(_ text: String) {
        self.text = text
    }

    package static func == (a: ExactText, b: ExactText) -> Bool {
        // Most texts that are compared are the same, or differ in length.
        a.text.utf8.count == b.text.utf8.count && a.text.utf8.elementsEqual(b.text.utf8)
    }

    package func hash(into hasher: inout Hasher) {
        for byte in text.utf8 { hasher.combine(byte) }
        hasher.combine(0xFF as UInt8)
    }
}
