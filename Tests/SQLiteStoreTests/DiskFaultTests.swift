import FeedbackCore
import FeedbackModel
import Foundation
import Logging
import TestSupport
import Testing

@testable import SQLiteStore

struct DiskFaultTests {
    private let folder: TemporaryFolder
    /// A logger that drops the messages which the faults of the tests cause.
    private let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    init() throws {
        folder = try TemporaryFolder()
        #expect(DiskFaults.isInstalled)
    }

    @Test(arguments: [DiskFault.Call.write, .sync])
    func after_a_failed_commit_the_store_writes_no_more(_ call: DiskFault.Call) async throws {
        let store = try SQLiteStore(path: folder.databasePath, logger: quiet)
        try await store.add(3)
        // The disk fails only once, so that a second attempt would seem to succeed.
        let fault = DiskFault(path: folder.path("feedback.db-wal"), call: call, lasts: false)
        let error = await fault.inject { await feedbackError { try await store.add(1) } }
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("the disk failed") == true)
        #expect(await store.health() == .notServing(error?.message ?? ""))
        #expect(await feedbackError { try await store.add(1) }?.code == .unavailable)
        #expect(try await store.total() == 3)
        await store.close()

        let reopened = try SQLiteStore(path: folder.databasePath)
        #expect(try await reopened.total() >= 3)
        try await reopened.verifyIntegrity()
        await reopened.close()
    }

    @Test func after_a_failed_checkpoint_the_store_writes_no_more() async throws {
        let limits = SQLiteStoreLimits(walBytesBeforeCheckpoint: 1)
        let store = try SQLiteStore(path: folder.databasePath, limits: limits, logger: quiet)
        try await store.add(3)
        // This write waits for the checkpoint of the last add.
        try store.database.write { _ in }
        let fault = DiskFault(path: folder.path("feedback.db"), call: .sync)
        // A commit syncs only the log.
        let errors = await fault.inject {
            [
                await feedbackError { try await store.add(1) },
                await feedbackError { try await store.add(1) },
            ]
        }
        #expect(errors.map { $0?.code } == [nil, .unavailable])
        #expect(await store.health() != .serving)
        #expect(try await store.total() == 4)
        await store.close()

        let reopened = try SQLiteStore(path: folder.databasePath)
        #expect(try await reopened.total() == 4)
        try await reopened.verifyIntegrity()
        await reopened.close()
    }

    @Test(arguments: [ENOSPC, EDQUOT])
    func a_full_disk_is_RESOURCE_EXHAUSTED_and_passes(_ number: CInt) async throws {
        let store = try SQLiteStore(path: folder.databasePath, logger: quiet)
        try await store.add(3)
        let path = folder.path("feedback.db-wal")
        let fault = DiskFault(path: path, call: .write, error: number)
        let error = await fault.inject { await feedbackError { try await store.add(1) } }
        #expect(error?.code == .resourceExhausted)
        #expect(error?.message == "the disk is full")
        #expect(await store.health() == .serving)
        #expect(try await store.total() == 3)
        try await store.add(1)
        #expect(try await store.total() == 4)
        try await store.verifyIntegrity()
        await store.close()
    }

    @Test(arguments: [EIO, ENOMEM])
    func whichever_single_read_fails_nothing_is_said_to_be_damaged(_ error: CInt) async throws {
        let before = try SQLiteStore(path: folder.databasePath, logger: quiet)
        try await before.add(40)
        await before.close()
        for first in 1...25 {
            let store = try SQLiteStore(path: folder.databasePath, logger: quiet)
            var fault = DiskFault(
                path: folder.databasePath,
                call: .read,
                first: first,
                lasts: false,
                error: error
            )
            let (total, list) = try await fault.inject {
                (
                    try await store.total(),
                    try await store.list(FeedbackQuery(pageSize: 40)).feedbacks
                )
            }
            #expect(total == 40, "\(first)")
            #expect(list.count == 40, "\(first)")
            // The readers have read the first page when the store was opened.
            if first <= 3 { #expect(fault.failureCount == 2 * first - 1) }
            // A write is not repeated: its first read is that of the session.
            fault.first = 1
            let refusal = await fault.inject {
                await feedbackError {
                    try await store.commit(.changeMetadata(sessionID: "s", .merge([:])))
                }
            }
            #expect(refusal?.code == .unavailable)
            #expect(await store.health() == .serving)
            try await store.commit(.changeMetadata(sessionID: "s", .merge([:])))
            await store.close()
        }
    }

    @Test func reads_that_go_on_failing_are_UNAVAILABLE_and_pass() async throws {
        let first = try SQLiteStore(path: folder.databasePath, logger: quiet)
        try await first.add(40)
        await first.close()
        let fault = DiskFault(path: folder.databasePath, call: .read)
        let opening = await fault.inject {
            await feedbackError { try SQLiteStore(path: folder.databasePath, logger: quiet) }
        }
        #expect(opening?.code == .unavailable)
        #expect(opening?.message.contains("the disk failed") == true)

        let store = try SQLiteStore(path: folder.databasePath, logger: quiet)
        let errors = await fault.inject {
            [
                await feedbackError { try await store.total() },
                await feedbackError { try await store.add(1) },
            ]
        }
        #expect(errors.map { $0?.code } == [.unavailable, .unavailable])
        #expect(await store.health() == .serving)
        #expect(try await store.total() == 40)
        try await store.add(1)
        try await store.verifyIntegrity()
        await store.close()
    }

    @Test(arguments: DiskFault.Call.allCases, [false, true])
    func whichever_call_fails_no_acknowledged_feedback_is_lost(
        _ call: DiskFault.Call,
        _ lasts: Bool
    ) async throws {
        let limits = SQLiteStoreLimits(walBytesBeforeCheckpoint: 80 << 10)
        var sawFailure = false
        for first in 1...60 {
            let folder = try TemporaryFolder()
            let fault = DiskFault(path: folder.path, call: call, first: first, lasts: lasts)
            let acknowledged = await fault.inject {
                var acknowledged: [String] = []
                guard
                    let store = try? SQLiteStore(
                        path: folder.databasePath,
                        limits: limits,
                        logger: quiet
                    )
                else { return acknowledged }
                for number in 0..<12 {
                    let draft = FeedbackDraft(
                        sessionID: "s\(number % 2)",
                        comment: String(repeating: "x", count: 3_000),
                        requestID: "\(number)"
                    )
                    let error = await feedbackError { try await store.add(draft) }
                    if error == nil { acknowledged.append("\(number)") }
                }
                await store.close()
                return acknowledged
            }
            if acknowledged.count < 12 { sawFailure = true }

            let store = try SQLiteStore(path: folder.databasePath)
            let stored = try await store.list(FeedbackQuery(pageSize: 1_000)).feedbacks
                .map(\.draft.requestID)
            #expect(Set(stored).count == stored.count)
            #expect(Set(acknowledged).isSubset(of: stored), "\(call) \(first)")
            if !stored.isEmpty { try await store.verifyIntegrity() }
            await store.close()
        }
        #expect(sawFailure)
    }
}
