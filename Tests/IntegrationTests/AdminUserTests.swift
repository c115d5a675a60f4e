import Foundation
import TestSupport
import Testing

/// The daemon's own decision who may operate it, by the user id that the kernel tells.
@Suite("who may operate the daemon", .serialized)
struct AdminUserTests {
    private static let methods = [
        "feedback.v1.AdminService/GetStatus", "feedback.v1.DeliveryService/ListDestinations",
        "feedback.v1.DeliveryService/ListDeliveries",
        "feedback.v1.DeliveryService/PauseDestination",
        "feedback.v1.DeliveryService/ResumeDestination",
        "feedback.v1.DeliveryService/RewindDestination",
        "feedback.v1.DeliveryService/TestDestination",
        "feedback.v1.DeliveryService/RetryDeliveries",
        "feedback.v1.DeliveryService/DropDeliveries",
    ]

    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func daemon(_ arguments: String...) async throws -> Daemon {
        try await Daemon(in: folder, ["--socket-mode", "0666"] + arguments)
    }

    /// Returns the status code and the text of a call over ttrpc with an empty request.
    private func call(_ method: String, _ socket: String) throws -> (code: Int, message: String) {
        let parts = method.split(separator: "/").map(String.init)
        let connection = try RawConnection(socket)
        connection.send(Wire.call(stream: 1, parts[0], parts[1], Data()))
        let frame = try #require(try connection.receiveFrame())
        let response = Wire.response(frame.data)
        return (response.code, response.message)
    }

    private func callOverGRPC(_ method: String, _ socket: String) async throws -> String {
        try await PythonClient.run(socket, ["raw", "/\(method)", ""]).errors
    }

    @Test func another_user_is_refused_over_both_protocols_and_may_do_all_else() async throws {
        let daemon = try await daemon("--admin-uid", "65532")
        let other = try await OtherUser(in: folder, daemon)
        for method in Self.methods {
            let (code, message) = try call(method, other.socket)
            // Root and the daemon's own user pass, if this process can be no other one.
            #expect((code == 7) == OtherUser.isOther, "\(method): \(message)")
            if code == 7 {
                let service = method.split(separator: "/")[0]
                #expect(
                    message
                        == "user id \(other.uid) may not call \(service): it is not in admin_uid"
                )
            }
            #expect(try call(method, daemon.socket).code != 7, "the daemon's own user")
        }
        for method in [Self.methods[0], Self.methods[1]] {
            let errors = try await callOverGRPC(method, other.socket)
            #expect(errors.contains("PERMISSION_DENIED") == OtherUser.isOther, "\(errors)")
            #expect(errors.contains("admin_uid") == OtherUser.isOther)
            #expect(try await callOverGRPC(method, daemon.socket).isEmpty)
        }
        let control = try Programs.path("feedbackctl")
        let added = try Programs.run(control, ["--socket", other.socket, "add", "s"])
        #expect(added.code == 0, "\(added.errors)")
        let status = try Programs.run(control, ["--socket", other.socket, "status"])
        #expect(status.code == (OtherUser.isOther ? 1 : 0), "\(status.errors)")
    }

    @Test func a_user_of_the_setting_may_call_all_over_both_protocols() async throws {
        let daemon = try await daemon("--admin-uid", "65532", "\(OtherUser.uid)")
        let other = try await OtherUser(in: folder, daemon)
        for method in Self.methods {
            #expect(try call(method, other.socket).code != 7, "\(method)")
        }
        #expect(try call(Self.methods[0], other.socket).code == 0)
        #expect(try await callOverGRPC(Self.methods[0], other.socket).isEmpty)
        let status = try Programs.run(
            Programs.path("feedbackctl"),
            ["--socket", other.socket, "status"]
        )
        #expect(status.code == 0, "\(status.errors)")
    }

    @Test func a_user_whom_allow_uid_leaves_out_is_not_served_by_being_an_admin() async throws {
        let daemon = try await daemon(
            "--allow-uid",
            "65531",
            "--admin-uid",
            "\(OtherUser.uid)"
        )
        let other = try await OtherUser(in: folder, daemon)
        let (code, message) = try call(Self.methods[0], other.socket)
        #expect(code == 7)
        #expect(message == "user id \(other.uid) is not allowed here")
    }
}
