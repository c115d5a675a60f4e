import Foundation
import TestSupport
import Testing

/// The correctness of the benchmark's load generator.
@Suite("feedbackd-bench", .serialized)
struct LoadGeneratorTests {
    private struct Report: Decodable {
        struct Latency: Decodable {
            var max: Double
            var mean: Double
        }

        var calls: Int
        var errors: Int
        var errorsByCode: [String: Int]
        var latencyNs: Latency
        var percentiles: [[Double]]
    }

    private func load(_ daemon: Daemon, _ arguments: String...) throws -> Report {
        let outcome = try Programs.run(
            Programs.path("feedbackd-bench"),
            ["load", "--socket", daemon.socket, "--warmup", "0"] + arguments
        )
        guard outcome.code == 0 else { throw Failure(outcome.errors) }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(Report.self, from: Data(outcome.output.utf8))
    }

    @Test(
        "every call it counts is stored once, in the session whose turn it was",
        arguments: [
            ["--connections", "1", "--in-flight", "1"],
            ["--connections", "1", "--in-flight", "500", "--comment-length", "5000"],
            ["--connections", "5", "--in-flight", "8", "--threads", "2"],
            ["--connections", "3", "--in-flight", "2", "--rate", "20000"],
        ]
    )
    func counting(_ shape: [String]) async throws {
        let daemon = try await Daemon(in: TemporaryFolder())
        let outcome = try Programs.run(
            Programs.path("feedbackd-bench"),
            ["load", "--socket", daemon.socket, "--warmup", "0", "--calls", "1002"]
                + ["--sessions", "12", "--json", "-"] + shape
        )
        #expect(outcome.code == 0, "\(outcome.errors)")
        #expect(outcome.output.contains(#""calls":1002,"#))
        #expect(outcome.output.contains(#""errors":0,"#))
        let stored = try daemon.sqlite("SELECT count(*), count(DISTINCT session) FROM feedback")
        #expect(stored == "1002|12")
        #expect(daemon.terminate() == 0)
    }

    @Test func failed_calls_are_counted_by_their_code_and_have_no_latency() async throws {
        let daemon = try await Daemon(in: TemporaryFolder())
        let report = try load(daemon, "--method", "list", "--page-size", "1001", "--calls", "7")
        #expect(report.calls == 0)
        #expect(report.errors == 7)
        #expect(report.errorsByCode == ["3": 7])
    }

    @Test func latency_of_the_open_loop_counts_from_when_a_call_was_due() async throws {
        let daemon = try await Daemon(in: TemporaryFolder(), ["--store", "memory:"])
        let begin = ContinuousClock.now
        // All calls are due at once and are made one after the other.
        let report = try load(daemon, "--rate", "10000000", "--calls", "20000")
        let elapsed = (ContinuousClock.now - begin) / .nanoseconds(1)
        #expect(report.calls == 20_000)
        // If latencies counted from the start of each call, their sum would be no more than the
        // elapsed time.
        #expect(report.latencyNs.mean * Double(report.calls) > 10 * elapsed)
    }

    @Test func the_percentiles_ascend_to_the_maximum() async throws {
        let daemon = try await Daemon(in: TemporaryFolder(), ["--store", "memory:"])
        let report = try load(daemon, "--in-flight", "4", "--calls", "5000")
        let latencies = report.percentiles.map { $0[1] }
        #expect(latencies == latencies.sorted())
        #expect(report.percentiles.last?[0] == 100)
        #expect(report.latencyNs.mean < report.latencyNs.max)
    }

    @Test func held_connections_are_connections_of_the_daemon() async throws {
        let folder = try TemporaryFolder()
        let daemon = try await Daemon(in: folder)
        let before = try daemon.descriptorCount()
        let input = Pipe()
        let holder = Process()
        holder.executableURL = URL(fileURLWithPath: try Programs.path("feedbackd-bench"))
        holder.arguments = ["hold", "--socket", daemon.socket, "--connections", "50"]
        holder.standardInput = input
        holder.standardOutput = FileHandle.nullDevice
        try holder.run()
        #expect(try await eventually { try daemon.descriptorCount() == before + 50 })
        try input.fileHandleForWriting.close()
        holder.waitUntilExit()
        #expect(holder.terminationStatus == 0)
        #expect(try await eventually { try daemon.descriptorCount() == before })
    }

    @Test func a_server_that_is_not_there_ends_it_with_one_line() throws {
        let socket = try TemporaryFolder().path("none.sock")
        let outcome = try Programs.run(
            Programs.path("feedbackd-bench"),
            ["load", "--socket", socket, "--calls", "1"]
        )
        #expect(outcome.code == 1)
        #expect(
            outcome.errors
                == "feedbackd-bench: cannot connect to \(socket): No such file or directory\n"
        )
    }
}
