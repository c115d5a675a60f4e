internal import CLinux
internal import Dispatch
internal import Glibc
internal import Synchronization

/// A program that runs as a child of this process and inherits nothing but the working folder.
///
/// It has a process group of its own, an empty signal mask, the default action of every signal, and
/// three descriptors: its input, and `/dev/null` for output and errors. Nothing therefore waits for
/// the processes that it leaves behind.
struct ChildProcess {
    /// The end of a program.
    enum Ending: Sendable, Hashable {
        case exited(Int32)
        case ended(signal: Int32)
        /// The timeout passed, and the program was killed with its process group.
        case timedOut
        /// Somebody else took the program's status.
        case unknown
    }

    /// A system call's error.
    struct Failure: Error, Hashable {
        let number: Int32
    }

    private let id: pid_t

    /// Starts the program.
    ///
    /// - Parameters:
    ///   - command: the program's absolute path, followed by its arguments.
    ///   - environment: the lines `NAME=value`.
    ///   - input: the bytes of its standard input.
    /// - Throws: the error of the system call for which it cannot be started.
    init(
        _ command: [String],
        environment: [[CChar]],
        input: [UInt8]
    ) throws(Failure) {
        _ = Self.exitsAreKept
        let file = try Self.fileInMemory(holding: input)
        defer { close(file) }

        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, file, STDIN_FILENO)
        for output in [STDOUT_FILENO, STDERR_FILENO] {
            posix_spawn_file_actions_addopen(&actions, output, "/dev/null", O_WRONLY, 0)
        }
        posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1)

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        // Every bit: sigfillset leaves out two signals that glibc uses itself, which posix_spawn
        // would make the child ignore.
        memset(&signals, 0xFF, MemoryLayout<sigset_t>.size)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setpgroup(&attributes, 0)
        let flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP
        posix_spawnattr_setflags(&attributes, Int16(flags))

        var arguments = command.map { strdup($0) } + [nil]
        var variables = environment.map { strdup($0) } + [nil]
        defer { for text in arguments + variables { free(text) } }
        var id: pid_t = 0
        let error = posix_spawn(&id, command[0], &actions, &attributes, &arguments, &variables)
        guard error == 0 else { throw Failure(number: error) }
        self.id = id
    }

    /// Blocks until the program has ended, which it must do within the timeout.
    ///
    /// To be called once: only afterwards the kernel forgets the program.
    func wait(timeout: Duration) -> Ending {
        let group = ProcessGroup(leader: id)
        let timer = DispatchSource.makeTimerSource(queue: Self.timers)
        timer.setEventHandler { group.kill() }
        timer.schedule(deadline: .now() + timeout / .seconds(1))
        timer.activate()
        // The program's number stays its own until its status is taken.
        var info = siginfo_t()
        while waitid(P_PID, id_t(id), &info, WEXITED | WNOWAIT) != 0, errno == EINTR {}
        timer.cancel()
        let wasKilled = group.end()
        var status: Int32 = 0
        var taken: pid_t
        repeat { taken = waitpid(id, &status, 0) } while taken < 0 && errno == EINTR
        if wasKilled { return .timedOut }
        guard taken == id else { return .unknown }
        let signal = status & 0x7F
        return signal == 0 ? .exited(status >> 8 & 0xFF) : .ended(signal: signal)
    }

    private static let timers = DispatchQueue(label: "feedbackd.hooks.command.timers")

    /// Makes sure, once, that the kernel keeps the status of ended children: it does not if this
    /// process was started with SIGCHLD ignored.
    private static let exitsAreKept: Void = {
        var action = sigaction()
        sigaction(SIGCHLD, nil, &action)
        let ignored = unsafeBitCast(SIG_IGN, to: Int.self)
        if unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == ignored {
            signal(SIGCHLD, SIG_DFL)
        }
    }()

    /// Returns the descriptor of a file in memory, to be read from its beginning.
    ///
    /// A pipe would block the writer if the program does not read it.
    private static func fileInMemory(holding bytes: [UInt8]) throws(Failure) -> Int32 {
        let file = memfd_create("feedbackd-alert", UInt32(MFD_CLOEXEC))
        guard file >= 0 else { throw Failure(number: errno) }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                let failure = Failure(number: count < 0 ? errno : EIO)
                close(file)
                throw failure
            }
            rest = rest.dropFirst(count)
        }
        lseek(file, 0, SEEK_SET)
        return file
    }
}

/// The process group of a child, which is killed at most once, and never after its leader's status
/// was taken, when its number may be another's.
private final class ProcessGroup: Sendable {
    private enum State {
        case running
        case killed
        case ended
    }

    private let leader: pid_t
    private let state = Mutex(State.running)

    init(leader: pid_t) { self.leader = leader }

    func kill() {
        state.withLock { state in
            guard state == .running else { return }
            state = .killed
            Glibc.kill(-leader, SIGKILL)
        }
    }

    /// Forbids killing; returns true if the group was killed.
    func end() -> Bool {
        state.withLock { state in
            defer { state = .ended }
            return state == .killed
        }
    }
}
