internal import Foundation
internal import TestSupport

/// A replica set of one member that requires TLS and has a single user.
public final class SecureServer: Sendable {
    /// The name of the user.
    public static let user = "ann"
    /// The password as it is written in a URI.
    public static let password = "p%40ss%3Aw%2Frd"
    /// The password as the user types it.
    public static let typedPassword = "p@ss:w/rd"

    /// The path of the server's certificate, which is self-signed.
    public let certificate: String
    /// The path of the self-signed certificate of another server.
    public let foreignCertificate: String
    private let folder: TemporaryFolder
    private let replicaSet: ReplicaSet

    /// Starts the server and creates the user.
    public init() async throws {
        let folder = try TemporaryFolder()
        self.folder = folder
        certificate = try Self.makeCertificate("server", in: folder)
        foreignCertificate = try Self.makeCertificate("foreign", in: folder)
        let keyFile = folder.path("key")
        let isWritten = FileManager.default.createFile(
            atPath: keyFile,
            contents: Data("theKeyOfTheTests".utf8),
            attributes: [.posixPermissions: 0o600]
        )
        guard isWritten else { throw ServerFailure("\(keyFile) cannot be written") }
        replicaSet = try await ReplicaSet(
            members: 1,
            arguments: [
                "--keyFile", keyFile, "--tlsMode", "requireTLS",
                "--tlsCertificateKeyFile", folder.path("server.key"), "--tlsCAFile", certificate,
                "--tlsAllowConnectionsWithoutCertificates",
            ],
            options: "&tls=true&tlsCAFile=\(certificate)"
        )
        try await replicaSet.addUser(Self.user, password: Self.typedPassword)
    }

    /// Returns a connection string.
    ///
    /// - Parameters:
    ///   - user: the user and the password, with a colon between them.
    ///   - certificate: the path of the certificate that must have signed the server's; nil for no
    ///     TLS.
    /// - Returns: a URI whose client gives up after a second.
    public func uri(user: String, certificate: String?) -> String {
        let tls = certificate.map { "&tls=true&tlsCAFile=\($0)" } ?? ""
        return replicaSet.uri.replacing("://", with: "://\(user)@") + tls
            + "&serverSelectionTimeoutMS=1000"
    }

    /// Creates `NAME.pem` with the certificate alone, and `NAME.key` with its key, too.
    private static func makeCertificate(
        _ name: String,
        in folder: TemporaryFolder
    ) throws -> String {
        let certificate = folder.path("\(name).pem")
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
            "-nodes", "-days", "2", "-subj", "/CN=\(name)",
            "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder.path("\(name).key"),
            "-out", certificate,
        ]
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw ServerFailure("openssl made no certificate")
        }
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: folder.path("\(name).key")))
        try file.seekToEnd()
        try file.write(contentsOf: Data(contentsOf: URL(fileURLWithPath: certificate)))
        try file.close()
        return certificate
    }
}
