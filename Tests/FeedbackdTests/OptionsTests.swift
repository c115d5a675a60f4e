import ArgumentParser
import FeedbackServer
import Foundation
import TestSupport
import Testing

@testable import feedbackd

@Suite("the command line")
struct OptionsTests {
    private func given(_ arguments: [String]) throws -> [String: [String]] {
        let command = try Feedbackd.parseAsRoot(arguments)
        return try #require(command as? Feedbackd).options.given
    }

    private func exitCode(_ arguments: [String]) -> Int32? {
        do {
            _ = try given(arguments)
            return nil
        } catch {
            return Feedbackd.exitCode(for: error).rawValue
        }
    }

    private func flag(_ setting: SettingDeclaration) -> String {
        "--" + setting.name.replacing("_", with: "-")
    }

    @Test("each setting has an option, whose value is given by the setting's name")
    func options() throws {
        for setting in Options.declarations {
            #expect(try given([flag(setting), "some text"]) == [setting.name: ["some text"]])
            #expect(try given([flag(setting) + "=a=b"]) == [setting.name: ["a=b"]])
        }
        #expect(try given([]).isEmpty)
    }

    @Test("of a repeated option the last counts, and lists have all of them")
    func repeated() throws {
        #expect(try given(["--store", "a", "--socket=b", "--store=c"])["store"] == ["c"])
        let users = ["--allow-uid", "1", "2", "--socket", "a", "--allow-uid=3"]
        #expect(try given(users) == ["allow_uid": ["1", "2", "3"], "socket": ["a"]])
    }

    @Test(
        "wrong usage has exit code 64",
        arguments: [
            ["--no-such-option"], ["--no-such-option=1"], ["--socket_mode", "0660"],
            ["--hooks-order", "a"], ["--order", "a"], ["-s", "a"], ["text"], ["--socket"],
            ["--socket="], ["--socket", "--store", "a"], ["--allow-uid"],
            ["--allow-uid", "--socket", "a"],
        ]
    )
    func wrongUsage(_ arguments: [String]) {
        #expect(exitCode(arguments) == 64)
    }

    @Test("the help has each setting with what is allowed and its default")
    func help() throws {
        let help = Feedbackd.helpMessage(columns: 10_000).split(separator: "\n")
        for setting in Options.declarations {
            let start = try #require(help.firstIndex { $0.hasPrefix("  \(flag(setting)) <") })
            // A label that is too long has a line of its own.
            let text = help[start..<min(start + 2, help.endIndex)].joined()
            let allowed = setting.rules.allowed
            #expect(allowed.isEmpty || text.contains("(\(allowed); default: "), "\(text)")
            let standard = setting.defaultValue.replacing("`", with: "")
            #expect(text.contains("default: \(standard))"), "\(text)")
            #expect(!text.contains("`"))
        }
    }

    @Test("shells complete the options, and the values that can be listed")
    func completions() {
        for shell in CompletionShell.allCases {
            let script = Feedbackd.completionScript(for: shell)
            for setting in Options.declarations {
                #expect(script.contains(flag(setting).dropFirst(2)))
                for choice in setting.rules.choices { #expect(script.contains(choice)) }
            }
        }
    }

    @Test("each setting is read from all three places, and an error names the one where it stands")
    func places() throws {
        let folder = try TemporaryFolder()
        let path = folder.path("feedbackd.yaml")
        func message(
            _ options: [String: [String]],
            _ environment: [String: String] = [:],
            _ yaml: String = ""
        ) throws -> String {
            try Data(yaml.utf8).write(to: URL(fileURLWithPath: path))
            let given = options.merging(["config": [path]]) { old, _ in old }
            do {
                _ = try Settings(try SettingSources(options: given, environment: environment))
                return ""
            } catch {
                return error.message
            }
        }
        for setting in Settings.declarations {
            let name = setting.name
            #expect(try message([name: ["\0"]]).hasPrefix("\(name) "))
            let variable = "FEEDBACKD_" + name.uppercased()
            #expect(try message([:], [variable: "\0"]).hasPrefix("\(variable) "))
            #expect(try message([:], [:], "\(name): \"\\0\"").hasPrefix("\(path):1: \(name) "))
        }
    }

    @Test("names are those of the file, and become flags and variables that are as different")
    func names() {
        let hooks = HookKind.allCases.map { $0.declarations + [HookSettings.kind.declaration] }
        for settings in hooks + [Options.declarations] {
            #expect(Set(settings.map(\.name)).count == settings.count)
            for setting in settings {
                #expect(setting.name.wholeMatch(of: /[a-z]+(_[a-z]+)*/) != nil)
                #expect(setting.help.hasSuffix("."))
                #expect(!setting.defaultValue.isEmpty)
            }
        }
    }
}
