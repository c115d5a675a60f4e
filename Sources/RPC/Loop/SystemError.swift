internal import Glibc

/// A system call that failed, in words.
struct SystemError: Error, CustomStringConvertible {
    let number: Int32
    let description: String

    /// Describes `errno`; call it before anything else can change that.
    init(_ what: String, number: Int32 = errno) {
        self.number = number
        description = "\(what): \(String(cString: strerror(number)))"
    }
}
