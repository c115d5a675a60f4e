import CMongoC

/// A `mongoc_change_stream_t` on a collection of sessions, for use on one thread.
///
/// libmongoc itself goes on with another server once, when one fails.
final class ChangeStream {
    private let collection: MongoCollection
    private let stream: OpaquePointer

    /// Opens a stream; that it cannot be opened is an error of ``next()``.
    ///
    /// - Parameters:
    ///   - collection: the collection, which need not exist.
    ///   - time: the moment of the first write whose event is returned.
    ///   - wait: the longest wait of the server for the next event.
    ///   - batchMax: the maximum number of events in one reply of the server.
    init(on collection: MongoCollection, from time: ClusterTime, wait: Duration, batchMax: Int) {
        self.collection = collection
        let stages: BSONDocument = ["pipeline": .array(ChangeEvent.pipeline)]
        let options: BSONDocument = [
            "startAtOperationTime": .timestamp(time),
            "maxAwaitTimeMS": .int64(Int64(wait / .milliseconds(1))),
            "batchSize": .int32(Int32(min(batchMax, MongoStoreLimits.changesBatchMax))),
        ]
        stream = collection.withPointer { handle in
            // A stream has no other read concern, whatever the URI says.
            let concern = mongoc_read_concern_new()
            mongoc_read_concern_set_level(concern, MONGOC_READ_CONCERN_LEVEL_MAJORITY)
            mongoc_collection_set_read_concern(handle, concern)
            mongoc_read_concern_destroy(concern)
            return stages.withPointer { stages in
                options.withPointer { mongoc_collection_watch(handle, stages, $0) }
            }
        }
    }

    deinit { mongoc_change_stream_destroy(stream) }

    /// Returns the next event; nil if none came within the wait.
    func next() throws(MongoFailure) -> BSONDocument? {
        var document: OpaquePointer?
        if mongoc_change_stream_next(stream, &document), let document {
            return BSONDocument.read(document).0
        }
        var error = bson_error_t()
        if mongoc_change_stream_error_document(stream, &error, nil) { throw MongoFailure(error) }
        return nil
    }

    /// The moment before which all events have been returned; nil if it is not known.
    var time: ClusterTime? {
        mongoc_change_stream_get_resume_token(stream).flatMap {
            ClusterTime(ofToken: BSONDocument.read($0).0)
        }
    }
}
