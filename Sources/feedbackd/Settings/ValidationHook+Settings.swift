internal import FeedbackHooks
internal import FeedbackServer

extension ValidationHook.Options: SettingTarget {
    static let settings: [Setting<Self>] = [
        Setting(
            "require_comment_on",
            \.requireCommentOn,
            .set(of: .rating, max: Rating.allCases.count),
            "The ratings that need a comment; white space only is none."
        ),
        Setting(
            "comment_max",
            \.commentMax,
            .number(1...FieldLimits.commentCodePointsMax),
            "The longest comment, in code points with the white space around it."
        ),
        Setting(
            "refused_words",
            \.refusedWords,
            .list(of: .text, max: RefusedText.wordsMax),
            "Whole words, of letters and digits, that no comment may have in any case."
        ),
        Setting(
            "refused_patterns",
            \.refusedPatterns,
            .list(of: .text, max: RefusedText.patternsMax),
            "Regular expressions (ICU's syntax) that no comment may match in any case. Single quotes "
                + "keep their backslashes. A comment that takes them more than 50 ms is refused too."
        ),
        Setting(
            "adds_per_minute_per_session",
            \.addsPerMinutePerSession,
            .number(1...ValidationHook.addsPerMinuteMax),
            unset: "any number",
            "The most adds of one session within any minute; one more is RESOURCE_EXHAUSTED, with a "
                + "`google.rpc.RetryInfo` detail."
        ),
        Setting(
            "adds_per_minute_per_peer",
            \.addsPerMinutePerPeer,
            .number(1...ValidationHook.addsPerMinuteMax),
            unset: "any number",
            "The most adds of one calling process within any minute, in the same way."
        ),
    ]
}
