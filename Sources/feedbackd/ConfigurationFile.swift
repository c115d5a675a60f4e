internal import FeedbackServer
internal import Foundation
internal import Yams

/// A YAML file with settings, checked: it has only keys that exist, of the right shape and value.
///
/// Errors name the file, the line and the key, and what is allowed; they repeat no value, which may
/// be a secret.
struct ConfigurationFile {
    /// What a key has: the text as it is written, whatever type YAML gives it (`0660` is a number
    /// there), or a list of such.
    enum Value: Equatable {
        case text(String)
        case list([String])
    }

    static let bytesMax = 256 * 1_024

    let path: String
    /// By the key's path, like `hooks.check.comment_max`.
    private(set) var values: [String: Value] = [:]
    /// Where the keys stand, sections too; from 1.
    private var lines: [String: Int] = [:]

    /// - Throws: INVALID_ARGUMENT.
    init(path: String) throws(FeedbackError) {
        self.path = path
        let node: Node?
        do {
            node = try Parser(yaml: try Self.text(of: path), resolver: .basic).singleRoot()
        } catch let error as FeedbackError {
            throw error
        } catch let error as YamlError {
            throw Self.fault(path, error)
        } catch {
            throw Self.fault(path, "cannot be read as YAML")
        }
        guard let node, !node.isNull else { return }
        guard case .mapping(let root) = node else {
            throw Self.fault(path, "must have keys with values, like socket: PATH")
        }
        for (name, key, value) in try pairs(root, "") {
            if name == "hooks" {
                try addHooks(value)
            } else if let setting = Setting.all.first(name) {
                try add(value, setting, key)
            } else {
                throw fault(key, Setting.all.explanation(of: name, besides: ["hooks"]))
            }
        }
    }

    /// The error about a key of the file.
    func fault(_ key: String, _ rule: String) -> FeedbackError {
        let place = lines[key].map { "\(path):\($0)" } ?? path
        return FeedbackError(.invalidArgument, "\(place): \(key) \(rule)")
    }

    private mutating func addHooks(_ node: Node) throws(FeedbackError) {
        if node.isNull { return }
        guard case .mapping(let hooks) = node else {
            throw fault("hooks", "must have the key order and a section for each hook")
        }
        var names: [String] = []
        for (name, key, value) in try pairs(hooks, "hooks.") {
            if name == HookSettings.order.key {
                try add(value, HookSettings.order, key)
            } else {
                try addHook(value, name, key)
                names.append(name)
            }
        }
        guard case .list(let order)? = values["hooks.order"] else {
            if names.isEmpty { return }
            throw fault("hooks", "must have the key order: the hooks' names, outermost first")
        }
        if let name = order.first(where: { !names.contains($0) }) {
            throw fault("hooks.order", "names \(name), which has no section hooks.\(name)")
        }
        if let name = names.first(where: { !order.contains($0) }) {
            throw fault(
                "hooks.\(name)",
                "is not in hooks.order: add it there or remove the section"
            )
        }
    }

    private mutating func addHook(
        _ node: Node,
        _ name: String,
        _ section: String
    ) throws(FeedbackError) {
        guard HookSettings.isName(name) else { throw fault(section, HookSettings.nameRule) }
        guard case .mapping(let mapping) = node else {
            throw fault(section, "must have the key kind and those of its kind")
        }
        let pairs = try pairs(mapping, "\(section).")
        guard let kind = pairs.first(where: { $0.name == HookSettings.kind.key }) else {
            throw fault(section, "needs the key kind: \(HookSettings.kind.kind.rule)")
        }
        try add(kind.value, HookSettings.kind, kind.key)
        guard case .text(let text)? = values[kind.key], let kind = HookKind(rawValue: text) else {
            throw fault(kind.key, HookSettings.kind.kind.rule)
        }
        for (name, key, value) in pairs where name != HookSettings.kind.key {
            guard let setting = kind.settings.first(name) else {
                let what = kind.settings.explanation(of: name, besides: [HookSettings.kind.key])
                throw fault(key, what)
            }
            try add(value, setting, key)
        }
    }

    private mutating func add(
        _ node: Node,
        _ setting: Setting,
        _ key: String
    ) throws(FeedbackError) {
        let kind = setting.kind
        switch (node, kind) {
        case (_, _) where node.isNull: throw fault(key, "has no value: it \(kind.rule)")
        case (.scalar, .pairs): throw fault(key, kind.rule)
        case (.scalar(let scalar), .list(let element, _)):
            // A single entry needs no brackets.
            if let rule = element.fault(in: scalar.string) { throw fault(key, rule) }
            values[key] = .list([scalar.string])
        case (.scalar(let scalar), _):
            if let rule = kind.fault(in: scalar.string) { throw fault(key, rule) }
            values[key] = .text(scalar.string)
        case (.sequence(let sequence), .list):
            var texts: [String] = []
            for entry in sequence {
                guard case .scalar(let scalar) = entry, !entry.isNull else {
                    throw fault(key, "must be a list of plain values")
                }
                texts.append(scalar.string)
            }
            if let rule = kind.fault(in: texts) { throw fault(key, rule) }
            values[key] = .list(texts)
        case (.mapping(let mapping), .pairs):
            var texts: [String] = []
            for (name, key, value) in try pairs(mapping, "\(key).") {
                guard case .scalar(let scalar) = value, !value.isNull else {
                    throw fault(key, "must be a text")
                }
                texts.append("\(name): \(scalar.string)")
            }
            if let rule = kind.fault(in: texts) { throw fault(key, rule) }
            values[key] = .list(texts)
        default: throw fault(key, kind.rule)
        }
    }

    /// The keys with their paths and values; remembers their lines.
    private mutating func pairs(
        _ mapping: Node.Mapping,
        _ prefix: String
    ) throws(FeedbackError) -> [(name: String, key: String, value: Node)] {
        var pairs: [(name: String, key: String, value: Node)] = []
        for (node, value) in mapping {
            guard case .scalar(let scalar) = node else {
                throw Self.fault(path, node.mark, "has a key that is not a text")
            }
            let key = prefix + scalar.string
            lines[key] = node.mark?.line
            pairs.append((scalar.string, key, value))
        }
        return pairs
    }

    private static func text(of path: String) throws -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw fault(path, "cannot be opened: \(String(cString: strerror(errno)))")
        }
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        var status = stat()
        // A pipe would be empty when it is read again.
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw fault(path, "is not a regular file")
        }
        guard let data = try file.read(upToCount: bytesMax + 1) else { return "" }
        guard data.count <= bytesMax else {
            throw fault(path, "must be at most \(bytesMax) bytes")
        }
        guard let text = String(validating: data, as: UTF8.self) else {
            throw fault(path, "is not UTF-8")
        }
        return text
    }

    private static func fault(_ path: String, _ error: YamlError) -> FeedbackError {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            fault(path, mark, problem)
        case .duplicatedKeysInMapping(let keys, let context):
            fault(path, context.mark, "\(keys.first ?? "a key") stands twice in its section")
        case .reader(let problem, _, _, _): fault(path, problem)
        default: fault(path, "cannot be read as YAML")
        }
    }

    private static func fault(_ path: String, _ mark: Mark?, _ rule: String) -> FeedbackError {
        FeedbackError(.invalidArgument, "\(path):\(mark?.line ?? 1): \(rule)")
    }

    private static func fault(_ path: String, _ rule: String) -> FeedbackError {
        FeedbackError(.invalidArgument, "the configuration file \(path) \(rule)")
    }
}

extension Node {
    /// Nothing at all, or one of YAML's words for it.
    fileprivate var isNull: Bool {
        guard case .scalar(let scalar) = self else { return false }
        return scalar.style == .plain && ["", "~", "null", "Null", "NULL"].contains(scalar.string)
    }
}
