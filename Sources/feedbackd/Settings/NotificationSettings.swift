internal import FeedbackHooks
internal import FeedbackServer

/// The settings of a notification, before those that depend on each other are combined.
struct NotificationSettings: SettingTarget {
    /// The options, to which the name and condition of the rule and the sink are added last.
    var options = NotificationDestination.Options(rule: AlertRule(name: ""), sink: .log)
    var inARow: Int?
    var shareAbove: Double?
    var shareOfLast: Int?
    var webhookURL: String?
    var headers: [String: String]?
    var command: [String]?

    init() {}

    /// Combines the settings into the options of a hook.
    ///
    /// - Throws: INVALID_ARGUMENT that names a setting which needs or excludes another one.
    func options(
        ofHook name: String,
        in section: SettingSection
    ) throws(CallError) -> NotificationDestination.Options {
        var options = options
        options.rule.name = name
        options.rule.condition = try condition(in: section)
        options.sink = try sink(in: section)
        return options
    }

    private func condition(in section: SettingSection) throws(CallError) -> AlertRule.Condition {
        let (row, above, last) = (Self.inARow.name, Self.shareAbove.name, Self.shareOfLast.name)
        guard let inARow else {
            switch (shareAbove, shareOfLast) {
            case (nil, nil): return .every
            case (let share?, let length?): return .share(ofLast: length, above: share)
            case (_?, nil): throw section.fault(above, "needs \(last) beside it")
            case (nil, _?): throw section.fault(last, "needs \(above) beside it")
            }
        }
        guard shareAbove == nil, shareOfLast == nil else {
            throw section.fault(row, "cannot stand beside \(above) and \(last)")
        }
        return .inARow(inARow)
    }

    private func sink(in section: SettingSection) throws(CallError) -> NotificationDestination.Sink
    {
        let url = Self.webhookURL.name
        guard let webhookURL else {
            guard headers == nil else {
                throw section.fault(Self.headers.name, "needs \(url) beside it")
            }
            return command.map { .command($0) } ?? .log
        }
        guard command == nil else {
            throw section.fault(Self.command.name, "cannot stand beside \(url)")
        }
        return .webhook(url: webhookURL, headers: headers ?? [:])
    }
}
