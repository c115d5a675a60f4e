internal import ArgumentParser

/// What may be given on the command line.
///
/// Nil is what was not given.
struct Options: ParsableArguments {
    @Option(help: "The socket's path.")
    var socket: String?

    @Option(help: "Where the feedback is kept: memory:, sqlite:PATH or mongodb://…")
    var store: String?

    @Option(help: "MongoDB's database. (default: the URI's, or else feedbackd)")
    var mongodbDatabase: String?

    @Option(help: "MongoDB's collection. (default: sessions)")
    var mongodbCollection: String?

    @Option(
        help:
            "Where the metrics for Prometheus are served: unix:PATH or 127.0.0.1:PORT. (default: off)"
    )
    var metricsListen: String?

    @Option(help: "What a write to an unknown session does: create or reject.")
    var missingSession: String?

    @Option(help: "The socket's permission bits, octal. (default: 0600)")
    var socketMode: String?

    @Option(help: "The name of the socket's group.")
    var socketGroup: String?

    @Option(parsing: .upToNextOption, help: "The only user ids that are served.")
    var allowUid: [String] = []

    @Option(help: "A YAML file with further settings.")
    var config: String?

    @Option(help: "trace, debug, info, notice, warning, error or critical. (default: info)")
    var logLevel: String?

    @Option(help: "How many connections are served at once. (default: 10000)")
    var connectionsMax: String?

    @Option(help: "How many calls of one connection are worked on at once. (default: 1024)")
    var callsInFlightMax: String?

    @Option(help: "The largest message, in bytes; at most 4194304, the default.")
    var frameBytesMax: String?

    @Option(help: "What may wait to be written to one connection, in bytes. (default: 8388608)")
    var outputQueueBytesMax: String?

    @Option(help: "How long the beginning of a connection may take, in seconds. (default: 5)")
    var handshakeTimeout: String?

    @Option(help: "How many writes may wait for the store. (default: 16384)")
    var writeQueueMax: String?

    @Option(
        help: "How long running calls may take when the daemon stops, in seconds. (default: 10)"
    )
    var drainTimeout: String?
}
