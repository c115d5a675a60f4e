internal import CallStatus
internal import DequeModule
internal import ProtoCodec

/// The bodies of responses. Each message is built when HTTP/2 asks for it, and packed straight into
/// the channel's output, unless HTTP/2 takes it only in parts.
extension GRPCServerSession {
    func http2Body(of streamID: Int32, bytesMax: Int) -> HTTP2Session.Body {
        guard let stream = streams[streamID] else { return .nothing }
        while true {
            switch stream.nextPart(bytesMax: bytesMax) {
            case .nothing: return .nothing
            case .build(let builder):
                if !build(builder, of: stream, bytesMax: bytesMax) { return .nothing }
            case .end(let status):
                submitTrailers(status, of: stream)
                return .data(0, isLast: true)
            case .bytes(let count):
                guard channel.hasRoom(for: HTTP2Session.frameHeaderBytes + count) else {
                    stream.hadNoRoom()
                    return .noRoom
                }
                // A message that lies in the arena is followed by the status OK, whose trailers do
                // not use the arena.
                guard case .end(let status) = stream.trailers(afterPartOf: count) else {
                    return .data(count, isLast: false)
                }
                submitTrailers(status, of: stream)
                return .data(count, isLast: true)
            }
        }
    }

    /// Builds the next message of a stream; returns false if it must wait until others are sent.
    private func build(
        _ builder: @escaping MessageBuilder,
        of stream: Stream,
        bytesMax: Int
    ) -> Bool {
        releaseReply(of: stream)
        do {
            let message = try channel.loop.arena.build(builder)
            guard message.packedSize <= limits.frameBytesMax else { throw CallError.replyTooLarge }
            let size = GRPCMessageDecoder.prefixBytes + message.packedSize
            if size <= bytesMax {
                stream.sendsWhole(message, builder)
                return true
            }
            if let call = stream.call { try channel.memory.take(size, ofReplyTo: call) }
            guard packedBytes == 0 || packedBytes + size <= limits.replyBytesHeldMax else {
                stream.unsentBytes = size
                stream.waitsForMemory(builder)
                streamsWaitingForMemory.append(stream.id)
                return false
            }
            packedBytes += size
            stream.packedBytes = size
            stream.sendsParts(GRPCPackedMessage(message))
            stream.call?.messages?.responseIsPacked()
        } catch {
            stream.couldNotBuild(router.status(of: error))
            stream.call?.messages?.responseEnded(.failure(error))
            resumeNext()
        }
        return true
    }

    func http2WriteBody(of streamID: Int32, _ count: Int, to start: UnsafeMutableRawPointer) {
        guard let stream = streams[streamID] else { return }
        guard stream.writePart(count, to: start) else { return }
        releaseReply(of: stream)
        stream.call?.messages?.responseEnded(.success(()))
        resumeNext()
    }

    /// Accounts for the reply of a unary call that could not be sent at once; it is refused if there
    /// is no memory for it and the call has changed nothing.
    func countUnsentReply(of stream: Stream) {
        guard let call = stream.call, let reply = stream.unsentReply, stream.unsentBytes == 0,
            streams[stream.id] === stream
        else { return }
        do {
            stream.unsentBytes = try channel.memory.take(reply, of: call, in: channel.loop.arena)
        } catch {
            stream.couldNotBuild(router.status(of: error))
            http2.resume(stream.id)
            sendWaiting()
        }
    }

    /// Gives back the memory of the message that was sent, is built anew, or will not be sent.
    func releaseReply(of stream: Stream) {
        packedBytes -= stream.packedBytes
        channel.memory.give(stream.packedBytes + stream.unsentBytes)
        stream.packedBytes = 0
        stream.unsentBytes = 0
    }

    /// Resumes one stream whose message waits for memory.
    ///
    /// The next one follows when this message, or one that is sent in parts meanwhile, has been
    /// dealt with.
    func resumeNext() {
        while let streamID = streamsWaitingForMemory.popFirst() {
            guard let stream = streams[streamID], stream.stopsWaitingForMemory() else { continue }
            return http2.resume(streamID)
        }
    }

    /// Submits the trailers, which follow the data that HTTP/2 has; nil stands for OK.
    func submitTrailers(_ status: CallError?, of stream: Stream) {
        stream.call?.recordOutcome(status?.code)
        guard let status else {
            return http2.submitTrailers(GRPCResponse.okTrailers, to: stream.id)
        }
        let arena = channel.loop.arena
        http2.submitTrailers(
            GRPCResponse.trailers(status, bytesMax: limits.statusBytesMax, arena),
            to: stream.id
        )
    }
}
