import Foundation
import TestSupport
import Testing

/// The page for Prometheus of a running daemon, read by curl and by Prometheus' own Python library.
@Suite("the page with metrics", .serialized)
struct MetricsPageTests {
    private let folder: TemporaryFolder
    private var page: String { folder.path("m.sock") }

    init() throws { folder = try TemporaryFolder() }

    private func daemon(_ arguments: [String] = []) async throws -> Daemon {
        try await Daemon(in: folder, ["--metrics-listen", "unix:\(page)"] + arguments)
    }

    /// Fetches the page and returns its samples.
    private func samples(_ source: [String]? = nil) throws -> [String: Double] {
        let file = folder.path("page")
        let source = source ?? ["--unix-socket", page, "http://localhost/metrics"]
        let curl = try Programs.run(
            "/usr/bin/curl",
            ["-sS", "--fail", "-o", file, "-w", "%{content_type}"] + source
        )
        guard curl.code == 0 else { throw Failure("curl: \(curl.errors)") }
        #expect(curl.output == "text/plain; version=0.0.4; charset=utf-8")
        let reader = try Programs.run(
            PythonClient.tool("python"),
            [Programs.source("python/exposition.py"), file],
            environment: ["PYTHONDONTWRITEBYTECODE": "1"]
        )
        guard reader.code == 0 else { throw Failure(reader.errors) }
        let json = try JSONSerialization.jsonObject(with: Data(reader.output.utf8))
        return try #require(json as? [String: Double])
    }

    /// Sends the bytes to the page's server and returns its answer, until it closes.
    private func answer(_ bytes: String) throws -> String {
        let connection = try RawConnection(page)
        connection.send(Data(bytes.utf8))
        var text = ""
        while let byte = try connection.receive(1) { text += String(decoding: byte, as: UTF8.self) }
        return text
    }

    @Test func it_counts_the_calls_of_both_protocols() async throws {
        let daemon = try await daemon()
        for _ in 0..<3 { #expect(try daemon.control("add", "s", "--rating", "up").code == 0) }
        #expect(try daemon.control("add", "").code == 1)
        #expect(try daemon.control("metadata", "get", "nobody").code == 1)
        let python = try await PythonClient.run(daemon.socket, ["parallel", "p", "20"])
        #expect(python.code == 0, "\(python.errors)")

        // The server may notice a moment later that a client has closed its connection.
        #expect(try await eventually { try self.samples()["feedbackd_connections_open{}"] == 0 })
        let samples = try self.samples()
        func calls(_ method: String, _ protocol: String, _ code: String) -> Double? {
            let labels = "code=\(code),method=feedback.v1.\(method),protocol=\(`protocol`)"
            return samples["feedbackd_calls_total{\(labels)}"]
        }
        #expect(calls("FeedbackService/AddFeedback", "ttrpc", "OK") == 3)
        #expect(calls("FeedbackService/AddFeedback", "ttrpc", "INVALID_ARGUMENT") == 1)
        #expect(calls("SessionService/GetMetadata", "ttrpc", "NOT_FOUND") == 1)
        #expect(calls("FeedbackService/AddFeedback", "grpc", "OK") == 20)
        #expect(calls("FeedbackService/ListFeedbacks", "grpc", "OK") == 1)
        #expect(calls("FeedbackService/AddFeedback", "grpc", "UNAVAILABLE") == nil)
        for (`protocol`, count) in [("ttrpc", 4.0), ("grpc", 20)] {
            let labels = "{method=feedback.v1.FeedbackService/AddFeedback,protocol=\(`protocol`)}"
            #expect(samples["feedbackd_call_duration_seconds_count\(labels)"] == count)
            let seconds = samples["feedbackd_call_duration_seconds_sum\(labels)"] ?? 0
            #expect(seconds > 0 && seconds < 10)
            #expect(samples["feedbackd_calls_in_flight\(labels)"] == 0)
        }
        #expect(samples["feedbackd_connections_accepted_total{}"] == 6)
        #expect(samples["feedbackd_write_batch_size_sum{}"] == 23)
        #expect(samples["feedbackd_write_queue_length{}"] == 0)
        #expect(samples["feedbackd_read_queue_length{}"] == 0)
        #expect((samples["feedbackd_received_bytes_total{}"] ?? 0) > 1_000)
        #expect((samples["feedbackd_sent_bytes_total{}"] ?? 0) > 1_000)
        #expect(daemon.terminate() == 0)
    }

    @Test func it_shows_what_is_under_way_and_what_was_refused() async throws {
        let daemon = try await daemon(["--connections-max", "2"])
        let request = Wire.request("grpc.health.v1.Health", "Watch", Data())
        let watch = Wire.frame(stream: 1, flags: 1, request)
        do {
            let first = try RawConnection(daemon.socket)
            first.send(watch)
            _ = try first.receiveFrame()
            let second = try RawConnection(daemon.socket)
            second.send(Wire.call(stream: 1, "no.Service", "Method", Data()))
            #expect(Wire.response(try second.receiveFrame()?.data ?? Data()).code == 12)
            let third = try RawConnection(daemon.socket)
            third.send(watch)
            #expect(Wire.response(try third.receiveFrame()?.data ?? Data()).code == 8)

            let samples = try self.samples()
            let labels = "{method=grpc.health.v1.Health/Watch,protocol=ttrpc}"
            #expect(samples["feedbackd_calls_in_flight\(labels)"] == 1)
            #expect((2...3).contains(samples["feedbackd_connections_open{}"] ?? 0))
            #expect(samples["feedbackd_connections_refused_total{reason=limit}"] == 1)
            #expect(samples["feedbackd_connections_refused_total{reason=not_allowed}"] == 0)
            let unknown = "{code=UNIMPLEMENTED,method=unknown,protocol=ttrpc}"
            #expect(samples["feedbackd_calls_total\(unknown)"] == 1)
        }
        // The callers have gone away.
        let ended = "{code=CANCELLED,method=grpc.health.v1.Health/Watch,protocol=ttrpc}"
        #expect(try await eventually { try self.samples()["feedbackd_calls_total\(ended)"] == 1 })
        let samples = try self.samples()
        let labels = "{method=grpc.health.v1.Health/Watch,protocol=ttrpc}"
        #expect(samples["feedbackd_calls_in_flight\(labels)"] == 0)
        #expect(daemon.terminate() == 0)
    }

    @Test(arguments: ["127.0.0.1", "[::1]"])
    func it_is_served_at_a_loopback_port_that_is_free(_ host: String) async throws {
        let daemon = try await Daemon(in: folder, ["--metrics-listen", "\(host):0"])
        let line = try daemon.log().split(separator: "\n").first { $0.contains("metrics at ") }
        let address = try #require(line?.split(separator: " ").last)
        #expect(address.hasPrefix("\(host):"))
        #expect(try daemon.control("health").code == 0)
        let samples = try self.samples(["http://\(address)/metrics"])
        #expect(samples["feedbackd_connections_accepted_total{}"] == 1)
        #expect(daemon.terminate() == 0)
    }

    @Test func configured_hooks_count_under_their_names() async throws {
        let file = folder.path("hooks.yaml")
        let yaml = """
            hooks:
              order: [check, numbers, tell]
              check: {kind: validation, require_comment_on: [down]}
              numbers: {kind: analytics}
              tell: {kind: notification, on: [down]}
            """
        try Data(yaml.utf8).write(to: URL(fileURLWithPath: file))
        let daemon = try await daemon(["--config", file])
        for rating in ["up", "up", "down"] {
            _ = try daemon.control("add", "s", "--rating", rating)
        }
        #expect(try daemon.control("add", "s", "--rating", "down", "--comment", "no").code == 0)
        let delivered = "feedbackd_alert_deliveries_total{hook=tell,outcome=delivered}"
        #expect(try await eventually { try self.samples()[delivered] == 1 })
        let samples = try self.samples()
        let vetoes = "feedbackd_hook_vetoes_total{code=INVALID_ARGUMENT,hook=check}"
        #expect(samples[vetoes] == 1)
        #expect(samples["feedbackd_feedback_total{hook=numbers,rating=up}"] == 2)
        #expect(samples["feedbackd_feedback_total{hook=numbers,rating=down}"] == 1)
        #expect(samples["feedbackd_feedback_comment_codepoints_sum{hook=numbers}"] == 2)
        #expect(samples["feedbackd_alert_delivery_duration_seconds_count{hook=tell}"] == 1)
        #expect(daemon.terminate() == 0)
    }

    @Test func requests_for_anything_else_are_refused() async throws {
        let daemon = try await daemon()
        let long = String(repeating: "x", count: 9_000)
        for (request, status) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "404 Not Found"),
            ("GET /metricsx HTTP/1.1\r\n\r\n", "404 Not Found"),
            ("POST /metrics HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi", "405 Method Not Allowed"),
            ("GET /metrics HTTP/2.0\r\n\r\n", "505 HTTP Version Not Supported"),
            ("GET /metrics\r\n\r\n", "400 Bad Request"),
            ("GET  /metrics HTTP/1.1\r\n\r\n", "400 Bad Request"),
            ("\u{16}\u{3}\u{1}\r\n\r\n", "400 Bad Request"),
            ("GET /metrics HTTP/1.1\r\nX: \(long)", "431 Request Header Fields Too Large"),
            ("GET /metrics?a=b HTTP/1.0\r\n\r\n", "200 OK"),
        ] {
            let answer = try answer(request)
            #expect(answer.hasPrefix("HTTP/1.1 \(status)\r\n"), "\(request.prefix(40)): \(answer)")
        }
        #expect(try answer("POST /metrics HTTP/1.1\r\n\r\n").contains("\r\nAllow: GET\r\n"))
        #expect(daemon.terminate() == 0)
    }

    @Test func slow_clients_are_closed_and_more_than_sixteen_not_served() async throws {
        let daemon = try await daemon(["--handshake-timeout", "1"])
        let slow = try (0..<16).map { _ in
            let connection = try RawConnection(page)
            connection.send(Data("GET /metrics HTTP/1.1\r\n".utf8))
            return connection
        }
        #expect(try RawConnection(page).isClosedByPeer())
        // Calls are served, however many connections there are.
        #expect(try daemon.control("health").output == "SERVING\n")
        for connection in slow { #expect(try connection.isClosedByPeer()) }
        #expect(try self.samples()["feedbackd_connections_accepted_total{}"] == 1)
        #expect(daemon.terminate() == 0)
    }

    @Test func its_socket_file_has_the_rules_of_the_daemon_s() async throws {
        try Data().write(to: URL(fileURLWithPath: page))
        await #expect(throws: Failure.self) { try await daemon() }
        try FileManager.default.removeItem(atPath: page)
        let first = try await daemon(["--socket-mode", "0640"])
        let attributes = try FileManager.default.attributesOfItem(atPath: page)
        #expect(attributes[.posixPermissions] as? Int == 0o640)
        // Another daemon must not take over the socket file, and leaves no socket of its own
        // behind.
        let other = folder.path("other.sock")
        let second = try Programs.run(
            Programs.path("feedbackd"),
            ["--socket", other, "--store", "memory:", "--metrics-listen", "unix:\(page)"]
        )
        let reason = "metrics_listen: another server already serves \(page)"
        #expect(second.errors.hasSuffix("feedbackd: \(reason)\n"))
        #expect(!FileManager.default.fileExists(atPath: other))
        first.kill()
        let third = try await daemon()
        #expect(third.terminate() == 0)
        #expect(!FileManager.default.fileExists(atPath: page))
    }

    @Test(arguments: [
        "0.0.0.0:0", "10.0.0.1:80", "localhost:80", "[::]:0", "::1:80", "127.0.0.1",
        "127.0.0.1:65536", "127.0.0.1:", "unix:", "unix:@name", "/run/m.sock",
    ])
    func addresses_that_others_could_reach_are_refused(_ address: String) throws {
        let outcome = try Programs.run(
            Programs.path("feedbackd"),
            [
                "--socket", folder.path("d.sock"), "--store", "memory:",
                "--metrics-listen", address,
            ]
        )
        #expect(outcome.code == 1)
        #expect(outcome.errors.contains("feedbackd: metrics_listen "), "\(outcome.errors)")
    }

    @Test func nothing_listens_unless_it_is_asked_for() async throws {
        let plain = try await Daemon(in: folder)
        #expect(try listeningSockets(of: plain) == 1)
        #expect(plain.terminate() == 0)
        let asked = try await Daemon(in: folder, ["--metrics-listen", "127.0.0.1:0"])
        #expect(try listeningSockets(of: asked) == 2)
        #expect(asked.terminate() == 0)
    }

    /// Returns the number of Unix and TCP sockets on which the daemon listens.
    private func listeningSockets(of daemon: Daemon) throws -> Int {
        let descriptors = "/proc/\(daemon.process.processIdentifier)/fd"
        let names = try FileManager.default.contentsOfDirectory(atPath: descriptors)
        let inodes = Set(
            names.compactMap { name -> String? in
                let file = "\(descriptors)/\(name)"
                let target = try? FileManager.default.destinationOfSymbolicLink(atPath: file)
                guard let target, target.hasPrefix("socket:[") else { return nil }
                return String(target.dropFirst(8).dropLast())
            }
        )
        // The columns of the flags or the state, their value for listening sockets, and the column
        // of the inode (proc(5)).
        let tables = [
            ("unix", 3, "00010000", 6), ("tcp", 3, "0A", 9), ("tcp6", 3, "0A", 9),
        ]
        return try tables.reduce(0) { count, table in
            let (name, stateColumn, listening, inodeColumn) = table
            let lines = try Programs.text("/proc/net/\(name)").split(separator: "\n").dropFirst()
            return count
                + lines.count { line in
                    let words = line.split(separator: " ").map(String.init)
                    return words.count > inodeColumn && words[stateColumn] == listening
                        && inodes.contains(words[inodeColumn])
                }
        }
    }
}
