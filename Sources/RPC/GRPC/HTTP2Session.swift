internal import CNGHTTP2
internal import Glibc

/// Receives the events of an HTTP/2 connection, and provides the data of responses.
///
/// Every method may submit responses and resets; they are sent after it.
protocol HTTP2SessionDelegate: AnyObject {
    /// Handles the client's SETTINGS, which end its preface.
    func http2SettingsArrived()
    /// Handles the client's acknowledgement of the server's SETTINGS.
    func http2SettingsAcknowledged()
    /// Handles the client's answer to the ping of ``HTTP2Session/announceDrain()``.
    func http2PingAcknowledged()
    /// Handles a stream that the client has opened.
    func http2Began(_ streamID: Int32)
    /// Handles a field of the stream's header; name and value are valid during the call only.
    func http2Header(
        _ streamID: Int32,
        name: UnsafeRawBufferPointer,
        value: UnsafeRawBufferPointer
    )
    /// Handles the end of the stream's header.
    func http2HeadersEnded(_ streamID: Int32)
    /// Handles a part of the stream's data. `isLast` promises that ``http2InputEnded(_:)`` follows
    /// while the bytes are valid.
    func http2Received(_ streamID: Int32, _ bytes: UnsafeRawBufferPointer, isLast: Bool)
    /// Handles the end of the client's data on the stream.
    func http2InputEnded(_ streamID: Int32)
    /// Handles the end of the stream, finished or reset.
    func http2StreamClosed(_ streamID: Int32)
    /// Returns the data that can be sent now on the stream, `bytesMax` bytes at most.
    func http2Body(of streamID: Int32, bytesMax: Int) -> HTTP2Session.Body
    /// Writes the data that ``http2Body(of:bytesMax:)`` has just returned.
    func http2WriteBody(of streamID: Int32, _ count: Int, to start: UnsafeMutableRawPointer)
    /// Handles the end of HTTP/2 on the connection, and with it of every stream.
    func http2Ended()
}

/// The server's side of an HTTP/2 connection, with libnghttp2 (RFC 9113).
///
/// It knows nothing of gRPC, and is used on its channel's loop only.
final class HTTP2Session: @unchecked Sendable {
    // Unchecked: guarded by the queue of the channel's loop, as above.

    /// The data of a stream that can be sent now.
    enum Body {
        /// The given number of bytes can be sent. The last of the stream's data is followed by
        /// trailers, which must have been submitted.
        case data(Int, isLast: Bool)
        /// There is no data until ``HTTP2Session/resume(_:)`` is called.
        case nothing
        /// There is data, for which the output has no room.
        case noRoom
    }

    /// The error codes of HTTP/2 (RFC 9113, section 7) that a server uses.
    enum ErrorCode: UInt32 {
        case none = 0
        case protocolError = 1
        case `internal` = 2
        case settingsTimeout = 4
        case refusedStream = 7
        case cancel = 8
        case enhanceYourCalm = 11
    }

    static let frameHeaderBytes = 9

    let channel: Channel
    /// The owner of this session.
    unowned(unsafe) let delegate: any HTTP2SessionDelegate
    let session: OpaquePointer
    private var limits: RPCLimits { channel.loop.limits }
    private var scanner = HTTP2FrameScanner()
    var floodGuard: HTTP2FloodGuard
    private var state = State.open
    /// The number of bytes that are left of the DATA frame that arrives; nil if that is not known.
    var dataLeft: Int?
    /// The rules for the fields that arrive.
    var rules = HTTP2RequestRules(isTrailer: false)
    /// The number of bytes that are left of the bodies whose length was announced, by stream.
    var bodyBytesLeft: [Int32: Int] = [:]

    private enum State {
        case open
        /// The library runs, and its functions that read or send must not be called.
        case insideLibrary
        case ended
    }

    init(channel: Channel, delegate: any HTTP2SessionDelegate) {
        self.channel = channel
        self.delegate = delegate
        floodGuard = HTTP2FloodGuard(channel.loop.limits)
        session = HTTP2Callbacks.makeSession(channel.loop.limits)
        nghttp2_session_set_user_data(session, Unmanaged.passUnretained(self).toOpaque())
        submitSettings()
    }

    // No callback runs now, since those who call the library's functions retain `self`.
    deinit { nghttp2_session_del(session) }

    private func submitSettings() {
        func entry(_ id: nghttp2_settings_id, _ value: Int) -> nghttp2_settings_entry {
            nghttp2_settings_entry(
                settings_id: Int32(id.rawValue),
                value: UInt32(clamping: value)
            )
        }
        let settings = [
            entry(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits.callsInFlightPerConnectionMax),
            entry(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits.metadataBytesMax),
            // Without the priorities of RFC 7540, the library keeps no closed stream in memory.
            entry(NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1),
        ]
        let flags = UInt8(NGHTTP2_FLAG_NONE.rawValue)
        check(nghttp2_submit_settings(session, flags, settings, settings.count))
        let window = Int32(clamping: limits.connectionWindowBytes)
        check(nghttp2_session_set_local_window_size(session, flags, 0, window))
    }

    /// Checks the result of a function that only submits something.
    ///
    /// It fails if there is no memory left, or if the stream is gone, in which case there is
    /// nothing to do.
    private func check(_ code: Int32) {
        precondition(code != NGHTTP2_ERR_NOMEM.rawValue, "out of memory")
    }

    // MARK: - Input

    /// Handles bytes that have arrived, and sends the frames that follow from them.
    func receive(_ bytes: UnsafeRawBufferPointer) {
        guard !hasEnded else { return }
        var isFlooded = false
        scanner.scan(bytes) { if !floodGuard.admits($0) { isFlooded = true } }
        if isFlooded { return terminate(.enhanceYourCalm) }
        let start = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
        let count = insideLibrary { nghttp2_session_mem_recv(session, start, bytes.count) }
        switch Int32(count) {
        case 0...: send()
        case NGHTTP2_ERR_BAD_CLIENT_MAGIC.rawValue: channel.close()
        case NGHTTP2_ERR_FLOODED.rawValue: terminate(.enhanceYourCalm)
        default: terminate(.internal)
        }
    }

    private func insideLibrary<Value>(_ work: () -> Value) -> Value {
        state = .insideLibrary
        defer {
            switch state {
            case .insideLibrary: state = .open
            case .open, .ended: break
            }
        }
        return work()
    }

    /// True within a callback of the library, after which what was submitted is sent.
    var isInsideLibrary: Bool {
        switch state {
        case .insideLibrary: true
        case .open, .ended: false
        }
    }

    private var hasEnded: Bool {
        switch state {
        case .ended: true
        case .open, .insideLibrary: false
        }
    }

    /// True if a frame has begun that has not arrived wholly.
    var isInsideFrame: Bool { scanner.isInsideFrame }

    /// Lets the client send `count` more bytes on the connection.
    func consumeConnection(_ count: Int) {
        check(nghttp2_session_consume_connection(session, count))
    }

    /// Lets the client send `count` more bytes on the stream.
    func consumeStream(_ streamID: Int32, _ count: Int) {
        check(nghttp2_session_consume_stream(session, streamID, count))
    }

    // MARK: - Output

    /// Submits a response that consists of a header only.
    func submit(_ headers: HTTP2Fields, to streamID: Int32) {
        withExtendedLifetime(headers) {
            let fields = headers.fields
            check(nghttp2_submit_response(session, streamID, fields.baseAddress, fields.count, nil))
        }
    }

    /// Submits the header of a response whose body the delegate provides.
    func submitWithBody(_ headers: HTTP2Fields, to streamID: Int32) {
        var provider = HTTP2Callbacks.bodyProvider
        let code = withExtendedLifetime(headers) {
            let fields = headers.fields
            let start = fields.baseAddress
            return nghttp2_submit_response(session, streamID, start, fields.count, &provider)
        }
        check(code)
    }

    /// Submits the trailers, which are sent after the body.
    func submitTrailers(_ trailers: HTTP2Fields, to streamID: Int32) {
        withExtendedLifetime(trailers) {
            let fields = trailers.fields
            check(nghttp2_submit_trailer(session, streamID, fields.baseAddress, fields.count))
        }
    }

    /// Resumes the body of a stream that had no data.
    func resume(_ streamID: Int32) { check(nghttp2_session_resume_data(session, streamID)) }

    /// Submits the reset of a stream.
    func reset(_ streamID: Int32, _ code: ErrorCode) {
        let flags = UInt8(NGHTTP2_FLAG_NONE.rawValue)
        check(nghttp2_submit_rst_stream(session, flags, streamID, code.rawValue))
    }

    /// Sends what was submitted, as far as the client's windows and the output have room, but
    /// nothing before the client's preface has arrived.
    func send() {
        switch state {
        case .insideLibrary, .ended: return
        case .open: break
        }
        guard scanner.hasPreface else { return }
        let code = insideLibrary { nghttp2_session_send(session) }
        if code != 0 { return channel.close() }
        if nghttp2_session_want_read(session) == 0, nghttp2_session_want_write(session) == 0 {
            end()
        }
    }

    // MARK: - The end

    /// Announces that no stream will begin any more, and asks for an acknowledgement, until which
    /// the client may begin some (RFC 9113, section 6.8).
    func announceDrain() {
        check(nghttp2_submit_shutdown_notice(session))
        check(nghttp2_submit_ping(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), nil))
        send()
    }

    /// Sends the final GOAWAY, which names the last stream that is served.
    func finishDrain() {
        let lastStreamID = nghttp2_session_get_last_proc_stream_id(session)
        let flags = UInt8(NGHTTP2_FLAG_NONE.rawValue)
        check(
            nghttp2_submit_goaway(session, flags, lastStreamID, ErrorCode.none.rawValue, nil, 0)
        )
        send()
    }

    /// Tells the client the reason, and closes the connection.
    func terminate(_ code: ErrorCode) {
        guard !hasEnded else { return }
        check(nghttp2_session_terminate_session(session, code.rawValue))
        send()
        switch state {
        // The library goes on after this callback, and then finds nothing more to do.
        case .insideLibrary: break
        case .open, .ended: end()
        }
    }

    private func end() {
        guard !hasEnded else { return }
        state = .ended
        channel.closeAfterFlush()
        delegate.http2Ended()
    }

    /// Records that the channel is closed.
    func closed() { state = .ended }
}
