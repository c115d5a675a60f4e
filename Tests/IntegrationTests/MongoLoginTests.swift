import FeedbackClient
import Foundation
import MongoServers
import TestSupport
import Testing

/// The daemon with a MongoDB server that requires TLS, and a user with a password.
@Suite("MongoDB with TLS and a user", .serialized)
struct MongoLoginTests {
    private static let server = Task { try await SecureServer() }
    private static let refused = "MongoDB refused the credentials"
    private static let unreachable = "MongoDB cannot be reached, or has no primary"
    private let server: SecureServer
    private let folder: TemporaryFolder

    init() async throws {
        server = try await MongoLoginTests.server.value
        folder = try TemporaryFolder()
    }

    private func startDaemon(_ uri: String) async throws -> Daemon {
        try await Daemon(in: folder, ["--store", uri])
    }

    private static let login = "\(SecureServer.user):\(SecureServer.password)"

    @Test(
        "who has the password is served",
        arguments: ["", "&authMechanism=SCRAM-SHA-1", "&authMechanism=SCRAM-SHA-256"]
    )
    func login(_ option: String) async throws {
        let uri = server.uri(user: Self.login, certificate: server.certificate) + option
        let daemon = try await startDaemon(uri)
        #expect(try await eventually { try daemon.control("health").output == "SERVING\n" })
        let client = try FeedbackClient(socket: daemon.socket)
        let session = "s\(option)"
        let added = try await client.addFeedback(
            sessionID: session,
            rating: .up,
            comment: "ok"
        )
        let page = try await client.listFeedbacks(FeedbackQuery(sessionID: session))
        #expect(page.feedbacks == [added.feedback])
        #expect(try daemon.control("metadata", "set", session, "variant=B").code == 0)
        let groups = try daemon.control("metrics", session, "--group-by", "metadata:variant")
        #expect(groups.output.contains("\nB      1 "))
        client.close()
        #expect(daemon.terminate() == 0)
        try expectNoSecret(daemon)
        #expect(try !daemon.log().contains("warning"))
    }

    enum Fault: CaseIterable {
        case wrongPassword, unknownUser, foreignCertificate, noTLS
    }

    @Test("everyone else gets UNAVAILABLE, and the log says why without the password")
    func refusals() async throws {
        for fault in Fault.allCases {
            let user = fault == .unknownUser ? "bob" : SecureServer.user
            let password = SecureServer.password + (fault == .wrongPassword ? "s3cret" : "")
            let certificate: String? =
                switch fault {
                case .foreignCertificate: server.foreignCertificate
                case .noTLS: nil
                default: server.certificate
                }
            let uri = server.uri(user: "\(user):\(password)", certificate: certificate)
            let message =
                switch fault {
                case .wrongPassword, .unknownUser: Self.refused
                case .foreignCertificate, .noTLS: Self.unreachable
                }
            let daemon = try await startDaemon(uri)
            var options = FeedbackClient.Options()
            options.attemptsMax = 1
            let client = try FeedbackClient(socket: daemon.socket, options: options)
            let error = await #expect(throws: CallError.self) {
                try await client.addFeedback(sessionID: "s")
            }
            #expect(error?.code == .unavailable, "\(fault)")
            #expect(error?.message == message, "\(fault)")
            let line = "the store does not serve: \(message)"
            #expect(try await eventually { try daemon.log().contains(line) }, "\(fault)")
            #expect(try daemon.control("health").output == "NOT_SERVING\n")
            client.close()
            #expect(daemon.terminate() == 0)
            try expectNoSecret(daemon)
        }
    }

    private func expectNoSecret(_ daemon: Daemon) throws {
        let log = try daemon.log()
        #expect(log.contains("(store mongodb://127.0.0.1:"))
        for secret in [SecureServer.password, SecureServer.typedPassword, "s3cret"] {
            #expect(!log.contains(secret))
        }
    }
}
