internal import CoreMetrics
internal import FeedbackCore
internal import FeedbackHooks
internal import Logging
public import PrometheusMetrics
internal import RPC

/// The page with metrics at its address, from the making of its socket to its stop.
struct MetricsPage: Sendable {
    /// The text before the names of the metrics of calls and connections.
    static let prefix = "feedbackd_"

    /// The address, with the port that was free if port 0 was asked for.
    let address: MetricsAddress
    private let server: MetricsHTTPServer
    /// The file of a Unix socket.
    private let file: SocketFile?

    /// Serves the page until ``stop()``.
    ///
    /// - Throws: an error whose description names the address and the reason.
    init(
        at address: MetricsAddress,
        permissions: SocketPermissions,
        timeout: Duration,
        logger: Logger,
        metrics: PrometheusMetrics
    ) throws {
        let listener: Int32
        switch address {
        case .unix(let path):
            let file = try SocketFile(UnixSocketAddress(path: path), permissions)
            listener = file.descriptor
            self.file = file
            self.address = address
        case .loopback(let host, let port):
            let listening = try MetricsAddress.listen(host: host, port: port)
            listener = listening.descriptor
            file = nil
            self.address = .loopback(host: host, port: listening.port)
        }
        let server = MetricsHTTPServer(listener: listener, timeout: timeout, logger: logger) {
            metrics.page
        }
        self.server = server
        file?.watch(logger) { server.listen(on: $0) }
    }

    /// Removes the socket file and stops serving.
    func stop() async {
        file?.remove()
        await server.stop()
    }

    /// Returns an empty collection that knows the help texts of all metrics, and further ones by
    /// their names.
    static func makeMetrics(help: [String: String] = [:]) -> PrometheusMetrics {
        let own =
            CoreInstrument.allCases.map { ($0.rawValue, $0.help) }
            + HookInstrument.allCases.map { ($0.rawValue, $0.help) }
            + RPCInstrument.allCases.map { (prefix + $0.rawValue, $0.help) }
        return PrometheusMetrics(
            help: Dictionary(uniqueKeysWithValues: own).merging(help) { own, _ in own }
        )
    }

    /// Returns the installed metrics system.
    ///
    /// - Throws: FAILED_PRECONDITION if it is another one than that of
    ///   ``FeedbackServer/collectMetrics()``.
    static func collectedMetrics() throws -> PrometheusMetrics {
        guard let metrics = MetricsSystem.factory as? PrometheusMetrics else {
            throw CallError(
                .failedPrecondition,
                "nothing is collected for the page with metrics: call collectMetrics() first"
            )
        }
        return metrics
    }
}

extension MetricsAddress {
    /// Parses `unix:PATH`, `127.0.0.1:PORT` or `[::1]:PORT`.
    ///
    /// - Throws: INVALID_ARGUMENT for anything else, and for a path that no socket can have: other
    ///   hosts must not read the page, unless something in front of it decides who may.
    public init(_ text: String) throws {
        if text.hasPrefix("unix:") {
            let path = String(text.dropFirst("unix:".count))
            self = .unix(path: try UnixSocketAddress(path: path).path)
        } else {
            try self.init(loopback: text)
        }
    }
}
