internal import Glibc

/// The first process of a container, to which the kernel gives all processes whose parents have
/// ended (pid_namespaces(7)).
///
/// It has to wait for these, or they stay as zombies; the daemon waits for its own children only.
enum InitProcess {
    /// Returns unless the process is the first one of its container.
    ///
    /// That one starts the program again as its child, hands signals on to it, waits for whatever
    /// ends, and exits as the program does. If it cannot start the program, the function returns,
    /// too.
    static func runIfFirst() {
        guard getpid() == 1 else { return }
        var all = sigset_t()
        var former = sigset_t()
        sigfillset(&all)
        // The kernel drops signals to the first process that are neither handled nor blocked.
        pthread_sigmask(SIG_BLOCK, &all, &former)
        guard let program = start(former) else {
            pthread_sigmask(SIG_SETMASK, &former, nil)
            return
        }
        ProgramPages.release()
        while true {
            let number = sigwaitinfo(&all, nil)
            if number == SIGCHLD {
                if let code = reap(program) { exit(code) }
            } else if number > 0 {
                kill(program, number)
            }
        }
    }

    /// Starts the program with the arguments, the environment and the streams of this process.
    private static func start(_ signals: sigset_t) -> pid_t? {
        // The link itself would give the process the name "exe".
        guard let path = realpath("/proc/self/exe", nil) else { return nil }
        defer { free(path) }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = signals
        posix_spawnattr_setsigmask(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var program = pid_t()
        let outcome = posix_spawn(
            &program,
            path,
            nil,
            &attributes,
            CommandLine.unsafeArgv,
            environ
        )
        return outcome == 0 ? program : nil
    }

    /// Waits for all processes that have ended; returns the exit code of the program if it is one
    /// of them.
    private static func reap(_ program: pid_t) -> Int32? {
        var status: Int32 = 0
        while true {
            let ended = waitpid(-1, &status, WNOHANG)
            if ended <= 0 { return nil }
            guard ended == program else { continue }
            // As shells do: 128 and the number of the signal (wait(2) has the bits).
            let signal = status & 0x7F
            return signal == 0 ? status >> 8 & 0xFF : 128 + signal
        }
    }
}
