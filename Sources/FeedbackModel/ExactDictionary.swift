/// A dictionary of texts in which two keys are equal only if they have the same bytes.
///
/// Swift's `String` compares by canonical equivalence, so that `[String: Value]` has one place for
/// "é" and "e" with a combining accent, which are two keys in every store and on the wire.
///
///     var attributes: Attributes = ["model": "m-1"]
///     attributes["größe"] = "L"
public struct ExactDictionary<Value> {
    private var values: [ExactText: Value]

    /// Makes an empty dictionary.
    public init() { values = [:] }

    /// Makes a dictionary of the pairs of another one, whose keys are different in any case.
    public init(_ dictionary: [String: Value]) {
        self.init(dictionary.lazy.map { ($0.key, $0.value) }) { _, last in last }
    }

    /// Makes a dictionary of pairs; `combine` chooses between the values of a key that comes twice.
    public init(
        _ pairs: some Sequence<(String, Value)>,
        uniquingKeysWith combine: (Value, Value) throws -> Value
    ) rethrows {
        values = try Dictionary(
            pairs.lazy.map { (ExactText($0.0), $0.1) },
            uniquingKeysWith: combine
        )
    }

    /// The number of pairs.
    public var count: Int { values.count }

    /// True if there are no pairs.
    public var isEmpty: Bool { values.isEmpty }

    /// The keys, in no particular order.
    public var keys: [String] { values.keys.map(\.text) }

    /// The value of a key, nil if there is none; setting nil removes the key.
    public subscript(key: String) -> Value? {
        get { values[ExactText(key)] }
        set { values[ExactText(key)] = newValue }
    }

    /// Adds the pairs of another dictionary; `combine` chooses between the values of a key that both
    /// have.
    public mutating func merge(
        _ other: Self,
        uniquingKeysWith combine: (Value, Value) throws -> Value
    ) rethrows {
        try values.merge(other.values, uniquingKeysWith: combine)
    }

    /// Returns the dictionary with the pairs of another one added to it.
    public func merging(
        _ other: Self,
        uniquingKeysWith combine: (Value, Value) throws -> Value
    ) rethrows -> Self {
        var merged = self
        try merged.merge(other, uniquingKeysWith: combine)
        return merged
    }

    /// Returns a dictionary of the same keys with changed values.
    public func mapValues<T>(_ transform: (Value) throws -> T) rethrows -> ExactDictionary<T> {
        ExactDictionary<T>(values: try values.mapValues(transform))
    }

    /// Returns a dictionary of the pairs for which the condition is true.
    public func filter(_ isIncluded: (Element) throws -> Bool) rethrows -> Self {
        Self(values: try values.filter { try isIncluded((key: $0.key.text, value: $0.value)) })
    }

    private init(values: [ExactText: Value]) { self.values = values }
}

extension ExactDictionary: Sequence {
    /// Returns the pairs one after the other, in no particular order.
    public struct Iterator: IteratorProtocol {
        fileprivate var rest: Dictionary<ExactText, Value>.Iterator

        /// Returns the next pair; nil after the last one.
        public mutating func next() -> (key: String, value: Value)? {
            guard let (key, value) = rest.next() else { return nil }
            return (key.text, value)
        }
    }

    /// Returns an iterator over the pairs, in no particular order.
    public func makeIterator() -> Iterator { Iterator(rest: values.makeIterator()) }

    /// The number of pairs.
    public var underestimatedCount: Int { values.count }
}

extension ExactDictionary: ExpressibleByDictionaryLiteral {
    /// Makes a dictionary of a literal; of a key that comes twice, the last value counts.
    public init(dictionaryLiteral pairs: (String, Value)...) {
        self.init()
        for (key, value) in pairs { self[key] = value }
    }
}

extension ExactDictionary: Sendable where Value: Sendable {}
extension ExactDictionary: Equatable where Value: Equatable {}
extension ExactDictionary: Hashable where Value: Hashable {}

extension ExactDictionary: CustomStringConvertible {
    /// The pairs as a dictionary shows them, sorted by their keys.
    public var description: String {
        let pairs = sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
            .map { "\(String(reflecting: $0.key)): \($0.value)" }
        return pairs.isEmpty ? "[:]" : "[\(pairs.joined(separator: ", "))]"
    }
}
