internal import ProtoCodec

/// The descriptions of .proto files, as `protoc --descriptor_set_out --include_imports` writes
/// them: a `google.protobuf.FileDescriptorSet`.
///
/// Every question searches the whole set: questions are rare, and an index would take more memory
/// than the set itself.
public struct DescriptorSet: Sendable {
    /// A file of the set: a `google.protobuf.FileDescriptorProto`.
    struct File: Sendable {
        let name: String
        nonisolated(unsafe) let bytes: UnsafeRawBufferPointer
        // Unsafe: the bytes are constant.
        let imports: [String]
        fileprivate let package: String
    }

    /// The field numbers in google/protobuf/descriptor.proto that are used.
    private enum Field {
        static let name: UInt32 = 1
        static let setFile: UInt32 = 1
        static let filePackage: UInt32 = 2
        static let fileDependency: UInt32 = 3
        static let fileMessage: UInt32 = 4
        static let fileEnum: UInt32 = 5
        static let fileService: UInt32 = 6
        static let fileExtension: UInt32 = 7
        static let messageField: UInt32 = 2
        static let messageNested: UInt32 = 3
        static let messageEnum: UInt32 = 4
        static let messageExtension: UInt32 = 6
        static let messageOneof: UInt32 = 8
        static let enumValue: UInt32 = 2
        static let serviceMethod: UInt32 = 2
        static let extendee: UInt32 = 2
        static let extensionNumber: UInt32 = 3
    }

    // Unsafe: the bytes are constant.
    private nonisolated(unsafe) let bytes: UnsafeRawBufferPointer
    /// The methods that are described, as `package.Service.Method`; nil for all.
    private var served: Set<String>?

    /// Makes a set of the bytes, which must stay valid and unchanged as long as the set is used.
    public init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// Returns the set without the methods that are declared and not among these, which are named
    /// as `package.Service/Method`.
    func serving(_ methods: [String]) -> DescriptorSet {
        var set = self
        set.served = Set(methods.map { $0.replacing("/", with: ".") })
        return set
    }

    // MARK: - Questions

    func file(named name: String) -> File? { files.first { $0.name == name } }

    /// Returns the file and all files that it imports directly or indirectly, each once, the file
    /// first.
    func closure(of file: File) -> [File] {
        var found = [file]
        var next = 0
        while next < found.count {
            for name in found[next].imports where !found.contains(where: { $0.name == name }) {
                if let file = self.file(named: name) { found.append(file) }
            }
            next += 1
        }
        return found
    }

    /// Returns the descriptor of the file, with the methods that are served.
    func descriptor(of file: File) -> [UInt8] {
        Self.fields(file.bytes).flatMap { field in
            guard field.number == Field.fileService else { return Array(field.encoded) }
            let service = "\(file.package).\(Self.name(field.bytes))"
            let members = Self.fields(field.bytes).filter {
                $0.number != Field.serviceMethod || isServed("\(service).\(Self.name($0.bytes))")
            }
            return Self.encoded(field.number, members.flatMap { Array($0.encoded) })
        }
    }

    /// Returns the file that declares a symbol: a service, a method, a message, an enum or one of
    /// its values, a field, a oneof or an extension.
    func file(declaring symbol: String) -> File? {
        files.first { file in
            guard let name = remainder(of: symbol, inside: file.package) else { return false }
            return declares(name, in: file)
        }
    }

    /// Returns the file that declares the extension of the type with the number.
    func file(extending type: String, number: Int) -> File? {
        files.first { extensions(in: $0, of: type).contains(number) }
    }

    /// Returns the numbers of all extensions of the type; nil if there is no such type.
    func extensionNumbers(of type: String) -> [Int]? {
        guard file(declaring: type) != nil else { return nil }
        return files.flatMap { extensions(in: $0, of: type) }.sorted()
    }

    // MARK: - Looking through

    private var files: [File] {
        Self.fields(bytes).filter { $0.number == Field.setFile }.map { entry in
            var name = ""
            var package = ""
            var imports: [String] = []
            for field in Self.fields(entry.bytes) {
                switch field.number {
                case Field.name: name = field.text
                case Field.filePackage: package = field.text
                case Field.fileDependency: imports.append(field.text)
                default: break
                }
            }
            return File(name: name, bytes: entry.bytes, imports: imports, package: package)
        }
    }

    /// Returns the rest of a full name after the package; nil if the name is not in the package.
    private func remainder(of symbol: String, inside package: String) -> Substring? {
        if package.isEmpty { return symbol[...] }
        return symbol.hasPrefix("\(package).") ? symbol.dropFirst(package.count + 1) : nil
    }

    private func declares(_ name: Substring, in file: File) -> Bool {
        Self.fields(file.bytes).contains { field in
            switch field.number {
            case Field.fileMessage: messageDeclares(name, field.bytes)
            case Field.fileEnum: enumDeclares(name, field.bytes)
            case Field.fileService:
                declares(name, field.bytes, members: [Field.serviceMethod])
                    && (!name.contains(".") || isServed("\(file.package).\(name)"))
            case Field.fileExtension: Self.name(field.bytes) == name
            default: false
            }
        }
    }

    private func isServed(_ method: String) -> Bool { served?.contains(method) ?? true }

    private func messageDeclares(_ name: Substring, _ message: UnsafeRawBufferPointer) -> Bool {
        let members = [Field.messageField, Field.messageExtension, Field.messageOneof]
        if declares(name, message, members: members) { return true }
        let own = Self.name(message)
        guard name.hasPrefix("\(own).") else { return false }
        let inner = name.dropFirst(own.count + 1)
        return Self.fields(message).contains { field in
            switch field.number {
            case Field.messageNested: messageDeclares(inner, field.bytes)
            case Field.messageEnum: enumDeclares(inner, field.bytes)
            default: false
            }
        }
    }

    /// Returns true if the enum has the name, or a value of the name.
    ///
    /// The values of an enum are named beside it, as in C++, but some tools ask for them inside it.
    private func enumDeclares(_ name: Substring, _ bytes: UnsafeRawBufferPointer) -> Bool {
        declares(name, bytes, members: [Field.enumValue])
            || Self.fields(bytes).contains {
                $0.number == Field.enumValue && Self.name($0.bytes) == name
            }
    }

    /// Returns true if the declaration, or one of its members, has the name.
    private func declares(
        _ name: Substring,
        _ declaration: UnsafeRawBufferPointer,
        members: [UInt32]
    ) -> Bool {
        let own = Self.name(declaration)
        if name == own { return true }
        guard name.hasPrefix("\(own).") else { return false }
        let member = name.dropFirst(own.count + 1)
        return Self.fields(declaration).contains {
            members.contains($0.number) && Self.name($0.bytes) == member
        }
    }

    private func extensions(in file: File, of type: String) -> [Int] {
        Self.fields(file.bytes).flatMap { field in
            switch field.number {
            case Field.fileExtension: extensionNumber(field.bytes, of: type).map { [$0] } ?? []
            case Field.fileMessage: extensions(insideMessage: field.bytes, of: type)
            default: [Int]()
            }
        }
    }

    private func extensions(insideMessage bytes: UnsafeRawBufferPointer, of type: String) -> [Int] {
        Self.fields(bytes).flatMap { field in
            switch field.number {
            case Field.messageExtension: extensionNumber(field.bytes, of: type).map { [$0] } ?? []
            case Field.messageNested: extensions(insideMessage: field.bytes, of: type)
            default: [Int]()
            }
        }
    }

    private func extensionNumber(_ bytes: UnsafeRawBufferPointer, of type: String) -> Int? {
        let fields = Self.fields(bytes)
        // Full names begin with a dot in descriptors.
        guard fields.contains(where: { $0.number == Field.extendee && $0.text == ".\(type)" })
        else { return nil }
        return fields.first { $0.number == Field.extensionNumber }.map { Int($0.value) }
    }

    // MARK: - The wire format

    private struct FieldValue {
        var number: UInt32
        /// The value of a varint field; 0 for others.
        var value: UInt64 = 0
        /// The content of a text or message; empty for other fields.
        var bytes = UnsafeRawBufferPointer(start: nil, count: 0)
        /// The whole field with its tag.
        var encoded = UnsafeRawBufferPointer(start: nil, count: 0)

        var text: String { String(decoding: bytes, as: UTF8.self) }
    }

    private static func name(_ declaration: UnsafeRawBufferPointer) -> String {
        fields(declaration).first { $0.number == Field.name }?.text ?? ""
    }

    /// Returns the fields of a message up to the first that cannot be read.
    private static func fields(_ message: UnsafeRawBufferPointer) -> [FieldValue] {
        var reader = WireReader(message)
        var fields: [FieldValue] = []
        while !reader.isAtEnd {
            let start = reader.position
            guard let (number, value) = try? reader.field() else { break }
            var field = FieldValue(number: number)
            field.encoded = UnsafeRawBufferPointer(rebasing: message[start..<reader.position])
            switch value {
            case .varint(let value): field.value = value
            case .bytes(let bytes): field.bytes = bytes
            case .fixed: break
            }
            fields.append(field)
        }
        return fields
    }

    /// Encodes a field with a message in it.
    private static func encoded(_ number: UInt32, _ message: [UInt8]) -> [UInt8] {
        var head: [UInt8] = []
        for value in [Int(number) << 3 | 2, message.count] {
            var rest = value
            while rest >= 0x80 {
                head.append(UInt8(rest & 0x7F) | 0x80)
                rest >>= 7
            }
            head.append(UInt8(rest))
        }
        return head + message
    }
}
