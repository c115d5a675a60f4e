internal import Foundation

/// A folder that is gone, with all in it, when the value or the process is.
public final class TemporaryFolder: Sendable {
    /// The folder's path, short enough for sockets in it.
    public let path: String

    /// Makes an empty folder for the owner alone.
    public init() throws {
        path = "/tmp/feedbackd-test-\(UInt64.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(
            atPath: path,
            withIntermediateDirectories: false,
            attributes: [.posixPermissions: 0o700]
        )
        LeftBehind.add(folder: path)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
        LeftBehind.remove(folder: path)
    }

    /// The path of something in it.
    public func path(_ name: String) -> String { "\(path)/\(name)" }
}
