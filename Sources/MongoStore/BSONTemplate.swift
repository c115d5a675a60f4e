/// A document that is written often and differs in some values only: its blanks.
///
/// It is kept as bytes. To write it is to copy them, instead of making a tree of values each time.
struct BSONTemplate {
    private let bytes: [UInt8]
    private let blanks: [BSONWriter.Blank]
    private let surroundings: [BSONWriter.Surrounding]

    /// Makes a template of a document with ``BSON/blank(_:_:)`` in it.
    init(_ document: BSONDocument) {
        let writer = BSONWriter(document)
        bytes = writer.bytes
        blanks = writer.blanks
        surroundings = writer.surroundings
    }

    /// Writes the document; `fill` is given each blank's number, to write its value.
    func write(to writer: inout BSONWriter, _ fill: (Int, inout BSONWriter) -> Void) {
        withUnsafeTemporaryAllocation(of: Int.self, capacity: blanks.count + 1) { shifts in
            let start = writer.bytes.count
            var copied = 0
            // How far what follows so many blanks is moved by their values.
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
