import CMongoC

/// A `mongoc_collection_t`, for use on one thread.
final class MongoCollection {
    private let client: ClientPool.Client
    private let name: CollectionName
    private let collection: OpaquePointer

    init(_ name: CollectionName, client: ClientPool.Client) {
        self.client = client
        self.name = name
        collection = client.withPointer {
            mongoc_client_get_collection($0, name.database, name.collection)
        }
    }

    deinit { mongoc_collection_destroy(collection) }

    func withPointer<R>(_ body: (OpaquePointer) throws -> R) rethrows -> R { try body(collection) }

    /// True if writes go to the primary of a replica set, neither to a router (mongos) nor to a
    /// standalone server.
    var writesToReplicaSet: Bool {
        get throws(MongoFailure) { try client.primaryType() == "RSPrimary" }
    }

    /// True if an `_id` is found by an index of its own and only by the exact value: false for a
    /// clustered collection, and for one with a collation.
    var hasPlainIDs: Bool {
        get throws(MongoFailure) {
            let reply = try client.run(
                ["listIndexes": .string(name.collection)],
                database: name.database
            )
            let indexes = reply["cursor"]?.document?["firstBatch"]?.array ?? []
            let ofID = indexes.lazy.compactMap(\.document).first { index in
                index["key"]?.document?.fields.map(\.key) == ["_id"]
            }
            return ofID != nil && ofID?["clustered"] == nil && ofID?["collation"] == nil
        }
    }

    /// The moment of the last write of the deployment; nil if it is a standalone server, which does
    /// not count them.
    var clusterTime: ClusterTime? {
        get throws(MongoFailure) {
            try client.run(["ping": 1], database: name.database)["operationTime"]?.timestamp
        }
    }

    /// The collection's UUID, as 32 hexadecimal digits; nil if the collection does not exist.
    var uuid: String? {
        get throws(MongoFailure) {
            let reply = try client.run(
                ["listCollections": 1, "filter": ["name": .string(name.collection)]],
                database: name.database
            )
            let found = reply["cursor"]?.document?["firstBatch"]?.array?.first?.document
            guard case .uuid(let digits)? = found?["info"]?.document?["uuid"] else { return nil }
            return digits
        }
    }

    /// Calls the body with each document that the pipeline returns, and its size in bytes, until
    /// the body returns false.
    ///
    /// The options are those of `mongoc_collection_aggregate`. `onPrimary` overrides the URI's read
    /// preference.
    func aggregate(
        _ pipeline: [BSON],
        options: BSONDocument = [:],
        onPrimary: Bool = false,
        _ body: (BSONDocument, Int) throws -> Bool
    ) throws {
        let cursor = Cursor(pipeline, options: options, onPrimary: onPrimary, on: self)
        while let (document, bytes) = try cursor.next() {
            if try !body(document, bytes) { return }
        }
    }

    /// Runs a write command with the URI's write concern, and returns the reply.
    func write(_ command: BSONDocument) throws -> BSONDocument {
        var error = bson_error_t()
        let (succeeded, reply) = BSONDocument.made { reply in
            command.withPointer {
                mongoc_collection_write_command_with_opts(collection, $0, nil, reply, &error)
            }
        }
        if let concern = reply["writeConcernError"]?.document {
            throw MongoFailure(writeConcernError: concern)
        }
        if !succeeded { throw MongoFailure(error) }
        return reply
    }
}

/// A `mongoc_cursor_t`.
private final class Cursor {
    private let collection: MongoCollection
    private let cursor: OpaquePointer

    init(_ pipeline: [BSON], options: BSONDocument, onPrimary: Bool, on collection: MongoCollection)
    {
        self.collection = collection
        let preference = onPrimary ? mongoc_read_prefs_new(MONGOC_READ_PRIMARY) : nil
        defer { mongoc_read_prefs_destroy(preference) }
        cursor = collection.withPointer { handle in
            let stages: BSONDocument = ["pipeline": .array(pipeline)]
            return stages.withPointer { stages in
                options.withPointer { options in
                    mongoc_collection_aggregate(
                        handle,
                        MONGOC_QUERY_NONE,
                        stages,
                        options,
                        preference
                    )
                }
            }
        }
    }

    deinit { mongoc_cursor_destroy(cursor) }

    /// Returns the next document with its size in bytes; nil at the end.
    func next() throws -> (BSONDocument, Int)? {
        var document: OpaquePointer?
        if mongoc_cursor_next(cursor, &document), let document {
            return BSONDocument.read(document)
        }
        var error = bson_error_t()
        if mongoc_cursor_error(cursor, &error) { throw MongoFailure(error) }
        return nil
    }
}
