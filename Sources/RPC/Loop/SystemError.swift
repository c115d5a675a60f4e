internal import Glibc

/// The error of a system call, with a description for people.
struct SystemError: Error, CustomStringConvertible {
    let number: Int32
    let description: String

    /// Describes the present `errno`; no other call may come between the failed one and this.
    init(_ what: String, number: Int32 = errno) {
        self.number = number
        description = "\(what): \(String(cString: strerror(number)))"
    }
}
