/// A document that is written often with only some values, its blanks, changed.
///
/// It is kept as bytes, which are copied instead of encoding a tree of values each time.
struct BSONTemplate {
    private let bytes: [UInt8]
    private let blanks: [BSONWriter.Blank]
    private let surroundings: [BSONWriter.Surrounding]

    /// Makes a template of a document that contains ``BSON/blank(_:_:)`` values.
    init(_ document: BSONDocument) {
        let writer = BSONWriter(document)
        bytes = writer.bytes
        blanks = writer.blanks
        surroundings = writer.surroundings
    }

    /// Writes the document; `fill` is called with the number of each blank and must write its
    /// value.
    func write(to writer: inout BSONWriter, _ fill: (Int, inout BSONWriter) -> Void) {
        withUnsafeTemporaryAllocation(of: Int.self, capacity: blanks.count + 1) { shifts in
            let start = writer.bytes.count
            var copied = 0
            // `shifts[n]` is the distance by which the first n values move the bytes after them.
            shifts.initialize(repeating: 0)
            for (index, blank) in blanks.enumerated() {
                writer.append(bytes[copied..<blank.offset])
                fill(blank.number, &writer)
                copied = blank.offset
                shifts[index + 1] = writer.bytes.count - start - copied
            }
            writer.append(bytes[copied...])
            for surrounding in surroundings {
                let shift = shifts[surrounding.blanks.lowerBound]
                writer.measure(
                    from: start + surrounding.start + shift,
                    to: start + surrounding.end + shifts[surrounding.blanks.upperBound]
                )
            }
        }
    }
}
