import Foundation
import TestSupport
import Testing

/// The daemon as its users see it: failing starts, settings, floods, memory.
@Suite("feedbackd", .serialized)
struct DaemonTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// Runs feedbackd to its end, for starts that fail.
    private func failure(
        _ arguments: [String],
        environment: [String: String] = [:]
    ) throws -> Programs.Outcome {
        try Programs.run(Programs.path("feedbackd"), arguments, environment: environment)
    }

    @Test("40: a second start on a live socket fails and removes nothing")
    func secondStart() async throws {
        let daemon = try await Daemon(in: folder)
        let second = try failure(["--socket", daemon.socket, "--store", "memory:"])
        #expect(second.code == 1)
        let reason = "another server already serves \(daemon.socket)"
        #expect(second.errors == "feedbackd: socket: \(reason)\n")
        #expect(try daemon.control("health").output == "SERVING\n")
        #expect(daemon.terminate() == 0)
    }

    @Test("40: of racing starts exactly one serves; after kill -9 the stale socket is replaced")
    func racingStarts() async throws {
        for _ in 0..<5 {
            let starts = try (0..<4).map { index in
                try Programs.start(
                    Programs.path("feedbackd"),
                    ["--socket", folder.path("d.sock"), "--store", "memory:"],
                    output: folder.path("race"),
                    errors: folder.path("race")
                )
            }
            defer {
                for start in starts where start.isRunning { kill(start.processIdentifier, SIGKILL) }
            }
            #expect(await eventually { starts.count(where: \.isRunning) == 1 })
            let served = try Programs.run(
                Programs.path("feedbackctl"),
                ["--socket", folder.path("d.sock"), "health"]
            )
            #expect(served.output == "SERVING\n")
            for start in starts where start.isRunning { kill(start.processIdentifier, SIGKILL) }
            for start in starts { start.waitUntilExit() }
        }
    }

    @Test func a_SIGTERM_at_the_first_moment_ends_it() async throws {
        for _ in 0..<20 {
            let daemon = try Programs.start(
                Programs.path("feedbackd"),
                ["--socket", folder.path("d.sock"), "--store", "memory:"],
                output: folder.path("log"),
                errors: folder.path("log")
            )
            while daemon.isRunning, (try? RawConnection(folder.path("d.sock"))) == nil {}
            kill(daemon.processIdentifier, SIGTERM)
            let hasEnded = await eventually { !daemon.isRunning }
            if !hasEnded { kill(daemon.processIdentifier, SIGKILL) }
            try #require(hasEnded)
            #expect(daemon.terminationStatus == 0)
        }
    }

    @Test("41, 54: sockets that cannot be, each with one clear line and exit 1")
    func badSockets() throws {
        try Data("mine".utf8).write(to: URL(fileURLWithPath: folder.path("file")))
        let long = folder.path(String(repeating: "x", count: 120))
        for (socket, text) in [
            (folder.path("file"), "is not a socket"), (long, "at most 107"),
            ("@feedbackd", "abstract"), (folder.path("no/d.sock"), "No such file"),
        ] {
            let outcome = try failure(["--socket", socket, "--store", "memory:"])
            #expect(outcome.code == 1)
            #expect(outcome.errors.hasPrefix("feedbackd: "))
            #expect(outcome.errors.contains(text))
            #expect(!outcome.errors.contains("CallError"))
            #expect(outcome.errors.split(separator: "\n").count == 1)
        }
        #expect(try Programs.text(folder.path("file")) == "mine")
    }

    @Test(
        "a place that cannot be is one line with its path and the setting",
        arguments: [
            (["--socket", "/proc/no/d.sock"], "socket: ", "/proc/no/d.sock.lock"),
            (["--store", "sqlite:/proc/no/f.db"], "store: ", "/proc/no/f.db"),
            (["--metrics-listen", "unix:/proc/no/m.sock"], "metrics_listen: ", "/proc/no/m.sock"),
        ]
    )
    func badPlaces(_ arguments: [String], _ setting: String, _ path: String) throws {
        let place = ["--socket", folder.path("d.sock"), "--store", "memory:"]
        let outcome = try failure(place + arguments)
        #expect(outcome.code == 1)
        let lines = outcome.errors.split(separator: "\n")
        #expect(lines.count == 1)
        #expect(lines.first?.hasPrefix("feedbackd: \(setting)") == true, "\(outcome.errors)")
        #expect(lines.first?.contains(path) == true, "\(outcome.errors)")
    }

    @Test("a default folder that cannot be made is one line with its path and the setting")
    func badDefaultPlace() throws {
        let outcome = try failure(
            ["--store", "memory:"],
            environment: ["XDG_RUNTIME_DIR": "/proc"]
        )
        #expect(outcome.code == 1)
        #expect(
            outcome.errors.hasPrefix("feedbackd: socket: cannot make the folder /proc/feedbackd: ")
        )
        #expect(outcome.errors.split(separator: "\n").count == 1)
    }

    @Test("78: the sockets' files are made again when they are removed, which the log says")
    func removedSockets() async throws {
        let page = folder.path("m.sock")
        let daemon = try await Daemon(in: folder, ["--metrics-listen", "unix:\(page)"])
        let before = try RawConnection(daemon.socket)
        for _ in 0..<2 {
            for path in [daemon.socket, page] {
                unlink(path)
                #expect(await eventually { (try? RawConnection(path)) != nil })
                let attributes = try FileManager.default.attributesOfItem(atPath: path)
                #expect(attributes[.posixPermissions] as? Int == 0o600)
                #expect(try daemon.log().contains("the socket \(path) was gone and is made again"))
            }
        }
        let reader = try RawConnection(page)
        reader.send(Data("GET /metrics HTTP/1.1\r\n\r\n".utf8))
        #expect(try reader.receive(15) == Data("HTTP/1.1 200 OK".utf8))
        #expect(try daemon.control("health").output == "SERVING\n")
        // Connections stay.
        before.send(Wire.call(stream: 1, "grpc.health.v1.Health", "Check", Data()))
        #expect(Wire.response(try before.receiveFrame()?.data ?? Data()).code == 0)
        #expect(daemon.terminate() == 0)
        for path in [daemon.socket, page] {
            #expect(!FileManager.default.fileExists(atPath: path))
        }
    }

    @Test("78: a file in the place of a removed socket is left alone, which the log says once")
    func takenSocket() async throws {
        let daemon = try await Daemon(in: folder)
        unlink(daemon.socket)
        try Data("mine".utf8).write(to: URL(fileURLWithPath: daemon.socket))
        let warning = "nobody reaches this server: \(daemon.socket) exists and is not a socket"
        #expect(try await eventually { try daemon.log().contains(warning) })
        #expect(try Programs.text(daemon.socket) == "mine")
        unlink(daemon.socket)
        #expect(await eventually { (try? RawConnection(daemon.socket)) != nil })
        #expect(try daemon.log().components(separatedBy: warning).count == 2)
        #expect(daemon.terminate() == 0)
    }

    @Test("34: a foreign file as a store is refused by its path and left as it is")
    func foreignStore() throws {
        let path = folder.path("notes.txt")
        let notes = String(repeating: "my notes\n", count: 1_000)
        try Data(notes.utf8).write(to: URL(fileURLWithPath: path))
        let outcome = try failure(
            ["--socket", folder.path("d.sock"), "--store", "sqlite:\(path)"])
        #expect(outcome.code == 1)
        #expect(outcome.errors.contains(path))
        #expect(try Programs.text(path) == notes)
        #expect(!FileManager.default.fileExists(atPath: folder.path("d.sock")))
    }

    @Test(
        "a setting that cannot be is refused with its name and what is allowed",
        arguments: [
            (["--missing-session", "maybe"], "missing_session must be create or reject"),
            (["--socket-mode", "999"], "socket_mode must be octal"),
            (["--allow-uid", "root"], "allow_uid must be a whole number"),
            (["--log-level", "loud"], "log_level must be one of trace, debug"),
            (["--store", "mysql:x"], "the store must be memory:, sqlite:PATH or mongodb://"),
            (["--socket-group", "no-such-group"], "no group named no-such-group"),
            (["--connections-max", "0"], "connections_max must be a whole number from 1"),
            (["--config", "/nonexistent.yaml"], "/nonexistent.yaml"),
        ]
    )
    func badSettings(_ arguments: [String], _ text: String) throws {
        let place = ["--socket", folder.path("d.sock"), "--store", "memory:"]
        // If an option is given twice, the last one counts.
        let outcome = try failure(place + arguments)
        #expect(outcome.code == 1)
        #expect(outcome.errors.contains(text), "\(outcome.errors)")
        #expect(outcome.errors.split(separator: "\n").count == 1)
    }

    @Test func an_unknown_option_is_wrong_usage() throws {
        #expect(try failure(["--no-such-option"]).code == 64)
    }

    @Test func options_go_before_the_environment_and_that_before_the_file() async throws {
        let file = folder.path("config.yaml")
        let yaml = """
            socket: \(folder.path("file.sock"))
            store: "memory:"
            socket_mode: "0660"
            missing_session: reject
            """
        try Data(yaml.utf8).write(to: URL(fileURLWithPath: file))
        let daemon = try await Daemon(
            in: folder,
            environment: [
                "FEEDBACKD_CONFIG": file, "FEEDBACKD_SOCKET": folder.path("env.sock"),
                "FEEDBACKD_MISSING_SESSION": "create",
            ]
        )
        #expect(!FileManager.default.fileExists(atPath: folder.path("env.sock")))
        #expect(try daemon.control("add", "s").code == 0)
        let attributes = try FileManager.default.attributesOfItem(atPath: daemon.socket)
        #expect(attributes[.posixPermissions] as? Int == 0o660)
        #expect(FileManager.default.fileExists(atPath: folder.path("f.db")))
        #expect(daemon.terminate() == 0)
    }

    @Test("52: the socket is for the owner alone unless said otherwise, and has its group")
    func socketPermissions() async throws {
        let group = try #require(
            try Programs.text("/etc/group").split(separator: "\n").last?.split(separator: ":")
        )
        let plain = try await Daemon(in: folder)
        var attributes = try FileManager.default.attributesOfItem(atPath: plain.socket)
        #expect(attributes[.posixPermissions] as? Int == 0o600)
        #expect(plain.terminate() == 0)
        guard geteuid() == 0 else { return }
        let shared = try await Daemon(
            in: folder,
            ["--socket-mode", "0660", "--socket-group", String(group[0])]
        )
        attributes = try FileManager.default.attributesOfItem(atPath: shared.socket)
        #expect(attributes[.posixPermissions] as? Int == 0o660)
        #expect(attributes[.groupOwnerAccountID] as? Int == Int(group[2]))
        #expect(shared.terminate() == 0)
    }

    @Test("1: oversized messages leave the daemon's memory as it is")
    func oversizedMessages() async throws {
        let daemon = try await Daemon(in: folder)
        let connection = try RawConnection(daemon.socket)
        let length = (16 << 20) - 1
        let frame = Wire.frame(stream: 1, length: length, Data(count: length))
        connection.send(frame)
        #expect(try connection.receiveFrame() != nil)
        let before = try daemon.status("VmHWM")
        for _ in 0..<20 {
            connection.send(frame)
            #expect(Wire.response(try connection.receiveFrame()?.data ?? Data()).code == 8)
        }
        #expect(try daemon.status("VmHWM") < before + 1_024)
        #expect(daemon.terminate() == 0)
    }

    @Test("38: 10,000 clients that go in mid-call leave nothing behind")
    func clientsThatGo() async throws {
        let daemon = try await Daemon(in: folder)
        let descriptors = try daemon.descriptorCount() + 4
        /// The calls run a hundred at a time, so that the number of concurrent ones is known.
        func round(_ count: Int) async throws {
            for index in 0..<count {
                let connection = try RawConnection(daemon.socket)
                let payload = Wire.field(1, "s") + Wire.field(4, "\(index)")
                connection.send(
                    Wire.call(
                        stream: 1,
                        "feedback.v1.FeedbackService",
                        "AddFeedback",
                        payload
                    )
                )
                if index % 100 == 99 {
                    #expect(
                        try await eventually { try daemon.descriptorCount() <= descriptors }
                    )
                }
            }
        }
        // The baseline includes what a first thousand calls leave in caches and pools.
        try await round(1_000)
        let baseline = try (memory: daemon.status("RssAnon"), threads: daemon.status("Threads"))
        try await round(10_000)
        // Freed memory is returned to the system within some seconds.
        #expect(
            try await eventually(within: .seconds(60)) {
                try daemon.status("RssAnon") < baseline.memory + 8 * 1_024
            }
        )
        // Dispatch ends threads that have been idle for some seconds.
        #expect(
            try await eventually(within: .seconds(60)) {
                try daemon.status("Threads") <= baseline.threads + 4
            }
        )
        #expect(try daemon.control("health").output == "SERVING\n")
        #expect(daemon.terminate() == 0)
    }

    @Test("44: 100,000 connects and closes at once do no harm")
    func churn() async throws {
        let daemon = try await Daemon(in: folder)
        let descriptors = try daemon.descriptorCount() + 4
        for _ in 0..<100_000 { _ = try RawConnection(daemon.socket) }
        #expect(try await eventually { try daemon.descriptorCount() <= descriptors })
        // Every loop still answers.
        for _ in 0..<8 { #expect(try daemon.control("health").output == "SERVING\n") }
        #expect(daemon.terminate() == 0)
    }

    @Test func the_idle_daemon_needs_less_than_20_mib() async throws {
        // The release build is the one that `make run` builds.
        let daemon = try await Daemon(
            in: folder,
            program: Programs.path("feedbackd", in: "release")
        )
        #expect(try daemon.control("add", "s", "--rating", "up").code == 0)
        #expect(try daemon.status("VmRSS") < 20 * 1_024)
        #expect(daemon.terminate() == 0)
    }
}
