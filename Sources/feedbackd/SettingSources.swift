internal import Configuration
internal import FeedbackServer
internal import Foundation

/// Where settings come from: the command line, then the environment, then the file.
struct SettingSources {
    private let options: [String: [String]]
    private let environment: [String: String]
    let file: ConfigurationFile?
    private let reader: ConfigReader

    /// - Parameters:
    ///   - options: what was given on the command line, by key.
    ///   - environment: the process's; a variable that is set to nothing counts as not set.
    /// - Throws: INVALID_ARGUMENT that says what is wrong with the file.
    init(
        options: [String: [String]],
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws(FeedbackError) {
        self.options = options
        self.environment = environment.filter { !$0.value.isEmpty }
        let path = options["config"]?.first ?? self.environment[Self.variable("config")]
        var file: ConfigurationFile?
        if let path { file = try ConfigurationFile(path: path) }
        self.file = file
        var given: [AbsoluteConfigKey: ConfigValue] = [:]
        for (key, texts) in options {
            let kind = Setting.all.first(key)?.kind
            given[Self.path(key)] =
                kind?.element == nil
                ? ConfigValue(.string(texts.last ?? ""), isSecret: true)
                : ConfigValue(.stringArray(texts), isSecret: true)
        }
        var written: [AbsoluteConfigKey: ConfigValue] = [:]
        for (key, value) in file?.values ?? [:] {
            let content: ConfigContent =
                switch value {
                case .text(let text): .string(text)
                case .list(let texts): .stringArray(texts)
                }
            written[Self.path(key)] = ConfigValue(content, isSecret: true)
        }
        reader = ConfigReader(providers: [
            InMemoryProvider(name: "options", values: given),
            EnvironmentVariablesProvider(environmentVariables: self.environment)
                .prefixKeys(with: "feedbackd"),
            InMemoryProvider(name: "file", values: written),
        ])
    }

    /// The value of a key that has one piece.
    ///
    /// - Throws: INVALID_ARGUMENT that says where the value stands and what is allowed.
    func text(_ key: String, _ kind: SettingKind) throws(FeedbackError) -> String? {
        guard let text = reader.string(forKey: ConfigKey(key)) else { return nil }
        if let rule = kind.fault(in: text) { throw fault(key, rule) }
        return text
    }

    /// The value of a key that has a list; in the environment commas separate the entries.
    ///
    /// - Throws: INVALID_ARGUMENT that says where the value stands and what is allowed.
    func list(_ key: String, _ kind: SettingKind) throws(FeedbackError) -> [String]? {
        guard let texts = reader.stringArray(forKey: ConfigKey(key)) else { return nil }
        if let rule = kind.fault(in: texts) { throw fault(key, rule) }
        return texts
    }

    /// The error about a key, wherever its value comes from.
    func fault(_ key: String, _ rule: String) -> FeedbackError {
        if options[key] == nil {
            let variable = Self.variable(key)
            if environment[variable] != nil {
                return FeedbackError(.invalidArgument, "\(variable) \(rule)")
            }
            if let file { return file.fault(key, rule) }
        }
        return FeedbackError(.invalidArgument, "\(key) \(rule)")
    }

    /// The environment's name of a key, as swift-configuration makes it.
    private static func variable(_ key: String) -> String {
        "FEEDBACKD_"
            + String(key.uppercased().map { $0.isLetter || $0.isNumber ? $0 : "_" })
    }

    private static func path(_ key: String) -> AbsoluteConfigKey {
        AbsoluteConfigKey(key.split(separator: ".").map(String.init))
    }
}
