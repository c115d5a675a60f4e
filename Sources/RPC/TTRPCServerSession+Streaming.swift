internal import ProtoCodec

/// Streaming calls of ttrpc (ttrpc, PROTOCOL.md, "Streaming"): a request frame that says whether
/// data frames follow it, data frames with one message each in both directions, and at the end an
/// empty data frame, or a response frame with the status that is not OK.
extension TTRPCServerSession {
    /// The messages of a streaming call as its request frame leaves them.
    func firstMessages(
        _ request: TTRPCEnvelope.Request,
        _ flags: UInt8
    ) throws -> CallMessages {
        let isOpen = flags & TTRPCFrameHeader.Flags.remoteOpen != 0
        let isClosed = flags & TTRPCFrameHeader.Flags.remoteClosed != 0
        // A client without streaming sends no flags, and would wait for a response frame.
        guard isOpen || isClosed else {
            throw RPCStatus(
                .unimplemented,
                "the method streams: the request must have the flag remote closed or remote open"
            )
        }
        let messages = CallMessages()
        // Where requests follow, the first may already be here.
        if isClosed || !request.payload.isEmpty { messages.add(Array(request.payload)) }
        if isClosed { messages.endRequests() }
        return messages
    }

    /// Gives a data frame to the handler.
    func add(
        _ header: TTRPCFrameHeader,
        _ data: UnsafeRawBufferPointer,
        to messages: CallMessages,
        of call: ServerCall
    ) {
        if messages.requestsHaveEnded {
            call.abandon(RPCStatus(.invalidArgument, "the client had ended its messages"))
            return
        }
        if header.flags & TTRPCFrameHeader.Flags.noData == 0 { messages.add(Array(data)) }
        if header.flags & TTRPCFrameHeader.Flags.remoteClosed != 0 { messages.endRequests() }
        // ttrpc cannot make one stream wait and let the others go on.
        count(call)
        if heldBytes > limits.requestBytesHeldMax {
            call.abandon(.tooManyRequestBytes(limits.requestBytesHeldMax))
        }
    }

    /// Sends the response that waits in a call's messages; false if there is no room for it now.
    func sendResponse(of call: ServerCall) -> Bool {
        guard let messages = call.messages, let response = messages.response else { return true }
        do {
            let message = try channel.loop.arena.build(response)
            guard message.packedSize <= limits.frameBytesMax else { throw RPCStatus.replyTooLarge }
            guard channel.hasRoom(for: TTRPCFrameHeader.bytes + message.packedSize) else {
                return isClosed
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

    /// Says that all responses are sent.
    func sendEnd(of call: ServerCall) {
        writeFrame(
            0,
            call.streamID,
            kind: TTRPCFrameHeader.Kind.data,
            flags: TTRPCFrameHeader.Flags.remoteClosed | TTRPCFrameHeader.Flags.noData
        ) { _ in }
    }
}

extension RPCStatus {
    static func tooManyRequestBytes(_ bytesMax: Int) -> RPCStatus {
        RPCStatus(
            .resourceExhausted,
            "the requests that wait have more than the connection's \(bytesMax) bytes"
        )
    }
}
