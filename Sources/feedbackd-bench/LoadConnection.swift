internal import Glibc

/// One connection: its socket, its buffers, and the start times of its calls.
///
/// All memory is allocated in init. The connection itself is in memory of its ``LoadLoop`` and is
/// used through a pointer only.
struct LoadConnection: ~Copyable {
    let descriptor: CInt
    private(set) var inFlight = 0
    /// The time at which the next call is due in an open loop.
    var nextDue: Int64 = 0
    /// True if the socket has not taken all of the output.
    private(set) var hasOutput = false

    private let inFlightMax: Int
    private var nextStreamID: UInt32 = 1

    private let input: UnsafeMutableRawPointer
    private var inputCount = 0
    private let output: UnsafeMutableRawPointer
    private var outputStart = 0
    private var outputEnd = 0

    /// The start times of the calls in flight, at the place of their stream ids; 0 if there is
    /// none.
    private let begins: UnsafeMutableBufferPointer<Int64>

    private static let inputBytes = TTRPCHeader.bytes + TTRPCHeader.dataLengthMax
    /// The maximum number of bytes of one read; a batch of ordinary replies is far smaller.
    private static let readBytesMax = 256 << 10

    init(descriptor: CInt, inFlightMax: Int, frameBytes: Int) {
        self.descriptor = descriptor
        self.inFlightMax = inFlightMax
        // The pages of the buffer that no reply reaches are never touched, and so take no memory.
        input = .allocate(byteCount: Self.inputBytes, alignment: 8)
        output = .allocate(byteCount: inFlightMax * frameBytes, alignment: 8)
        // Replies arrive in any order: there is room for some that are overtaken by many others.
        let places = 1 << (Int.bitWidth - (inFlightMax * 8 - 1).leadingZeroBitCount)
        begins = .allocate(capacity: places)
        begins.initialize(repeating: 0)
    }

    deinit {
        close(descriptor)
        input.deallocate()
        output.deallocate()
        begins.deallocate()
    }

    var canBegin: Bool { inFlight < inFlightMax && begins[place(nextStreamID)] == 0 }

    /// Appends a request to the output.
    mutating func begin(at time: Int64, _ template: inout RequestTemplate) {
        begins[place(nextStreamID)] = time
        inFlight += 1
        template.writeNext(streamID: nextStreamID, to: output + outputEnd)
        outputEnd += template.frameBytes
        nextStreamID &+= 2
    }

    /// Writes the output until the socket takes no more.
    mutating func flush(flags: CInt) throws {
        while outputStart < outputEnd {
            let count = send(
                descriptor,
                output + outputStart,
                outputEnd - outputStart,
                flags | CInt(MSG_NOSIGNAL)
            )
            if count >= 0 {
                outputStart += count
            } else if errno == EAGAIN {
                break
            } else if errno != EINTR {
                throw BenchError("the connection cannot be written to", errno: errno)
            }
        }
        // The rest moves to the front, so that there is always room for all calls in flight.
        let rest = outputEnd - outputStart
        if outputStart > 0, rest > 0 { memmove(output, output + outputStart, rest) }
        outputStart = 0
        outputEnd = rest
        hasOutput = rest > 0
    }

    /// Reads once; returns true if something was read.
    mutating func receive(flags: CInt) throws -> Bool {
        let room = min(Self.inputBytes - inputCount, Self.readBytesMax)
        let count = recv(descriptor, input + inputCount, room, flags)
        if count > 0 {
            inputCount += count
            return true
        }
        if count == 0 { throw BenchError("the server closed a connection") }
        if errno == EAGAIN || errno == EINTR { return false }
        throw BenchError("the connection cannot be read from", errno: errno)
    }

    /// Removes each complete reply from the input, and passes its status and the start time of its
    /// call to `body`.
    @inline(__always)
    mutating func forEachReply(_ body: (_ begin: Int64, _ statusCode: Int) -> Void) throws {
        var at = 0
        while inputCount - at >= TTRPCHeader.bytes {
            let reply = TTRPCReply(input + at)
            guard reply.isResponse, reply.dataLength <= TTRPCHeader.dataLengthMax else {
                throw BenchError("the server sent a frame that is no response")
            }
            if inputCount - at < reply.frameBytes { break }
            let place = place(reply.streamID)
            let begin = begins[place]
            guard begin != 0 else {
                throw BenchError("the server answered a call that was not made")
            }
            begins[place] = 0
            inFlight -= 1
            body(begin, reply.statusCode)
            at += reply.frameBytes
        }
        inputCount -= at
        if at > 0, inputCount > 0 { memmove(input, input + at, inputCount) }
    }

    /// Returns the place of a stream id; clients' stream ids are odd.
    private func place(_ streamID: UInt32) -> Int { Int(streamID >> 1) & (begins.count - 1) }
}
