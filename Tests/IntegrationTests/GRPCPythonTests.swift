import Foundation
import TestSupport
import Testing

/// Calls of the daemon with gRPC's own Python library.
@Suite("the Python gRPC client", .serialized)
struct GRPCPythonTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test(
        "methods, errors, metadata, gzip, deadlines, cancellation, health, reflection",
        arguments: ["all", "errors", "transport", "health", "changes", "reflection"]
    )
    func subcommand(_ name: String) async throws {
        let daemon = try await Daemon(in: folder)
        let outcome = try await PythonClient.run(daemon.socket, [name])
        #expect(outcome.code == 0, "\(outcome.output)\(outcome.errors)")
        #expect(daemon.terminate() == 0)
    }

    @Test func what_comes_in_pieces_is_kept_over_both_protocols() async throws {
        let daemon = try await Daemon(in: folder)
        // Keys that differ in Unicode normalisation only are two keys as well.
        let keys = ["\u{E9}", "e\u{301}"]
        func add(_ session: String) -> Data {
            let author = [Wire.field(1, 1), Wire.field(2, "anna")]
            return Wire.field(1, session) + author.reduce(Data()) { $0 + Wire.field(7, $1) }
                + keys.reduce(Data()) { $0 + Wire.field(9, Wire.field(1, $1) + Wire.field(2, $1)) }
        }
        func update(_ session: String) -> Data {
            let pairs = keys.map {
                Wire.field(1, Wire.field(1, $0) + Wire.field(2, Wire.field(3, $0)))
            }
            return Wire.field(1, session) + pairs.reduce(Data()) { $0 + Wire.field(2, $1) }
        }
        func delete(_ session: String) -> Data {
            Wire.field(1, session) + Wire.field(2, keys[0])
        }
        let calls = [
            ("feedback.v1.FeedbackService", "AddFeedback", add),
            ("feedback.v1.SessionService", "UpdateMetadata", update),
            ("feedback.v1.SessionService", "DeleteMetadata", delete),
        ]
        for (service, method, request) in calls {
            let connection = try RawConnection(daemon.socket)
            connection.send(Wire.call(stream: 1, service, method, request("ttrpc")))
            let frame = try #require(try connection.receiveFrame())
            #expect(Wire.response(frame.data).code == 0)
            let hex = request("grpc").map { String(format: "%02x", $0) }.joined()
            let outcome = try await PythonClient.run(
                daemon.socket,
                ["raw", "/\(service)/\(method)", hex]
            )
            #expect(outcome.code == 0, "\(outcome.errors)")
        }
        let stored = """
            SELECT session_id, author_source, author_id,
                (SELECT group_concat(hex(key) || '=' || hex(value), ' ')
                    FROM (SELECT key, value FROM json_each(attributes) ORDER BY hex(key))),
                (SELECT group_concat(hex(key), ' ') FROM json_each(session.metadata))
            FROM feedback JOIN session ON session.id = feedback.session ORDER BY session_id
            """
        let both = "65CC81=65CC81 C3A9=C3A9|65CC81"
        #expect(try daemon.sqlite(stored) == "grpc|1|anna|\(both)\nttrpc|1|anna|\(both)")
        #expect(daemon.terminate() == 0)
    }

    /// The Python client tries all of it over gRPC, and names the methods for ttrpc.
    @Test func what_is_declared_and_not_served_is_unimplemented_over_both_protocols() async throws {
        let daemon = try await Daemon(in: folder)
        let outcome = try await PythonClient.run(daemon.socket, ["unserved"])
        #expect(outcome.code == 0, "\(outcome.output)\(outcome.errors)")
        let methods = outcome.output.split(separator: "\n").dropFirst().map {
            $0.split(separator: " ").map(String.init)
        }
        #expect(!methods.isEmpty)
        func call(_ service: String, _ method: String, _ payload: Data) throws -> (Int, String) {
            let connection = try RawConnection(daemon.socket)
            let request = Wire.request(service, method, payload)
            connection.send(Wire.frame(stream: 1, flags: 1, request))
            let frame = try #require(try connection.receiveFrame())
            let response = Wire.response(frame.data)
            return (response.code, response.message)
        }
        for method in methods {
            #expect(try call(method[0], method[1], Data()).0 == 12, "\(method)")
        }
        let key = Wire.field(1, "s") + Wire.field(10, "helpfulness")
        let refusal = try call("feedback.v1.FeedbackService", "AddFeedback", key)
        #expect(refusal == (12, "key is not served yet"))
        // It is the one that the Python client adds without such a field.
        #expect(try daemon.sqlite("SELECT count(*) FROM feedback") == "1")
        #expect(daemon.terminate() == 0)
    }

    @Test func a_ping_every_second_is_answered_and_no_abuse() async throws {
        let daemon = try await Daemon(in: folder)
        let outcome = try await PythonClient.run(daemon.socket, ["keepalive"])
        #expect(outcome.code == 0, "\(outcome.errors)")
        let answers = outcome.errors.components(separatedBy: "Finish keepalive ping").count - 1
        #expect(answers >= 4, "\(outcome.errors)")
        #expect(daemon.terminate() == 0)
    }

    @Test func a_watch_ends_when_the_daemon_does() async throws {
        let daemon = try await Daemon(in: folder)
        let output = folder.path("watch")
        let watch = try PythonClient.start(
            daemon.socket,
            ["watch"],
            output: output,
            errors: output
        )
        #expect(try await eventually { try Programs.text(output) == "SERVING\n" })
        #expect(daemon.terminate() == 0)
        watch.waitUntilExit()
        let lines = try Programs.text(output).split(separator: "\n")
        #expect(watch.terminationStatus == 0, "\(lines)")
        #expect(["end OK", "end UNAVAILABLE"].contains(lines.last), "\(lines)")
    }
}
