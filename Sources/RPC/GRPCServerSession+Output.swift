internal import DequeModule
internal import ProtoCodec

/// What gRPC sends on its streams: each message is built when there is room for it, and packed
/// straight into the channel's output, unless HTTP/2 takes it only in parts.
extension GRPCServerSession {
    func http2Body(of streamID: Int32, bytesMax: Int) -> HTTP2Session.Body {
        guard let stream = streams[streamID], !stream.isFinished else { return .nothing }
        if case .nothing = stream.sending {
            guard let response = stream.waitingResponse else { return bodyEnd(of: stream) }
            do {
                let message = try build(response)
                if GRPCMessageDecoder.prefixBytes + message.packedSize <= bytesMax {
                    stream.sending = .whole(message)
                } else if !pack(message, of: stream) {
                    return .nothing
                }
            } catch {
                return failedToBuild(stream, error)
            }
        }
        let left = stream.sendingBytesLeft
        let count = min(left, bytesMax)
        guard channel.hasRoom(for: HTTP2Session.frameHeaderBytes + count) else {
            // The arena is used for something else before there is room.
            if case .whole = stream.sending { stream.sending = .nothing }
            return .noRoom
        }
        // A message that lies in the arena still is followed by OK: the trailers do not use it.
        let isLast = stream.isEnding && count == left
        if isLast { submitTrailers(of: stream) }
        return .data(count, isLast: isLast)
    }

    func http2WriteBody(of streamID: Int32, _ count: Int, to start: UnsafeMutableRawPointer) {
        guard let stream = streams[streamID] else { return }
        stream.progress += count
        switch stream.sending {
        case .nothing: preconditionFailure("the body was announced")
        case .whole(let message): GRPCServerStream.write(message, to: start)
        case .parts(var message):
            stream.sending = .nothing
            message.write(count, to: start)
            guard message.left == 0 else {
                stream.sending = .parts(message)
                return
            }
            packedBytes -= message.size
        }
        stream.sending = .nothing
        stream.response = nil
        stream.call?.messages?.responseEnded(.success(()))
        resumeNext()
    }

    /// Packs a message to send it in parts; false if it must wait until others are sent.
    private func pack(_ message: ProtoMessage, of stream: GRPCServerStream) -> Bool {
        let packed = packedBytes + GRPCMessageDecoder.prefixBytes + message.packedSize
        guard packedBytes == 0 || packed <= limits.replyBytesHeldMax else {
            stream.waitsForMemory = true
            streamsWaitingForMemory.append(stream.id)
            return false
        }
        packedBytes = packed
        stream.sending = .parts(GRPCServerStream.PackedMessage(message))
        stream.response = nil
        stream.call?.messages?.responseIsPacked()
        return true
    }

    /// Lets one message go on that waits for memory: what becomes of it lets the next go on, or
    /// those do that are sent in parts meanwhile.
    func resumeNext() {
        while let streamID = streamsWaitingForMemory.popFirst() {
            guard let stream = streams[streamID], !stream.isFinished else { continue }
            stream.waitsForMemory = false
            return http2.resume(streamID)
        }
    }

    private func build(_ response: MessageBuilder) throws -> ProtoMessage {
        let message = try channel.loop.arena.build(response)
        guard message.packedSize <= limits.frameBytesMax else { throw RPCStatus.replyTooLarge }
        return message
    }

    private func failedToBuild(
        _ stream: GRPCServerStream,
        _ error: any Error
    ) -> HTTP2Session.Body {
        if stream.response != nil {
            stream.response = nil
            stream.ending = router.status(of: error)
        } else {
            stream.call?.messages?.responseEnded(.failure(error))
        }
        resumeNext()
        return bodyEnd(of: stream)
    }

    /// No message waits: the trailers follow, or later something else.
    private func bodyEnd(of stream: GRPCServerStream) -> HTTP2Session.Body {
        guard stream.isEnding else {
            endOutput(of: stream)
            return .nothing
        }
        submitTrailers(of: stream)
        return .data(0, isLast: true)
    }

    /// Submits the trailers, which follow what HTTP/2 has been given.
    func submitTrailers(of stream: GRPCServerStream) {
        endOutput(of: stream)
        stream.isFinished = true
        stream.call?.ended(stream.ending?.code)
        guard let status = stream.ending else {
            return http2.submitTrailers(GRPCResponse.okTrailers, to: stream.id)
        }
        let arena = channel.loop.arena
        http2.submitTrailers(
            GRPCResponse.trailers(status, bytesMax: limits.statusBytesMax, arena),
            to: stream.id
        )
    }

    private func endOutput(of stream: GRPCServerStream) {
        guard stream.outputIsCounted else { return }
        stream.outputIsCounted = false
        streamsWithOutput -= 1
    }
}
