import FeedbackHooks
import FeedbackServer
import Foundation
import Logging
import TestSupport
import Testing

@testable import feedbackd

/// A configuration file that is refused, and the part of the error after the file's path.
struct BadFile: Sendable, CustomTestStringConvertible {
    let yaml: String
    let error: String

    var testDescription: String { error }

    init(_ yaml: String, _ error: String) {
        self.yaml = yaml
        self.error = error
    }
}

@Suite("the configuration")
struct ConfigurationTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private var path: String { folder.path("feedbackd.yaml") }

    private func write(_ yaml: String) throws {
        try Data(yaml.utf8).write(to: URL(fileURLWithPath: path))
    }

    private func settings(
        _ yaml: String,
        options: [String: [String]] = [:],
        environment: [String: String] = [:]
    ) throws -> Settings {
        try write(yaml)
        let given = options.merging(["config": [path]]) { old, _ in old }
        return try Settings(try SettingSources(options: given, environment: environment))
    }

    /// Returns the message of the error that the body throws; "" if it throws none.
    private func message(of body: () throws -> Void) -> String {
        do {
            try body()
            return ""
        } catch {
            return (error as? CallError)?.message ?? "another error: \(error)"
        }
    }

    // MARK: - The reference page's complete file

    @Test("the page's complete file has every key, and all that it has is taken")
    func example() throws {
        let settings = try settings(try #require(try ReferencePage().example))
        let file = try ConfigurationFile(path: path)
        let kinds = Dictionary(
            uniqueKeysWithValues: file.values.compactMap { key, value -> (String, HookKind)? in
                guard key.hasSuffix(".kind"), let text = value.first,
                    let kind = HookKind(rawValue: text)
                else { return nil }
                return (String(key.split(separator: ".")[1]), kind)
            }
        )
        #expect(Set(kinds.values) == Set(HookKind.allCases))
        var expected = Set(Settings.declarations.map(\.name) + ["hooks.order"])
        var present = Set<String>()
        for kind in HookKind.allCases {
            expected.formUnion((kind.declarations.map(\.name) + ["kind"]).map { "\(kind).\($0)" })
        }
        for key in file.values.keys {
            let parts = key.split(separator: ".").map(String.init)
            if parts.count == 3, let kind = kinds[parts[1]] {
                present.insert("\(kind).\(parts[2])")
            } else {
                present.insert(key)
            }
        }
        #expect(present == expected)

        #expect(settings.server.socketMode == 0o660)
        #expect(settings.server.allowedUIDs == [0, 1_000])
        #expect(settings.server.adminUIDs == [1_000])
        #expect(settings.server.metricsListen?.description == "127.0.0.1:9464")
        #expect(settings.server.alertsFile == "/var/lib/feedbackd/alerts.db")
        #expect(settings.hooks.map(\.name).count == 6)
        guard case .notification(let slack) = settings.hooks[2].options,
            case .notification(let streak) = settings.hooks[3].options,
            case .notification(let share) = settings.hooks[4].options
        else {
            Issue.record("not the hooks of the example")
            return
        }
        #expect(
            slack.sink
                == .webhook(url: "https://hooks.example.org/T000", headers: ["X-Team": "support"])
        )
        #expect(slack.rule == AlertRule(name: "slack"))
        #expect(slack.escapesForSlack == true)
        #expect(slack.caFile == "/etc/ssl/certs/ca-certificates.crt")
        #expect(slack.body?.hasPrefix("{\"text\": ") == true)
        #expect(streak.sink == .command(["/usr/local/bin/page-somebody", "--quietly"]))
        #expect(streak.rule.condition == .inARow(3))
        #expect(share.sink == .log)
        #expect(share.rule.condition == .share(ofLast: 50, above: 0.3))
    }

    @Test("where the complete file tells a default, it is the program's")
    func defaults() throws {
        let example = try settings(try #require(try ReferencePage().example))
        let none = try Settings(try SettingSources(options: [:], environment: [:]))
        #expect(example.server.connectionsMax == none.server.connectionsMax)
        #expect(
            example.server.callsInFlightPerConnectionMax
                == none.server.callsInFlightPerConnectionMax
        )
        #expect(example.server.frameBytesMax == none.server.frameBytesMax)
        #expect(
            example.server.outputQueueBytesMax == none.server.outputQueueBytesMax
        )
        #expect(example.server.handshakeTimeout == none.server.handshakeTimeout)
        #expect(
            example.server.writeLimits.queueLengthMax == none.server.writeLimits.queueLengthMax
        )
        #expect(example.server.drainTimeout == none.server.drainTimeout)
        #expect(example.logLevel == none.logLevel)
        guard case .notification(let slack) = example.hooks[2].options else { return }
        let plain = NotificationDestination.Options(rule: slack.rule, sink: slack.sink)
        #expect(slack.subject == plain.subject)
        #expect(slack.timeout == plain.timeout)
        #expect(slack.limits.giveUpAfter == plain.limits.giveUpAfter)
        #expect(slack.includesComment == plain.includesComment)
        #expect(none.hooks.isEmpty)
    }

    // MARK: - Refusals

    private static let check = "hooks:\n  order: [check]\n  check:\n    kind: validation\n"
    private static let alarm = "hooks:\n  order: [alarm]\n  alarm:\n    kind: notification\n"

    static let badFiles: [BadFile] = [
        // Keys
        BadFile(
            "sokcet: /a",
            ":1: sokcet is not a setting: did you mean socket? (there are hooks, "
        ),
        BadFile("\n\nfoo_bar_baz: 1", ":3: foo_bar_baz is not a setting (there are hooks, socket"),
        BadFile("config: a", ":1: config is not a setting"),
        BadFile("hooks.order: [a]", ":1: hooks.order is not a setting"),
        BadFile("socket: /a\nstore: 'memory:'\nsocket: /b", ":1: socket stands twice"),
        BadFile("[a]: 1", ":1: has a key that is not a text"),
        BadFile("{a: 1}: 1", ":1: has a key that is not a text"),
        BadFile("<<: {socket: /a}", ":1: << is not a setting"),
        // Shapes
        BadFile("- a", "must have keys with values"),
        BadFile("just text", "must have keys with values"),
        BadFile("a: [", ":2: "),
        BadFile("a: b: c", ":1: "),
        BadFile("socket: /a\n---\nsocket: /b", ":2: but found another document"),
        BadFile("socket: [a]", ":1: socket must be a text"),
        BadFile("socket: {a: b}", ":1: socket must be a text"),
        BadFile("socket:", ":1: socket has no value"),
        BadFile("socket: ~", ":1: socket has no value"),
        BadFile("socket: ''", ":1: socket must be a text of 1 to 65536 bytes"),
        BadFile("allow_uid: {a: 1}", ":1: allow_uid must be a list"),
        BadFile("allow_uid: [[1]]", ":1: allow_uid must be a list of plain values"),
        BadFile("allow_uid: [1, ~]", ":1: allow_uid must be a list of plain values"),
        BadFile("allow_uid:", ":1: allow_uid has no value"),
        // Values
        BadFile("allow_uid: root", ":1: allow_uid must be a whole number from 0 to 4294967294"),
        BadFile("allow_uid: [0, -1]", ":1: allow_uid must be a whole number"),
        BadFile("allow_uid: [4294967295]", ":1: allow_uid must be a whole number"),
        BadFile("admin_uid: root", ":1: admin_uid must be a whole number from 0 to 4294967294"),
        BadFile("allow_uid: []", ":1: allow_uid must have at least one user id"),
        BadFile("store: mysql:hunter2", ":1: store cannot be used: the store must be memory:"),
        BadFile("store: mongodb://h/?tls=hunter2", ":1: store cannot be used: the store's MongoDB"),
        BadFile("socket_mode: 999", ":1: socket_mode must be octal"),
        BadFile("socket_mode: 0x1b0", ":1: socket_mode must be octal"),
        BadFile("socket_mode: 0060", ":1: socket_mode must be octal, from 0600 to 0777"),
        BadFile("socket_mode: 432", ":1: socket_mode must be octal"),
        BadFile("missing_session: maybe", ":1: missing_session must be create or reject"),
        BadFile("log_level: loud", ":1: log_level must be one of trace, debug, info"),
        BadFile("connections_max: many", ":1: connections_max must be a whole number from 1"),
        BadFile("connections_max: 1.5", ":1: connections_max must be a whole number"),
        BadFile("connections_max: true", ":1: connections_max must be a whole number"),
        BadFile("connections_max: 0", ":1: connections_max must be a whole number"),
        BadFile("drain_timeout: 99999999999999999999", ":1: drain_timeout must be a whole number"),
        BadFile("frame_bytes_max: 4194305", "must be a whole number from 1024 to 4194304"),
        BadFile("socket: \"a\\0b\"", ":1: socket must be a text"),
        // Hooks
        BadFile("hooks: [a]", ":1: hooks must have the key order"),
        BadFile("hooks: a", ":1: hooks must have the key order"),
        BadFile("hooks:\n  a:\n    kind: audit", ":1: hooks must have the key order"),
        BadFile("hooks:\n  order: [a]", ":2: hooks.order names a, which has no section hooks.a"),
        BadFile("hooks:\n  order: []\n  a:\n    kind: audit", ":3: hooks.a is not in hooks.order"),
        BadFile("hooks:\n  order: [a, a]\n  a:\n    kind: audit", ":2: hooks.order must name each"),
        BadFile(
            "hooks:\n  order: [a-b, a_b]\n  a-b:\n    kind: audit\n  a_b:\n    kind: audit",
            ":2: hooks.order must name each hook once"
        ),
        BadFile("hooks:\n  order: {a: b}", ":2: hooks.order must be a list"),
        BadFile("hooks:\n  A:\n    kind: audit", ":2: hooks.A must be 1 to 64 of a-z"),
        BadFile("hooks:\n  a.b:\n    kind: audit", ":2: hooks.a.b must be 1 to 64 of a-z"),
        BadFile("hooks:\n  a: audit", ":2: hooks.a must have the key kind"),
        BadFile("hooks:\n  a:\n    file: /a", ":2: hooks.a needs the key kind: must be one of"),
        BadFile(
            "hooks:\n  a:\n    kind: audits",
            ":3: hooks.a.kind must be one of validation, audit, notification, analytics"
        ),
        BadFile(
            check + "    coment_max: 1",
            ":5: hooks.check.coment_max is not a setting: did you"
        ),
        BadFile(
            check + "    file: /a",
            ":5: hooks.check.file is not a setting (there are kind, req"
        ),
        BadFile(
            check + "    comment_max: 10001",
            "comment_max must be a whole number from 1 to 10000"
        ),
        BadFile(
            check + "    comment_max: [1]",
            ":5: hooks.check.comment_max must be a whole number"
        ),
        BadFile(
            check + "    require_comment_on: [sideways]",
            ":5: hooks.check.require_comment_on must be one of up, down, none"
        ),
        BadFile(
            check + "    refused_words: [two words]",
            ":5: hooks.check.refused_words number 1 "
        ),
        BadFile(
            check + "    refused_patterns: [a, '(']",
            ":5: hooks.check.refused_patterns number 2"
        ),
        BadFile(
            check + "    adds_per_minute_per_peer: 0",
            "must be a whole number from 1 to 1000000"
        ),
        BadFile(
            "hooks:\n  order: [a]\n  a:\n    kind: audit\n    required: yes",
            ":5: hooks.a.required must be true or false"
        ),
        BadFile(
            "hooks:\n  order: [a]\n  a:\n    kind: audit\n    required: true",
            ":5: hooks.a.required must be false where no file is named"
        ),
        BadFile(
            "hooks:\n  order: [a]\n  a:\n    kind: audit\n    log: false",
            ":5: hooks.a.log must be true where no file is named"
        ),
        BadFile(
            "hooks:\n  order: [a]\n  a:\n    kind: audit\n    file: /dev/null/a",
            "hooks.a: the audit file /dev/null/a cannot be opened: Not a directory"
        ),
        BadFile(alarm + "    on: []", ":5: hooks.alarm.on must have at least one rating"),
        BadFile(alarm + "    on: [off]", ":5: hooks.alarm.on must be one of up, down, none"),
        BadFile(alarm + "    in_a_row: 1", "in_a_row must be a whole number from 2 to 1000"),
        BadFile(alarm + "    share_above: 1", "share_above must be a number from 0 to less than 1"),
        BadFile(alarm + "    share_above: .nan", "share_above must be a number from 0"),
        BadFile(alarm + "    share_above: 0.5", ":5: hooks.alarm.share_above needs share_of_last"),
        BadFile(alarm + "    share_of_last: 5", ":5: hooks.alarm.share_of_last needs share_above"),
        BadFile(
            alarm + "    in_a_row: 3\n    share_above: 0.5\n    share_of_last: 5",
            ":5: hooks.alarm.in_a_row cannot stand beside"
        ),
        BadFile(
            alarm + "    command: [/a]\n    webhook_url: http://a",
            ":5: hooks.alarm.command cannot stand beside webhook_url"
        ),
        BadFile(alarm + "    command: []", ":5: hooks.alarm.command must begin with"),
        BadFile(alarm + "    headers: {A: b}", ":5: hooks.alarm.headers needs webhook_url"),
        BadFile(
            alarm + "    headers: hunter2",
            ":5: hooks.alarm.headers must be names with a text"
        ),
        BadFile(alarm + "    headers: [a]", ":5: hooks.alarm.headers must be names with a text"),
        BadFile(alarm + "    headers: {A: [hunter2]}", "headers.A must be a text"),
        BadFile(
            alarm + "    webhook_url: http://a\n    headers: {A b: hunter2}",
            ":6: hooks.alarm.headers names must be tokens"
        ),
        BadFile(
            alarm + "    webhook_url: http://a\n    headers: {A: \"hunter2\\r\\nB: c\"}",
            ":6: hooks.alarm.headers values must be without control"
        ),
        BadFile(alarm + "    webhook_url: ftp://hunter2", ":5: hooks.alarm.webhook_url must be an"),
        BadFile(
            alarm + "    webhook_url: hunter2",
            ":5: hooks.alarm.webhook_url must be an"
        ),
    ]

    @Test("a key, shape or value that cannot be is refused where it stands", arguments: badFiles)
    func refusals(_ bad: BadFile) throws {
        let message = message {
            for hook in try settings(bad.yaml).hooks {
                _ = try HookSettings.make([hook], Logger(label: "test"))
            }
        }
        #expect(message.contains(bad.error), "\(message)")
        #expect(message.contains(path) || message.contains("/dev/null/a"))
        #expect(!message.contains("hunter"))
        #expect(!message.contains("\n"))
    }

    @Test("a file that is none is refused by its path")
    func badPlaces() throws {
        func message(_ path: String) -> String {
            self.message {
                _ = try Settings(try SettingSources(options: ["config": [path]], environment: [:]))
            }
        }
        #expect(
            message("/nonexistent.yaml").contains("/nonexistent.yaml cannot be opened: No such")
        )
        #expect(message(folder.path).contains("\(folder.path) is not a regular file"))
        #expect(message("/dev/zero").contains("is not a regular file"))
        try Data([0x73, 0x3A, 0xFF]).write(to: URL(fileURLWithPath: path))
        #expect(message(path).contains("is not UTF-8"))
        try write("# " + String(repeating: "x", count: SettingLimits.fileBytesMax))
        #expect(message(path).contains("must be at most 262144 bytes"))
        try write(String(repeating: "[", count: 200_000))
        #expect(message(path).contains(path))
        try write(String(repeating: "a: {", count: 50_000))
        #expect(message(path).contains(path))
    }

    // MARK: - What is taken

    @Test(
        "a file with nothing in it is one",
        arguments: ["", "# nothing\n", "---\n", "~\n", "hooks:\n"]
    )
    func emptyFiles(_ yaml: String) throws {
        #expect(try settings(yaml).hooks.isEmpty)
    }

    @Test(
        "the socket's mode is taken as written, as a number or a text",
        arguments: ["0660", "\"0660\"", "'660'", "660", "0o660"]
    )
    func modes(_ text: String) throws {
        #expect(try settings("socket_mode: \(text)").server.socketMode == 0o660)
    }

    @Test("a list of one needs no brackets, and without a list of users everyone is served")
    func lists() throws {
        #expect(try settings("allow_uid: 1000").server.allowedUIDs == [1_000])
        #expect(try settings("allow_uid: '1000'").server.allowedUIDs == [1_000])
        #expect(try settings("").server.allowedUIDs == nil)
        #expect(try settings("admin_uid: [1000, 1001]").server.adminUIDs == [1_000, 1_001])
        #expect(try settings("admin_uid: []").server.adminUIDs == [])
        #expect(try settings("").server.adminUIDs == [])
    }

    @Test("the command line goes before the environment, and that before the file")
    func precedence() throws {
        let yaml = Self.check + "    comment_max: 3\nsocket: /file\nallow_uid: [1, 2]"
        let environment = [
            "FEEDBACKD_HOOKS_CHECK_COMMENT_MAX": "4", "FEEDBACKD_SOCKET": "/environment",
            "FEEDBACKD_ALLOW_UID": "3,4",
        ]
        let settings = try settings(
            yaml,
            options: ["socket": ["/option"]],
            environment: environment
        )
        #expect(settings.server.socketPath == "/option")
        #expect(settings.server.allowedUIDs == [3, 4])
        guard case .validation(let check) = try #require(settings.hooks.first).options else {
            return
        }
        #expect(check.commentMax == 4)
        let options = try self.settings(
            yaml,
            options: ["allow_uid": ["5"]],
            environment: environment
        )
        #expect(options.server.allowedUIDs == [5])
        #expect(options.server.socketPath == "/environment")
    }

    @Test("a variable that is set to nothing counts as not set")
    func emptyVariables() throws {
        let settings = try settings(
            "socket: /file",
            environment: ["FEEDBACKD_SOCKET": "", "FEEDBACKD_ALLOW_UID": ""]
        )
        #expect(settings.server.socketPath == "/file")
        #expect(settings.server.allowedUIDs == nil)
    }

    @Test("what the environment and the command line have is checked as what the file has")
    func badVariables() throws {
        for (options, environment, expected) in [
            ([:], ["FEEDBACKD_LOG_LEVEL": "loud"], "FEEDBACKD_LOG_LEVEL must be one of trace"),
            ([:], ["FEEDBACKD_ALLOW_UID": "1,root"], "FEEDBACKD_ALLOW_UID must be a whole number"),
            (["log_level": ["loud"]], ["FEEDBACKD_LOG_LEVEL": "info"], "log_level must be one of"),
            (
                [:], ["FEEDBACKD_HOOKS_CHECK_COMMENT_MAX": "x"],
                "FEEDBACKD_HOOKS_CHECK_COMMENT_MAX must be a whole number"
            ),
            ([:], ["FEEDBACKD_HOOKS_ORDER": "check,other"], "FEEDBACKD_HOOKS_ORDER names other, "),
        ] as [([String: [String]], [String: String], String)] {
            let message = message {
                _ = try settings(Self.check, options: options, environment: environment)
            }
            #expect(message.hasPrefix(expected), "\(message)")
        }
    }

    @Test("hooks stand in the order that is named, which the environment may change")
    func order() throws {
        let yaml = """
            hooks:
              one: {kind: audit}
              two: {kind: audit}
              order: [two, one]
            """
        #expect(try settings(yaml).hooks.map(\.name) == ["two", "one"])
        let changed = try settings(yaml, environment: ["FEEDBACKD_HOOKS_ORDER": "one"])
        #expect(changed.hooks.map(\.name) == ["one"])
    }

    @Test("hooks need no file")
    func environmentOnly() throws {
        let settings = try Settings(
            try SettingSources(
                options: [:],
                environment: [
                    "FEEDBACKD_HOOKS_ORDER": "check",
                    "FEEDBACKD_HOOKS_CHECK_KIND": "validation",
                    "FEEDBACKD_HOOKS_CHECK_REQUIRE_COMMENT_ON": "down, none",
                ]
            )
        )
        guard case .validation(let check) = try #require(settings.hooks.first).options else {
            return
        }
        #expect(check.requireCommentOn == [.down, .none])
    }

    @Test("anchors and aliases are YAML's own")
    func aliases() throws {
        let settings = try settings("allow_uid: &users [1, 2]\nsocket: &a /a\nsocket_group: *a")
        #expect(settings.server.socketGroup == "/a")
        #expect(settings.server.allowedUIDs == [1, 2])
    }
}
