import FeedbackClient
import FeedbackCore
import FeedbackModel
import Foundation
import Logging
import TestSupport
import Testing

@testable import FeedbackServer

@Suite("who may operate the server")
struct AdminAccessTests {
    private func peer(_ uid: UInt32) -> PeerCredentials {
        PeerCredentials(pid: 1, uid: uid, gid: 1_000)
    }

    @Test func root_the_own_user_and_those_of_the_setting_may_and_so_may_this_process() throws {
        let access = AdminAccess([4_000_001, 4_000_002])
        for uid in [0, geteuid(), 4_000_001, 4_000_002] {
            try access.check(peer(uid), calling: "a.Service")
        }
        try access.check(nil, calling: "a.Service")
        try AdminAccess([]).check(peer(geteuid()), calling: "a.Service")
    }

    @Test func anybody_else_is_told_the_user_id_the_service_and_the_setting() {
        for access in [AdminAccess([]), AdminAccess([4_000_001])] {
            #expect(
                throws: CallError(
                    .permissionDenied,
                    "user id 4000003 may not call a.Service: it is not in admin_uid"
                )
            ) {
                try access.check(peer(4_000_003), calling: "a.Service")
            }
        }
    }

    /// The groups of a process give it nothing, whatever their numbers.
    @Test func a_group_of_the_same_number_is_no_user() {
        let access = AdminAccess([4_000_001])
        #expect(throws: CallError.self) {
            try access.check(
                PeerCredentials(pid: 1, uid: 4_000_003, gid: 4_000_001),
                calling: "a.Service"
            )
        }
    }

    @Test func the_status_names_the_store_without_its_password() async throws {
        let folder = try TemporaryFolder()
        var configuration = ServerConfiguration()
        configuration.socketPath = folder.path("s.sock")
        let uri = "mongodb://somebody:hunter2@db1:27017,db2:27017/chat_db?authSource=admin"
        let server = try FeedbackServer(
            configuration: configuration,
            store: MemoryStore(),
            location: try StoreLocation(uri),
            logger: Logger(label: "test")
        )
        let status = try await FeedbackClient(service: server.service).serverStatus()
        #expect(status.store == "mongodb://db1:27017,db2:27017")
        try await server.stop()
    }
}
