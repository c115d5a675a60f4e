internal import ArgumentParser
internal import Foundation
internal import Histogram

/// The command `watch`.
struct WatchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch",
        abstract: "Watch the changes of feedback and report how fast they come.",
        discussion: """
            Without --adds it reads all that is there once. With it, it adds feedback, one after the \
            other, and measures from each acknowledgement to the arrival of the change at a watcher.
            """
    )

    @Option(help: "The server's socket.")
    var socket: String

    @Option(help: "How many adds; 0 reads what is there.")
    var adds = 0

    @Option(help: "Where the report goes; - is standard output.")
    var json = "-"

    /// The rate of a replay.
    private struct ReplayReport: Encodable {
        var changes: Int
        var bytes: Int
        var seconds: Double
        var changesPerSecond: Double
    }

    func validate() throws {
        guard adds >= 0 else { throw ValidationError("--adds must not be less than 0") }
    }

    func run() throws {
        do {
            if adds > 0 {
                try LoadReport([latency()]).write(to: json)
            } else {
                try JSONReport.write(replay(), to: json)
            }
        } catch {
            let line = Data("feedbackd-bench: \(error)\n".utf8)
            try? FileHandle.standardError.write(contentsOf: line)
            throw ExitCode.failure
        }
    }

    private func replay() throws -> ReplayReport {
        var watch = try FrameConnection(socket)
        let begin = MonotonicClock.now
        try watch.call(.watch(follows: false, fromNow: false))
        var (changes, bytes) = (0, 0)
        while true {
            let frame = try watch.receive()
            if frame.isResponse { throw BenchError("the stream ended with \(frame.statusCode)") }
            if frame.dataLength == 0 { break }
            changes += frame.isChange ? 1 : 0
            bytes += frame.frameBytes
        }
        let seconds = Double(MonotonicClock.now - begin) / 1e9
        return ReplayReport(
            changes: changes,
            bytes: bytes,
            seconds: seconds,
            changesPerSecond: Double(changes) / seconds
        )
    }

    private func latency() throws -> LoadResult {
        var watch = try FrameConnection(socket)
        try watch.call(.watch(follows: true, fromNow: true))
        // The stream has caught up with its first message, which is a heartbeat.
        _ = try watch.receive()
        var adder = try FrameConnection(socket)
        var result = LoadResult()
        let begin = MonotonicClock.now
        for _ in 0..<adds {
            try adder.call(.add(commentBytes: 40, requestIDs: .none))
            let status = try adder.receive().statusCode
            let acknowledged = MonotonicClock.now
            guard status == 0 else { throw BenchError("an add ended with \(status)") }
            while try !watch.receive().isChange {}
            result.count(latency: MonotonicClock.now - acknowledged, statusCode: 0)
        }
        result.nanoseconds = MonotonicClock.now - begin
        return result
    }
}

/// A blocking connection that receives one frame at a time.
private struct FrameConnection: ~Copyable {
    private let descriptor: CInt
    private let input = UnsafeMutableRawPointer.allocate(
        byteCount: TTRPCHeader.bytes + TTRPCHeader.dataLengthMax,
        alignment: 8
    )
    /// The place of the next frame in the input, and the end of what was received.
    private var (start, end) = (0, 0)
    private var nextStreamID: UInt32 = 1

    init(_ socket: String) throws { descriptor = try UnixSocket.connect(socket) }

    deinit {
        close(descriptor)
        input.deallocate()
    }

    /// Sends a request.
    mutating func call(_ kind: RequestKind) throws {
        let session = if case .add = kind { "watched" } else { "" }
        var template = RequestTemplate(kind, sessions: .one(session), firstRequest: 0)
        let bytes = template.frameBytes
        try withUnsafeTemporaryAllocation(byteCount: bytes, alignment: 8) { buffer in
            guard let start = buffer.baseAddress else { return }
            template.writeNext(streamID: nextStreamID, to: start)
            guard write(descriptor, start, bytes) == bytes else {
                throw BenchError("the connection cannot be written to", errno: errno)
            }
        }
        nextStreamID += 2
    }

    /// Waits for the next frame, which is valid until the next call.
    mutating func receive() throws -> TTRPCReply {
        while true {
            if end - start >= TTRPCHeader.bytes {
                let frame = TTRPCReply(input + start)
                if end - start >= frame.frameBytes {
                    start += frame.frameBytes
                    return frame
                }
            }
            memmove(input, input + start, end - start)
            (start, end) = (0, end - start)
            let room = TTRPCHeader.bytes + TTRPCHeader.dataLengthMax - end
            let count = recv(descriptor, input + end, room, 0)
            guard count > 0 else { throw BenchError("the server closed a connection") }
            end += count
        }
    }
}
