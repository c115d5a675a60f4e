internal import FeedbackServer
internal import Foundation

/// The sources of settings, of which the first that has a setting counts: the command line, the
/// environment, the file.
struct SettingSources {
    /// The path of the file, which only the command line and the environment can give.
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

    /// Reads the sources.
    ///
    /// - Parameters:
    ///   - options: the texts of the command line, by the names of the settings.
    ///   - environment: the environment of the process; an empty variable counts as not set.
    /// - Throws: INVALID_ARGUMENT that names the fault of the file.
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

    /// Returns the value of a key; nil if no source has it.
    ///
    /// - Throws: INVALID_ARGUMENT that names the place of the value and the values that are
    ///   allowed.
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

    /// Returns the error about a key, which names the source of its value.
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

    /// Returns the texts of a key; in the environment, commas separate the entries of a list.
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

    /// Returns the environment variable of a key, for example `FEEDBACKD_HOOKS_CHECK_COMMENT_MAX`.
    private static func variable(_ key: String) -> String {
        "FEEDBACKD_" + key.uppercased().map { $0.isLetter || $0.isNumber ? $0 : "_" }
    }
}

/// The settings of one part of the configuration: those at the top, or those of one hook.
struct SettingSection {
    let sources: SettingSources
    /// The path before the names: empty, or `hooks.` and perhaps the name of a hook.
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
