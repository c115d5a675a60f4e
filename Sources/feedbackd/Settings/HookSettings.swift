internal import FeedbackHooks
internal import FeedbackServer
internal import Logging

/// A hook of the configuration.
struct HookSettings {
    /// The options of the hook, by its kind.
    enum Options {
        case validation(ValidationHook.Options)
        case audit(AuditHook.Options)
        case notification(NotificationDestination.Options)
        case analytics
    }

    /// The key of the hooks' section at the top of the file.
    static let root = "hooks"
    static let order = Setting<[String]?>(
        "order",
        \.self,
        .list(of: .text, max: SettingLimits.hooksMax),
        unset: "no hooks",
        "The names of the hooks that run, the outermost first."
    )
    /// The path of the key ``order``.
    static let orderKey = "\(root).\(order.name)"
    static let kind = Setting<HookKind?>(
        "kind",
        \.self,
        .choice,
        unset: "none, it must be given",
        "The kind of the hook, by which it has further keys."
    )
    static let nameRule =
        "must be 1 to 64 of a-z, 0-9, - and _, begin with a letter, and not be \(order.name)"

    let name: String
    let options: Options
    private let section: SettingSection

    static func isName(_ name: String) -> Bool {
        (1...64).contains(name.utf8.count) && name != order.name
            && name.first.map { ("a"..."z").contains($0) } == true
            && name.utf8.allSatisfy {
                switch $0 {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                    UInt8(ascii: "-"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }

    /// Reads the hooks in their order.
    ///
    /// - Throws: INVALID_ARGUMENT that names the setting, its place and the values that are
    ///   allowed.
    static func read(_ sources: SettingSources) throws(CallError) -> [HookSettings] {
        let list = SettingSection(sources: sources, prefix: "\(root).")
        var order: [String]?
        try Self.order.read(from: list, into: &order)
        let names = order ?? []
        // The names of environment variables do not distinguish - from _.
        let variables = Set(names.map { $0.replacing("-", with: "_") })
        guard variables.count == names.count else {
            throw list.fault(
                Self.order.name,
                "must name each hook once, and not two that - and _ tell apart"
            )
        }
        var hooks: [HookSettings] = []
        for name in names {
            guard isName(name) else {
                throw list.fault(Self.order.name, "has a name that \(nameRule)")
            }
            let section = SettingSection(sources: sources, prefix: "\(root).\(name).")
            var kind: HookKind?
            try Self.kind.read(from: section, into: &kind)
            guard let kind else {
                throw list.fault(
                    Self.order.name,
                    "names \(name), which has no section \(root).\(name)"
                )
            }
            let options = try kind.options(ofHook: name, reading: section)
            hooks.append(HookSettings(name: name, options: options, section: section))
        }
        return hooks
    }

    /// Makes what the settings describe: a notification is a destination, and no hook.
    ///
    /// - Throws: a ``CallError`` that names the hook and the place of its setting.
    static func make(
        _ settings: [HookSettings],
        _ logger: Logger
    ) throws(CallError) -> (hooks: [any FeedbackHook], destinations: [any Destination]) {
        var (hooks, destinations): ([any FeedbackHook], [any Destination]) = ([], [])
        for one in settings {
            try one.naming {
                switch one.options {
                case .validation(let options):
                    hooks.append(try ValidationHook(options, name: one.name))
                case .audit(let options):
                    hooks.append(try AuditHook(options, name: one.name, logger: logger))
                case .analytics: hooks.append(AnalyticsHook(name: one.name))
                case .notification(let options):
                    destinations.append(try NotificationDestination(options, logger: logger))
                }
            }
        }
        return (hooks, destinations)
    }

    /// Runs the work; an error of it names the hook and the place of its setting.
    private func naming(_ work: () throws -> Void) throws(CallError) {
        do {
            try work()
        } catch {
            guard var error = error as? CallError else {
                throw CallError(.internal, "\(Self.root).\(name) cannot be made", cause: error)
            }
            if let violation = error.violations.first {
                throw section.fault(violation.field, violation.description)
            }
            error.message = "\(Self.root).\(name): \(error.message)"
            throw error
        }
    }
}
