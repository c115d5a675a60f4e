internal import CProtobufC
internal import Glibc

/// The memory of protobuf-c messages: allocated by moving a pointer, freed all at once.
///
/// It is capped, since protobuf-c has no limit of its own: 4 MiB of two-byte unknown fields would
/// become 177 MiB. Not thread-safe; everything made in it is gone after ``reset()``.
public final class ProtoArena {
    /// The first block is kept across resets: most messages need no other.
    private static let firstBlockBytesMax = 16 * 1024
    private static let alignment = 16
    /// Shared, and never written to.
    private nonisolated(unsafe) static let emptyText: UnsafeMutablePointer<CChar> = {
        let text = UnsafeMutablePointer<CChar>.allocate(capacity: 1)
        text.initialize(to: 0)
        return text
    }()

    /// How many bytes it gives out at most between two resets.
    public let bytesMax: Int
    /// True when an allocation was refused since the last reset.
    public private(set) var limitWasReached = false

    private let firstBlock: UnsafeMutableRawPointer
    private let firstBlockBytes: Int
    private var furtherBlocks: [UnsafeMutableRawPointer] = []
    private var next: UnsafeMutableRawPointer
    private var end: UnsafeMutableRawPointer
    private var blockBytesTotal: Int
    private let allocator: UnsafeMutablePointer<ProtobufCAllocator>

    /// Makes an empty arena.
    public init(bytesMax: Int) {
        self.bytesMax = bytesMax
        firstBlockBytes = min(Self.firstBlockBytesMax, bytesMax)
        firstBlock = .allocate(byteCount: firstBlockBytes, alignment: Self.alignment)
        blockBytesTotal = firstBlockBytes
        next = firstBlock
        end = firstBlock + firstBlockBytes
        allocator = .allocate(capacity: 1)
        allocator.initialize(
            to: ProtobufCAllocator(
                alloc: { data, size in
                    guard let data else { return nil }
                    return Unmanaged<ProtoArena>.fromOpaque(data)
                        ._withUnsafeGuaranteedRef { $0.allocate(size) }
                },
                free: { _, _ in },
                allocator_data: nil
            )
        )
        allocator.pointee.allocator_data = Unmanaged.passUnretained(self).toOpaque()
    }

    deinit {
        reset()
        firstBlock.deallocate()
        allocator.deallocate()
    }

    /// Takes back everything.
    public func reset() {
        for block in furtherBlocks { block.deallocate() }
        if !furtherBlocks.isEmpty { furtherBlocks.removeAll() }
        blockBytesTotal = firstBlockBytes
        next = firstBlock
        end = firstBlock + firstBlockBytes
        limitWasReached = false
    }

    /// Uninitialised memory, aligned for any message; nil beyond the cap.
    func allocate(_ size: Int) -> UnsafeMutableRawPointer? {
        let rounded = (size + Self.alignment - 1) & ~(Self.alignment - 1)
        if end - next < rounded {
            guard addBlock(holding: rounded) else {
                limitWasReached = true
                return nil
            }
        }
        defer { next += rounded }
        return next
    }

    /// Memory for all that has been built to be packed in; nil if that is much.
    ///
    /// No part of a message packs to more than three times the memory that it was given: a field of 4
    /// bytes to 12 at most (an enum's tag and a negative value), one of 8 to as many, a text or a
    /// message to 7 besides what it points to. (Tags of our messages take two bytes at most.)
    func roomToPack() -> UnsafeMutableBufferPointer<UInt8>? {
        let count = 3 * (next - firstBlock)
        guard furtherBlocks.isEmpty, count <= end - next, let start = allocate(count) else {
            return nil
        }
        return UnsafeMutableBufferPointer(
            start: start.assumingMemoryBound(to: UInt8.self),
            count: count
        )
    }

    private func addBlock(holding size: Int) -> Bool {
        // As large as all before it, so that there are few, but not beyond the cap.
        let room = bytesMax - blockBytesTotal
        guard size <= room else { return false }
        let bytes = max(size, min(blockBytesTotal, room))
        let block = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: Self.alignment)
        furtherBlocks.append(block)
        blockBytesTotal += bytes
        next = block
        end = block + bytes
        return true
    }

    // MARK: - Reading

    /// Checks the bytes of a message (see ``WireCheck``) and decodes them.
    public func unpack<Message>(
        _ bytes: UnsafeRawBufferPointer,
        as type: ProtoType<Message>
    ) throws(ProtoError) -> UnsafeMutablePointer<Message> {
        try WireCheck.check(bytes, against: type.descriptor)
        let start = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
        guard
            let message = protobuf_c_message_unpack(type.descriptor, allocator, bytes.count, start)
        else { throw limitWasReached ? ProtoError(.tooLarge) : ProtoError(.malformed) }
        return UnsafeMutableRawPointer(message).assumingMemoryBound(to: Message.self)
    }

    // MARK: - Building

    /// A message with its default values.
    public func make<Message>(
        _ type: ProtoType<Message>
    ) throws(ProtoError) -> UnsafeMutablePointer<Message> {
        let message = try allocate(of: Message.self, count: 1)
        protobuf_c_message_init(type.descriptor, message)
        return message
    }

    /// The text of a field as a C string.
    ///
    /// - Throws: a ``ProtoError`` with the field if the text has the NUL character, where packing
    ///   would cut it in silence.
    public func string(
        _ text: String,
        field: String
    ) throws(ProtoError) -> UnsafeMutablePointer<CChar> {
        let copy = try string(text)
        guard strlen(copy) == text.utf8.count else { throw ProtoError(.containsNUL, field: field) }
        return copy
    }

    /// The text as a C string, up to its NUL character if it has one.
    public func string(_ text: String) throws(ProtoError) -> UnsafeMutablePointer<CChar> {
        if text.isEmpty { return Self.emptyText }
        var text = text
        let count = text.utf8.count
        let copy = try allocate(of: CChar.self, count: count + 1)
        text.withUTF8 { utf8 in
            if let start = utf8.baseAddress {
                UnsafeMutableRawPointer(copy).copyMemory(from: start, byteCount: count)
            }
        }
        copy[count] = 0
        return copy
    }

    /// An uninitialised array, for repeated fields.
    public func allocate<Element>(
        of type: Element.Type,
        count: Int
    ) throws(ProtoError) -> UnsafeMutablePointer<Element> {
        guard let memory = allocate(count * MemoryLayout<Element>.stride) else {
            throw ProtoError(.tooLarge)
        }
        return memory.bindMemory(to: Element.self, capacity: count)
    }
}
