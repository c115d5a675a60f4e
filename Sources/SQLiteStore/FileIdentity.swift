import CLinux
import GRDB
import GRDBSQLite

/// The identity of a database's file, which a copy that was put into its place does not have.
struct FileIdentity: Sendable {
    /// The inode and the time of birth; empty if the file system does not tell.
    let text: String

    /// Looks at the file of a connection.
    init(_ db: Database) {
        var inode: UInt64 = 0
        var birth: Int64 = 0
        let path = sqlite3_db_filename(db.sqliteConnection, "main")
        // An inode alone is given again to the next file.
        guard let path, file_birth(path, &inode, &birth) == 0, birth != 0 else {
            text = ""
            return
        }
        text = "\(inode) \(birth)"
    }
}
