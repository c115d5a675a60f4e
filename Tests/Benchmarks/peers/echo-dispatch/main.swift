// The lower bound for a Swift daemon: the echo of echo-c with a DispatchSource for each connection,
// which shows the cost of Dispatch when a call does almost nothing.
//
// There is one serial queue and one read source for each connection; each event causes one read,
// and one write of the answers to all frames that were read.
//
// As in echo-c, decoding, storing, limits, deadlines, and peers that do not read their answers are
// left out on purpose. It does not try to be faster than a plain use of Dispatch.
import Dispatch
import Glibc

let inputBytesMax = 256 * 1024
/// Room for the answers to as many frames as the input can hold; untouched memory costs nothing.
let outputBytesMax = inputBytesMax / FRAME_HEADER_BYTES * RESPONSE_FRAME_BYTES

/// A connection, which is used on its queue only.
final class Connection {
    private let descriptor: CInt
    private let source: any DispatchSourceRead
    private let input = UnsafeMutablePointer<UInt8>.allocate(capacity: inputBytesMax)
    private let output = UnsafeMutablePointer<UInt8>.allocate(capacity: outputBytesMax)
    /// The number of bytes in `input` that have not been answered.
    private var length = 0

    init(descriptor: CInt) {
        self.descriptor = descriptor
        let queue = DispatchQueue(label: "echo-dispatch.connection")
        source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: queue)
    }

    deinit {
        input.deallocate()
        output.deallocate()
    }

    /// Starts reading; the source keeps the connection alive until it is cancelled.
    func start() {
        source.setEventHandler { self.serve() }
        source.setCancelHandler {
            close(self.descriptor)
            self.source.setEventHandler(handler: nil)
        }
        source.activate()
    }

    private func serve() {
        let received = read(descriptor, input + length, inputBytesMax - length)
        if received < 0, errno == EINTR || errno == EAGAIN { return }
        guard received > 0 else { return source.cancel() }
        length += received
        if !writeAll(answer()) { source.cancel() }
    }

    /// Writes an answer to each complete frame into `output`, keeps the rest of the input, and
    /// returns the number of bytes to write.
    private func answer() -> Int {
        var position = 0
        var answered = 0
        while length - position >= FRAME_HEADER_BYTES {
            let frameBytes = FRAME_HEADER_BYTES + Int(load_u32(input + position))
            if length - position < frameBytes { break }
            if input[position + 8] == FRAME_TYPE_REQUEST {
                put_response_frame(output + answered, load_u32(input + position + 4))
                answered += RESPONSE_FRAME_BYTES
            }
            position += frameBytes
        }
        length -= position
        memmove(input, input + position, length)
        return answered
    }

    private func writeAll(_ count: Int) -> Bool {
        var written = 0
        while written < count {
            let result = write(descriptor, output + written, count - written)
            if result < 0, errno != EINTR { return false }
            written += max(0, result)
        }
        return true
    }
}

/// Writes a line to a standard stream.
func say(_ line: String, to descriptor: CInt) {
    _ = (line + "\n").withCString { write(descriptor, $0, strlen($0)) }
}

func fail(_ what: String) -> Never {
    perror(what)
    exit(1)
}

func listen(at path: String) -> CInt {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else {
        say("echo-dispatch: the socket's path is too long", to: STDERR_FILENO)
        exit(64)
    }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    unlink(path)
    let listener = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard listener >= 0 else { fail("socket") }
    let bound = withUnsafePointer(to: address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
        }
    }
    guard bound == 0 else { fail(path) }
    guard Glibc.listen(listener, 1024) == 0 else { fail("listen") }
    return listener
}

guard CommandLine.arguments.count == 3, CommandLine.arguments[1] == "--socket" else {
    say("usage: echo-dispatch --socket PATH", to: STDERR_FILENO)
    exit(64)
}
let path = CommandLine.arguments[2]
signal(SIGPIPE, SIG_IGN)
signal(SIGTERM, SIG_IGN)
let listener = listen(at: path)

let termination = DispatchSource.makeSignalSource(signal: SIGTERM, queue: .main)
termination.setEventHandler {
    unlink(path)
    exit(0)
}
termination.activate()

let acceptance = DispatchSource.makeReadSource(fileDescriptor: listener, queue: .main)
acceptance.setEventHandler {
    let descriptor = accept(listener, nil, nil)
    if descriptor >= 0 { Connection(descriptor: descriptor).start() }
}
acceptance.activate()
say("ready", to: STDOUT_FILENO)
dispatchMain()
