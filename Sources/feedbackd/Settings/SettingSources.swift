internal import FeedbackServer
internal import Foundation

/// The places of settings: the command line, then the environment, then the file.
struct SettingSources {
    /// The file's own path, which stands on the command line or in the environment.
    static let config = Setting<String?>(
        "config",
        \.self,
        .text,
        unset: "no file",
        "A YAML file with settings and hooks; SIGHUP reads its hooks again."
    )

    private let options: [String: [String]]
    private let environment: [String: String]
    let file: ConfigurationFile?

    /// - Parameters:
    ///   - options: the texts of the command line, by the settings' names.
    ///   - environment: the process's; a variable that is set to nothing counts as not set.
    /// - Throws: INVALID_ARGUMENT that says what is wrong with the file.
    init(
        options: [String: [String]],
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws(CallError) {
        self.options = options
        self.environment = environment.filter { !$0.value.isEmpty }
        let name = Self.config.name
        let path = options[name]?.last ?? self.environment[Self.variable(name)]
        var file: ConfigurationFile?
        if let path { file = try ConfigurationFile(path: path) }
        self.file = file
    }

    /// The value of a key; nil if it is not set.
    ///
    /// - Throws: INVALID_ARGUMENT that says where the value stands and what is allowed.
    func value<Value>(
        of key: String,
        _ type: SettingType<Value>
    ) throws(CallError) -> Value? {
        guard let texts = texts(key, isList: type.rules.shape != .one) else { return nil }
        do {
            return try type.parse(texts)
        } catch {
            throw fault(key, error.rule)
        }
    }

    /// The error about a key, wherever its value comes from.
    func fault(_ key: String, _ rule: String) -> CallError {
        if options[key] == nil {
            let variable = Self.variable(key)
            if environment[variable] != nil {
                return CallError(.invalidArgument, "\(variable) \(rule)")
            }
            if let file { return file.fault(key, rule) }
        }
        return CallError(.invalidArgument, "\(key) \(rule)")
    }

    /// The texts of a key; in the environment commas separate the entries of a list.
    private func texts(_ key: String, isList: Bool) -> [String]? {
        if let texts = options[key] { return texts }
        if let text = environment[Self.variable(key)] {
            guard isList else { return [text] }
            return text.split(separator: ",", omittingEmptySubsequences: false).map { entry in
                entry.trimmingCharacters(in: .whitespaces)
            }
        }
        return file?.values[key]
    }

    /// The environment's name of a key, like `FEEDBACKD_HOOKS_CHECK_COMMENT_MAX`.
    private static func variable(_ key: String) -> String {
        "FEEDBACKD_" + key.uppercased().map { $0.isLetter || $0.isNumber ? $0 : "_" }
    }
}

/// The settings of one part of the configuration: those at the top, or those of one hook.
struct SettingSection {
    let sources: SettingSources
    /// The path before the names: nothing, or `hooks.` and more.
    let prefix: String

    func value<Value>(
        of name: String,
        _ type: SettingType<Value>
    ) throws(CallError) -> Value? {
        try sources.value(of: prefix + name, type)
    }

    func fault(_ name: String, _ rule: String) -> CallError {
        sources.fault(prefix + name, rule)
    }
}
