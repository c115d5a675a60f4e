import CFeedbackDescriptors
import CRPCProto
import CallStatus
import Foundation
import Logging
import ProtoCodec
import Synchronization
import TestSupport

@testable import RPC

/// A server with a small service, at a socket in a temporary folder.
///
/// Its messages are `{1: key, 2: value}`, like ttrpc's own KeyValue.
final class EchoServer: Sendable {
    static let service = "test.Echo"

    let path: String
    let server: RPCServer
    /// True while the health service reports SERVING.
    let isHealthy = Atomic<Bool>(true)
    /// The gate at which Stall waits.
    let gate = Gate()
    /// The semaphore on which Block blocks its loop.
    let block = DispatchSemaphore(value: 0)
    fileprivate let begun = Atomic<Int>(0)
    fileprivate let cancelled = Atomic<Int>(0)
    fileprivate let sent = Atomic<Int>(0)
    private let folder: TemporaryFolder
    private let handlers = Handlers()

    private static let message = ProtoType(ttrpc__key_value__init)

    /// The descriptors for reflection: of other services than this server's, but real ones.
    static var descriptors: DescriptorSet {
        var size = 0
        let start = feedbackd_descriptors(&size)
        return DescriptorSet(UnsafeRawBufferPointer(start: start, count: size))
    }

    /// The errors that Throw and ThrowStreaming throw, by their index: every kind that a handler may.
    static let thrown: [any Error] =
        CallError.Code.allCases.map { CallError($0, "no, 100 % \u{FC}") } + [
            CallError.invalid([
                CallError.FieldViolation(field: "a", description: "is wrong"),
                CallError.FieldViolation(field: "b.c", description: "is wrong too"),
            ]), CallError(.unavailable, "later", retryDelay: .milliseconds(1_500)),
            CallError(.internal, "broken", cause: SecretError()), CancellationError(),
            ProtoError(.tooLarge), ProtoError(.malformed), SecretError(),
        ]

    /// An error of a library, whose text no peer may see.
    struct SecretError: Error, CustomStringConvertible {
        var description: String { "the secret" }
    }

    init(
        limits: RPCLimits = RPCLimits(),
        admission: @escaping RPCServer.Admission = { _ in nil }
    ) throws {
        folder = try TemporaryFolder()
        path = folder.path("echo.sock")
        var quiet = Logger(label: "test")
        quiet.logLevel = .critical
        server = try RPCServer(
            router: handlers.router,
            limits: limits,
            logger: quiet,
            admission: admission
        )
        handlers.owner = self
        try server.start(at: UnixSocketAddress(path: path))
    }

    /// The number of handlers that began.
    var handlersBegun: Int { begun.load(ordering: .relaxed) }
    /// The number of handlers whose calls were cancelled.
    var handlersCancelled: Int { cancelled.load(ordering: .relaxed) }

    /// The number of responses that Flow has sent.
    var flowsSent: Int { sent.load(ordering: .relaxed) }

    func connect() throws -> RawConnection { try RawConnection(path) }

    func stop() async {
        gate.open()
        await server.stop(within: .seconds(10))
    }

    static func payload(_ value: String) -> Data { Wire.field(2, value) }

    static func call(
        stream: UInt32,
        _ method: String,
        _ value: String = "",
        timeoutNanoseconds: Int64 = 0
    ) -> Data {
        Wire.call(
            stream: stream,
            service,
            method,
            timeoutNanoseconds: timeoutNanoseconds,
            payload(value)
        )
    }

    /// Returns the value in a response; nil if its status is not OK.
    static func value(_ frame: RawConnection.Frame?) -> String? {
        guard let frame, frame.kind == 2 else { return nil }
        let response = Wire.response(frame.data)
        guard response.code == 0 else { return nil }
        let value = Wire.fields(response.payload).first { $0.number == 2 }?.content ?? Data()
        return String(decoding: value, as: UTF8.self)
    }

    /// Returns the status code in a response; nil if it is OK or there is no response.
    static func code(_ frame: RawConnection.Frame?) -> CallError.Code? {
        guard let frame, frame.kind == 2 else { return nil }
        return CallError.Code(rawValue: Int32(Wire.response(frame.data).code))
    }

    static func decode(_ bytes: UnsafeRawBufferPointer, _ arena: ProtoArena) throws -> String {
        do throws(ProtoError) {
            return String(proto: try arena.unpack(bytes, as: message).pointee.value)
        } catch {
            throw error.kind == .tooLarge
                ? CallError(.resourceExhausted, "the payload needs too much memory")
                : CallError(.internal, "the payload cannot be decoded")
        }
    }

    static func encode(_ value: String, _ arena: ProtoArena) throws -> ProtoMessage {
        let reply = try arena.make(message)
        reply.pointee.value = try arena.string(value)
        return ProtoMessage(reply)
    }
}

/// The handlers, which get the server's state after the server has been made.
private final class Handlers: @unchecked Sendable {
    // Unchecked Sendable: `owner` is set before the server starts.
    weak var owner: EchoServer?

    var router: Router {
        var quiet = Logger(label: "test")
        quiet.logLevel = .critical
        var router = Router(logger: quiet)
        add("Echo", to: &router) { value, _, _ in value }
        add("Stall", to: &router) { value, call, owner in
            await owner.gate.pass()
            if call.isCancelled { owner.cancelled.add(1, ordering: .relaxed) }
            return value
        }
        add("Big", to: &router) { value, _, _ in String(repeating: "x", count: Int(value) ?? 0) }
        add("StalledBig", to: &router) { value, _, owner in
            await owner.gate.pass()
            return String(repeating: "x", count: Int(value) ?? 0)
        }
        add("Read", hasSideEffects: false, to: &router) { value, _, owner in
            await owner.gate.pass()
            return String(repeating: "x", count: Int(value) ?? 0)
        }
        add("Fail", to: &router) { _, _, _ in
            throw CallError(
                .invalidArgument,
                "no",
                violations: [CallError.FieldViolation(field: "value", description: "is wrong")],
                retryDelay: .milliseconds(1_500)
            )
        }
        add("Throw", to: &router) { index, _, _ in throw EchoServer.thrown[Int(index) ?? 0] }
        add("Peer", to: &router) { _, call, _ in
            call.peer.map { "\($0.pid) \($0.uid) \($0.gid)" } ?? ""
        }
        add("Metadata", to: &router) { _, call, _ in
            call.metadata.map { entry in
                switch entry.value {
                case .text(let text): "\(entry.key)=\(text)"
                case .binary(let bytes): "\(entry.key)=\(bytes)"
                }
            }.joined(separator: ",")
        }
        router.unary(
            EchoServer.service,
            "Block",
            decode: EchoServer.decode,
            encode: EchoServer.encode
        ) { [weak self] value, _ in
            self?.owner?.block.wait()
            return value
        }
        addStreams(to: &router)
        HealthService.register(on: &router) { [weak self] in
            self?.owner?.isHealthy.load(ordering: .relaxed) ?? false
        }
        ReflectionService.register(on: &router, descriptors: EchoServer.descriptors)
        return router
    }

    /// Adds streaming methods: one response for each request, the numbers below the request, and an
    /// endless stream of responses of the requested size in bytes.
    private func addStreams(to router: inout Router) {
        addStream("Chat", to: &router) { requests, responses, _ in
            for try await value in requests { try await responses.send(value) }
        }
        addStream("Count", to: &router) { requests, responses, _ in
            let last = Int(try await requests.only()) ?? 0
            for number in 0..<last { try await responses.send("\(number)") }
            if last == 0 { throw CallError(.outOfRange, "nothing to count") }
        }
        addStream("ThrowStreaming", to: &router) { requests, _, _ in
            throw EchoServer.thrown[Int(try await requests.only()) ?? 0]
        }
        addStream("Flow", to: &router) { requests, responses, owner in
            let value = String(repeating: "x", count: Int(try await requests.only()) ?? 0)
            while true {
                try await responses.send(value)
                owner.sent.add(1, ordering: .relaxed)
            }
        }
        addStream("Ignore", to: &router) { _, _, owner in await owner.gate.pass() }
    }

    private func addStream(
        _ name: String,
        to router: inout Router,
        _ body:
            @escaping @Sendable (
                RequestStream<String>, ResponseStream<String>, EchoServer
            ) async throws -> Void
    ) {
        router.streaming(
            EchoServer.service,
            name,
            decode: EchoServer.decode,
            encode: EchoServer.encode
        ) { [weak self] requests, responses, call in
            guard let owner = self?.owner else { throw CallError(.unavailable, "gone") }
            owner.begun.add(1, ordering: .relaxed)
            defer { if call.isCancelled { owner.cancelled.add(1, ordering: .relaxed) } }
            try await body(requests, responses, owner)
        }
    }

    private func add(
        _ name: String,
        hasSideEffects: Bool = true,
        to router: inout Router,
        _ body: @escaping @Sendable (String, CallContext, EchoServer) async throws -> String
    ) {
        router.unary(
            EchoServer.service,
            name,
            hasSideEffects: hasSideEffects,
            decode: EchoServer.decode,
            encode: EchoServer.encode
        ) { [weak self] value, call in
            guard let owner = self?.owner else { throw CallError(.unavailable, "gone") }
            owner.begun.add(1, ordering: .relaxed)
            return try await body(value, call, owner)
        }
    }
}
