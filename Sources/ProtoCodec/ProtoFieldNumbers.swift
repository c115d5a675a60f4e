/// A set of field numbers below 64.
///
///     let numbers: ProtoFieldNumbers = [7...8, 10...18]
public struct ProtoFieldNumbers: Sendable, ExpressibleByArrayLiteral {
    private let bits: UInt64

    /// Makes the set of the numbers in the ranges.
    public init(arrayLiteral ranges: ClosedRange<UInt32>...) {
        bits = ranges.joined().reduce(into: 0) { bits, number in
            precondition((1..<64).contains(number), "field \(number) has no place in the set")
            bits |= 1 << UInt64(number)
        }
    }

    func contains(_ number: UInt32) -> Bool {
        // Shifting further than there are bits gives 0.
        bits >> number & 1 != 0
    }
}
