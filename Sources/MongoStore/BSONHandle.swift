import CMongoC

extension BSONWriter {
    /// Lends libbson's form of the document that is written; it is not copied.
    func withPointer<R>(_ body: (OpaquePointer) throws -> R) rethrows -> R {
        try bytes.withUnsafeBufferPointer { bytes in
            try withUnsafeBSON { bson in
                let isDocument = bson_init_static(bson, bytes.baseAddress, bytes.count)
                precondition(isDocument, "what is written is a document")
                return try body(bson)
            }
        }
    }
}

extension BSONDocument {
    /// Lends libbson's form of the document.
    func withPointer<R>(_ body: (OpaquePointer) throws -> R) rethrows -> R {
        try BSONWriter(self).withPointer(body)
    }

    /// Lends the memory for a document that a function of libmongoc makes, and reads what it made.
    static func made<R>(by body: (OpaquePointer) -> R) -> (R, BSONDocument) {
        withUnsafeBSON { bson in
            let result = body(bson)
            defer { bson_destroy(bson) }
            return (result, read(bson).0)
        }
    }

    /// Reads a document of libbson's; the second value is how many bytes it has.
    static func read(_ bson: OpaquePointer) -> (BSONDocument, Int) {
        guard let start = UnsafeRawPointer(bson_get_data(bson)) else { return ([:], 0) }
        let count = Int(Int32(littleEndian: start.loadUnaligned(as: Int32.self)))
        var reader = BSONReader(UnsafeRawBufferPointer(start: start, count: count))
        return (reader.document() ?? BSONDocument(), count)
    }
}

/// Lends memory for a `bson_t`, whose size and alignment bson-types.h gives.
private func withUnsafeBSON<R>(_ body: (OpaquePointer) throws -> R) rethrows -> R {
    try withUnsafeTemporaryAllocation(byteCount: 128, alignment: 128) { memory in
        guard let start = memory.baseAddress else { preconditionFailure("memory has a place") }
        return try body(OpaquePointer(start))
    }
}
