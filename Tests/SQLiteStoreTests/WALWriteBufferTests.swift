import Foundation
import GRDB
import TestSupport
import Testing

@testable import SQLiteStore

@Suite("writes to the log, gathered")
struct WALWriteBufferTests {
    private let folder: TemporaryFolder
    private let path: String
    /// A connection with so small a cache that transactions of ``fill(_:rows:)`` write to the log
    /// before their end.
    private let connection: DatabaseQueue
    private let other: DatabaseQueue

    init() throws {
        folder = try TemporaryFolder()
        path = folder.path("log.db")
        connection = try DatabaseQueue(path: path)
        other = try DatabaseQueue(path: path)
        try connection.writeWithoutTransaction { db in
            try db.execute(
                sql: """
                    PRAGMA journal_mode = WAL;
                    PRAGMA synchronous = FULL;
                    PRAGMA wal_autocheckpoint = 0;
                    PRAGMA cache_size = 10;
                    CREATE TABLE row (id INTEGER PRIMARY KEY, content BLOB);
                    """
            )
        }
    }

    private func fill(_ db: Database, rows: Int) throws {
        for _ in 0..<rows {
            try db.execute(sql: "INSERT INTO row (content) VALUES (randomblob(3000))")
        }
    }

    private func logBytes() throws -> Int {
        try FileManager.default.attributesOfItem(atPath: path + "-wal")[.size] as? Int ?? 0
    }

    private func count(_ queue: DatabaseQueue) throws -> Int? {
        try queue.read { db in
            #expect(try String.fetchOne(db, sql: "PRAGMA integrity_check") == "ok")
            return try Int.fetchOne(db, sql: "SELECT count(*) FROM row")
        }
    }

    @Test func nothing_is_written_before_the_commit() throws {
        try connection.writeWithoutTransaction { db in
            _ = try WALWriteBuffer(db)
            let before = try logBytes()
            try db.execute(sql: "BEGIN IMMEDIATE")
            try fill(db, rows: 20)
            #expect(try logBytes() == before)
            try db.execute(sql: "COMMIT")
            #expect(try logBytes() >= before + 20 * 3_000)
        }
        #expect(try count(other) == 20)
    }

    @Test func a_transaction_may_be_longer_than_what_is_gathered() throws {
        try connection.writeWithoutTransaction { db in
            _ = try WALWriteBuffer(db)
            try db.execute(sql: "BEGIN IMMEDIATE")
            try fill(db, rows: 500)
            // The read sees the rows of the transaction, which are then changed once more.
            #expect(try Int.fetchOne(db, sql: "SELECT sum(length(content)) FROM row") == 1_500_000)
            try db.execute(sql: "UPDATE row SET content = randomblob(2000)")
            try db.execute(sql: "COMMIT")
        }
        #expect(try count(other) == 500)
        let bytes = try other.read { db in
            try Int.fetchOne(db, sql: "SELECT sum(length(content)) FROM row")
        }
        #expect(bytes == 1_000_000)
    }

    @Test func what_was_rolled_back_is_not_written_over_what_others_wrote() throws {
        try connection.writeWithoutTransaction { db in
            // After the checkpoint, the rollback reads from the database: reading the log would
            // flush the buffer.
            _ = try db.checkpoint(.truncate)
            let writes = try WALWriteBuffer(db)
            try db.execute(sql: "BEGIN IMMEDIATE")
            try fill(db, rows: 20)
            try db.execute(sql: "ROLLBACK")
            writes.discard()
            // These rows go to other pages than those that were rolled back.
            try other.write { db in
                try db.execute(sql: "CREATE TABLE padding (content BLOB)")
                try db.execute(sql: "INSERT INTO padding VALUES (randomblob(50000))")
                try fill(db, rows: 20)
            }
            try db.execute(sql: "BEGIN IMMEDIATE")
            try fill(db, rows: 1)
            try db.execute(sql: "COMMIT")
        }
        #expect(try count(connection) == 21)
        // A new connection has nothing in its cache.
        #expect(try count(try DatabaseQueue(path: path)) == 21)
    }
}
