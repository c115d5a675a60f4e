internal import CProtobufC
internal import Glibc

/// A generated message type, with its protobuf-c descriptor.
///
///     static let author = ProtoType(feedback__v1__author__init)
public struct ProtoType<Message>: @unchecked Sendable {
    // Unchecked Sendable: the descriptor is constant data of the program.
    let descriptor: UnsafePointer<ProtobufCMessageDescriptor>

    /// Makes the type from its generated function `…__init`.
    public init(_ initialize: (UnsafeMutablePointer<Message>?) -> Void) {
        // The initialized message points to its descriptor, whose constant Swift cannot refer to.
        let message = UnsafeMutablePointer<Message>.allocate(capacity: 1)
        defer { message.deallocate() }
        initialize(message)
        let base = UnsafeRawPointer(message).assumingMemoryBound(to: ProtobufCMessage.self)
        descriptor = base.pointee.descriptor
    }
}

/// A message that can be packed; valid until its arena is reset.
public struct ProtoMessage {
    private let base: UnsafePointer<ProtobufCMessage>
    /// The packed bytes; nil if the message is not packed yet.
    private let packed: UnsafeRawPointer?
    /// The number of bytes of the packed message.
    public let packedSize: Int

    /// Makes a reference to a generated message, which begins with a `ProtobufCMessage` like all of
    /// them.
    public init<Message>(_ message: UnsafeMutablePointer<Message>) {
        base = UnsafeRawPointer(message).assumingMemoryBound(to: ProtobufCMessage.self)
        packed = nil
        packedSize = protobuf_c_message_get_packed_size(base)
    }

    /// Makes a reference to a generated message that was built in the arena with all its parts,
    /// each of which occurs in it once.
    ///
    /// A small message is packed at once, in the arena: computing its size alone would take as
    /// long.
    public init<Message>(_ message: UnsafeMutablePointer<Message>, builtIn arena: ProtoArena) {
        base = UnsafeRawPointer(message).assumingMemoryBound(to: ProtobufCMessage.self)
        if let room = arena.roomToPack() {
            assert(protobuf_c_message_get_packed_size(base) <= room.count, "not built in the arena")
            packed = UnsafeRawPointer(room.baseAddress)
            packedSize = protobuf_c_message_pack(base, room.baseAddress)
            arena.keepPacked(packedSize)
        } else {
            packed = nil
            packedSize = protobuf_c_message_get_packed_size(base)
        }
    }

    /// Writes the packed message, ``packedSize`` bytes.
    public func pack(to start: UnsafeMutableRawPointer) {
        if let packed {
            start.copyMemory(from: packed, byteCount: packedSize)
        } else {
            protobuf_c_message_pack(base, start.assumingMemoryBound(to: UInt8.self))
        }
    }
}

extension String {
    /// Copies a C string of a message that ``ProtoArena/unpack(_:as:)`` has checked; nil becomes
    /// "".
    public init(proto text: UnsafePointer<CChar>?) {
        guard let text, text.pointee != 0 else {
            self = ""
            return
        }
        // The text has been validated as UTF-8 already.
        let bytes = UnsafeRawPointer(text).assumingMemoryBound(to: UInt8.self)
        let span = Span(_unsafeStart: bytes, count: strlen(text))
        self.init(copying: UTF8Span(unchecked: span))
    }
}
