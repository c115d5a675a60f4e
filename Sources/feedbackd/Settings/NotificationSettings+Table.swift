internal import FeedbackHooks
internal import FeedbackServer

extension NotificationSettings {
    /// The keys of a notification's section; those that depend on each other are constants of their
    /// own.
    static let settings: [Setting<Self>] = condition + receiver + message + delivery

    private static let condition: [Setting<Self>] = [
        Setting(
            "on",
            \.options.rule.ratings,
            .set(of: .rating, max: Rating.allCases.count, atLeastOne: "rating"),
            "The ratings to tell of."
        ),
        inARow, shareAbove, shareOfLast,
    ]

    static let inARow = Setting<Self>(
        "in_a_row",
        \.inARow,
        .number(2...AlertRule.windowMax),
        unset: "no such condition",
        "Tells only of the feedback that makes so many of these ratings in a row in its session."
    )
    static let shareAbove = Setting<Self>(
        "share_above",
        \.shareAbove,
        .share,
        unset: "no such condition",
        "Tells only of the feedback with which the share of these ratings, among the last "
            + "`share_of_last` of all sessions, passes this."
    )
    static let shareOfLast = Setting<Self>(
        "share_of_last",
        \.shareOfLast,
        .number(2...AlertRule.windowMax),
        unset: "none, `share_above` needs it",
        "The number of feedbacks of which `share_above` is a share."
    )

    private static let receiver: [Setting<Self>] = [
        webhookURL, headers,
        Setting(
            "ca_file",
            \.options.caFile,
            .text,
            unset: "those that the system trusts",
            "The path of a file of certificates (PEM) to trust an https receiver by."
        ),
        command,
    ]

    static let webhookURL = Setting<Self>(
        "webhook_url",
        \.webhookURL,
        .text,
        unset: "none",
        "The http or https URL to which each is POSTed. It appears in no log."
    )
    static let headers = Setting<Self>(
        "headers",
        \.headers,
        .pairs(max: SettingLimits.headersMax),
        unset: "none",
        "Further headers of the webhook's requests. They appear in no log."
    )
    static let command = Setting<Self>(
        "command",
        \.command,
        .list(of: .text, max: SettingLimits.commandWordsMax),
        unset: "none",
        "A program's absolute path and its arguments, started with the body on its standard input. "
            + "With neither this nor `webhook_url` a notification is a line in the log."
    )

    private static let attempts = Setting<Self>(
        "attempts",
        \.options.limits.attemptsMax,
        .number(1...1_000_000),
        unset: "no such limit",
        "The number of attempts after which a notification is given up."
    )
    private static let concurrency = Setting<Self>(
        "concurrency",
        \.options.concurrency,
        .number(1...NotificationDestination.Options.concurrencyMax),
        unset: "4 to a webhook, 1 to a command",
        "The number of deliveries at a time. The log has them one after the other."
    )

    private static let message: [Setting<Self>] = [
        Setting(
            "subject",
            \.options.subject,
            .text,
            "The title, `{subject}` in the body. `{session_id}`, `{rating}`, `{timestamp}`, "
                + "`{count}`, `{total_count}`, `{comment}`, `{feedback_id}`, `{message_id}`, "
                + "`{agent_id}`, `{author_id}`, `{author_source}`, `{tags}`, `{attributes}`, "
                + "`{kind}` and `{hook}` stand for values; other names in braces stay as written."
        ),
        Setting(
            "body",
            \.options.body,
            .text,
            unset: "the most important fields, as JSON",
            "The text that is sent, with the same names. In a body that begins with `{` or `[`, "
                + "values are escaped as JSON."
        ),
        Setting(
            "escape_for_slack",
            \.options.escapesForSlack,
            .flag,
            unset: "`true` if the URL's host is `hooks.slack.com`",
            "Whether `&`, `<` and `>` of values in the body become `&amp;`, `&lt;` and `&gt;`, so "
                + "that no comment can mention `<!channel>` in Slack."
        ),
        Setting(
            "include_comment",
            \.options.includesComment,
            .flag,
            "Whether the comment is told."
        ),
    ]

    private static let delivery: [Setting<Self>] = [
        Setting(
            "timeout",
            \.options.timeout,
            .seconds(1...300),
            "The longest time for one attempt to deliver."
        ),
        Setting(
            "give_up_after",
            \.options.limits.giveUpAfter,
            .seconds(1...2_592_000),
            "The time after the first attempt during which further ones may begin, while the "
                + "receiver answers."
        ),
        attempts, concurrency,
    ]
}
