import FeedbackCore
import FeedbackModel
import Foundation
import GRDB
import TestSupport

@testable import SQLiteStore

extension TemporaryFolder {
    /// The path of a file in it.
    func file(_ name: String = "feedback.db") -> String { path(name) }

    /// The bytes of a file that no connection has open.
    func bytes(_ name: String = "feedback.db") throws -> Data {
        try Data(contentsOf: URL(fileURLWithPath: file(name)))
    }

    func write(_ bytes: Data, to name: String = "feedback.db") throws {
        try bytes.write(to: URL(fileURLWithPath: file(name)))
    }
}

extension SQLiteStore {
    @discardableResult
    func add(
        _ draft: FeedbackDraft,
        at milliseconds: Int64 = 1_705_935_600_000
    ) async throws -> AddedFeedback {
        let feedback = Feedback(
            id: FeedbackID(high: .random(in: 0 ... .max), low: .random(in: 0 ... .max)),
            draft: draft,
            createdAt: Timestamp(millisecondsSinceEpoch: milliseconds)
        )
        return try await append(feedback, missingSession: .create, context: CallContext())
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

/// The error that the body throws.
func feedbackError<T>(_ body: () async throws -> T) async -> FeedbackError? {
    do {
        _ = try await body()
        return nil
    } catch {
        return error as? FeedbackError
    }
}
