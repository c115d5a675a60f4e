import CallStatus
import Foundation
import Logging
import TestSupport
import Testing

@testable import RPC

/// RELIABILITY.md, "gRPC", "Connections and limits" and "Process", as far as the state of a
/// connection decides them.
@Suite("the state of a gRPC connection")
struct GRPCConnectionTests {
    private enum Verdict: Equatable {
        case serve(Int)
        case refuse(CallError.Code)
        case fault
        case reset
    }

    private static let start = ContinuousClock.now

    private static var limits: RPCLimits {
        var limits = RPCLimits()
        limits.callsInFlightPerConnectionMax = 2
        return limits
    }

    private let router: Router = {
        var router = Router(logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        router.unary(
            "s",
            "Unary",
            decode: EchoServer.decode,
            encode: EchoServer.encode
        ) { value, _ in value }
        router.streaming(
            "s",
            "Stream",
            decode: EchoServer.decode,
            encode: EchoServer.encode
        ) { _, _, _ in }
        return router
    }()

    private func head(
        _ path: String? = "/s/Unary",
        method: String = "POST",
        type: String = "application/grpc"
    ) -> GRPCRequestHead {
        var head = GRPCRequestHead()
        var fields = [(":method", method), ("content-type", type)]
        if let path { fields.append((":path", path)) }
        for (name, value) in fields {
            Data(name.utf8).withUnsafeBytes { name in
                Data(value.utf8).withUnsafeBytes { value in
                    head.add(name: name, value: value, router: router, listBytesMax: 1_000)
                }
            }
        }
        return head
    }

    private func admit(_ head: GRPCRequestHead, _ connection: inout GRPCConnection) -> Verdict {
        switch connection.admit(head) {
        case .serve(let method): .serve(method.index)
        case .refuse(let status): .refuse(status.code)
        case .fault: .fault
        case .reset: .reset
        }
    }

    private func begun(refusal: CallError? = nil) -> GRPCConnection {
        var connection = GRPCConnection(limits: Self.limits, refusal: refusal)
        #expect(!connection.hasBegun)
        connection.settingsArrived(now: Self.start)
        #expect(connection.hasBegun)
        return connection
    }

    private func overdue(
        _ connection: inout GRPCConnection,
        after time: Duration,
        mayRead: Bool = true
    ) -> GRPCConnection.Action? {
        connection.overdue(now: Self.start + time, mayRead: mayRead)
    }

    @Test func requests_are_served_or_told_why_not() {
        var connection = begun()
        #expect(admit(head(), &connection) == .serve(0))
        #expect(admit(head("/s/Stream"), &connection) == .serve(1))
        #expect(admit(head("/s/Nothing"), &connection) == .refuse(.unimplemented))
        #expect(admit(head(nil), &connection) == .refuse(.unimplemented))
        #expect(admit(head(method: "GET"), &connection) == .fault)
        #expect(admit(head(type: "text/html"), &connection) == .fault)
    }

    @Test("19: above the limit of handlers a stream is reset, until one of them ends")
    func handlersMax() {
        var connection = begun()
        connection.handlerBegan()
        connection.handlerBegan()
        #expect(admit(head(), &connection) == .reset)
        connection.handlerEnded()
        #expect(admit(head(), &connection) == .serve(0))
    }

    @Test("16, 53: a connection that is not served tells its first call, and ends")
    func refusing() {
        var connection = begun(refusal: CallError(.permissionDenied, "not you"))
        #expect(connection.received(isInsideFrame: false, now: Self.start) == nil)
        #expect(admit(head(method: "GET"), &connection) == .refuse(.permissionDenied))
        #expect(admit(head(), &connection) == .reset)
        #expect(connection.received(isInsideFrame: false, now: Self.start) == .terminate(.none))
    }

    @Test("a connection that is not served and makes no call ends by the handshake timeout")
    func refusingSilence() {
        var connection = begun(refusal: CallError(.permissionDenied, "not you"))
        connection.settingsAcknowledged()
        #expect(overdue(&connection, after: .seconds(4)) == nil)
        #expect(overdue(&connection, after: .seconds(5)) == .terminate(.none))
        #expect(overdue(&connection, after: .seconds(50)) == nil)
    }

    @Test func settings_must_be_acknowledged_in_time() {
        var late = begun()
        #expect(late.nextDeadline == Self.start + .seconds(5))
        #expect(overdue(&late, after: .seconds(5)) == .terminate(.settingsTimeout))
        var prompt = begun()
        prompt.settingsAcknowledged()
        #expect(prompt.nextDeadline == nil)
        #expect(overdue(&prompt, after: .seconds(50)) == nil)
    }

    @Test("9: a frame that has begun must go on, while the server reads")
    func unfinishedFrame() {
        var connection = begun()
        connection.settingsAcknowledged()
        _ = connection.received(isInsideFrame: true, now: Self.start)
        #expect(overdue(&connection, after: .seconds(4)) == nil)
        #expect(overdue(&connection, after: .seconds(5), mayRead: false) == nil)
        #expect(connection.nextDeadline == Self.start + .seconds(10))
        #expect(overdue(&connection, after: .seconds(10)) == .close)
        _ = connection.received(isInsideFrame: false, now: Self.start)
        #expect(connection.nextDeadline == nil)
    }

    @Test("37: a drain ends with the client's acknowledgement, or after a time")
    func draining() {
        for isAcknowledged in [true, false] {
            var connection = begun()
            connection.settingsAcknowledged()
            #expect(connection.drain(now: Self.start) == .announceDrain)
            #expect(connection.drain(now: Self.start) == nil)
            #expect(!connection.isIdle(hasStreams: false), "a call may be on its way")
            #expect(admit(head(), &connection) == .serve(0))
            #expect(admit(head("/s/Stream"), &connection) == .refuse(.unavailable))
            if isAcknowledged {
                #expect(connection.pingAcknowledged() == .finishDrain)
            } else {
                #expect(overdue(&connection, after: .milliseconds(999)) == nil)
                #expect(overdue(&connection, after: .seconds(1)) == .finishDrain)
            }
            #expect(connection.pingAcknowledged() == nil)
            #expect(connection.isIdle(hasStreams: false) && !connection.isIdle(hasStreams: true))
        }
    }

    @Test("37: a client that begins while the server stops is sent away")
    func drainedBeforeHandshake() {
        var connection = GRPCConnection(limits: Self.limits, refusal: nil)
        #expect(connection.drain(now: Self.start) == nil)
        #expect(connection.isIdle(hasStreams: false))
        #expect(connection.received(isInsideFrame: false, now: Self.start) == nil)
        connection.settingsArrived(now: Self.start)
        #expect(admit(head(), &connection) == .reset)
        #expect(connection.received(isInsideFrame: false, now: Self.start) == .terminate(.none))
    }

    @Test func progress_is_looked_at_once_at_a_time() {
        var connection = begun()
        connection.settingsAcknowledged()
        #expect(connection.expectProgress(now: Self.start) == Self.start + .seconds(30))
        #expect(connection.expectProgress(now: Self.start + .seconds(7)) == nil)
        #expect(overdue(&connection, after: .seconds(30)) == .checkProgress)
        #expect(overdue(&connection, after: .seconds(31)) == nil)
        #expect(connection.expectProgress(now: Self.start) != nil)
    }

    @Test("every order of events keeps the state whole")
    func everyOrder() {
        enum Event: CaseIterable { case settings, ack, ping, drain, call, time, eof, end, close }
        func play(_ events: [Event], refusal: CallError?) {
            var connection = GRPCConnection(limits: Self.limits, refusal: refusal)
            var now = Self.start
            var finalGoAways = 0
            func note(_ action: GRPCConnection.Action?) {
                if action == .finishDrain { finalGoAways += 1 }
            }
            for event in events {
                switch event {
                case .settings: connection.settingsArrived(now: now)
                case .ack: connection.settingsAcknowledged()
                case .ping: note(connection.pingAcknowledged())
                case .drain: note(connection.drain(now: now))
                case .call: if connection.hasBegun { _ = connection.admit(head()) }
                case .time:
                    now += .seconds(60)
                    while let action = connection.overdue(now: now, mayRead: true) { note(action) }
                case .eof: connection.inputEnded()
                case .end: connection.ended()
                case .close: connection.closed()
                }
                _ = connection.received(isInsideFrame: false, now: now)
            }
            let isWhole =
                finalGoAways <= 1 && connection.isClosed == events.contains(.close)
                && (!connection.isClosed || connection.isIdle(hasStreams: true))
                && connection.hasBegun == events.contains(.settings)
            if !isWhole { Issue.record("\(events)") }
        }
        func extend(_ events: [Event]) {
            if events.count == 5 {
                play(events, refusal: nil)
                return play(events, refusal: CallError(.permissionDenied, "not you"))
            }
            for event in Event.allCases { extend(events + [event]) }
        }
        extend([])
    }
}
