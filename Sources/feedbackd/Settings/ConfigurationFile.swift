internal import FeedbackServer
internal import Foundation
internal import Yams

/// A YAML file with settings that has been checked: it has only known keys, of the right shape and
/// value.
///
/// Errors name the file, the line, the key and the values that are allowed. They repeat no value,
/// which may be a secret, except for the names of hooks.
struct ConfigurationFile {
    let path: String
    /// The texts of the keys, by paths like `hooks.check.comment_max`: one text, or those of a
    /// list.
    ///
    /// They are kept as they were written, whatever type YAML gives them (`0660` is a number in
    /// YAML).
    private(set) var values: [String: [String]] = [:]
    /// The lines of the keys and sections, counted from 1.
    private var lines: [String: Int] = [:]

    /// Reads and checks a file.
    ///
    /// - Throws: INVALID_ARGUMENT if the file cannot be read or breaks a rule.
    init(path: String) throws(CallError) {
        self.path = path
        let node: Node?
        do {
            node = try Parser(yaml: try Self.text(of: path), resolver: .basic).singleRoot()
        } catch let error as CallError {
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
            if name == HookSettings.root {
                try addHooks(value)
            } else if let setting = Settings.declarations.first(name) {
                try add(value, setting, key)
            } else {
                let others = [HookSettings.root]
                throw fault(key, Settings.declarations.explanation(of: name, besides: others))
            }
        }
    }

    /// Returns the error about a key of the file.
    func fault(_ key: String, _ rule: String) -> CallError {
        let place = lines[key].map { "\(path):\($0)" } ?? path
        return CallError(.invalidArgument, "\(place): \(key) \(rule)")
    }

    private mutating func addHooks(_ node: Node) throws(CallError) {
        let (root, orderKey) = (HookSettings.root, HookSettings.orderKey)
        if node.isNull { return }
        guard case .mapping(let hooks) = node else {
            throw fault(root, "must have the key order and a section for each hook")
        }
        var names: [String] = []
        for (name, key, value) in try pairs(hooks, "\(root).") {
            if name == HookSettings.order.name {
                try add(value, HookSettings.order.declaration, key)
            } else {
                try addHook(value, name, key)
                names.append(name)
            }
        }
        guard let order = values[orderKey] else {
            if names.isEmpty { return }
            throw fault(root, "must have the key order: the hooks' names, outermost first")
        }
        if let name = order.first(where: { !names.contains($0) }) {
            throw fault(orderKey, "names \(name), which has no section \(root).\(name)")
        }
        if let name = names.first(where: { !order.contains($0) }) {
            throw fault(
                "\(root).\(name)",
                "is not in \(orderKey): add it there or remove the section"
            )
        }
    }

    private mutating func addHook(
        _ node: Node,
        _ name: String,
        _ section: String
    ) throws(CallError) {
        guard HookSettings.isName(name) else { throw fault(section, HookSettings.nameRule) }
        guard case .mapping(let mapping) = node else {
            throw fault(section, "must have the key kind and those of its kind")
        }
        let pairs = try pairs(mapping, "\(section).")
        let setting = HookSettings.kind.declaration
        guard let first = pairs.first(where: { $0.name == setting.name }) else {
            throw fault(section, "needs the key \(setting.name): \(setting.rules.rule)")
        }
        try add(first.value, setting, first.key)
        guard let kind = values[first.key]?.first.flatMap(HookKind.init(rawValue:)) else {
            throw fault(first.key, setting.rules.rule)
        }
        for (name, key, value) in pairs where name != setting.name {
            guard let setting = kind.declarations.first(name) else {
                let rule = kind.declarations.explanation(of: name, besides: [setting.name])
                throw fault(key, rule)
            }
            try add(value, setting, key)
        }
    }

    private mutating func add(
        _ node: Node,
        _ setting: SettingDeclaration,
        _ key: String
    ) throws(CallError) {
        if node.isNull { throw fault(key, "has no value: it \(setting.rules.rule)") }
        let texts = try texts(node, setting, key)
        do {
            try setting.check(texts)
        } catch {
            throw fault(key, error.rule)
        }
        values[key] = texts
    }

    private mutating func texts(
        _ node: Node,
        _ setting: SettingDeclaration,
        _ key: String
    ) throws(CallError) -> [String] {
        switch (node, setting.rules.shape) {
        // A list with a single entry needs no brackets.
        case (.scalar(let scalar), .one), (.scalar(let scalar), .list): return [scalar.string]
        case (.sequence(let sequence), .list):
            var texts: [String] = []
            for entry in sequence {
                guard case .scalar(let scalar) = entry, !entry.isNull else {
                    throw fault(key, "must be a list of plain values")
                }
                texts.append(scalar.string)
            }
            return texts
        case (.mapping(let mapping), .pairs):
            var texts: [String] = []
            for (name, key, value) in try pairs(mapping, "\(key).") {
                guard case .scalar(let scalar) = value, !value.isNull else {
                    throw fault(key, "must be a text")
                }
                texts.append("\(name): \(scalar.string)")
            }
            return texts
        default: throw fault(key, setting.rules.rule)
        }
    }

    /// Returns the keys of a mapping with their paths and values, and records their lines.
    private mutating func pairs(
        _ mapping: Node.Mapping,
        _ prefix: String
    ) throws(CallError) -> [(name: String, key: String, value: Node)] {
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
        // A reload reads the file again, and a pipe would be empty then.
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw fault(path, "is not a regular file")
        }
        guard let data = try file.read(upToCount: SettingLimits.fileBytesMax + 1) else { return "" }
        guard data.count <= SettingLimits.fileBytesMax else {
            throw fault(path, "must be at most \(SettingLimits.fileBytesMax) bytes")
        }
        guard let text = String(validating: data, as: UTF8.self) else {
            throw fault(path, "is not UTF-8")
        }
        return text
    }

    private static func fault(_ path: String, _ error: YamlError) -> CallError {
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

    private static func fault(_ path: String, _ mark: Mark?, _ rule: String) -> CallError {
        CallError(.invalidArgument, "\(path):\(mark?.line ?? 1): \(rule)")
    }

    private static func fault(_ path: String, _ rule: String) -> CallError {
        CallError(.invalidArgument, "the configuration file \(path) \(rule)")
    }
}

extension Node {
    /// True if there is no value, or one of YAML's words for that.
    fileprivate var isNull: Bool {
        guard case .scalar(let scalar) = self else { return false }
        return scalar.style == .plain && ["", "~", "null", "Null", "NULL"].contains(scalar.string)
    }
}
