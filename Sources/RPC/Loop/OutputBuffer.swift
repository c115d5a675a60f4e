internal import Glibc

/// The bytes that wait to be written to a socket.
///
/// An empty buffer holds no memory.
struct OutputBuffer: ~Copyable {
    private static let smallestBytes = 4 * 1024

    private var memory: UnsafeMutableRawBufferPointer?
    private var head = 0
    private var tail = 0

    var count: Int { tail - head }

    /// The bytes that wait, the oldest first.
    var bytes: UnsafeRawBufferPointer {
        guard let memory else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        return UnsafeRawBufferPointer(rebasing: memory[head..<tail])
    }

    /// Appends `size` bytes and returns a pointer to them, which the caller must initialize at
    /// once.
    mutating func append(_ size: Int) -> UnsafeMutableRawPointer {
        if (memory?.count ?? 0) - tail < size { makeRoom(size) }
        defer { tail += size }
        guard let start = memory?.baseAddress else { preconditionFailure("room was made") }
        return start + tail
    }

    /// Removes the first `size` bytes.
    mutating func removeFirst(_ size: Int) {
        head += size
        if head == tail { reset() }
    }

    /// Removes all bytes.
    mutating func removeAll() { reset() }

    private mutating func makeRoom(_ size: Int) {
        let needed = count + size
        if let memory, needed <= memory.count / 2, let start = memory.baseAddress {
            start.copyMemory(from: start + head, byteCount: count)
        } else {
            let size = max(Self.smallestBytes, needed.roundedUpToPowerOfTwo)
            // `allocate(byteCount:alignment:)` asks for an alignment, which takes several times as
            // long.
            guard let start = malloc(size) else { preconditionFailure("there is no memory left") }
            let larger = UnsafeMutableRawBufferPointer(start: start, count: size)
            larger.copyMemory(from: bytes)
            free()
            memory = larger
        }
        tail = count
        head = 0
    }

    private mutating func reset() {
        free()
        memory = nil
        head = 0
        tail = 0
    }

    private func free() { Glibc.free(memory?.baseAddress) }

    deinit { free() }
}

extension Int {
    fileprivate var roundedUpToPowerOfTwo: Int {
        self <= 1 ? 1 : 1 << (Int.bitWidth - (self - 1).leadingZeroBitCount)
    }
}
