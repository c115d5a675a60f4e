import CoreMetrics
import FeedbackClient
import FeedbackCore
import Foundation
import Logging
import RPC
import TestSupport
import Testing

@testable import FeedbackServer

@Suite("the metrics of the server library")
struct ServedMetricsTests {
    private let folder: TemporaryFolder
    private var page: String { folder.path("m.sock") }

    init() throws { folder = try TemporaryFolder() }

    /// Starts a server whose metrics are on the page.
    private func makeServer() throws -> FeedbackServer {
        var configuration = ServerConfiguration()
        configuration.socketPath = folder.path("s.sock")
        configuration.store = .memory
        configuration.metricsListen = .unix(path: page)
        let server = try FeedbackServer(
            configuration: configuration,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
        try server.start()
        return server
    }

    /// Returns the lines of the page.
    private func lines() throws -> [Substring] {
        let connection = try RawConnection(page)
        connection.send(Data("GET /metrics HTTP/1.1\r\n\r\n".utf8))
        var bytes = Data()
        while let byte = try connection.receive(1) { bytes += byte }
        let page = String(decoding: bytes, as: UTF8.self).split(separator: "\r\n\r\n").last
        return page?.split(separator: "\n") ?? []
    }

    @Test func the_page_is_served_from_start_to_stop_and_again() async throws {
        try await withMetricsFactory(MetricsPage.makeMetrics()) {
            for _ in 0..<2 {
                let server = try makeServer()
                #expect(server.metricsAddress == .unix(path: page))
                #expect(try lines().contains("feedbackd_connections_open 0"))
                try await server.stop()
                #expect(server.metricsAddress == nil)
                #expect(!FileManager.default.fileExists(atPath: page))
            }
        }
    }

    @Test func the_metrics_of_every_module_have_help_under_their_names() async throws {
        try await withMetricsFactory(MetricsPage.makeMetrics()) {
            let server = try makeServer()
            let client = try FeedbackClient(socket: server.socketPath)
            try await client.addFeedback(sessionID: "s", rating: .up)
            let lines = try lines()
            let described = Set(
                lines.filter { $0.hasPrefix("# HELP ") }.map { $0.split(separator: " ")[2] }
            )
            let typed = lines.filter { $0.hasPrefix("# TYPE ") }.map { $0.split(separator: " ")[2] }
            #expect(described == Set(typed))
            for name in [
                "calls_total", "call_duration_seconds", "calls_in_flight", "connections_open",
                "connections_accepted_total", "connections_refused_total",
                "received_bytes_total", "sent_bytes_total",
            ] {
                #expect(described.contains("feedbackd_\(name)"), "\(name)")
            }
            try await server.stop()
        }
    }

    @Test func without_a_collection_there_is_no_page() {
        #expect {
            try makeServer()
        } throws: {
            ($0 as? CallError)?.code == .failedPrecondition
        }
    }

    @Test func an_address_is_read_as_the_configuration_has_it() throws {
        #expect(try MetricsAddress("unix:/run/m.sock") == .unix(path: "/run/m.sock"))
        #expect(try MetricsAddress("[::1]:9464") == .loopback(host: "::1", port: 9_464))
        let long = "unix:/" + String(repeating: "x", count: 107)
        for text in ["unix:", "unix:@name", long, "/run/m.sock", "10.0.0.1:80"] {
            #expect(throws: CallError.self) { try MetricsAddress(text) }
        }
    }

    @Test func limits_of_the_configuration_are_those_of_the_server() {
        var configuration = ServerConfiguration()
        configuration.connectionsMax = 1
        configuration.callsInFlightPerConnectionMax = 2
        configuration.frameBytesMax = 3
        configuration.outputQueueBytesMax = 4
        configuration.handshakeTimeout = .seconds(5)
        let limits = configuration.rpcLimits
        #expect(limits.connectionsMax == 1)
        #expect(limits.callsInFlightPerConnectionMax == 2)
        #expect(limits.frameBytesMax == 3)
        #expect(limits.outputQueueBytesMax == 4)
        #expect(limits.handshakeTimeout == .seconds(5))
    }
}
