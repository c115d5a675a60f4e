internal import CallStatus
internal import ProtoCodec

/// The memory that the peer of one connection has in the server.
///
/// It is used on the connection's loop only, except for `init`. Small amounts are counted here
/// alone, so that the loops share nothing for them.
final class ConnectionMemory: @unchecked Sendable {
    // Unchecked: guarded by the queue of the channel's loop, as above.

    /// The memory that every connection has without taking it from the server's, in bytes.
    static let freeBytes = 16 << 10
    /// The amount that is taken and given back at once, in bytes.
    private static let quantumBytes = 64 << 10

    private let all: PeerMemory
    private let uid: UInt32
    /// The memory in use, in bytes.
    private(set) var bytes = 0
    /// The memory that was taken from the server's, in bytes.
    private var taken = 0
    /// True if the last of it was taken although there was none left.
    private(set) var isOver = false

    init(_ all: PeerMemory, uid: UInt32) {
        self.all = all
        self.uid = uid
    }

    deinit { if taken > 0 { all.give(taken, of: uid) } }

    /// Takes memory for something that can be refused.
    ///
    /// - Throws: RESOURCE_EXHAUSTED, without having taken anything, if the server's bound would be
    ///   exceeded.
    func take(_ count: Int) throws(CallError) {
        let missing = missing(for: bytes + count)
        if missing > 0 {
            guard all.take(missing, for: uid) else { throw .peersHaveTooMuch }
            taken += missing
            isOver = false
        }
        bytes += count
    }

    /// Takes memory for something that cannot be refused.
    func takeAnyway(_ count: Int) {
        bytes += count
        let missing = missing(for: bytes)
        guard missing > 0 else { return }
        taken += missing
        isOver = !all.takeAnyway(missing, for: uid)
    }

    /// Takes memory that cannot be refused, or gives it back.
    func change(by count: Int) {
        if count > 0 { takeAnyway(count) }
        if count < 0 { give(-count) }
    }

    /// Checks that there would be memory for something that can be refused.
    ///
    /// - Throws: RESOURCE_EXHAUSTED if there is none.
    func checkRoom(for count: Int) throws(CallError) {
        try take(count)
        give(count)
    }

    /// Takes the memory of a reply that waits as a value, about as much as its message has bytes.
    ///
    /// - Returns: the number of bytes; 0 for a reply that cannot be built, which will end as a
    ///   failure.
    /// - Throws: RESOURCE_EXHAUSTED if there is none left, and the call has changed nothing.
    func take(
        _ reply: MessageBuilder,
        of call: ServerCall,
        in arena: ProtoArena
    ) throws(CallError) -> Int {
        guard let bytes = (try? arena.build(reply))?.packedSize else { return 0 }
        try take(bytes, ofReplyTo: call)
        return bytes
    }

    /// Takes the memory of a reply, which is refused only if the call has changed nothing.
    ///
    /// - Throws: RESOURCE_EXHAUSTED if there is none left.
    func take(_ count: Int, ofReplyTo call: ServerCall) throws(CallError) {
        if call.mayRefuseReply { try take(count) } else { takeAnyway(count) }
    }

    /// Gives memory back.
    func give(_ count: Int) {
        bytes -= count
        assert(bytes >= 0, "no more is given back than was taken")
        // A little more than is needed is kept, so that a connection whose need goes up and down
        // rarely comes to the server's.
        let excess = -missing(for: bytes)
        guard excess > Self.quantumBytes || excess > 0 && bytes <= Self.freeBytes else { return }
        taken -= excess
        isOver = false
        all.give(excess, of: uid)
    }

    /// Returns the amount, in whole quanta, that must be taken from the server's for `bytes`; it is
    /// negative if some can be given back.
    private func missing(for bytes: Int) -> Int {
        let counted = max(0, bytes - Self.freeBytes)
        let quantum = Self.quantumBytes
        return (counted + quantum - 1) / quantum * quantum - taken
    }
}

extension CallError {
    static let peersHaveTooMuch = CallError(
        .resourceExhausted,
        "the server holds as much for its callers as it may: try again later"
    )
}
