import CMongoC

extension BSONDocument {
    /// Lends libbson's form of the document.
    func withPointer<R>(_ body: (OpaquePointer) throws -> R) rethrows -> R {
        let bytes = BSONWriter(self).bytes
        guard let bson = bson_new_from_data(bytes, bytes.count) else {
            preconditionFailure("what is written is a document")
        }
        defer { bson_destroy(bson) }
        return try body(bson)
    }

    /// Lends the memory for a document that a function of libmongoc makes, and reads what it made.
    static func made<R>(by body: (OpaquePointer) -> R) -> (R, BSONDocument) {
        // What sizeof(bson_t) and its alignment are, says bson-types.h.
        let memory = UnsafeMutableRawPointer.allocate(byteCount: 128, alignment: 128)
        defer { memory.deallocate() }
        let bson = OpaquePointer(memory)
        let result = body(bson)
        defer { bson_destroy(bson) }
        return (result, read(bson).0)
    }

    /// Reads a document of libbson's; the second value is how many bytes it has.
    static func read(_ bson: OpaquePointer) -> (BSONDocument, Int) {
        guard let start = UnsafeRawPointer(bson_get_data(bson)) else { return ([:], 0) }
        let count = Int(Int32(littleEndian: start.loadUnaligned(as: Int32.self)))
        var reader = BSONReader(UnsafeRawBufferPointer(start: start, count: count))
        return (reader.document() ?? BSONDocument(), count)
    }
}
