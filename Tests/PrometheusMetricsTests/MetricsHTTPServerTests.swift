import Dispatch
import Foundation
import Logging
import Synchronization
import TestSupport
import Testing

@testable import PrometheusMetrics

@Suite("the server of the page")
struct MetricsHTTPServerTests {
    private let folder: TemporaryFolder
    private var path: String { folder.path("m.sock") }

    init() throws { folder = try TemporaryFolder() }

    /// Starts a server at ``path``; a socket that is there already is replaced.
    private func serve(
        timeout: Duration = .seconds(60),
        page: @escaping @Sendable () -> String = { "a 1\n" }
    ) throws -> MetricsHTTPServer {
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let listener = socket(AF_UNIX, kind | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        unlink(path)
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(listener, $0, size) }
        }
        try #require(bound == 0 && listen(listener, 64) == 0)
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        return MetricsHTTPServer(
            listener: listener,
            timeout: timeout,
            logger: logger,
            page: page
        )
    }

    /// Receives all that comes until the server closes.
    private func response(_ connection: RawConnection) throws -> String {
        var bytes = Data()
        while let byte = try connection.receive(1) { bytes += byte }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func response(to request: some Collection<UInt8>) throws -> String {
        let connection = try RawConnection(path)
        connection.send(Data(request))
        return try response(connection)
    }

    private static let request = Data("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
    private static let page =
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
        + "Content-Length: 4\r\nConnection: close\r\n\r\na 1\n"

    @Test func requests_are_answered_with_the_page_or_a_status() async throws {
        let server = try serve()
        #expect(try response(to: Self.request) == Self.page)
        #expect(try response(to: "GET /metrics?a=b HTTP/1.0\r\n\r\n".utf8) == Self.page)
        for (request, status) in [
            ("GET / HTTP/1.1\r\n\r\n", "404 Not Found"),
            ("GET /metricsx HTTP/1.1\r\n\r\n", "404 Not Found"),
            ("GET /metrics HTTP/2.0\r\n\r\n", "505 HTTP Version Not Supported"),
            ("GET /metrics\r\n\r\n", "400 Bad Request"),
            ("GET  /metrics HTTP/1.1\r\n\r\n", "400 Bad Request"),
            ("GET metrics HTTP/1.1\r\n\r\n", "400 Bad Request"),
            ("\u{16}\u{3}\u{1}\r\n\r\n", "400 Bad Request"),
        ] {
            #expect(
                try response(to: request.utf8)
                    == "HTTP/1.1 \(status)\r\nContent-Type: text/plain; charset=utf-8\r\n"
                    + "Content-Length: \(status.utf8.count + 1)\r\nConnection: close\r\n\r\n"
                    + "\(status)\n"
            )
        }
        let posted = try response(
            to: "POST /metrics HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi".utf8
        )
        #expect(posted.hasPrefix("HTTP/1.1 405 Method Not Allowed\r\n"))
        #expect(posted.contains("\r\nAllow: GET\r\n"))
        await server.stop()
    }

    @Test func a_head_of_8192_bytes_is_accepted_and_of_one_more_refused() async throws {
        let server = try serve()
        #expect(try response(to: HTTPRequestHeadTests.head(of: 8_192)) == Self.page)
        for size in [8_193, 9_000] {
            let response = try response(to: HTTPRequestHeadTests.head(of: size))
            #expect(response.hasPrefix("HTTP/1.1 431 Request Header Fields Too Large\r\n"))
        }
        await server.stop()
    }

    @Test func a_request_may_arrive_byte_by_byte() async throws {
        let server = try serve()
        let connection = try RawConnection(path)
        for byte in Self.request { connection.send(Data([byte])) }
        #expect(try response(connection) == Self.page)
        await server.stop()
    }

    @Test func a_client_may_end_its_output_after_the_request_but_not_before() async throws {
        let server = try serve()
        let whole = try RawConnection(path)
        whole.send(Self.request)
        whole.endOutput()
        #expect(try response(whole) == Self.page)
        let half = try RawConnection(path)
        half.send(Self.request.dropLast())
        half.endOutput()
        #expect(try half.isClosedByPeer())
        await server.stop()
    }

    @Test func a_seventeenth_connection_is_closed_and_the_others_are_served() async throws {
        let server = try serve()
        do {
            let connections = try (0..<16).map { _ in try RawConnection(path) }
            #expect(try RawConnection(path).isClosedByPeer())
            for connection in connections {
                connection.send(Self.request)
                #expect(try response(connection) == Self.page)
            }
        }
        // The places are free when the server has noticed that the clients have closed.
        #expect(await eventually { (try? response(to: Self.request)) == Self.page })
        await server.stop()
    }

    @Test func a_client_that_is_slow_to_ask_is_closed() async throws {
        let server = try serve(timeout: .milliseconds(50))
        let silent = try RawConnection(path)
        let half = try RawConnection(path)
        half.send(Self.request.dropLast())
        #expect(try silent.isClosedByPeer())
        #expect(try half.isClosedByPeer())
        await server.stop()
    }

    @Test func a_client_that_does_not_read_is_closed() async throws {
        let large = String(repeating: "x", count: 16 << 20)
        let server = try serve(timeout: .milliseconds(50)) { large }
        let connection = try RawConnection(path)
        connection.send(Self.request)
        #expect(await eventually { connection.sendWithoutWaiting(Data([0])) == nil })
        await server.stop()
    }

    @Test func a_page_larger_than_the_socket_s_buffer_arrives_whole() async throws {
        let large = String(repeating: "x", count: 4 << 20)
        let server = try serve { large }
        let connection = try RawConnection(path)
        connection.send(Self.request)
        let head = Self.page.replacing("Content-Length: 4", with: "Content-Length: \(4 << 20)")
            .dropLast(4)
        #expect(try connection.receive(head.utf8.count) == Data(head.utf8))
        #expect(try connection.receive(4 << 20) == Data(large.utf8))
        #expect(try connection.isClosedByPeer())
        await server.stop()
    }

    @Test func a_stop_closes_everything_and_may_be_repeated() async throws {
        let server = try serve()
        let silent = try RawConnection(path)
        // Once this one is answered, the one before it has been accepted, too.
        #expect(try response(to: Self.request) == Self.page)
        await server.stop()
        #expect(try silent.isClosedByPeer())
        #expect(throws: RawConnection.Failure.self) { try RawConnection(path) }
        await server.stop()

        let next = try serve()
        #expect(try response(to: Self.request) == Self.page)
        await next.stop()
    }

    @Test func a_stop_waits_for_the_page_that_is_being_made() async throws {
        let (isBeingMade, making) = AsyncStream.makeStream(of: Void.self)
        let mayEnd = DispatchSemaphore(value: 0)
        let server = try serve {
            making.yield()
            mayEnd.wait()
            return "a 1\n"
        }
        let connection = try RawConnection(path)
        connection.send(Self.request)
        for await _ in isBeingMade { break }
        let hasStopped = Atomic(false)
        async let stop: Void = {
            await server.stop()
            hasStopped.store(true, ordering: .releasing)
        }()
        #expect(await eventually { (try? RawConnection(path)) == nil })
        let wasStoppedEarly = hasStopped.load(ordering: .acquiring)
        #expect(!wasStoppedEarly)
        mayEnd.signal()
        await stop
    }

    @Test(arguments: ["127.0.0.1", "::1"])
    func a_stop_frees_the_port(_ host: String) async throws {
        let listening = try MetricsAddress.listen(host: host, port: 0)
        let server = MetricsHTTPServer(
            listener: listening.descriptor,
            timeout: .seconds(60),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        ) { "" }
        #expect(throws: (any Error).self) {
            try MetricsAddress.listen(host: host, port: listening.port)
        }
        await server.stop()
        close(try MetricsAddress.listen(host: host, port: listening.port).descriptor)
    }
}
