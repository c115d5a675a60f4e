/// Bytes that wait to be written.
///
/// Holds no memory while it is empty.
struct OutputBuffer: ~Copyable {
    private static let smallestBytes = 4 * 1024

    private var memory: UnsafeMutableRawBufferPointer?
    private var head = 0
    private var tail = 0

    var count: Int { tail - head }

    /// What waits, oldest first.
    var bytes: UnsafeRawBufferPointer {
        guard let memory else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        return UnsafeRawBufferPointer(rebasing: memory[head..<tail])
    }

    /// Appends `size` bytes and returns where they begin, for the caller to fill at once.
    mutating func append(_ size: Int) -> UnsafeMutableRawPointer {
        if (memory?.count ?? 0) - tail < size { makeRoom(size) }
        defer { tail += size }
        guard let start = memory?.baseAddress else { preconditionFailure("room was made") }
        return start + tail
    }

    /// Takes the first bytes off.
    mutating func removeFirst(_ size: Int) {
        head += size
        if head == tail { free() }
    }

    private mutating func makeRoom(_ size: Int) {
        let needed = count + size
        if let memory, needed <= memory.count / 2, let start = memory.baseAddress {
            start.copyMemory(from: start + head, byteCount: count)
        } else {
            let larger = UnsafeMutableRawBufferPointer.allocate(
                byteCount: max(Self.smallestBytes, needed.roundedUpToPowerOfTwo),
                alignment: 16
            )
            larger.copyMemory(from: bytes)
            memory?.deallocate()
            memory = larger
        }
        tail = count
        head = 0
    }

    private mutating func free() {
        memory?.deallocate()
        memory = nil
        head = 0
        tail = 0
    }

    deinit { memory?.deallocate() }
}

extension Int {
    fileprivate var roundedUpToPowerOfTwo: Int {
        self <= 1 ? 1 : 1 << (Int.bitWidth - (self - 1).leadingZeroBitCount)
    }
}
