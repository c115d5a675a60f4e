import Foundation
import TestSupport
import Testing

/// ttrpc and gRPC clients at the same time on one socket.
@Suite("both protocols at once", .serialized)
struct BothProtocolsTests {
    private static let session = "both"
    private static let connections = "50"

    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func byteCount(_ path: String) throws -> Int {
        try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int ?? 0
    }

    /// Each client exits with success only if all its calls succeeded until the server ended.
    @Test("37: SIGTERM under the load of 50 connections each, nothing acknowledged is lost")
    func termination() async throws {
        let daemon = try await Daemon(in: folder)
        let (ttrpc, grpc) = (folder.path("ttrpc-acks"), folder.path("grpc-acks"))
        let errors = folder.path("errors")
        let loads = [
            try Programs.start(
                GoClient.program(),
                [daemon.socket, "load-connections", Self.session, Self.connections],
                output: ttrpc,
                errors: errors
            ),
            try PythonClient.start(
                daemon.socket,
                ["load", Self.session, Self.connections],
                output: grpc,
                errors: errors
            ),
        ]
        let isLoaded = try await eventually {
            try min(byteCount(ttrpc), byteCount(grpc)) > 100_000
        }
        #expect(isLoaded)
        #expect(try daemon.descriptorCount() > 100)
        #expect(daemon.terminate() == 0)
        #expect(try !daemon.log().contains("calls were still running"))
        for load in loads { load.waitUntilExit() }
        let problems = try Programs.text(errors)
        #expect(loads.allSatisfy { $0.terminationStatus == 0 }, "\(problems)")

        let next = try await Daemon(in: folder)
        for acknowledged in [ttrpc, grpc] {
            let checked = try GoClient.run(next, "check-acks", Self.session, acknowledged)
            #expect(checked.code == 0, "\(checked.output)\(checked.errors)")
        }
        #expect(next.terminate() == 0)
    }
}
