import Foundation
import TestSupport

/// A disk whose calls fail at will, for a daemon that is started with its environment.
struct FailingDisk {
    /// A fault, with the name that `failing-disk.c` gives to it.
    enum Fault: String {
        /// Syncs fail (EIO).
        case sync
        /// One read of a database fails (EIO), which ends the fault.
        case read
        /// Reads of databases fail (EIO).
        case reads
        /// Locks of databases fail (ENOLCK).
        case lock
    }

    private let folder: TemporaryFolder

    /// The environment that loads the library with the failing calls.
    let environment: [String: String]

    init() throws {
        folder = try TemporaryFolder()
        let library = folder.path("failing-disk.so")
        let compiler = try Programs.run(
            "/usr/bin/gcc",
            ["-shared", "-fPIC", "-o", library, Programs.source("failing-disk.c"), "-ldl"]
        )
        guard compiler.code == 0 else { throw Failure("gcc: \(compiler.errors)") }
        environment = ["LD_PRELOAD": library, "FAULTS": folder.path]
    }

    func begin(_ fault: Fault) throws {
        try Data().write(to: URL(fileURLWithPath: folder.path(fault.rawValue)))
    }

    func end(_ fault: Fault) throws {
        try FileManager.default.removeItem(atPath: folder.path(fault.rawValue))
    }

    /// True until the fault has ended.
    func has(_ fault: Fault) -> Bool {
        FileManager.default.fileExists(atPath: folder.path(fault.rawValue))
    }
}
