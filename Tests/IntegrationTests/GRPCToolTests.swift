import Foundation
import TestSupport
import Testing

/// Calls of the daemon with generic tools, which know nothing of feedback.
@Suite("gRPC and HTTP/2 tools", .serialized)
struct GRPCToolTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func buf(_ daemon: Daemon, _ arguments: String...) throws -> Programs.Outcome {
        let connection = ["--unix-socket", daemon.socket, "--http2-prior-knowledge"]
        return try Programs.run(
            PythonClient.tool("buf"),
            ["curl", "--protocol", "grpc"] + connection + arguments,
            environment: ["HOME": folder.path]
        )
    }

    @Test(
        "buf curl calls AddFeedback without the .proto files, by either version of reflection",
        arguments: ["grpc-v1", "grpc-v1alpha"]
    )
    func reflection(_ version: String) async throws {
        let daemon = try await Daemon(in: folder)
        let added = try buf(
            daemon,
            "--reflect-protocol",
            version,
            "--data",
            #"{"sessionId": "buf", "rating": "RATING_UP", "comment": "from JSON"}"#,
            "http://localhost/feedback.v1.FeedbackService/AddFeedback"
        )
        #expect(added.code == 0, "\(added.errors)")
        #expect(added.output.contains(#""comment": "from JSON""#), "\(added.output)")
        #expect(try daemon.sqlite("SELECT count(*) FROM feedback") == "1")

        let methods = try buf(
            daemon,
            "--reflect-protocol",
            version,
            "--list-methods",
            "http://localhost"
        )
        #expect(methods.code == 0, "\(methods.errors)")
        #expect(methods.output.contains("feedback.v1.SessionService/GetMetadata"))
        #expect(daemon.terminate() == 0)
    }

    /// HTTP's status is always 200; the number of stored feedbacks shows that the calls succeeded.
    @Test func h2load_has_no_error_in_ten_seconds() async throws {
        let daemon = try await Daemon(in: folder)
        try Data([0, 0, 0, 0, 16] + "\n\u{6}h2load\u{10}\u{1}\u{1A}\u{4}good".utf8)
            .write(to: URL(fileURLWithPath: folder.path("message")))
        let outcome = try Programs.run(
            "/usr/bin/h2load",
            [
                "--base-uri", "unix:\(daemon.socket)", "--clients", "10",
                "--max-concurrent-streams", "100", "--duration", "10",
                "--data", folder.path("message"), "--header", "content-type: application/grpc",
                "--header", "te: trailers",
                "http://localhost/feedback.v1.FeedbackService/AddFeedback",
            ]
        )
        #expect(outcome.code == 0, "\(outcome.errors)")
        let words = outcome.output.split(whereSeparator: { " ,\n".contains($0) })
        func count(_ kind: Substring) -> Int? {
            words.firstIndex(of: kind).flatMap { Int(words[$0 - 1]) }
        }
        let succeeded = try #require(count("succeeded"))
        #expect(succeeded > 0)
        for kind in ["failed", "errored", "timeout"] as [Substring] {
            #expect(count(kind) == 0, "\(outcome.output)")
        }
        #expect(count("2xx") == succeeded)
        let stored = try daemon.sqlite(
            "SELECT count(*) FROM feedback WHERE rating = 1 AND comment = 'good'"
        )
        #expect(try #require(Int(stored)) >= succeeded)
        #expect(daemon.terminate() == 0)
        // The tool has just closed its connections during their calls: the server waits for
        // nothing.
        #expect(try !daemon.log().contains("calls were still running"))
    }
}
