internal import CallStatus
internal import ProtoCodec

/// The frames that a server sends: a response frame for the reply of a unary call and for every
/// status that is not OK; for a streaming call a data frame for each message, and an empty one at
/// the end (ttrpc, PROTOCOL.md, "Streaming").
///
/// A message is built when the output may have room for it, and packed straight into the output.
extension TTRPCServerSession {
    /// Sends a response that waited; returns false if there is no room for it now.
    func send(_ response: WaitingResponse) -> Bool {
        switch response {
        case .unary(let call, let reply, _): send(reply, of: call)
        case .streaming(let call): sendResponse(of: call)
        }
    }

    /// Sends the reply of a unary call, or a failure if it cannot be built; returns false if there
    /// is no room for it now.
    func send(_ reply: (ProtoArena) throws -> ProtoMessage, of call: ServerCall) -> Bool {
        do {
            let message = try channel.loop.arena.build(reply)
            let prefix = TTRPCEnvelope.PayloadPrefix(payloadBytes: message.packedSize)
            let dataLength = prefix.bytes + message.packedSize
            guard dataLength <= limits.frameBytesMax else { throw CallError.replyTooLarge }
            guard channel.hasRoom(for: TTRPCFrameHeader.bytes + dataLength) else {
                return connection.isClosed
            }
            // The channel accounts for what the socket does not take of it.
            if call.mayRefuseReply { try channel.memory.checkRoom(for: dataLength) }
            writeFrame(dataLength, call.streamID) { start in
                prefix.write(to: start)
                message.pack(to: start + prefix.bytes)
            }
            call.recordOutcome(nil)
        } catch {
            let status = router.status(of: error)
            call.recordOutcome(status.code)
            send(status, to: call.streamID)
        }
        return true
    }

    /// Sends the response that waits in the messages of a streaming call; returns false if there is
    /// no room for it now.
    func sendResponse(of call: ServerCall) -> Bool {
        guard let messages = call.messages, let response = messages.response else { return true }
        do {
            let message = try channel.loop.arena.build(response)
            guard message.packedSize <= limits.frameBytesMax else { throw CallError.replyTooLarge }
            guard channel.hasRoomForStream(TTRPCFrameHeader.bytes + message.packedSize) else {
                return connection.isClosed
            }
            writeFrame(message.packedSize, call.streamID, kind: TTRPCFrameHeader.Kind.data) {
                message.pack(to: $0)
            }
            messages.responseEnded(.success(()))
        } catch {
            messages.responseEnded(.failure(error))
        }
        return true
    }

    /// Sends the frame that ends the responses of a streaming call.
    func sendEnd(of call: ServerCall) {
        writeFrame(
            0,
            call.streamID,
            kind: TTRPCFrameHeader.Kind.data,
            flags: TTRPCFrameHeader.Flags.remoteClosed | TTRPCFrameHeader.Flags.noData
        ) { _ in }
    }

    /// Sends a status that is not OK.
    func send(_ status: CallError, to streamID: UInt32) {
        guard !connection.isClosed else { return }
        let arena = channel.loop.arena
        arena.reset()
        guard let message = try? TTRPCEnvelope.encodeFailure(status, arena) else {
            // Only an error text above the limit of the arena cannot be encoded.
            channel.close()
            return
        }
        writeFrame(message.packedSize, streamID) { message.pack(to: $0) }
    }

    private func writeFrame(
        _ dataLength: Int,
        _ streamID: UInt32,
        kind: UInt8 = TTRPCFrameHeader.Kind.response,
        flags: UInt8 = 0,
        _ fill: (UnsafeMutableRawPointer) -> Void
    ) {
        let header = TTRPCFrameHeader(
            dataLength: dataLength,
            streamID: streamID,
            kind: kind,
            flags: flags
        )
        channel.write(TTRPCFrameHeader.bytes + dataLength) { start in
            header.write(to: start)
            fill(start + TTRPCFrameHeader.bytes)
        }
        channel.flushIfLarge()
    }
}
