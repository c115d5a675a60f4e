internal import FeedbackServer

/// A setting: its declaration, and the property that gets its value.
///
///     Setting("drain_timeout", \.drainTimeout, .seconds(0...3_600), "The longest time …")
///
/// A setting needs only an entry in the table of a ``SettingTarget``: the option of the command
/// line, the environment variable, the key in the file and the line in the reference follow from
/// it.
struct Setting<Target>: Sendable {
    let declaration: SettingDeclaration
    private let assign: @Sendable (SettingSection, inout Target) throws(CallError) -> Void

    var name: String { declaration.name }

    /// Declares a setting whose default is the property's value.
    init<Value>(
        _ name: String,
        _ property: any WritableKeyPath<Target, Value> & Sendable,
        _ type: SettingType<Value>,
        _ help: String
    ) where Target: SettingTarget {
        let value = type.format(Target()[keyPath: property])
        let shown = value.isEmpty ? "an empty list" : "`\(value)`"
        self.init(name, type, help, default: shown) { $1[keyPath: property] = $0 }
    }

    /// Declares a setting whose property is nil if it is not set.
    ///
    /// `meaning` describes the default, as Markdown.
    init<Value>(
        _ name: String,
        _ property: any WritableKeyPath<Target, Value?> & Sendable,
        _ type: SettingType<Value>,
        unset meaning: String,
        _ help: String
    ) {
        self.init(name, type, help, default: meaning) { $1[keyPath: property] = $0 }
    }

    private init<Value>(
        _ name: String,
        _ type: SettingType<Value>,
        _ help: String,
        default defaultValue: String,
        set: @escaping @Sendable (Value, inout Target) -> Void
    ) {
        declaration = SettingDeclaration(
            name: name,
            help: help,
            defaultValue: defaultValue,
            rules: type.rules,
            check: { texts throws(SettingFault) in _ = try type.parse(texts) }
        )
        assign = { section, target throws(CallError) in
            if let value = try section.value(of: name, type) { set(value, &target) }
        }
    }

    /// Sets the property, if the section has the setting.
    ///
    /// - Throws: INVALID_ARGUMENT that names the place of the value and the values that are
    ///   allowed.
    func read(from section: SettingSection, into target: inout Target) throws(CallError) {
        try assign(section, &target)
    }
}

/// A value that settings change, and the table of these settings.
protocol SettingTarget: SendableMetatype {
    /// Makes the value with all defaults.
    init()

    /// The settings in the order of the help and the reference.
    static var settings: [Setting<Self>] { get }
}

extension SettingTarget {
    static var declarations: [SettingDeclaration] { settings.map(\.declaration) }

    /// Makes the value that a section of the configuration describes.
    ///
    /// - Throws: INVALID_ARGUMENT that names the setting, its place and the values that are
    ///   allowed.
    init(reading section: SettingSection) throws(CallError) {
        self.init()
        for setting in Self.settings { try setting.read(from: section, into: &self) }
    }
}
