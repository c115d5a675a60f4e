internal import CProtobufC
internal import Glibc

/// An arena for the memory of protobuf-c messages: a pointer moves with each allocation, and all
/// memory is freed at once.
///
/// Its size is limited, since protobuf-c has no limit of its own: 4 MiB of two-byte unknown fields
/// would become 177 MiB. An arena is not thread-safe; everything in it is invalid after
/// ``reset()``.
public final class ProtoArena {
    /// The size of the first block, which is kept across resets; most messages need no further
    /// block.
    private static let firstBlockBytesMax = 16 * 1024
    private static let alignment = 16
    /// The empty string of all messages, which is never written to.
    private nonisolated(unsafe) static let emptyText: UnsafeMutablePointer<CChar> = {
        let text = UnsafeMutablePointer<CChar>.allocate(capacity: 1)
        text.initialize(to: 0)
        return text
    }()

    /// The maximum number of bytes between two resets.
    public let bytesMax: Int
    /// True if an allocation was refused since the last reset.
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

    /// Frees everything in the arena.
    public func reset() {
        for block in furtherBlocks { block.deallocate() }
        if !furtherBlocks.isEmpty { furtherBlocks.removeAll() }
        blockBytesTotal = firstBlockBytes
        next = firstBlock
        end = firstBlock + firstBlockBytes
        limitWasReached = false
    }

    /// Returns uninitialized memory, aligned for any message; nil beyond the limit.
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

    /// Returns the rest of the first block, if everything built since the reset can be packed in it;
    /// nil if that may need more.
    ///
    /// No part of a message packs to more than three times its memory: a field of 4 bytes packs to
    /// 12 at most (an enum's tag and a negative value), one of 8 to as many, a string or message to
    /// 7 besides its content. (Tags of our messages take two bytes at most.)
    func roomToPack() -> UnsafeMutableBufferPointer<UInt8>? {
        let room = end - next
        guard furtherBlocks.isEmpty, 3 * (next - firstBlock) <= room else { return nil }
        return UnsafeMutableBufferPointer(
            start: next.assumingMemoryBound(to: UInt8.self),
            count: room
        )
    }

    /// Keeps the bytes that were packed at the beginning of ``roomToPack()``.
    func keepPacked(_ count: Int) {
        precondition(count <= end - next, "a part of the message was not built in the arena")
        _ = allocate(count)
    }

    private func addBlock(holding size: Int) -> Bool {
        // The block is as large as all blocks before it, so that there are few, but within the
        // limit.
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

    /// Checks the bytes of a message (see ``WireCheck``) and decodes them into the arena, as
    /// Google's own library does: a message that comes in parts is merged.
    ///
    /// The refused fields are some of the type's own, or of the messages in its field `parent`, not of
    /// any other messages inside of it.
    ///
    /// - Throws: a ``ProtoError`` if the message is malformed, is refused by the check, or needs
    ///   more memory than the arena may give.
    public func unpack<Message>(
        _ bytes: UnsafeRawBufferPointer,
        as type: ProtoType<Message>,
        refusing refused: ProtoFieldNumbers = [],
        inside parent: UInt32? = nil
    ) throws(ProtoError) -> UnsafeMutablePointer<Message> {
        var bytes = bytes
        let isInParts = try WireCheck.check(
            bytes,
            against: type.descriptor,
            refusing: refused,
            inside: parent
        )
        if isInParts {
            bytes = try WireJoin.join(bytes, of: type.descriptor, in: self)
        }
        let start = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
        guard
            let message = protobuf_c_message_unpack(type.descriptor, allocator, bytes.count, start)
        else { throw limitWasReached ? ProtoError(.tooLarge) : ProtoError(.malformed) }
        return UnsafeMutableRawPointer(message).assumingMemoryBound(to: Message.self)
    }

    // MARK: - Building

    /// Makes a message with default values in the arena.
    public func make<Message>(
        _ type: ProtoType<Message>
    ) throws(ProtoError) -> UnsafeMutablePointer<Message> {
        let message = try allocate(of: Message.self, count: 1)
        protobuf_c_message_init(type.descriptor, message)
        return message
    }

    /// Copies a field's text into the arena as a C string.
    ///
    /// - Throws: a ``ProtoError`` that names the field if the text contains the NUL character, at
    ///   which packing would silently cut it.
    public func string(
        _ text: String,
        field: String
    ) throws(ProtoError) -> UnsafeMutablePointer<CChar> {
        let copy = try string(text)
        guard strlen(copy) == text.utf8.count else { throw ProtoError(.containsNUL, field: field) }
        return copy
    }

    /// Copies the text into the arena as a C string, which ends at the text's first NUL character.
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

    /// Allocates an uninitialized array, for a repeated field.
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
