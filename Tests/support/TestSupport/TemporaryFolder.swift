internal import Foundation

/// A folder that is removed, with its contents, when the object is freed or the process exits.
public final class TemporaryFolder: Sendable {
    /// The folder's path, short enough for sockets in it.
    public let path: String

    /// Creates an empty folder with mode 0700.
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

    /// Returns the path of a file in the folder.
    public func path(_ name: String) -> String { "\(path)/\(name)" }
}
