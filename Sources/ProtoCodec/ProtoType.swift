internal import CProtobufC
internal import Glibc

/// A generated message type: what protobuf-c needs to know of it at run time.
///
///     static let author = ProtoType(feedback__v1__author__init)
public struct ProtoType<Message>: @unchecked Sendable {
    // Unchecked: the descriptor is constant data of the program.
    let descriptor: UnsafePointer<ProtobufCMessageDescriptor>

    /// Takes the type's generated `…__init` function.
    public init(_ initialize: (UnsafeMutablePointer<Message>?) -> Void) {
        // The initialised message points to its descriptor; the constant itself has no address here.
        let message = UnsafeMutablePointer<Message>.allocate(capacity: 1)
        defer { message.deallocate() }
        initialize(message)
        let base = UnsafeRawPointer(message).assumingMemoryBound(to: ProtobufCMessage.self)
        descriptor = base.pointee.descriptor
    }
}

/// A message that is ready to be packed; valid as long as its arena is not reset.
public struct ProtoMessage {
    private let base: UnsafePointer<ProtobufCMessage>
    /// Where it lies packed; nil if it is yet to be.
    private let packed: UnsafeRawPointer?
    /// How many bytes it packs to.
    public let packedSize: Int

    /// Refers to a generated message; every such begins with a `ProtobufCMessage`.
    public init<Message>(_ message: UnsafeMutablePointer<Message>) {
        base = UnsafeRawPointer(message).assumingMemoryBound(to: ProtobufCMessage.self)
        packed = nil
        packedSize = protobuf_c_message_get_packed_size(base)
    }

    /// Refers to a generated message that has been built in the arena with all its parts, each of
    /// which stands in it once.
    ///
    /// A small one is packed at once, beside it: asking for its size would take as long.
    public init<Message>(_ message: UnsafeMutablePointer<Message>, builtIn arena: ProtoArena) {
        base = UnsafeRawPointer(message).assumingMemoryBound(to: ProtobufCMessage.self)
        if let room = arena.roomToPack() {
            assert(protobuf_c_message_get_packed_size(base) <= room.count, "not built in the arena")
            packed = UnsafeRawPointer(room.baseAddress)
            packedSize = protobuf_c_message_pack(base, room.baseAddress)
        } else {
            packed = nil
            packedSize = protobuf_c_message_get_packed_size(base)
        }
    }

    /// Writes ``packedSize`` bytes.
    public func pack(to start: UnsafeMutableRawPointer) {
        if let packed {
            start.copyMemory(from: packed, byteCount: packedSize)
        } else {
            protobuf_c_message_pack(base, start.assumingMemoryBound(to: UInt8.self))
        }
    }
}

extension String {
    /// Copies a C string of a message that ``ProtoArena/unpack(_:as:)`` has checked; nil is empty.
    public init(proto text: UnsafePointer<CChar>?) {
        guard let text, text.pointee != 0 else {
            self = ""
            return
        }
        // Not checked for UTF-8 a second time.
        let bytes = UnsafeRawPointer(text).assumingMemoryBound(to: UInt8.self)
        let span = Span(_unsafeStart: bytes, count: strlen(text))
        self.init(copying: UTF8Span(unchecked: span))
    }
}
