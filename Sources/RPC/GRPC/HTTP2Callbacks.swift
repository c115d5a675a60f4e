internal import CNGHTTP2
internal import Glibc

/// The C functions by which libnghttp2 calls an ``HTTP2Session``.
///
/// None of them may make the library's session read or send, nor delete it.
enum HTTP2Callbacks {
    /// Makes a server's session of the library, which the caller must delete.
    static func makeSession(_ limits: RPCLimits) -> OpaquePointer {
        var options: OpaquePointer?
        var session: OpaquePointer?
        guard nghttp2_option_new(&options) == 0 else { fatalError("out of memory") }
        defer { nghttp2_option_del(options) }
        // The server session opens the windows itself, as messages are taken.
        nghttp2_option_set_no_auto_window_update(options, 1)
        // ``HTTP2RequestRules`` are applied instead.
        nghttp2_option_set_no_http_messaging(options, 1)
        // ``HTTP2FloodGuard`` acts first and tells the client the reason; the library's limit is
        // its backup.
        nghttp2_option_set_stream_reset_rate_limit(
            options,
            UInt64(2 * limits.streamResetsBurst),
            UInt64(2 * limits.streamResetsPerSecond)
        )
        guard nghttp2_session_server_new2(&session, table, nil, options) == 0, let session else {
            fatalError("out of memory")
        }
        return session
    }

    /// A provider by which the library asks the delegate for the body of a response.
    static var bodyProvider: nghttp2_data_provider {
        nghttp2_data_provider(source: nghttp2_data_source()) {
            _,
            streamID,
            _,
            bytesMax,
            flags,
            _,
            userData in
            switch HTTP2Callbacks.with(
                userData,
                { $0.delegate.http2Body(of: streamID, bytesMax: bytesMax) }
            ) {
            case .data(let count, let isLast):
                var bits: UInt32 = 0
                // The body is written straight into the output, by the callback for sending data.
                if count > 0 { bits |= NGHTTP2_DATA_FLAG_NO_COPY.rawValue }
                if isLast {
                    bits |=
                        NGHTTP2_DATA_FLAG_EOF.rawValue | NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue
                }
                flags?.pointee |= bits
                return count
            case .nothing: return Int(NGHTTP2_ERR_DEFERRED.rawValue)
            case .noRoom: return Int(NGHTTP2_ERR_PAUSE.rawValue)
            }
        }
    }

    /// Calls `body` with the session that has called the library, and so stays alive.
    fileprivate static func with<Value>(
        _ userData: UnsafeMutableRawPointer?,
        _ body: (HTTP2Session) -> Value
    ) -> Value {
        guard let userData else { preconditionFailure("every session has its owner") }
        return Unmanaged<HTTP2Session>.fromOpaque(userData)._withUnsafeGuaranteedRef { body($0) }
    }

    /// The table of all callbacks, which every session copies.
    private nonisolated(unsafe) static let table: OpaquePointer? = {
        // Unsafe: the table is constant once it is made.
        var table: OpaquePointer?
        guard nghttp2_session_callbacks_new(&table) == 0 else { fatalError("out of memory") }
        addInput(table)
        addOutput(table)
        return table
    }()

    private static func addInput(_ table: OpaquePointer?) {
        nghttp2_session_callbacks_set_on_begin_frame_callback(table) { _, header, userData in
            if let header { HTTP2Callbacks.with(userData) { $0.frameBegan(header.pointee) } }
            return 0
        }
        nghttp2_session_callbacks_set_on_begin_headers_callback(table) { _, frame, userData in
            if let frame { HTTP2Callbacks.with(userData) { $0.fieldsBegan(frame) } }
            return 0
        }
        nghttp2_session_callbacks_set_on_header_callback(table) {
            _,
            frame,
            name,
            nameLength,
            value,
            valueLength,
            _,
            userData in
            guard let frame else { return 0 }
            let isAccepted = HTTP2Callbacks.with(userData) {
                $0.fieldArrived(
                    frame,
                    name: UnsafeRawBufferPointer(start: name, count: nameLength),
                    value: UnsafeRawBufferPointer(start: value, count: valueLength)
                )
            }
            // The rest of the fields is then skipped, and the frame not reported.
            return isAccepted ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue
        }
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(table) {
            _,
            flags,
            streamID,
            bytes,
            count,
            userData in
            HTTP2Callbacks.with(userData) {
                $0.received(streamID, UnsafeRawBufferPointer(start: bytes, count: count), flags)
            }
            return 0
        }
        nghttp2_session_callbacks_set_on_frame_recv_callback(table) { _, frame, userData in
            if let frame { HTTP2Callbacks.with(userData) { $0.frameArrived(frame) } }
            return 0
        }
        nghttp2_session_callbacks_set_on_stream_close_callback(table) { _, streamID, _, userData in
            HTTP2Callbacks.with(userData) { $0.streamClosed(streamID) }
            return 0
        }
    }

    private static func addOutput(_ table: OpaquePointer?) {
        nghttp2_session_callbacks_set_send_callback(table) { _, bytes, count, _, userData in
            guard let bytes else { return 0 }
            let hasRoom = HTTP2Callbacks.with(userData) {
                $0.sendFrame(UnsafeRawBufferPointer(start: bytes, count: count))
            }
            return hasRoom ? count : Int(NGHTTP2_ERR_WOULDBLOCK.rawValue)
        }
        nghttp2_session_callbacks_set_send_data_callback(table) {
            _,
            frame,
            header,
            count,
            _,
            userData in
            guard let frame, let header else { return 0 }
            HTTP2Callbacks.with(userData) {
                $0.sendBody(frame.pointee.hd.stream_id, header, count)
            }
            return 0
        }
        nghttp2_session_callbacks_set_on_frame_send_callback(table) { _, frame, userData in
            if let frame { HTTP2Callbacks.with(userData) { $0.frameWasSent(frame) } }
            return 0
        }
    }

    /// Returns true if the frame is the header of a request, and not its trailers.
    fileprivate static func isRequest(_ frame: UnsafePointer<nghttp2_frame>) -> Bool {
        frame.pointee.hd.type == UInt8(NGHTTP2_HEADERS.rawValue)
            && frame.pointee.headers.cat == NGHTTP2_HCAT_REQUEST
    }
}

extension HTTP2Session {
    fileprivate func frameBegan(_ header: nghttp2_frame_hd) {
        guard header.type == UInt8(NGHTTP2_DATA.rawValue) else { return }
        let isPadded = header.flags & UInt8(NGHTTP2_FLAG_PADDED.rawValue) != 0
        dataLeft = isPadded ? nil : header.length
    }

    fileprivate func fieldsBegan(_ frame: UnsafePointer<nghttp2_frame>) {
        let isRequest = HTTP2Callbacks.isRequest(frame)
        rules = HTTP2RequestRules(isTrailer: !isRequest)
        if isRequest { delegate.http2Began(frame.pointee.hd.stream_id) }
    }

    /// Handles a field of a request or of its trailers; returns false if the stream is reset.
    fileprivate func fieldArrived(
        _ frame: UnsafePointer<nghttp2_frame>,
        name: UnsafeRawBufferPointer,
        value: UnsafeRawBufferPointer
    ) -> Bool {
        let streamID = frame.pointee.hd.stream_id
        switch rules.check(name: name, value: value) {
        case .take:
            // Trailers of a request have no meaning in gRPC.
            if HTTP2Callbacks.isRequest(frame) {
                delegate.http2Header(streamID, name: name, value: value)
            }
            return true
        case .ignore: return true
        case .malformed:
            reset(streamID, .protocolError)
            return false
        }
    }

    fileprivate func fieldsArrived(_ frame: UnsafePointer<nghttp2_frame>, endsStream: Bool) {
        let streamID = frame.pointee.hd.stream_id
        guard HTTP2Callbacks.isRequest(frame) else {
            return endsStream ? inputEnded(streamID) : reset(streamID, .protocolError)
        }
        guard rules.isComplete else { return reset(streamID, .protocolError) }
        if let length = rules.contentLength { bodyBytesLeft[streamID] = length }
        guard !endsStream || hasWholeBody(streamID) else {
            return reset(streamID, .protocolError)
        }
        delegate.http2HeadersEnded(streamID)
        if endsStream { delegate.http2InputEnded(streamID) }
    }

    fileprivate func received(_ streamID: Int32, _ bytes: UnsafeRawBufferPointer, _ flags: UInt8) {
        dataLeft? -= bytes.count
        let isLast = dataLeft == 0 && flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
        if !bodyBytesLeft.isEmpty, let left = bodyBytesLeft[streamID].map({ $0 - bytes.count }) {
            bodyBytesLeft[streamID] = left
            guard isLast ? left == 0 : left >= 0 else {
                consumeConnection(bytes.count)
                return reset(streamID, .protocolError)
            }
        }
        delegate.http2Received(streamID, bytes, isLast: isLast)
    }

    /// Handles the end of the client's data on the stream, which must be as long as was announced.
    private func inputEnded(_ streamID: Int32) {
        guard hasWholeBody(streamID) else { return reset(streamID, .protocolError) }
        delegate.http2InputEnded(streamID)
    }

    private func hasWholeBody(_ streamID: Int32) -> Bool {
        // Clients of gRPC announce no lengths.
        bodyBytesLeft.isEmpty || bodyBytesLeft[streamID] ?? 0 == 0
    }

    fileprivate func streamClosed(_ streamID: Int32) {
        if !bodyBytesLeft.isEmpty { bodyBytesLeft[streamID] = nil }
        delegate.http2StreamClosed(streamID)
    }

    fileprivate func frameArrived(_ frame: UnsafePointer<nghttp2_frame>) {
        let header = frame.pointee.hd
        let endsStream = header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
        let isAcknowledgement = header.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) != 0
        switch nghttp2_frame_type(UInt32(header.type)) {
        case NGHTTP2_HEADERS: fieldsArrived(frame, endsStream: endsStream)
        case NGHTTP2_DATA: if endsStream { inputEnded(header.stream_id) }
        case NGHTTP2_SETTINGS:
            if isAcknowledgement {
                delegate.http2SettingsAcknowledged()
            } else {
                delegate.http2SettingsArrived()
            }
        // The only ping that is sent asks for the acknowledgement of the drain.
        case NGHTTP2_PING: if isAcknowledgement { delegate.http2PingAcknowledged() }
        default: break
        }
    }

    /// Writes a frame that is not DATA; returns false if there is no room for it now.
    fileprivate func sendFrame(_ frame: UnsafeRawBufferPointer) -> Bool {
        guard let start = frame.baseAddress, channel.hasRoom(for: frame.count) else { return false }
        channel.write(frame.count) { $0.copyMemory(from: start, byteCount: frame.count) }
        return true
    }

    fileprivate func sendBody(
        _ streamID: Int32,
        _ header: UnsafePointer<UInt8>,
        _ count: Int
    ) {
        channel.write(Self.frameHeaderBytes + count) { start in
            start.copyMemory(from: header, byteCount: Self.frameHeaderBytes)
            delegate.http2WriteBody(of: streamID, count, to: start + Self.frameHeaderBytes)
        }
    }

    fileprivate func frameWasSent(_ frame: UnsafePointer<nghttp2_frame>) {
        let header = frame.pointee.hd
        switch nghttp2_frame_type(UInt32(header.type)) {
        case NGHTTP2_DATA: floodGuard.responseFrameWasSent()
        case NGHTTP2_HEADERS:
            floodGuard.responseFrameWasSent()
            // The response is complete, so that the client need not send the rest of its request
            // (RFC 9113, section 8.1).
            if header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0,
                nghttp2_session_get_stream_remote_close(session, header.stream_id) == 0
            {
                reset(header.stream_id, .none)
            }
        case NGHTTP2_RST_STREAM:
            if frame.pointee.rst_stream.error_code != ErrorCode.none.rawValue,
                !floodGuard.admitsServerReset()
            {
                terminate(.enhanceYourCalm)
            }
        default: break
        }
    }
}
