internal import ProtoCodec

/// A call as an HTTP/2 stream carries it: what has arrived of the request, and what is still to be
/// sent of the response.
///
/// Used on its session's loop only.
final class GRPCServerStream {
    /// A packed message that is sent in parts.
    struct PackedMessage {
        private let bytes: [UInt8]
        private var position = 0

        init(_ message: ProtoMessage) {
            let size = GRPCMessageDecoder.prefixBytes + message.packedSize
            bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
                if let start = buffer.baseAddress { GRPCServerStream.write(message, to: start) }
                count = size
            }
        }

        var size: Int { bytes.count }
        var left: Int { bytes.count - position }

        mutating func write(_ count: Int, to start: UnsafeMutableRawPointer) {
            let part = position..<position + count
            bytes.withUnsafeBytes {
                UnsafeMutableRawBufferPointer(start: start, count: count)
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[part]))
            }
            position += count
        }
    }

    /// What is being sent of a message.
    enum Sending {
        case nothing
        /// All of it, straight from the arena.
        case whole(ProtoMessage)
        case parts(PackedMessage)
    }

    let id: Int32

    // The request.
    var head = GRPCRequestHead()
    var decoder: GRPCMessageDecoder
    var deadline: ContinuousClock.Instant?
    /// The message of a unary call that waits for the end of the request.
    var message: [UInt8]?
    var hasMessage = false
    var inputHasEnded = false
    var call: ServerCall?
    /// What was last counted of this stream's memory.
    var countedBytes = 0
    /// What has arrived without the client being allowed to send as much more.
    var unconsumedBytes = 0

    // The response.
    var headersAreSubmitted = false
    var response: MessageBuilder?
    var sending = Sending.nothing
    /// What the trailers will say: nil for OK.
    var ending: RPCStatus?
    /// Whether no message follows the one that is being sent.
    var isEnding = false
    /// Whether everything has been given to HTTP/2.
    var isFinished = false
    /// Whether the outcome is known, so that what still arrives means nothing.
    var isDecided: Bool { isEnding || isFinished }
    /// Whether the session counts the stream among those that have something to send.
    var outputIsCounted = false
    /// Whether its message waits until others are sent.
    var waitsForMemory = false

    /// Grows with everything that the peer sends or takes.
    var progress = 0
    /// What ``progress`` must have reached by the next look; nil if nothing is expected.
    var progressDue: Int?

    init(id: Int32, messageBytesMax: Int) {
        self.id = id
        decoder = GRPCMessageDecoder(messageBytesMax: messageBytesMax)
    }

    /// The message that waits to be sent.
    var waitingResponse: MessageBuilder? { response ?? call?.messages?.response }

    /// How much is to be sent of the message that is being sent.
    var sendingBytesLeft: Int {
        switch sending {
        case .nothing: 0
        case .whole(let message): GRPCMessageDecoder.prefixBytes + message.packedSize
        case .parts(let message): message.left
        }
    }

    /// How much the peer has to send or to take of a message.
    var awaitedBytes: Int { outputIsCounted ? sendingBytesLeft : decoder.missingBytes }

    /// The memory of a message that is sent in parts.
    var packedBytes: Int { if case .parts(let message) = sending { message.size } else { 0 } }

    /// The memory of requests that wait.
    var heldBytes: Int {
        decoder.heldBytes + (message?.count ?? 0) + (call?.messages?.heldBytes ?? 0)
    }

    /// Forgets what arrived of messages that nobody will take.
    func dropRequest() {
        decoder = GRPCMessageDecoder(messageBytesMax: 0)
        message = nil
    }

    /// Writes a message with its prefix.
    static func write(_ message: ProtoMessage, to start: UnsafeMutableRawPointer) {
        start.storeBytes(of: 0, as: UInt8.self)
        start.storeBytes(
            of: UInt32(message.packedSize).bigEndian,
            toByteOffset: 1,
            as: UInt32.self
        )
        message.pack(to: start + GRPCMessageDecoder.prefixBytes)
    }
}
