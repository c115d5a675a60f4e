import CMongoC

extension BSONWriter {
    /// Calls `body` with the written document as a `bson_t` that refers to the writer's bytes; the
    /// pointer is valid only during the call.
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
    /// Calls `body` with the document as a `bson_t`; the pointer is valid only during the call.
    func withPointer<R>(_ body: (OpaquePointer) throws -> R) rethrows -> R {
        try BSONWriter(self).withPointer(body)
    }

    /// Calls `body` with memory for a `bson_t` that a function of libmongoc initializes, and
    /// returns the document; the `bson_t` is destroyed here.
    static func made<R>(by body: (OpaquePointer) -> R) -> (R, BSONDocument) {
        withUnsafeBSON { bson in
            let result = body(bson)
            defer { bson_destroy(bson) }
            return (result, read(bson).0)
        }
    }

    /// Reads a document from a `bson_t`; also returns its size in bytes.
    static func read(_ bson: OpaquePointer) -> (BSONDocument, Int) {
        guard let start = UnsafeRawPointer(bson_get_data(bson)) else { return ([:], 0) }
        let count = Int(Int32(littleEndian: start.loadUnaligned(as: Int32.self)))
        var reader = BSONReader(UnsafeRawBufferPointer(start: start, count: count))
        return (reader.document() ?? BSONDocument(), count)
    }
}

/// Calls `body` with uninitialized memory for a `bson_t`, with the size and alignment of
/// bson-types.h.
private func withUnsafeBSON<R>(_ body: (OpaquePointer) throws -> R) rethrows -> R {
    try withUnsafeTemporaryAllocation(byteCount: 128, alignment: 128) { memory in
        guard let start = memory.baseAddress else { preconditionFailure("memory has a place") }
        return try body(OpaquePointer(start))
    }
}
