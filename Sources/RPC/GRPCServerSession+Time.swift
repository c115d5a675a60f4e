/// What gRPC's peers must do in time.
extension GRPCServerSession {
    /// Called after input: a frame that has begun must go on, the server's SETTINGS must be
    /// acknowledged, and a connection that is refused must make its call.
    func noteWhatIsExpected() {
        guard http2.hasBegun else { return }
        if !settingsAreExpected {
            settingsAreExpected = true
            settingsDeadline = expect(within: limits.handshakeTimeout)
        }
        frameDeadline = http2.isInsideFrame ? expect(within: limits.handshakeTimeout) : nil
    }

    /// Called when a stream waits for its peer: to take what is sent, or to go on with a message.
    func expectProgress() {
        if progressCheck == nil { progressCheck = expect(within: limits.outputStallTimeout) }
    }

    func expect(within timeout: Duration) -> ContinuousClock.Instant {
        let deadline = ContinuousClock.now + timeout
        channel.wake(at: deadline)
        return deadline
    }

    func woke() {
        let now = ContinuousClock.now
        checkHandshake(now)
        if let deadline = frameDeadline, deadline <= now {
            // While nothing is read here, the peer is not to blame.
            if channel.mayRead { return channel.close() }
            frameDeadline = now + limits.handshakeTimeout
        }
        if let deadline = drainDeadline, deadline <= now {
            drainDeadline = nil
            http2.finishDrain()
        }
        checkDeadlines(now)
        if let check = progressCheck, check <= now { checkProgress() }
        sendWaiting()
        let deadlines = [settingsDeadline, frameDeadline, drainDeadline, progressCheck]
        let next = deadlines.compactMap { $0 } + streams.values.compactMap(\.deadline)
        if let next = next.min() { channel.wake(at: next) }
    }

    private func checkHandshake(_ now: ContinuousClock.Instant) {
        guard let deadline = settingsDeadline, deadline <= now else { return }
        settingsDeadline = nil
        if !http2.settingsAreAcknowledged {
            http2.terminate(.settingsTimeout)
        } else if refusal != nil {
            http2.terminate(.none)
        }
    }

    private func checkDeadlines(_ now: ContinuousClock.Instant) {
        for stream in Array(streams.values) {
            guard let deadline = stream.deadline, deadline <= now else { continue }
            stream.deadline = nil
            abandon(stream, RPCStatus(.deadlineExceeded, "the deadline passed"))
        }
    }

    /// Ends the streams that have stood still since the last look, or nearly so, and the connection
    /// if all have.
    private func checkProgress() {
        progressCheck = nil
        let waiting = streams.values.filter {
            !$0.waitsForMemory
                && ($0.outputIsCounted || ($0.decoder.isInsideMessage && channel.mayRead))
        }
        let stalled = waiting.filter { $0.progress < $0.progressDue ?? 0 }
        for stream in streams.values { stream.progressDue = nil }
        for stream in waiting {
            let bytes = max(1, min(stream.awaitedBytes, limits.progressBytesMin))
            stream.progressDue = stream.progress + bytes
        }
        if !stalled.isEmpty, stalled.count == streams.count {
            return http2.terminate(.none)
        }
        for stream in stalled { reset(stream, .cancel) }
        if !waiting.isEmpty { expectProgress() }
    }
}
