import FeedbackCore
import FeedbackModel
import Foundation
import GRDB
import TestSupport

@testable import SQLiteStore

extension TemporaryFolder {
    var databasePath: String { path("feedback.db") }

    /// Returns the bytes of the database, which no connection may have open.
    func bytes() throws -> Data { try Data(contentsOf: URL(fileURLWithPath: databasePath)) }

    func write(_ bytes: Data) throws {
        try bytes.write(to: URL(fileURLWithPath: databasePath))
    }
}

extension SQLiteStore {
    @discardableResult
    func add(
        _ draft: FeedbackDraft,
        at milliseconds: Int64 = 1_705_935_600_000
    ) async throws -> AddedFeedback {
        try await commit(.add(draft), at: milliseconds).added()
    }

    @discardableResult
    func commit(
        _ change: Change,
        at milliseconds: Int64 = 1_705_935_600_000
    ) async throws -> ChangeOutcome {
        try await commit(.any(change, at: milliseconds), context: CallContext())
    }

    func add(_ count: Int, session: String = "s") async throws {
        for number in 0..<count {
            try await add(FeedbackDraft(sessionID: session, comment: "\(number)"))
        }
    }

    func total() async throws -> Int64 {
        try await list(FeedbackQuery(pageSize: 1)).totalSize
    }
}

extension AcceptedChange {
    /// Returns a change as the service would accept it, with an identifier of its own.
    static func any(
        _ change: Change,
        at milliseconds: Int64 = 0,
        missingSession: MissingSessionPolicy = .create
    ) -> AcceptedChange {
        AcceptedChange(
            change,
            feedbackID: FeedbackID(high: .random(in: 0 ... .max), low: .random(in: 0 ... .max)),
            acceptedAt: Timestamp(millisecondsSinceEpoch: milliseconds),
            missingSession: missingSession
        )
    }
}

extension SQLiteSchema {
    /// Makes a database as an older version of the program did.
    static func makeDatabase(at path: String, ofVersion version: String) throws -> DatabasePool {
        let pool = try DatabasePool(path: path)
        try pool.writeWithoutTransaction { db in
            try db.execute(sql: "PRAGMA application_id = \(applicationID)")
        }
        try migrator.migrate(pool, upTo: version)
        return pool
    }
}

/// Returns the error that the body throws; nil if there is none.
func feedbackError<T>(_ body: () async throws -> T) async -> CallError? {
    do {
        _ = try await body()
        return nil
    } catch {
        return error as? CallError
    }
}
