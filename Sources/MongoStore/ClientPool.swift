import CMongoC
import FeedbackModel

/// Owns a `mongoc_client_pool_t`: the connections to a deployment, and the threads that watch its
/// servers.
final class ClientPool: Sendable {
    /// How long a server may work on an operation so that its answer still comes before the socket's
    /// timeout.
    let serverTimeMax: Duration
    private nonisolated(unsafe) let pool: OpaquePointer  // libmongoc guards it with a lock.

    /// - Parameters:
    ///   - uri: the deployment; it need not be reachable.
    ///   - clientsMax: how many clients may be lent at once.
    ///   - timeoutMax: bounds the URI's timeouts of connecting and of the socket; nil leaves them.
    ///   - retriesWrites: whether the server is to remember writes so that they can be retried, as
    ///     the URI says; not for those that can be repeated as they are.
    /// - Throws: INVALID_ARGUMENT if the URI's options exclude each other.
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
                throw FeedbackError(
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

    /// Lends a client for use on one thread.
    ///
    /// Blocks while all are lent, so that no more threads than clients should ask.
    func withClient<R>(_ body: (Client) throws -> R) rethrows -> R {
        try body(Client(of: self))
    }

    /// Takes a client out of a pool until it goes.
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

        /// What kind of server writes go to, as the Server Discovery And Monitoring specification
        /// calls it; looks for one if none is known.
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
