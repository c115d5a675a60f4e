internal import ProtoCodec

/// What gRPC's clients send: a header that names the method, messages, and an end. A unary call
/// begins when its request has ended, a streaming call with the header.
extension GRPCServerSession {
    func http2Began(_ streamID: Int32) {
        let stream = GRPCServerStream(id: streamID, messageBytesMax: limits.frameBytesMax)
        streams[streamID] = stream
        beginning = stream
    }

    func http2Header(
        _ streamID: Int32,
        name: UnsafeRawBufferPointer,
        value: UnsafeRawBufferPointer
    ) {
        beginning?.head.add(
            name: name,
            value: value,
            router: router,
            listBytesMax: limits.metadataBytesMax
        )
    }

    func http2HeadersEnded(_ streamID: Int32) {
        guard let stream = beginning else { return }
        beginning = nil
        start(stream)
    }

    func http2Received(_ streamID: Int32, _ bytes: UnsafeRawBufferPointer, isLast: Bool) {
        // Whatever one stream does with its data, the others go on.
        http2.consumeConnection(bytes.count)
        guard let stream = streams[streamID], !stream.isDecided else { return }
        stream.progress += bytes.count
        stream.unconsumedBytes += bytes.count
        if let failure = decode(bytes, isLast: isLast, for: stream) {
            return abandon(stream, failure)
        }
        // What a unary call has held is taken at once now.
        guard !isLast || stream.call != nil else { return }
        count(stream)
        if heldBytes > limits.requestBytesHeldMax {
            return abandon(stream, .tooManyRequestBytes(limits.requestBytesHeldMax))
        }
        guard !isLast else { return }
        allowMore(on: stream)
        if stream.decoder.isInsideMessage { expectProgress() }
    }

    /// Takes the messages in the data, and says what is wrong with them.
    private func decode(
        _ bytes: UnsafeRawBufferPointer,
        isLast: Bool,
        for stream: GRPCServerStream
    ) -> RPCStatus? {
        var failure: RPCStatus?
        do throws(GRPCMessageDecoder.Failure) {
            try stream.decoder.decode(bytes) { message, isCompressed in
                guard failure == nil else { return }
                do throws(RPCStatus) {
                    try take(message, isCompressed: isCompressed, isLast: isLast, for: stream)
                } catch {
                    failure = error
                }
            }
        } catch {
            failure = failure ?? status(of: error)
        }
        return failure
    }

    private func status(of failure: GRPCMessageDecoder.Failure) -> RPCStatus {
        switch failure {
        case .tooLarge(let count):
            RPCStatus(
                .resourceExhausted,
                "the message has \(count) bytes, at most \(limits.frameBytesMax) are accepted"
            )
        case .unknownFlag(let flag):
            RPCStatus(.internal, "a message's first byte must be 0 or 1, and is \(flag)")
        }
    }

    /// Ends the stream, with its call if that runs.
    func abandon(_ stream: GRPCServerStream, _ status: RPCStatus) {
        if let call = stream.call { call.abandon(status) } else { refuse(stream, status) }
    }

    func http2InputEnded(_ streamID: Int32) {
        guard let stream = streams[streamID], !stream.inputHasEnded else { return }
        stream.inputHasEnded = true
        let lent = self.lent
        self.lent = nil
        guard !stream.isDecided else { return }
        if stream.decoder.isInsideMessage {
            abandon(stream, RPCStatus(.internal, "the request ends within a message"))
        } else if let call = stream.call {
            call.messages?.endRequests()
        } else if let lent, lent.stream === stream {
            run(stream, lent.message)
        } else if let message = stream.message {
            stream.message = nil
            count(stream)
            message.withUnsafeBytes { run(stream, $0) }
        } else {
            refuse(stream, .notOneMessage)
        }
    }

    // MARK: - Calls

    private func start(_ stream: GRPCServerStream) {
        if let refusal {
            hasRefused = true
            return refuse(stream, refusal)
        }
        switch stream.head.httpFault {
        case .methodNotAllowed: return finish(stream, with: GRPCResponse.methodNotAllowed)
        case .unsupportedMediaType:
            return finish(stream, with: GRPCResponse.unsupportedMediaType)
        case nil: break
        }
        if hasBegunTooLate { return reset(stream, .refusedStream) }
        if let fault = stream.head.fault { return refuse(stream, fault) }
        guard let method = stream.head.method else { return refuse(stream, .noPath) }
        // The client's count of streams does not say how many handlers run: those of streams that
        // were reset may go on.
        guard runningHandlers < limits.callsInFlightPerConnectionMax else {
            return reset(stream, .refusedStream)
        }
        // A unary call that the client began before it knew ends by itself.
        if isDraining, method.isStreaming { return refuse(stream, .serverIsStopping) }
        if let timeout = stream.head.timeout {
            let deadline = ContinuousClock.now + min(timeout, limits.callTimeoutMax)
            stream.deadline = deadline
            channel.wake(at: deadline)
        }
        if case .streaming(let start) = method.handler {
            let call = makeCall(stream, messages: CallMessages())
            runningHandlers += 1
            start(call)
        }
    }

    private func makeCall(
        _ stream: GRPCServerStream,
        messages: CallMessages? = nil
    ) -> ServerCall {
        let call = ServerCall(
            streamID: UInt32(bitPattern: stream.id),
            peer: peer,
            deadline: stream.deadline,
            metadata: stream.head.metadata,
            messages: messages,
            loop: channel.loop,
            session: self,
            record: stream.head.method.flatMap { instruments?.begin($0) }
        )
        stream.call = call
        call.waits()
        return call
    }

    /// Takes a whole message; `isLast` says that the stream's input ends while what is lent is there.
    ///
    /// Called from within the stream's decoder, which nothing else may use then.
    private func take(
        _ message: GRPCMessageDecoder.Message,
        isCompressed: Bool,
        isLast: Bool,
        for stream: GRPCServerStream
    ) throws(RPCStatus) {
        if let call = stream.call {
            guard let messages = call.messages else { throw RPCStatus.notOneMessage }
            messages.add(try isCompressed ? inflate(message, stream) : message.copy)
            return
        }
        guard !stream.hasMessage else { throw RPCStatus.notOneMessage }
        stream.hasMessage = true
        if isCompressed {
            stream.message = try inflate(message, stream)
        } else if isLast, case .lent(let bytes) = message {
            lent = (stream, bytes)
        } else {
            stream.message = message.copy
        }
    }

    private func inflate(
        _ message: GRPCMessageDecoder.Message,
        _ stream: GRPCServerStream
    ) throws(RPCStatus) -> [UInt8] {
        guard stream.head.isGzip else {
            throw RPCStatus(.internal, "the message is compressed, but no grpc-encoding is named")
        }
        do {
            return try GzipInflater.inflate(message.copy, bytesMax: limits.frameBytesMax)
        } catch {
            switch error {
            case .tooLarge:
                throw RPCStatus(
                    .resourceExhausted,
                    "the message has more than \(limits.frameBytesMax) bytes when it is decompressed"
                )
            case .malformed:
                throw RPCStatus(.internal, "the message cannot be decompressed with gzip")
            }
        }
    }

    /// Runs the handler of a unary call.
    private func run(_ stream: GRPCServerStream, _ message: UnsafeRawBufferPointer) {
        guard case .unary(let start) = stream.head.method?.handler else { return }
        let arena = channel.loop.arena
        arena.reset()
        let call = makeCall(stream)
        runningHandlers += 1
        do {
            try start(message, arena, call)
        } catch {
            runningHandlers -= 1
            let status = router.status(error)
            call.ended(status.code)
            stream.call = nil
            fail(stream, status)
        }
    }

    // MARK: - Memory

    /// Counts the memory of a stream's requests anew.
    func count(_ stream: GRPCServerStream) {
        heldBytes += stream.heldBytes - stream.countedBytes
        stream.countedBytes = stream.heldBytes
    }

    func dropRequest(of stream: GRPCServerStream) {
        stream.dropRequest()
        count(stream)
    }

    /// Lets the client send on while the handler has taken what came.
    func allowMore(on stream: GRPCServerStream) {
        guard !stream.inputHasEnded, stream.unconsumedBytes > 0,
            stream.call?.messages?.hasWaitingRequest != true
        else { return }
        http2.consumeStream(stream.id, stream.unconsumedBytes)
        stream.unconsumedBytes = 0
    }
}

extension RPCStatus {
    fileprivate static let noPath = RPCStatus(.unimplemented, "the request names no method")
}
