internal import ArgumentParser
internal import Foundation

/// A failure of a command: one line for people, and the program's exit code.
struct Failure: Error {
    let line: String
    let code: ExitCode

    init(_ code: ExitCode, _ line: String) {
        self.line = line
        self.code = code
    }
}

extension ExitCode {
    /// The server said no.
    static let refused = ExitCode(1)
    /// There is no connection to the server.
    static let connection = ExitCode(2)
    /// The output cannot be written (EX_IOERR of sysexits.h); the command itself may be done.
    static let output = ExitCode(74)
}
