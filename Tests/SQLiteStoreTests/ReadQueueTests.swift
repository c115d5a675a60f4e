import FeedbackCore
import FeedbackModel
import Foundation
import GRDB
import Synchronization
import TestSupport
import Testing

@testable import SQLiteStore

@Suite("reads of calls that have ended")
struct ReadQueueTests {
    private final class Gone: CallCancellation {
        var isCancelled: Bool { true }
    }

    @Test func a_read_whose_call_has_ended_is_dropped() async throws {
        let folder = try TemporaryFolder()
        let store = try SQLiteStore(path: folder.path("f.db"))
        let contexts = [
            (CallContext(deadline: .now), CallError.Code.deadlineExceeded),
            (CallContext(cancellation: Gone()), .cancelled),
        ]
        for (context, code) in contexts {
            await #expect {
                try await store.list(FeedbackQuery(pageSize: 1), context: context)
            } throws: {
                ($0 as? CallError)?.code == code
            }
            await #expect {
                try await store.metrics(MetricsQuery(), context: context)
            } throws: {
                ($0 as? CallError)?.code == code
            }
            await #expect {
                try await store.metadata(ofSession: "s", context: context)
            } throws: {
                ($0 as? CallError)?.code == code
            }
        }
        await store.close()
    }

    @Test("83: a list is answered while another process keeps readers busy and many reads wait")
    func turns() async throws {
        let folder = try TemporaryFolder()
        let store = try SQLiteStore(path: folder.path("f.db"))
        let greedy = CallContext(peer: PeerCredentials(pid: 1, uid: 1, gid: 1))
        let other = CallContext(peer: PeerCredentials(pid: 2, uid: 1, gid: 1))
        let held = HeldReads()
        let reads = (0..<100).map { _ in held.begin(greedy, on: store.database) }
        #expect(await eventually { held.count == 3 })
        #expect(try await store.list(FeedbackQuery(pageSize: 1), context: other).totalSize == 0)
        #expect(held.count == 3)
        for _ in reads { held.end() }
        for read in reads { try await read.value }
        await store.close()
    }

    @Test("81: all readers are opened with the store")
    func openReaders() async throws {
        let folder = try TemporaryFolder()
        let store = try SQLiteStore(path: folder.path("f.db"))
        func openFiles() throws -> Int {
            try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count {
                let file = try? FileManager.default.destinationOfSymbolicLink(
                    atPath: "/proc/self/fd/\($0)"
                )
                return file?.hasPrefix(folder.path) == true
            }
        }
        let atTheStart = try openFiles()
        let held = HeldReads()
        let reads = (0..<4).map { _ in held.begin(CallContext(), on: store.database) }
        #expect(await eventually { held.count == 4 })
        #expect(try openFiles() == atTheStart)
        for _ in reads { held.end() }
        for read in reads { try await read.value }
        await store.close()
    }

    @Test func one_read_more_than_may_wait_is_refused() async throws {
        let folder = try TemporaryFolder()
        let limits = SQLiteStoreLimits(readQueueLengthMax: 0)
        let store = try SQLiteStore(path: folder.path("f.db"), limits: limits)
        await #expect {
            try await store.list(FeedbackQuery(pageSize: 1), context: CallContext())
        } throws: {
            ($0 as? CallError)?.code == .resourceExhausted
        }
        await store.close()
    }
}

/// Reads that keep their readers until they are ended.
private final class HeldReads: Sendable {
    private let gate = DispatchSemaphore(value: 0)
    private let begun = Atomic(0)

    /// The number of reads that have begun.
    var count: Int { begun.load(ordering: .relaxed) }

    func begin(_ context: CallContext, on database: SQLiteDatabase) -> Task<Void, any Error> {
        Task {
            try await database.read(context) { db in
                _ = try Int.fetchOne(db, sql: "SELECT count(*) FROM feedback")
                self.begun.add(1, ordering: .relaxed)
                self.gate.wait()
            }
        }
    }

    /// Ends one of the reads.
    func end() { gate.signal() }
}
