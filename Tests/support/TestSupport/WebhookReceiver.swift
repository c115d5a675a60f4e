import Foundation

/// An HTTP server that receives webhooks and answers as a test specifies.
public final class WebhookReceiver {
    /// A received request.
    public struct Request: Decodable {
        /// The path of the request's URL.
        public let path: String
        /// The request's headers.
        public let headers: [String: String]
        /// The request's body.
        public let body: String
        /// The answer to the request; see ``WebhookReceiver/answer``.
        public let answer: String
        /// The time of the request, in seconds since the host's start (`/proc/uptime`).
        public let uptime: Double
    }

    private let folder: TemporaryFolder
    private let hasTLS: Bool
    private var process: Process

    /// Starts the server; with TLS, it has a certificate of its own.
    public init(answer: String = "200", hasTLS: Bool = false) async throws {
        folder = try TemporaryFolder()
        process = Process()
        self.answer = answer
        self.hasTLS = hasTLS
        if hasTLS { try makeCertificate() }
        try writeAnswer()
        try await start()
    }

    deinit { stop() }

    /// The answer to requests: a status, `late`, `slow`, `trickle`, `silent` or `half`.
    public var answer: String { didSet { try? writeAnswer() } }

    /// Returns the path of the file that has the answer to requests with a body of letters.
    public func answerFile(ofBody body: String) -> String { folder.path("answer-\(body)") }

    /// The URL for webhooks.
    public private(set) var url = ""

    /// The path of the server's certificate, as PEM.
    public var certificateFile: String { folder.path("certificate.pem") }

    /// Returns the requests received so far.
    public func requests() throws -> [Request] {
        let path = folder.path("requests")
        guard FileManager.default.fileExists(atPath: path) else { return [] }
        let text = try String(contentsOfFile: path, encoding: .utf8)
        // The last line may be incomplete.
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
        return try lines.map { try JSONDecoder().decode(Request.self, from: Data($0.utf8)) }
    }

    /// Kills the server, so that connections are refused.
    public func stop() {
        guard process.isRunning else { return }
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    /// Starts the server again on the same port.
    public func restart() async throws {
        let port = String(url.split(separator: ":").last?.prefix(while: \.isNumber) ?? "")
        process = Process()
        try await start(port: port)
    }

    private func start(port: String? = nil) async throws {
        try? FileManager.default.removeItem(atPath: folder.path("port"))
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("webhook-receiver.py").path
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", script, folder.path] + (port.map { [$0] } ?? [])
        try process.run()
        let path = folder.path("port")
        guard await eventually({ FileManager.default.fileExists(atPath: path) }) else {
            throw CocoaError(.fileNoSuchFile)
        }
        let text = try String(contentsOfFile: path, encoding: .utf8)
        url = "\(hasTLS ? "https" : "http")://127.0.0.1:\(text)/hook"
    }

    private func makeCertificate() throws {
        let openssl = Process()
        openssl.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        openssl.arguments =
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
            + ["-nodes", "-days", "2", "-subj", "/CN=receiver"]
            + ["-addext", "subjectAltName=IP:127.0.0.1"]
            + ["-keyout", folder.path("key.pem"), "-out", certificateFile]
        openssl.standardError = FileHandle.nullDevice
        try openssl.run()
        openssl.waitUntilExit()
        guard openssl.terminationStatus == 0 else { throw CocoaError(.fileWriteUnknown) }
    }

    private func writeAnswer() throws {
        try answer.write(toFile: folder.path("answer"), atomically: true, encoding: .utf8)
    }
}
