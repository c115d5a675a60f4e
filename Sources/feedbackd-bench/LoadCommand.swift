internal import ArgumentParser
internal import CLinux
internal import Foundation
internal import Synchronization

/// The command `load`.
struct LoadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "load",
        abstract: "Make calls and report their latency.",
        discussion: """
            Without --rate the loop is closed: each reply makes place for the next call. With it the \
            loop is open: calls are due at fixed instants, and latency counts from there, however \
            late the call could be made.
            """
    )

    enum Method: String, ExpressibleByArgument, CaseIterable {
        case add, list, metrics, health
    }

    @Option(help: "The server's socket.")
    var socket: String

    @Option(help: "How many connections.")
    var connections = 1

    @Option(help: "How many calls in flight on each.")
    var inFlight = 1

    @Option(help: "How many threads share the connections.")
    var threads = 1

    @Option(help: "Calls per second on all connections together: the open loop.")
    var rate: Double?

    @Option(help: "Seconds of load before what is measured.")
    var warmup = 1.0

    @Option(help: "Seconds that are measured. (default: 5)")
    var duration: Double?

    @Option(help: "How many calls are measured, instead of --duration.")
    var calls: Int?

    @Option(help: "The method that is called.")
    var method = Method.add

    @Option(help: "How many sessions the calls go to in turn.")
    var sessions = 1_000

    @Option(help: "The one session that the calls go to. (default for metrics: all sessions)")
    var session: String?

    @Option(help: "The length of a comment.")
    var commentLength = 40

    @Option(help: "How many entries a list's page may have; 0 leaves it to the server.")
    var pageSize = 0

    @Flag(inversion: .prefixedNo, help: "Give each add a request_id of its own.")
    var requestID = true

    @Flag(
        name: .customLong("random-request-ids"),
        help: "Make request_ids that do not ascend with time, as those of clients do."
    )
    var randomRequestIDs = false

    @Option(help: "The processor of the first thread; the others take those that follow.")
    var pin: Int?

    @Option(help: "Where the report goes; - is standard output.")
    var json = "-"

    func validate() throws {
        guard (1...100_000).contains(connections) else {
            throw ValidationError("--connections must be 1 to 100000")
        }
        guard (1...65_536).contains(inFlight) else {
            throw ValidationError("--in-flight must be 1 to 65536")
        }
        guard (1...min(connections, 899)).contains(threads) else {
            throw ValidationError("--threads must be 1 to the number of connections, at most 899")
        }
        guard rate.map({ $0 > 0 && $0 <= 1e8 }) ?? true else {
            throw ValidationError("--rate must be more than 0 and at most 100000000")
        }
        guard warmup >= 0, duration.map({ $0 > 0 }) ?? true, calls.map({ $0 > 0 }) ?? true else {
            throw ValidationError("--duration and --calls must be more than 0, --warmup not less")
        }
        guard duration == nil || calls == nil else {
            throw ValidationError("--duration and --calls exclude each other")
        }
        guard (1...9_999_999).contains(sessions) else {
            throw ValidationError("--sessions must be 1 to 9999999")
        }
        guard (0...10_000).contains(commentLength) else {
            throw ValidationError("--comment-length must be 0 to 10000")
        }
    }

    func run() throws {
        // With a timer slack of 1 ns, sleeps of the open loop end on time instead of up to 50 µs
        // later. Threads inherit it.
        try? Data("1".utf8).write(to: URL(fileURLWithPath: "/proc/self/timerslack_ns"))
        do {
            try LoadReport(Self.run(plan)).write(to: json)
        } catch {
            let line = Data("feedbackd-bench: \(error)\n".utf8)
            try? FileHandle.standardError.write(contentsOf: line)
            throw ExitCode.failure
        }
    }

    private var requestIDs: RequestIDs {
        if !requestID { return .none }
        return randomRequestIDs ? .random : .ascending
    }

    private var plan: LoadPlan {
        let kind: RequestKind =
            switch method {
            case .add: .add(commentBytes: commentLength, requestIDs: requestIDs)
            case .list: .list(pageSize: pageSize)
            case .metrics: .metrics
            case .health: .health
            }
        let takesEverySession = method == .metrics || method == .health
        return LoadPlan(
            socket: socket,
            connections: connections,
            inFlight: inFlight,
            threads: threads,
            request: kind,
            sessions: (session ?? (takesEverySession ? "" : nil)).map { .one($0) }
                ?? .inTurn(count: sessions),
            // The milliseconds are the high bits, as in a UUID of version 7.
            firstRequest: UInt64(Date().timeIntervalSince1970 * 1000) << 16,
            rate: rate,
            warmUpNanoseconds: Int64(warmup * 1e9),
            length: calls.map { .calls($0) } ?? .nanoseconds(Int64((duration ?? 5) * 1e9)),
            firstProcessor: pin
        )
    }

    /// Runs one loop on each thread.
    private static func run(_ plan: LoadPlan) throws -> [LoadResult] {
        let results = Mutex<[Result<LoadResult, any Error>]>([])
        let group = DispatchGroup()
        let begin = MonotonicClock.now
        for number in 0..<plan.threads {
            group.enter()
            Thread.detachNewThread {
                let result = Result { try run(plan, thread: number, begin: begin) }
                results.withLock { $0.append(result) }
                group.leave()
            }
        }
        group.wait()
        return try results.withLock { try $0.map { try $0.get() } }
    }

    private static func run(_ plan: LoadPlan, thread: Int, begin: Int64) throws -> LoadResult {
        if let first = plan.firstProcessor { try pin(to: first + thread) }
        var loop = try LoadLoop(plan, thread: thread)
        let warm = begin + plan.warmUpNanoseconds
        if plan.warmUpNanoseconds > 0 { _ = try loop.run(until: warm) }
        switch plan.length {
        case .nanoseconds(let length): return try loop.run(until: warm + length)
        case .calls(let calls):
            let share = calls / plan.threads + (thread < calls % plan.threads ? 1 : 0)
            return try loop.run(calls: share)
        }
    }

    private static func pin(to processor: Int) throws {
        var set = cpu_set_t()
        withUnsafeMutableBytes(of: &set) { $0[processor / 8] = 1 << UInt8(processor % 8) }
        guard sched_setaffinity(0, MemoryLayout<cpu_set_t>.size, &set) == 0 else {
            throw BenchError("--pin \(processor)", errno: errno)
        }
    }
}
