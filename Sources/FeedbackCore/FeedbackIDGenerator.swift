package import FeedbackModel
internal import Glibc
internal import Synchronization

/// Generates UUIDs of version 7 that ascend, also within one millisecond.
///
/// The random part is drawn anew for each millisecond and then incremented by a random step
/// ("Monotonic Random", RFC 9562 section 6.2, method 2). ``poolWords`` words of the system's
/// randomness are requested at once.
package final class FeedbackIDGenerator: Sendable {
    private struct State {
        var milliseconds: UInt64 = 0
        /// The 74 random bits of a UUID: 12 after the version, 62 after the variant.
        var randomHigh: UInt64 = 0
        var randomLow: UInt64 = 0
        var pool: [UInt64] = []
    }

    private static let poolWords = 32
    private let state = Mutex(State())

    package init() {}

    package func next(at time: Timestamp) -> FeedbackID {
        state.withLock { state in
            let now = UInt64(max(0, time.millisecondsSinceEpoch))
            if now > state.milliseconds {
                state.milliseconds = now
                Self.drawRandomPart(&state)
            } else {
                // The clock stands still or was set back: keep the latest millisecond.
                Self.raiseRandomPart(&state)
            }
            return FeedbackID(
                high: state.milliseconds << 16 | 0x7000 | state.randomHigh,
                low: 0b10 << 62 | state.randomLow
            )
        }
    }

    private static func drawRandomPart(_ state: inout State) {
        // The highest bit is clear, so that the increments have room.
        state.randomHigh = word(&state) & 0x7FF
        state.randomLow = word(&state) >> 2
    }

    private static func raiseRandomPart(_ state: inout State) {
        let step = (word(&state) >> 32) + 1
        state.randomLow += step
        guard state.randomLow >> 62 != 0 else { return }
        state.randomLow &= (1 << 62) - 1
        state.randomHigh += 1
        if state.randomHigh > 0xFFF {
            state.milliseconds += 1
            drawRandomPart(&state)
        }
    }

    private static func word(_ state: inout State) -> UInt64 {
        if state.pool.isEmpty {
            state.pool = [UInt64](unsafeUninitializedCapacity: poolWords) { words, count in
                // getentropy(3) gives at most 256 bytes at once, and does not fail for so few.
                let bytes = poolWords * MemoryLayout<UInt64>.size
                guard getentropy(words.baseAddress, bytes) == 0 else {
                    fatalError("the system gives no randomness")
                }
                count = poolWords
            }
        }
        return state.pool.removeLast()
    }
}
