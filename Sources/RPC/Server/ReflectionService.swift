internal import CProtobufC
internal import CRPCProto
internal import CallStatus
internal import ProtoCodec

/// The server reflection of gRPC (grpc-proto, grpc/reflection/v1/reflection.proto), which lets
/// tools call methods without having their .proto files.
public enum ReflectionService {
    /// The full names of the service: the present one, and an older one that some tools still use,
    /// with the same messages.
    public static let names = [
        "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection",
    ]

    private enum Question {
        case file(name: String)
        case symbol(String)
        case `extension`(type: String, number: Int)
        case extensionNumbers(type: String)
        case services
        case none
    }

    private struct Request {
        var host: String
        var question: Question
        /// The encoded request, which the answer repeats.
        var bytes: [UInt8]
    }

    private enum Answer {
        case files([[UInt8]])
        case extensionNumbers(type: String, [Int])
        case services([String])
        case failure(CallError)
    }

    /// The field numbers of the oneofs in the two messages, which are also protobuf-c's numbers for
    /// their cases.
    private enum Field {
        static let fileByFilename: UInt32 = 3
        static let fileContainingSymbol: UInt32 = 4
        static let fileContainingExtension: UInt32 = 5
        static let allExtensionNumbersOfType: UInt32 = 6
        static let listServices: UInt32 = 7
        static let fileDescriptorResponse: UInt32 = 4
        static let allExtensionNumbersResponse: UInt32 = 5
        static let listServicesResponse: UInt32 = 6
        static let errorResponse: UInt32 = 7
    }

    /// The maximum size of a request, in bytes.
    ///
    /// Answers that wait keep their request, and names are far shorter than this.
    private static let requestBytesMax = 4 << 10

    private struct Response {
        var request: Request
        var answer: Answer
    }

    private static let request = ProtoType(
        grpc__reflection__v1__server_reflection_request__init
    )
    private static let response = ProtoType(
        grpc__reflection__v1__server_reflection_response__init
    )

    /// Adds the methods, which describe the services and methods that the router has at this time.
    ///
    /// - Parameters:
    ///   - router: the router that gets the methods.
    ///   - descriptors: the descriptions of all these services.
    public static func register(on router: inout Router, descriptors: DescriptorSet) {
        let services = router.services.union(names).sorted()
        let descriptors = descriptors.serving(
            router.methodNames + names.map { "\($0)/ServerReflectionInfo" }
        )
        for name in names {
            router.streaming(name, "ServerReflectionInfo", decode: decode, encode: encode) {
                requests,
                responses,
                _ in
                for try await request in requests {
                    let answer = answer(request.question, descriptors, services)
                    try await responses.send(Response(request: request, answer: answer))
                }
            }
        }
    }

    private static func answer(
        _ question: Question,
        _ descriptors: DescriptorSet,
        _ services: [String]
    ) -> Answer {
        let file: DescriptorSet.File?
        switch question {
        case .file(let name): file = descriptors.file(named: name)
        case .symbol(let symbol): file = descriptors.file(declaring: symbol)
        case .extension(let type, let number):
            file = descriptors.file(extending: type, number: number)
        case .extensionNumbers(let type):
            if let numbers = descriptors.extensionNumbers(of: type) {
                return .extensionNumbers(type: type, numbers)
            }
            file = nil
        case .services: return .services(services)
        case .none: return .failure(CallError(.invalidArgument, "the request asks nothing"))
        }
        guard let file else { return .failure(CallError(.notFound, "there is no such thing")) }
        return .files(descriptors.closure(of: file).map(descriptors.descriptor))
    }

    // MARK: - Messages

    private static func decode(
        _ bytes: UnsafeRawBufferPointer,
        _ arena: ProtoArena
    ) throws -> Request {
        guard bytes.count <= requestBytesMax else {
            throw CallError(
                .resourceExhausted,
                "the request has \(bytes.count) bytes, at most \(requestBytesMax) are accepted"
            )
        }
        let message: Grpc__Reflection__V1__ServerReflectionRequest
        do throws(ProtoError) {
            message = try arena.unpack(bytes, as: request).pointee
        } catch {
            throw CallError(.internal, "the payload is not a ServerReflectionRequest")
        }
        let question: Question
        switch message.message_request_case.rawValue {
        case Field.fileByFilename:
            question = .file(name: String(proto: message.file_by_filename))
        case Field.fileContainingSymbol:
            question = .symbol(String(proto: message.file_containing_symbol))
        case Field.fileContainingExtension:
            let wanted = message.file_containing_extension.pointee
            question = .extension(
                type: String(proto: wanted.containing_type),
                number: Int(wanted.extension_number)
            )
        case Field.allExtensionNumbersOfType:
            question = .extensionNumbers(
                type: String(proto: message.all_extension_numbers_of_type)
            )
        case Field.listServices:
            question = .services
        default: question = .none
        }
        return Request(
            host: String(proto: message.host),
            question: question,
            bytes: Array(bytes)
        )
    }

    private static func encode(_ reply: Response, _ arena: ProtoArena) throws -> ProtoMessage {
        let message = try arena.make(response)
        message.pointee.valid_host = try arena.string(reply.request.host)
        message.pointee.original_request = try reply.request.bytes.withUnsafeBytes {
            try arena.unpack($0, as: request)
        }
        switch reply.answer {
        case .files(let files):
            message.pointee.message_response_case.rawValue = Field.fileDescriptorResponse
            message.pointee.file_descriptor_response = try encode(files, arena)
        case .extensionNumbers(let type, let numbers):
            message.pointee.message_response_case.rawValue = Field.allExtensionNumbersResponse
            message.pointee.all_extension_numbers_response = try encode(type, numbers, arena)
        case .services(let services):
            message.pointee.message_response_case.rawValue = Field.listServicesResponse
            message.pointee.list_services_response = try encode(services: services, arena)
        case .failure(let status):
            message.pointee.message_response_case.rawValue = Field.errorResponse
            let error = try arena.make(ProtoType(grpc__reflection__v1__error_response__init))
            error.pointee.error_code = status.code.rawValue
            error.pointee.error_message = try arena.string(status.message)
            message.pointee.error_response = error
        }
        return ProtoMessage(message)
    }

    private static func encode(
        _ files: [[UInt8]],
        _ arena: ProtoArena
    ) throws -> UnsafeMutablePointer<Grpc__Reflection__V1__FileDescriptorResponse> {
        let message = try arena.make(
            ProtoType(grpc__reflection__v1__file_descriptor_response__init)
        )
        let entries = try arena.allocate(of: ProtobufCBinaryData.self, count: files.count)
        for (index, file) in files.enumerated() {
            let copy = try arena.allocate(of: UInt8.self, count: file.count)
            copy.initialize(from: file, count: file.count)
            entries[index] = ProtobufCBinaryData(len: file.count, data: copy)
        }
        message.pointee.file_descriptor_proto = entries
        message.pointee.n_file_descriptor_proto = files.count
        return message
    }

    private static func encode(
        _ type: String,
        _ numbers: [Int],
        _ arena: ProtoArena
    ) throws -> UnsafeMutablePointer<Grpc__Reflection__V1__ExtensionNumberResponse> {
        let message = try arena.make(
            ProtoType(grpc__reflection__v1__extension_number_response__init)
        )
        message.pointee.base_type_name = try arena.string(type)
        let entries = try arena.allocate(of: Int32.self, count: numbers.count)
        for (index, number) in numbers.enumerated() { entries[index] = Int32(number) }
        message.pointee.extension_number = entries
        message.pointee.n_extension_number = numbers.count
        return message
    }

    private static func encode(
        services: [String],
        _ arena: ProtoArena
    ) throws -> UnsafeMutablePointer<Grpc__Reflection__V1__ListServiceResponse> {
        let message = try arena.make(ProtoType(grpc__reflection__v1__list_service_response__init))
        let entries = try arena.allocate(
            of: UnsafeMutablePointer<Grpc__Reflection__V1__ServiceResponse>?.self,
            count: services.count
        )
        for (index, name) in services.enumerated() {
            let entry = try arena.make(ProtoType(grpc__reflection__v1__service_response__init))
            entry.pointee.name = try arena.string(name)
            entries[index] = entry
        }
        message.pointee.service = entries
        message.pointee.n_service = services.count
        return message
    }
}
