internal import FeedbackHooks

extension AuditHook.Options: SettingTarget {
    static let settings: [Setting<Self>] = [
        Setting(
            "file",
            \.file,
            .text,
            unset: "none",
            "The path of a file to which lines of JSON are appended. It is made with mode 0600 if it "
                + "is not there."
        ),
        Setting(
            "log",
            \.log,
            .flag,
            unset: "`true` if there is no file",
            "Whether to write log lines of level info."
        ),
        Setting(
            "include_comment",
            \.includesComment,
            .flag,
            "Whether to write the comment itself, besides its length."
        ),
        Setting(
            "required",
            \.isRequired,
            .flag,
            "Whether an add is UNAVAILABLE when its lines cannot be written to the file."
        ),
    ]
}
