internal import FeedbackHooks
internal import FeedbackServer

/// The kinds of hooks that a configuration may have.
enum HookKind: String, CaseIterable {
    case validation, audit, notification, analytics

    /// The keys of a section of this kind, except `kind`.
    var declarations: [SettingDeclaration] {
        switch self {
        case .validation: ValidationHook.Options.declarations
        case .audit: AuditHook.Options.declarations
        case .notification: NotificationSettings.declarations
        case .analytics: []
        }
    }

    /// Reads the options of a hook of this kind.
    ///
    /// - Throws: INVALID_ARGUMENT that names the setting, its place and the values that are
    ///   allowed.
    func options(
        ofHook name: String,
        reading section: SettingSection
    ) throws(CallError) -> HookSettings.Options {
        switch self {
        case .validation: .validation(try ValidationHook.Options(reading: section))
        case .audit: .audit(try AuditHook.Options(reading: section))
        case .notification:
            .notification(
                try NotificationSettings(reading: section).options(ofHook: name, in: section)
            )
        case .analytics: .analytics
        }
    }
}
