import FeedbackCore
import FeedbackModel
import Foundation
import GRDB

/// The tables and their versions.
///
/// - `session`: one row for each session; its `id` represents the session in the other tables.
/// - `feedback`: one row for each feedback; `sequence` is the order of insertion. Empty fields are
///   NULL, as is `updated_at` if it equals `created_at`, and `revision` if it is 1.
/// - `session_total`, `hour_total`: the counts of a session's feedback, for all time and for each
///   hour (`created_at` / 3,600,000 ms, rounded down); session 0 stands for all sessions together.
///   They change in the same transactions as `feedback` and always equal a recount.
/// - `change_log`: the epoch of the log's numbers, the file in which it holds, and the number up to
///   which changes may have been purged. The log has no rows of its own: a feedback stands in it at
///   `sequence`, or at `changed` once it has been changed, and so does a session whose metadata were.
/// - `intent`: in the journal beside another store, feedback of whose add that store's outcome is not
///   known; see ``JournaledStore``.
/// - `cursor`: the places up to which destinations have been told of the log, by their names.
/// - `delivery`: what was not delivered at the first attempt, or takes long, and dead letters: a
///   destination's cursor and the sequence of the feedback, whose present state is delivered. `due`
///   counts milliseconds of the cursor's present run, `waited` those of all runs, and
///   `next_attempt_at` is only shown. An `id` is never given again.
/// - `page_token_key`: the key of page tokens, which are so valid across restarts.
///
/// An add should change few pages, and preferably pages that the previous adds have changed.
/// Therefore the keys that each add looks up begin with a value that ascends with time: the
/// request_id, which clients make as a UUID of version 7, and the hour.
enum SQLiteSchema {
    /// The application id in the file's header, "FBKD", by which `file` and SQLite's tools
    /// recognize the database.
    static let applicationID: Int64 = 0x4642_4B44

    /// The page size of a new file, in bytes.
    ///
    /// A commit writes whole pages to the log, seven for a single add: with half of SQLite's
    /// default of 4,096 bytes it takes a tenth less time. With still smaller pages, checkpoints and
    /// the calls that wait for them take longer.
    static let pageBytes = 2_048

    /// Checks that the database belongs to this service.
    ///
    /// - Throws: FAILED_PRECONDITION if it is another program's or of a newer version.
    static func checkIdentity(_ db: Database, _ path: String) throws {
        let id = try Int64.fetchOne(db, sql: "PRAGMA application_id") ?? 0
        let tables = try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_master") ?? 0
        // The id is written before the first table is created.
        guard id == applicationID || (id == 0 && tables == 0) else {
            throw CallError(
                .failedPrecondition,
                "\(path): is the database of another program (application_id \(id))"
            )
        }
        if try migrator.hasBeenSuperseded(db) {
            throw CallError(
                .failedPrecondition,
                "\(path): was written by a newer version of this program"
            )
        }
    }

    /// Creates the missing tables, in a database whose identity has been checked.
    static func migrate(_ pool: DatabasePool) throws {
        try pool.writeWithoutTransaction { db in
            if try Int64.fetchOne(db, sql: "PRAGMA application_id") != applicationID {
                try db.execute(sql: "PRAGMA application_id = \(applicationID)")
            }
        }
        try migrator.migrate(pool)
    }

    static func pageTokenKey(_ db: Database) throws -> [UInt8] {
        guard let key = try Data.fetchOne(db, sql: "SELECT key FROM page_token_key"),
            key.count == PageTokenCodec.keyBytes
        else { throw CallError(.dataLoss, "the key of the page tokens is missing") }
        return Array(key)
    }

    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        // Without foreign keys there is nothing to check; a deferred check would read every table.
        migrator.registerMigration("v1", foreignKeyChecks: .immediate) { db in
            try db.execute(sql: tables)
            try db.execute(sql: counterTables)
            try db.execute(
                sql: "INSERT INTO page_token_key (id, key) VALUES (1, ?)",
                arguments: [Data(PageTokenCodec.makeKey())]
            )
        }
        migrator.registerMigration("v2", foreignKeyChecks: .immediate) { db in
            try db.execute(sql: alertTables)
        }
        migrator.registerMigration("v3", foreignKeyChecks: .immediate) { db in
            try db.execute(sql: keysByTime)
        }
        migrator.registerMigration("v4", foreignKeyChecks: .immediate) { db in
            try db.execute(sql: ownAlertSequence)
        }
        migrator.registerMigration("v5", foreignKeyChecks: .immediate) { db in
            try db.execute(sql: untriedAlerts)
        }
        migrator.registerMigration("v6", foreignKeyChecks: .immediate) { db in
            try db.execute(sql: changeLog)
            try db.execute(
                sql: "INSERT INTO change_log (id, epoch) VALUES (1, ?)",
                arguments: [LogEpoch.random().text]
            )
            try db.execute(sql: cursorTables)
            try FormerAlerts.migrate(db)
        }
        return migrator
    }

    private static let tables = """
        CREATE TABLE session (
            id INTEGER PRIMARY KEY,
            session_id TEXT NOT NULL UNIQUE,
            metadata TEXT NOT NULL DEFAULT '{}'
        ) STRICT;
        CREATE TABLE feedback (
            sequence INTEGER PRIMARY KEY,
            session INTEGER NOT NULL,
            feedback_id BLOB,
            request_id TEXT,
            rating INTEGER NOT NULL,
            comment TEXT,
            created_at INTEGER NOT NULL,
            updated_at INTEGER,
            message_id TEXT,
            agent_id TEXT,
            author_source INTEGER,
            author_id TEXT,
            tags TEXT,
            attributes TEXT
        ) STRICT;
        CREATE UNIQUE INDEX feedback_request ON feedback (session, request_id)
            WHERE request_id IS NOT NULL;
        CREATE INDEX feedback_session ON feedback (session);
        CREATE INDEX feedback_message ON feedback (message_id) WHERE message_id IS NOT NULL;
        CREATE TABLE page_token_key (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            key BLOB NOT NULL
        ) STRICT;
        """

    private static let counterTables = """
        CREATE TABLE session_total (
            session INTEGER PRIMARY KEY,
            \(FeedbackCounts.columns.map { "\($0) INTEGER NOT NULL" }.joined(separator: ", "))
        ) STRICT;
        CREATE TABLE hour_total (
            session INTEGER NOT NULL,
            hour INTEGER NOT NULL,
            \(FeedbackCounts.columns.map { "\($0) INTEGER NOT NULL" }.joined(separator: ", ")),
            first_sequence INTEGER NOT NULL,
            last_sequence INTEGER NOT NULL,
            PRIMARY KEY (session, hour)
        ) STRICT, WITHOUT ROWID;
        """

    /// Moves the ascending value to the front of the keys.
    ///
    /// `hour_total_every` indexes the hours that have feedback; a pending alert is in one index
    /// only.
    private static let keysByTime = """
        DROP INDEX feedback_request;
        CREATE UNIQUE INDEX feedback_request ON feedback (request_id, session)
            WHERE request_id IS NOT NULL;
        ALTER TABLE hour_total RENAME TO hour_total_by_session;
        CREATE TABLE hour_total (
            session INTEGER NOT NULL,
            hour INTEGER NOT NULL,
            \(FeedbackCounts.columns.map { "\($0) INTEGER NOT NULL" }.joined(separator: ", ")),
            first_sequence INTEGER NOT NULL,
            last_sequence INTEGER NOT NULL,
            PRIMARY KEY (hour, session)
        ) STRICT, WITHOUT ROWID;
        INSERT INTO hour_total SELECT * FROM hour_total_by_session ORDER BY hour, session;
        DROP TABLE hour_total_by_session;
        CREATE INDEX hour_total_every ON hour_total (hour) WHERE session = 0;
        DROP INDEX alert_state;
        CREATE INDEX alert_unconfirmed ON alert (state) WHERE state = 0;
        CREATE INDEX alert_dead ON alert (state) WHERE state = 2;
        """

    private static let alertColumns = """
            state INTEGER NOT NULL,
            rule TEXT NOT NULL,
            rule_when_unconfirmed TEXT,
            feedback_id BLOB NOT NULL,
            session_id TEXT NOT NULL,
            rating INTEGER NOT NULL,
            comment TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            session_count INTEGER NOT NULL,
            total_count INTEGER NOT NULL,
            queued_at INTEGER NOT NULL,
            due_at INTEGER NOT NULL,
            attempts INTEGER NOT NULL DEFAULT 0,
            last_error TEXT NOT NULL DEFAULT ''
        """

    private static let alertTables = """
        CREATE TABLE alert (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            \(alertColumns)
        ) STRICT;
        CREATE INDEX alert_due ON alert (rule, due_at) WHERE state = 1;
        CREATE INDEX alert_state ON alert (state);
        CREATE TABLE alert_total (
            rule TEXT PRIMARY KEY,
            total INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        """

    /// Recreates the table `alert` with ids that an ``AlertSequence`` assigns.
    private static let ownAlertSequence = """
        CREATE TABLE alert_sequence (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            next_id INTEGER NOT NULL
        ) STRICT;
        INSERT INTO alert_sequence VALUES (
            1, 1 + ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'alert'), 0)
        );
        ALTER TABLE alert RENAME TO alert_autoincremented;
        CREATE TABLE alert (
            id INTEGER PRIMARY KEY,
            \(alertColumns)
        ) STRICT;
        INSERT INTO alert SELECT * FROM alert_autoincremented;
        DROP TABLE alert_autoincremented;
        CREATE INDEX alert_due ON alert (rule, due_at) WHERE state = 1;
        CREATE INDEX alert_unconfirmed ON alert (state) WHERE state = 0;
        CREATE INDEX alert_dead ON alert (state) WHERE state = 2;
        """

    private static let untriedAlerts = """
        CREATE TABLE alert_untried (
            id INTEGER PRIMARY KEY,
            rule TEXT NOT NULL,
            sequence INTEGER NOT NULL,
            session_count INTEGER NOT NULL,
            total_count INTEGER NOT NULL
        ) STRICT;
        """

    private static let changeLog = """
        ALTER TABLE feedback ADD COLUMN changed INTEGER;
        ALTER TABLE feedback ADD COLUMN revision INTEGER;
        CREATE UNIQUE INDEX feedback_changed ON feedback (changed) WHERE changed IS NOT NULL;
        ALTER TABLE session ADD COLUMN changed INTEGER;
        CREATE UNIQUE INDEX session_changed ON session (changed) WHERE changed IS NOT NULL;
        CREATE TABLE change_log (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            epoch TEXT NOT NULL,
            file TEXT NOT NULL DEFAULT '',
            purged INTEGER NOT NULL DEFAULT 0
        ) STRICT;
        CREATE TABLE intent (
            feedback_id BLOB PRIMARY KEY,
            session_id TEXT NOT NULL,
            request_id TEXT,
            rating INTEGER NOT NULL,
            comment TEXT,
            created_at INTEGER NOT NULL,
            updated_at INTEGER,
            message_id TEXT,
            agent_id TEXT,
            author_source INTEGER,
            author_id TEXT,
            tags TEXT,
            attributes TEXT
        ) STRICT, WITHOUT ROWID;
        """

    private static let cursorTables = """
        CREATE TABLE cursor (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            name TEXT NOT NULL UNIQUE,
            position INTEGER NOT NULL,
            paused INTEGER NOT NULL DEFAULT 0,
            skipped INTEGER NOT NULL DEFAULT 0,
            last_error TEXT NOT NULL DEFAULT ''
        ) STRICT;
        CREATE TABLE delivery (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            cursor INTEGER NOT NULL,
            sequence INTEGER NOT NULL,
            state INTEGER NOT NULL,
            attempts INTEGER NOT NULL,
            first_attempt_at INTEGER NOT NULL,
            next_attempt_at INTEGER,
            due INTEGER NOT NULL DEFAULT 0,
            waited INTEGER NOT NULL DEFAULT 0,
            last_error TEXT NOT NULL DEFAULT ''
        ) STRICT;
        CREATE UNIQUE INDEX delivery_feedback ON delivery (cursor, sequence);
        CREATE INDEX delivery_due ON delivery (cursor, due) WHERE state = 1;
        CREATE INDEX delivery_state ON delivery (state, cursor);
        """
}
