import CallStatus
import Foundation
import TestSupport
import Testing

@testable import RPC

/// Plays a session on a ``TTRPCConnection``: performs its actions without sockets and handlers, and
/// notes them.
private struct Player {
    enum Seen: Equatable {
        case start(UInt32)
        case deliver(UInt32, Data?, isLast: Bool)
        case abandon(UInt32, CallError.Code)
        case refuse(UInt32, CallError.Code)
        case refuseConnection(UInt32, CallError.Code)
        case pause
        case close
    }

    /// The calls go by their streams' ids.
    var connection: TTRPCConnection<UInt32>
    private(set) var seen: [Seen] = []

    init(_ limits: RPCLimits = RPCLimits(), refusal: CallError? = nil) {
        connection = TTRPCConnection(limits: limits, refusal: refusal)
    }

    /// Takes input; requests with a flag become streaming calls, as their flags say.
    mutating func receive(_ bytes: Data) {
        bytes.withUnsafeBytes { bytes in
            var rest = bytes
            while let action = connection.next(&rest) { perform(action) }
            #expect(rest.isEmpty || connection.isClosed)
        }
    }

    private mutating func perform(_ action: TTRPCConnection<UInt32>.Action) {
        switch action {
        case .start(let header, _):
            seen.append(.start(header.streamID))
            switch header.flags {
            case TTRPCFrameHeader.Flags.remoteOpen: began(header.streamID, .streaming)
            case TTRPCFrameHeader.Flags.remoteClosed: began(header.streamID, .halfClosed)
            default: began(header.streamID, .unary)
            }
        case .deliver(let call, let data, let isLast):
            seen.append(.deliver(call, data.map { Data($0.copy) }, isLast: isLast))
            if isLast { connection.requestsEnded(on: call) }
        case .abandon(let call, let status):
            seen.append(.abandon(call, status.code))
            connection.ended(on: call, handlerRuns: true)
        case .refuse(let streamID, let status): seen.append(.refuse(streamID, status.code))
        case .refuseConnection(let streamID, let status):
            seen.append(.refuseConnection(streamID, status.code))
        case .pauseReading: seen.append(.pause)
        case .close: seen.append(.close)
        }
    }

    private mutating func began(_ call: UInt32, _ stage: TTRPCConnection<UInt32>.Stage) {
        connection.began(call, on: call, as: stage)
    }

    /// Ends a call, and reads on if that was waited for.
    mutating func end(_ call: UInt32) {
        connection.ended(on: call, handlerRuns: false)
        resume()
    }

    mutating func resume() {
        if let bytes = connection.resumed() { receive(Data(bytes)) }
    }
}

/// RELIABILITY.md, "ttrpc", as far as the connection's state decides it.
@Suite("the state of a ttrpc connection")
struct TTRPCConnectionTests {
    private static let open = TTRPCFrameHeader.Flags.remoteOpen
    private static let closed = TTRPCFrameHeader.Flags.remoteClosed
    private static let noData = TTRPCFrameHeader.Flags.noData

    private static func request(_ stream: UInt32, flags: UInt8 = 0) -> Data {
        Wire.frame(stream: stream, flags: flags, Data("request".utf8))
    }

    private static func data(_ stream: UInt32, _ text: String, flags: UInt8 = 0) -> Data {
        Wire.frame(stream: stream, kind: 3, flags: flags, Data(text.utf8))
    }

    private static var smallLimits: RPCLimits {
        var limits = RPCLimits()
        limits.frameBytesMax = 100
        limits.callsInFlightPerConnectionMax = 2
        return limits
    }

    /// Gives the input whole, in two pieces with every split, and byte by byte, and expects the same.
    private func everySplit(
        of input: Data,
        _ limits: RPCLimits = RPCLimits(),
        leadsTo expected: [Player.Seen]
    ) {
        let splits = (0...input.count).map { [input.prefix($0), input.dropFirst($0)] }
        for pieces in splits + [input.map { Data([$0]) }] {
            var player = Player(limits)
            for piece in pieces { player.receive(piece) }
            #expect(player.seen == expected, "\(pieces.map(\.count))")
        }
    }

    @Test("9: every split of every kind of frame leads to the same actions")
    func splits() {
        let large = Wire.frame(stream: 21, Data(count: 101))
        let parts: [(Data, Player.Seen?)] = [
            (Self.request(1), .start(1)), (Self.request(2), .refuse(2, .invalidArgument)),
            (Self.request(1), .refuse(1, .invalidArgument)),
            (Self.data(7, "x"), .refuse(7, .invalidArgument)),
            (Wire.frame(stream: 9, kind: 4, Data("x".utf8)), nil),
            (large, .refuse(21, .resourceExhausted)),
            (Wire.frame(stream: 1, kind: 3, Data(count: 101)), nil),
            (Self.data(1, "", flags: Self.closed | Self.noData), nil),
            (Self.data(1, "x"), .abandon(1, .invalidArgument)),
            (Self.request(3, flags: Self.open), .start(3)),
            (Self.data(3, "one"), .deliver(3, Data("one".utf8), isLast: false)),
            (Self.data(3, "", flags: Self.noData), .deliver(3, nil, isLast: false)),
            (
                Self.data(3, "two", flags: Self.closed),
                .deliver(3, Data("two".utf8), isLast: true)
            ), (Self.data(3, "three"), .abandon(3, .invalidArgument)),
            (Self.request(5, flags: Self.closed), .start(5)),
            (Self.data(5, "x"), .abandon(5, .invalidArgument)),
        ]
        var limits = Self.smallLimits
        limits.callsInFlightPerConnectionMax = 10
        let input = parts.reduce(into: Data()) { $0 += $1.0 }
        everySplit(of: input, limits, leadsTo: parts.compactMap(\.1))
    }

    @Test("2: a first length byte that is not 0 closes, and nothing after it is looked at")
    func desynchronised() {
        let input = Self.request(1) + Data([1]) + Self.request(3)
        everySplit(of: input, leadsTo: [.start(1), .close])
    }

    @Test("19: at the limit reading is paused, whatever the split, and goes on with each end")
    func holding() {
        let input = ([1, 3, 5, 7] as [UInt32]).reduce(into: Data()) { $0 += Self.request($1) }
        for split in 0...input.count {
            var player = Player(Self.smallLimits)
            player.receive(input.prefix(split))
            if !player.connection.isPaused { player.receive(input.dropFirst(split)) }
            #expect(player.seen == [.start(1), .start(3), .pause])
            player.end(3)
            // As a socket would, after what was kept.
            let rest = split > 2 * Self.request(1).count ? input.dropFirst(split) : Data()
            if !player.connection.isPaused { player.receive(rest) }
            #expect(player.seen.prefix(4) == [.start(1), .start(3), .pause, .start(5)])
            player.end(1)
            player.end(5)
            if !player.seen.contains(.start(7)) { player.receive(rest) }
            #expect(player.seen.last == .start(7))
            player.end(7)
            #expect(player.connection.isIdle)
        }
    }

    @Test("19: a handler whose caller has gone counts until it ends, and so does a waiting reply")
    func countedUntilTheEnd() {
        var player = Player(Self.smallLimits)
        player.receive(Self.request(1) + Self.request(3))
        player.connection.ended(on: 1, handlerRuns: true)
        player.connection.replyWaits(3, on: 3)
        player.receive(Self.request(5))
        #expect(player.seen.last == .pause)
        player.resume()
        #expect(player.seen.last == .pause)
        player.connection.abandonedHandlerEnded()
        player.resume()
        #expect(player.seen.last == .start(5))
        player.end(3)
        player.end(5)
        #expect(player.connection.isIdle)
    }

    @Test("calls that all stream refuse one more, since they may wait for frames themselves")
    func streamingCallsAtTheLimit() {
        let input =
            Self.request(1, flags: Self.open) + Self.request(3, flags: Self.open)
            + Self.request(5) + Self.data(1, "x")
        everySplit(
            of: input,
            Self.smallLimits,
            leadsTo: [
                .start(1), .start(3), .refuse(5, .resourceExhausted),
                .deliver(1, Data("x".utf8), isLast: false),
            ]
        )
    }

    @Test("37: while the server stops no call begins, and those that stream are ended")
    func draining() {
        var player = Player()
        player.receive(Self.request(1) + Self.request(3, flags: Self.open))
        player.receive(Self.request(5, flags: Self.closed))
        #expect(Set(player.connection.drain()) == [3, 5])
        player.receive(Self.request(7) + Self.data(3, "x"))
        #expect(
            player.seen.suffix(2) == [
                .refuse(7, .unavailable), .deliver(3, Data("x".utf8), isLast: false),
            ]
        )
        #expect(player.connection.runningCalls.contains(1))
    }

    @Test("16, 53: a connection that is not served answers every frame with the reason")
    func refusing() {
        let refusal = CallError(.permissionDenied, "not you")
        for input in [Self.request(1), Self.data(1, "x"), Wire.frame(stream: 1, kind: 9, Data())] {
            var player = Player(refusal: refusal)
            player.receive(input)
            #expect(player.seen == [.refuseConnection(1, .permissionDenied)])
        }
    }

    @Test("the end of the input ends the calls whose requests were to come, and no others")
    func endOfInput() {
        var player = Player()
        player.receive(Self.request(1) + Self.request(3, flags: Self.open))
        player.receive(Self.request(5, flags: Self.closed))
        #expect(player.connection.inputEnded() == [3])
        for call in [1, 3, 5] as [UInt32] {
            #expect(!player.connection.isDone)
            player.end(call)
        }
        #expect(player.connection.isDone)
    }

    @Test("a reply that waits is not abandoned with those that run")
    func closedWithWaitingReply() {
        var player = Player()
        player.receive(Self.request(1) + Self.request(3))
        player.connection.replyWaits(1, on: 1)
        player.receive(Self.data(1, "x"))
        #expect(player.seen == [.start(1), .start(3)])
        #expect(player.connection.closed() == [3])
        player.receive(Self.request(5))
        #expect(player.seen == [.start(1), .start(3)])
    }

    @Test("a frame has begun only after ttrpc has been seen")
    func beginning() {
        var player = Player()
        player.receive(Self.request(1).prefix(3))
        #expect(!player.connection.hasBegun && !player.connection.isInsideFrame)
        player.receive(Self.request(1).dropFirst(3))
        #expect(player.connection.hasBegun && !player.connection.isInsideFrame)
        player.receive(Self.request(3).prefix(12))
        #expect(player.connection.isInsideFrame)
    }

    /// The things that can happen to a connection, in every order of five.
    @Test("every order of events keeps the state whole")
    func everyOrder() {
        enum Event: CaseIterable { case call, stream, end, abandon, handlerEnd, eof, drain, close }
        func play(_ events: [Event]) {
            var player = Player(Self.smallLimits)
            var nextStream: UInt32 = 1
            var running: [UInt32] = []
            var abandoned = 0
            var inputHasEnded = false
            for event in events {
                let before = player.seen.count
                switch event {
                case .call, .stream:
                    // Nothing arrives while nothing is read, and after the end.
                    guard !player.connection.isPaused, !inputHasEnded else { continue }
                    let flags = event == .stream ? Self.open : 0
                    player.receive(Self.request(nextStream, flags: flags))
                    nextStream += 2
                case .end: if let call = running.popLast() { player.end(call) }
                case .abandon:
                    guard let call = running.popLast() else { continue }
                    player.connection.ended(on: call, handlerRuns: true)
                    abandoned += 1
                    player.resume()
                case .handlerEnd:
                    guard abandoned > 0 else { continue }
                    abandoned -= 1
                    player.connection.abandonedHandlerEnded()
                    player.resume()
                case .eof:
                    inputHasEnded = true
                    _ = player.connection.inputEnded()
                case .drain: _ = player.connection.drain()
                case .close:
                    _ = player.connection.closed()
                    running = []
                }
                for case .start(let call) in player.seen[before...] { running.append(call) }
                let inFlight = running.count + abandoned
                let isWhole =
                    inFlight <= 2 && player.connection.isIdle == running.isEmpty
                    && (!player.connection.isDone || player.connection.isIdle)
                    && (!player.connection.isPaused || inFlight == 2)
                if !isWhole { Issue.record("\(events) at \(event)") }
            }
        }
        func extend(_ events: [Event]) {
            if events.count == 5 { return play(events) }
            for event in Event.allCases { extend(events + [event]) }
        }
        extend([])
    }
}
