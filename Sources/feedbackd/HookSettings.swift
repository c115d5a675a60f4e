internal import FeedbackHooks
internal import FeedbackServer
internal import Logging

/// The kinds of hooks that a configuration may name.
enum HookKind: String, CaseIterable {
    case validation, audit, notification, analytics

    private static let ratings = SettingKind.list(
        .choice([Rating.up, .down, .none].map(\.name)),
        max: Rating.allCases.count
    )

    private static let addsPerMinute = SettingKind.number(1...ValidationHook.addsPerMinuteMax)

    /// The keys of its section, besides `kind`; what they mean stands in feedbackd.example.yaml.
    var settings: [Setting] {
        switch self {
        case .validation:
            [
                Setting("require_comment_on", Self.ratings),
                Setting("comment_max", .number(1...FieldLimits.commentCodePointsMax)),
                Setting("refused_words", .list(.text, max: RefusedText.wordsMax)),
                Setting("refused_patterns", .list(.text, max: RefusedText.patternsMax)),
                Setting("adds_per_minute_per_session", Self.addsPerMinute),
                Setting("adds_per_minute_per_peer", Self.addsPerMinute),
            ]
        case .audit:
            [
                Setting("file", .text),
                Setting("log", .flag),
                Setting("include_comment", .flag),
                Setting("required", .flag),
            ]
        case .notification:
            [
                Setting("on", Self.ratings),
                Setting("in_a_row", .number(2...AlertRule.windowMax)),
                Setting("share_above", .share),
                Setting("share_of_last", .number(2...AlertRule.windowMax)),
                Setting("webhook_url", .text),
                Setting("headers", .pairs(max: 32)),
                Setting("ca_file", .text),
                Setting("command", .list(.text, max: 64)),
                Setting("subject", .text),
                Setting("body", .text),
                Setting("escape_for_slack", .flag),
                Setting("include_comment", .flag),
                Setting("timeout", .number(1...300)),
                Setting("give_up_after", .number(1...2_592_000)),
            ]
        case .analytics: []
        }
    }
}

/// A hook as the configuration tells it.
struct HookSettings {
    /// What the hook's own options are.
    enum Options {
        case validation(ValidationHook.Options)
        case audit(AuditHook.Options)
        case notification(NotificationHook.Options)
        case analytics
    }

    static let hooksMax = 32
    static let order = Setting("order", .list(.text, max: hooksMax))
    static let kind = Setting("kind", .choice(HookKind.allCases.map(\.rawValue)))
    static let nameRule =
        "must be 1 to 64 of a-z, 0-9, - and _, begin with a letter, and not be order"

    let name: String
    let options: Options
    private let sources: SettingSources

    static func isName(_ name: String) -> Bool {
        (1...64).contains(name.utf8.count) && name != order.key
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

    /// The hooks in their order.
    ///
    /// - Throws: INVALID_ARGUMENT that names the setting, where it stands and what is allowed.
    static func read(_ sources: SettingSources) throws(FeedbackError) -> [HookSettings] {
        let key = "hooks.\(order.key)"
        let names = try sources.list(key, order.kind) ?? []
        // The environment knows no difference between - and _.
        let variables = Set(names.map { $0.replacing("-", with: "_") })
        guard variables.count == names.count else {
            throw sources.fault(
                key,
                "must name each hook once, and not two that - and _ tell apart"
            )
        }
        var hooks: [HookSettings] = []
        for name in names {
            guard isName(name) else { throw sources.fault(key, "has a name that \(nameRule)") }
            let section = HookSection(sources: sources, name: name)
            guard let kind = try section.text(kind).flatMap(HookKind.init(rawValue:)) else {
                throw sources.fault(key, "names \(name), which has no section hooks.\(name)")
            }
            let options = try section.options(of: kind)
            hooks.append(HookSettings(name: name, options: options, sources: sources))
        }
        return hooks
    }

    /// Makes the hook.
    ///
    /// - Throws: a ``FeedbackError`` that names the hook, and where its setting stands.
    func make(_ logger: Logger) throws(FeedbackError) -> any FeedbackHook {
        do {
            return switch options {
            case .validation(let options): try ValidationHook(options, name: name)
            case .audit(let options): try AuditHook(options, name: name, logger: logger)
            case .notification(let options): try NotificationHook(options, logger: logger)
            case .analytics: AnalyticsHook(name: name)
            }
        } catch {
            guard var error = error as? FeedbackError else {
                throw FeedbackError(.internal, "hooks.\(name) cannot be made", cause: error)
            }
            if let violation = error.violations.first {
                throw sources.fault("hooks.\(name).\(violation.field)", violation.description)
            }
            error.message = "hooks.\(name): \(error.message)"
            throw error
        }
    }
}

/// Reads the section of one hook.
private struct HookSection {
    let sources: SettingSources
    let name: String

    func options(of kind: HookKind) throws(FeedbackError) -> HookSettings.Options {
        switch kind {
        case .validation: .validation(try validation())
        case .audit: .audit(try audit())
        case .notification: .notification(try notification())
        case .analytics: .analytics
        }
    }

    func text(_ setting: Setting) throws(FeedbackError) -> String? {
        try sources.text(key(setting.key), setting.kind)
    }

    private func validation() throws(FeedbackError) -> ValidationHook.Options {
        var options = ValidationHook.Options()
        let kind = HookKind.validation
        options.requireCommentOn = try ratings("require_comment_on", kind) ?? []
        options.commentMax = try number("comment_max", kind) ?? options.commentMax
        options.refusedWords = try list("refused_words", kind) ?? []
        options.refusedPatterns = try list("refused_patterns", kind) ?? []
        options.addsPerMinutePerSession = try number("adds_per_minute_per_session", kind)
        options.addsPerMinutePerPeer = try number("adds_per_minute_per_peer", kind)
        return options
    }

    private func audit() throws(FeedbackError) -> AuditHook.Options {
        var options = AuditHook.Options()
        let kind = HookKind.audit
        options.file = try text("file", kind)
        options.log = try flag("log", kind)
        options.includesComment = try flag("include_comment", kind) ?? options.includesComment
        options.isRequired = try flag("required", kind) ?? options.isRequired
        return options
    }

    private func notification() throws(FeedbackError) -> NotificationHook.Options {
        let kind = HookKind.notification
        var rule = AlertRule(name: name)
        if let ratings = try ratings("on", kind) {
            guard !ratings.isEmpty else { throw fault("on", "must have at least one rating") }
            rule.ratings = ratings
        }
        rule.condition = try condition()
        var options = NotificationHook.Options(rule: rule, sink: try sink())
        options.subject = try text("subject", kind) ?? options.subject
        options.body = try text("body", kind)
        options.escapesForSlack = try flag("escape_for_slack", kind)
        options.caFile = try text("ca_file", kind)
        options.includesComment = try flag("include_comment", kind) ?? options.includesComment
        if let seconds = try number("timeout", kind) { options.timeout = .seconds(seconds) }
        if let seconds = try number("give_up_after", kind) {
            options.giveUpAfter = .seconds(seconds)
        }
        return options
    }

    private func condition() throws(FeedbackError) -> AlertRule.Condition {
        let kind = HookKind.notification
        let share = try text("share_above", kind).flatMap { Double($0) }
        let length = try number("share_of_last", kind)
        guard let row = try number("in_a_row", kind) else {
            switch (share, length) {
            case (nil, nil): return .every
            case (let share?, let length?): return .share(ofLast: length, above: share)
            case (_?, nil): throw fault("share_above", "needs share_of_last beside it")
            case (nil, _?): throw fault("share_of_last", "needs share_above beside it")
            }
        }
        guard share == nil, length == nil else {
            throw fault("in_a_row", "cannot stand beside share_above and share_of_last")
        }
        return .inARow(row)
    }

    private func sink() throws(FeedbackError) -> NotificationHook.Sink {
        let kind = HookKind.notification
        let headers = try headers()
        let command = try list("command", kind)
        guard let url = try text("webhook_url", kind) else {
            guard headers == nil else { throw fault("headers", "needs webhook_url beside it") }
            guard let command else { return .log }
            return .command(command)
        }
        guard command == nil else { throw fault("command", "cannot stand beside webhook_url") }
        return .webhook(url: url, headers: headers ?? [:])
    }

    private func headers() throws(FeedbackError) -> [String: String]? {
        guard let entries = try list("headers", .notification) else { return nil }
        var headers: [String: String] = [:]
        for entry in entries {
            let parts = entry.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else {
                throw fault("headers", "must be header names with a text each")
            }
            headers[String(parts[0])] = String(parts[1].drop { $0 == " " })
        }
        return headers
    }

    private func ratings(_ key: String, _ kind: HookKind) throws(FeedbackError) -> Set<Rating>? {
        try list(key, kind).map { names in
            Set(Rating.allCases.filter { names.contains($0.name) })
        }
    }

    private func number(_ key: String, _ kind: HookKind) throws(FeedbackError) -> Int? {
        try text(key, kind).flatMap { Int($0) }
    }

    private func flag(_ key: String, _ kind: HookKind) throws(FeedbackError) -> Bool? {
        try text(key, kind).map { $0 == "true" }
    }

    private func text(_ key: String, _ kind: HookKind) throws(FeedbackError) -> String? {
        try text(setting(key, kind))
    }

    private func list(_ key: String, _ kind: HookKind) throws(FeedbackError) -> [String]? {
        try sources.list(self.key(key), setting(key, kind).kind)
    }

    private func setting(_ key: String, _ kind: HookKind) -> Setting {
        guard let setting = kind.settings.first(key) else { preconditionFailure(key) }
        return setting
    }

    private func key(_ key: String) -> String { "hooks.\(name).\(key)" }

    private func fault(_ key: String, _ rule: String) -> FeedbackError {
        sources.fault(self.key(key), rule)
    }
}
