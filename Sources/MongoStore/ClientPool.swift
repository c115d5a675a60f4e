import CMongoC
import FeedbackModel

/// A `mongoc_client_pool_t`: the connections to a deployment, and the threads that monitor its
/// servers.
final class ClientPool: Sendable {
    /// The time limit for an operation on the server, so that its answer arrives before the
    /// socket's timeout.
    let serverTimeMax: Duration
    private nonisolated(unsafe) let pool: OpaquePointer  // libmongoc guards it with a lock.

    /// Makes a pool.
    ///
    /// - Parameters:
    ///   - uri: the deployment, which need not be reachable.
    ///   - clientsMax: the maximum number of clients in use.
    ///   - timeoutMax: an upper bound of the URI's connection and socket timeouts; nil for none.
    ///   - retriesWrites: true if the server is to record writes so that the driver can retry them,
    ///     as the URI says; false for writes that can be repeated as they are.
    /// - Throws: INVALID_ARGUMENT if options of the URI exclude each other.
    init(
        _ uri: MongoURI,
        clientsMax: Int,
        timeoutMax: Duration? = nil,
        retriesWrites: Bool = true
    ) throws {
        Mongoc.start()
        (pool, serverTimeMax) = try uri.withDefaults(timeoutMax: timeoutMax) { uri, timeMax in
            if !retriesWrites {
                mongoc_uri_set_option_as_bool(uri, MONGOC_URI_RETRYWRITES, false)
            }
            guard let pool = mongoc_client_pool_new_with_error(uri, nil) else {
                throw CallError(
                    .invalidArgument,
                    "the store's MongoDB URI cannot be used: its options exclude each other, or "
                        + "its servers cannot be looked up"
                )
            }
            return (pool, timeMax)
        }
        mongoc_client_pool_max_size(pool, UInt32(clientsMax))
        mongoc_client_pool_set_error_api(pool, 2)
    }

    deinit { mongoc_client_pool_destroy(pool) }

    /// Calls `body` with a client, for use on the calling thread only.
    ///
    /// This blocks while all clients are in use, so that it should be called from no more threads
    /// than there are clients.
    func withClient<R>(_ body: (Client) throws -> R) rethrows -> R {
        try body(Client(of: self))
    }

    /// A client that is taken out of the pool until this object is freed.
    final class Client {
        private let pool: ClientPool
        private let client: OpaquePointer

        fileprivate init(of pool: ClientPool) {
            self.pool = pool
            client = mongoc_client_pool_pop(pool.pool)
        }

        deinit { mongoc_client_pool_push(pool.pool, client) }

        func withPointer<R>(_ body: (OpaquePointer) throws -> R) rethrows -> R {
            try body(client)
        }

        /// Returns the type of the server that receives writes, as the Server Discovery And
        /// Monitoring specification names it; selects one if none is known.
        func primaryType() throws(MongoFailure) -> String {
            var error = bson_error_t()
            guard let server = mongoc_client_select_server(client, true, nil, &error) else {
                throw MongoFailure(error)
            }
            defer { mongoc_server_description_destroy(server) }
            return String(cString: mongoc_server_description_type(server))
        }

        /// Runs a command on the primary, without a read or write concern, and returns the reply.
        func run(_ command: BSONDocument, database: String) throws(MongoFailure) -> BSONDocument {
            var error = bson_error_t()
            let (succeeded, reply) = BSONDocument.made { reply in
                command.withPointer {
                    mongoc_client_command_simple(client, database, $0, nil, reply, &error)
                }
            }
            if !succeeded { throw MongoFailure(error) }
            return reply
        }
    }
}
