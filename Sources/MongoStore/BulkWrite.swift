import CMongoC
import FeedbackModel

/// A `mongoc_bulk_operation_t`: updates that are sent as one unordered command.
final class BulkWrite {
    /// The outcome of the updates.
    struct Reply {
        /// The updates that the server refused, by index.
        var errors: [Int: Refusal] = [:]
        /// The number of documents that were changed or created, without those that a refused
        /// update changed.
        var applied = 0
        /// The failure for which nothing more is known, or the write concern was not met; nil if
        /// there was none.
        ///
        /// With a failure, no update counts as stored.
        var failure: MongoFailure?
    }

    /// The reason for which the server refused an update.
    struct Refusal {
        let failure: MongoFailure
        /// True if a unique index other than that of `_id` has the same key already.
        let isOfForeignIndex: Bool

        /// True if the update may have been stored, or may succeed the next time.
        var isTransient: Bool {
            failure.isTransient || (failure.isDuplicateKey && !isOfForeignIndex)
        }

        /// Reads an entry of a reply's `writeErrors`.
        init(_ entry: BSONDocument) {
            failure = MongoFailure(serverCode: Int32(clamping: entry["code"]?.integer ?? 0))
            // Servers before 4.4 do not name the index.
            let keys = entry["keyPattern"]?.document?.fields.map(\.key) ?? ["_id"]
            isOfForeignIndex = failure.isDuplicateKey && keys != ["_id"]
        }

        /// Returns the error for the callers whose feedback the update contained.
        func error(session: String) -> CallError {
            if failure.isDocumentTooLarge { return failure.documentTooLarge(session: session) }
            if isOfForeignIndex {
                return CallError(
                    .failedPrecondition,
                    "session_id: the session \(session) cannot be written to, since a unique index "
                        + "of the collection, other than that of _id, forbids it",
                    cause: failure
                )
            }
            if failure.isOfNoArray {
                return CallError(
                    .failedPrecondition,
                    "session_id: the session \(session) has feedbacks in MongoDB that are no array",
                    cause: failure
                )
            }
            return failure.error
        }
    }

    private let collection: MongoCollection
    private let bulk: OpaquePointer

    init(on collection: MongoCollection) {
        self.collection = collection
        let options: BSONDocument = ["ordered": false]
        bulk = collection.withPointer { handle in
            options.withPointer { mongoc_collection_create_bulk_operation_with_opts(handle, $0) }
        }
    }

    deinit { mongoc_bulk_operation_destroy(bulk) }

    /// Adds an update of the document that the filter selects; with `upsert`, the document is
    /// created if it does not exist.
    func updateOne(_ filter: BSONWriter, _ pipeline: BSONWriter, upsert: Bool) throws {
        let options = upsert ? Self.upsertOptions : Self.updateOptions
        try add(filter, pipeline, options, with: mongoc_bulk_operation_update_one_with_opts)
    }

    /// Adds an update of all documents that the filter selects.
    func updateMany(_ filter: BSONWriter, _ pipeline: BSONWriter) throws {
        let add = mongoc_bulk_operation_update_many_with_opts
        try self.add(filter, pipeline, Self.updateOptions, with: add)
    }

    private typealias Add = (
        _ bulk: OpaquePointer?, _ filter: OpaquePointer?, _ pipeline: OpaquePointer?,
        _ options: OpaquePointer?, _ error: UnsafeMutablePointer<bson_error_t>?
    ) -> Bool

    private func add(
        _ filter: BSONWriter,
        _ pipeline: BSONWriter,
        _ options: BSONWriter,
        with add: Add
    ) throws {
        var error = bson_error_t()
        let isValid = filter.withPointer { filter in
            pipeline.withPointer { pipeline in
                options.withPointer { add(bulk, filter, pipeline, $0, &error) }
            }
        }
        if !isValid { throw MongoFailure(error) }
    }

    private static let upsertOptions = BSONWriter(["upsert": true, "validate": false])
    private static let updateOptions = BSONWriter(["upsert": false, "validate": false])

    /// Sends the updates and waits until a majority of the servers has journaled them.
    func execute() -> Reply {
        var error = bson_error_t()
        let (server, document) = BSONDocument.made { reply in
            mongoc_bulk_operation_execute(bulk, reply, &error)
        }
        var reply = Reply()
        reply.applied = Int(document["nModified"]?.integer ?? 0)
        reply.applied += Int(document["nUpserted"]?.integer ?? 0)
        for entry in document["writeErrors"]?.array ?? [] {
            guard let entry = entry.document, let index = entry["index"]?.integer else { continue }
            reply.errors[Int(index)] = Refusal(entry)
        }
        if let concern = document["writeConcernErrors"]?.array?.first?.document {
            reply.failure = MongoFailure(writeConcernError: concern)
        } else if server == 0, reply.errors.isEmpty {
            reply.failure = MongoFailure(error)
        }
        return reply
    }
}
