internal import FeedbackServer

extension Settings {
    /// The keys at the top of the file, except `hooks`.
    static let settings: [Setting<Settings>] = place + logs + limits

    private static let place: [Setting<Settings>] = [
        Setting(
            "socket",
            \.server.socketPath,
            .text,
            unset: "`$XDG_RUNTIME_DIR/feedbackd/feedbackd.sock`; without that variable "
                + "`/run/feedbackd/feedbackd.sock` for root, else `/tmp/feedbackd-UID/feedbackd.sock`",
            "The path of the Unix domain socket."
        ),
        Setting(
            "socket_mode",
            \.server.socketMode,
            .permissions,
            "The socket's permission bits, which say who may connect."
        ),
        Setting(
            "socket_group",
            \.server.socketGroup,
            .text,
            unset: "the process's own",
            "The name of the socket's group."
        ),
        Setting(
            "allow_uid",
            \.server.allowedUIDs,
            .set(
                of: .userID,
                max: SettingLimits.userIDsMax,
                atLeastOne: "user id; without the key everyone is served whom the socket's "
                    + "permissions let in"
            ),
            unset: "everyone whom the socket's permissions let in",
            "The only user ids that are served; an empty list is refused."
        ),
        Setting(
            "admin_uid",
            \.server.adminUIDs,
            .set(of: .userID, max: SettingLimits.userIDsMax),
            "The user ids that may see and control destinations and ask for the daemon's status, "
                + "besides root and the daemon's own; `allow_uid` has to let them in."
        ),
        Setting(
            "store",
            \.server.store,
            .store,
            unset: "`sqlite:/var/lib/feedbackd/feedback.db` for root, else "
                + "`feedbackd/feedback.db` under `$XDG_DATA_HOME` or `~/.local/share`",
            "The place where feedback is kept."
        ),
        Setting(
            "mongodb_database",
            \.server.mongoDatabase,
            .text,
            unset: "the one that the connection string names, else `feedbackd`",
            "The database, if the store is MongoDB."
        ),
        Setting(
            "mongodb_collection",
            \.server.mongoCollection,
            .text,
            unset: "`sessions`",
            "The collection of the sessions, if the store is MongoDB."
        ),
        Setting(
            "alerts_file",
            \.server.alertsFile,
            .text,
            unset: "`alerts.db` in the folder where the database would be",
            "The SQLite file of the journal beside MongoDB, in which changes wait to be delivered to "
                + "notifications, or to be written to MongoDB."
        ),
        Setting(
            "acknowledge",
            \.server.acknowledgement,
            .choice,
            "When adds and updates of metadata are answered, if the store is MongoDB: when a majority "
                + "of its servers has them, or when the journal on this host has them."
        ),
        Setting(
            "journal_max",
            \.server.journalBytesMax,
            .number(1 << 20...1 << 40),
            "The most bytes of changes in the journal that MongoDB does not have yet; beyond, adds are "
                + "RESOURCE_EXHAUSTED."
        ),
        Setting(
            "journal_keep",
            \.server.journalKeep,
            .seconds(1...2_592_000),
            "The age from which on changes that MongoDB has and notifications have passed leave the "
                + "journal."
        ),
        Setting(
            "missing_session",
            \.server.missingSession,
            .choice,
            "The outcome of a write to an unknown session: the session is created, or the write is "
                + "rejected with NOT_FOUND."
        ),
    ]

    private static let logs: [Setting<Settings>] = [
        Setting(
            "log_level",
            \.logLevel,
            .choice,
            "The least level that is logged, to standard error, without comments and secrets."
        ),
        Setting(
            "metrics_listen",
            \.server.metricsListen,
            .localAddress,
            unset: "nowhere",
            "The address at which Prometheus reads metrics; port 0 is any that is free."
        ),
    ]

    private static let limits: [Setting<Settings>] = [
        Setting(
            "connections_max",
            \.server.connectionsMax,
            .number(1...1_000_000),
            "The most connections at once, of which the processes of one user leave an eighth to "
                + "others; one more is told so and closed. Fewer are served if the limit of open files "
                + "does not suffice."
        ),
        Setting(
            "calls_in_flight_max",
            \.server.callsInFlightPerConnectionMax,
            .number(1...1_000_000),
            "The most calls of one connection at once; further ones wait in the socket, and gRPC's "
                + "clients are told the number."
        ),
        Setting(
            "frame_bytes_max",
            \.server.frameBytesMax,
            .number(1_024...ServerConfiguration.frameBytesLimit),
            "The largest message, in bytes."
        ),
        Setting(
            "output_queue_bytes_max",
            \.server.outputQueueBytesMax,
            .number(65_536...1 << 30),
            "The most bytes that wait to be written to one connection; a client that then reads "
                + "nothing is closed."
        ),
        Setting(
            "handshake_timeout",
            \.server.handshakeTimeout,
            .seconds(1...3_600),
            "The longest time for the beginning of a connection."
        ),
        Setting(
            "write_queue_max",
            \.server.writeLimits.queueLengthMax,
            .number(1...1_000_000),
            "The most writes that wait for the store, of which the processes of one user leave an "
                + "eighth to others; one more is RESOURCE_EXHAUSTED."
        ),
        Setting(
            "drain_timeout",
            \.server.drainTimeout,
            .seconds(0...3_600),
            "The longest time for running calls to end on SIGTERM or SIGINT."
        ),
    ]
}
