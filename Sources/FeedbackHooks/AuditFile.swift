internal import FeedbackModel
internal import Glibc
internal import Logging
internal import Synchronization

/// A file to which several threads and processes append lines.
final class AuditFile: Sendable {
    private let path: String
    private let descriptor: Int32
    private let logger: Logger
    /// The number of lines that were lost since the last successful write.
    private let lost = Atomic<Int>(0)
    /// True if the last line in the file may lack its newline, because the disk became full.
    private let isTorn = Atomic(false)

    /// Opens the file, or creates it with mode 0600.
    ///
    /// - Throws: FAILED_PRECONDITION that names the path.
    convenience init(_ path: String, logger: Logger) throws(CallError) {
        // Without O_NONBLOCK, opening a named pipe would wait for a reader.
        let flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY
        let descriptor = open(path, flags, 0o600)
        guard descriptor >= 0 else {
            let reason = errno == ELOOP ? "it is a symbolic link" : String(cString: strerror(errno))
            throw Self.error(path, reason)
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw Self.error(path, "it is not a regular file")
        }
        self.init(taking: descriptor, path: path, logger: logger)
        isTorn.store(Self.isTorn(path), ordering: .relaxed)
    }

    /// Returns true if the last line lacks its newline; false if the file cannot be read.
    private static func isTorn(_ path: String) -> Bool {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        guard lseek(descriptor, -1, SEEK_END) >= 0 else { return false }
        var last: UInt8 = 0
        return read(descriptor, &last, 1) == 1 && last != UInt8(ascii: "\n")
    }

    /// Makes a file that appends to an open descriptor, which it closes in the end.
    init(taking descriptor: Int32, path: String, logger: Logger) {
        self.path = path
        self.descriptor = descriptor
        self.logger = logger
    }

    deinit { close(descriptor) }

    /// Appends a line with its newline; returns false if the file does not contain the whole line.
    func append(_ line: borrowing JSONLine) -> Bool {
        let line = line.bytes
        // The flag is nearly always false, and reading it does not make threads wait for each
        // other.
        let isAfterTorn =
            isTorn.load(ordering: .relaxed) && isTorn.exchange(false, ordering: .relaxed)
        let result = isAfterTorn ? writeOnNewLine(line) : writeOnce(line)
        if result == line.count {
            let hasLost = lost.load(ordering: .relaxed) > 0
            let lost = hasLost ? lost.exchange(0, ordering: .relaxed) : 0
            if lost > 0 {
                logger.notice("the audit file \(path) is written again; \(lost) lines are lost")
            }
            return true
        }
        let reason = result < 0 ? String(cString: strerror(errno)) : "the disk is full"
        if result > 0 || isAfterTorn { isTorn.store(true, ordering: .relaxed) }
        // The failure is logged once, not for every lost line.
        if lost.add(1, ordering: .relaxed).oldValue == 0 {
            logger.error("the audit file \(path) cannot be written: \(reason)")
        }
        return false
    }

    private func writeOnNewLine(_ line: UnsafeRawBufferPointer) -> Int {
        let newline: [UInt8] = [UInt8(ascii: "\n")]
        let count = (newline + line).withUnsafeBytes { writeOnce($0) }
        return max(count - 1, -1)
    }

    /// Appends with a single write(2), which the kernel does as one piece under O_APPEND.
    private func writeOnce(_ bytes: UnsafeRawBufferPointer) -> Int {
        while true {
            let count = write(descriptor, bytes.baseAddress, bytes.count)
            if count >= 0 || errno != EINTR { return count }
        }
    }

    private static func error(_ path: String, _ reason: String) -> CallError {
        CallError(
            .failedPrecondition,
            "the audit file \(path) cannot be opened: \(reason)"
        )
    }
}
