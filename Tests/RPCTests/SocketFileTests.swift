import CLinux
import CallStatus
import Foundation
import Glibc
import TestSupport
import Testing

@testable import RPC

/// `docs/RELIABILITY.md`, 40, 41, 52 and 54.
@Suite("the socket's file", .serialized)
struct SocketFileTests {
    private let folder: TemporaryFolder
    private let address: UnixSocketAddress

    init() throws {
        folder = try TemporaryFolder()
        address = try UnixSocketAddress(path: folder.path("s.sock"))
    }

    private func mode() -> UInt32 {
        var status = stat()
        lstat(address.path, &status)
        return status.st_mode & 0o7777
    }

    private func mode(of path: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    }

    private func make(_ permissions: SocketPermissions = SocketPermissions()) throws -> SocketFile {
        try SocketFile(address, permissions)
    }

    private func end(_ file: SocketFile) {
        close(file.descriptor)
        file.remove()
    }

    @Test("52: the mode is the configured one under every umask", arguments: [0, 0o022, 0o077])
    func modes(_ mask: mode_t) throws {
        let former = umask(mask)
        defer { umask(former) }
        for mode in [0o600, 0o660, 0o666] as [UInt32] {
            let file = try make(SocketPermissions(mode: mode))
            #expect(self.mode() == mode)
            end(file)
        }
    }

    @Test("52: right after the bind, the file is for the owner alone under every umask")
    func modeAtBind() throws {
        for mask in [0, 0o022, 0o077] as [mode_t] {
            let former = umask(mask)
            defer { umask(former) }
            // The steps are those of SocketFile up to the moment at which the file appears.
            let descriptor = try SocketFile.makeSocket()
            fchmod(descriptor, 0o600)
            let bound = address.withSocketAddress { bind(descriptor, $0, $1) }
            #expect(bound == 0)
            #expect(mode() == 0o600)
            close(descriptor)
            unlink(address.path)
        }
    }

    @Test("40: a stale socket is replaced")
    func stale() throws {
        let descriptor = try SocketFile.makeSocket()
        #expect(address.withSocketAddress { bind(descriptor, $0, $1) } == 0)
        close(descriptor)
        let file = try make()
        _ = try RawConnection(address.path)
        end(file)
    }

    @Test("40: a live socket is left alone, with and without a lock")
    func live() throws {
        let file = try make()
        #expect(throws: CallError.self) { try make() }
        _ = try RawConnection(address.path)
        end(file)

        // This server does not know about the lock.
        let descriptor = try SocketFile.makeSocket()
        #expect(address.withSocketAddress { bind(descriptor, $0, $1) } == 0)
        #expect(listen(descriptor, 5) == 0)
        #expect(throws: CallError.self) { try make() }
        _ = try RawConnection(address.path)
        close(descriptor)
    }

    @Test("40: only the own socket is removed")
    func ownSocketOnly() throws {
        let file = try make()
        unlink(address.path)
        try Data("mine".utf8).write(to: URL(fileURLWithPath: address.path))
        end(file)
        #expect(FileManager.default.fileExists(atPath: address.path))
    }

    @Test("78: a file that is gone is made again, with its mode and its lock")
    func restored() throws {
        let shared = try UnixSocketAddress(path: folder.path("own/s.sock"))
        let permissions = SocketPermissions(mode: 0o666)
        let file = try SocketFile(shared, permissions, makesFolder: true)
        #expect(try file.restore() == nil)
        for lost in [shared.path, shared.path + ".lock", folder.path("own")] {
            try FileManager.default.removeItem(atPath: lost)
            // Without its lock alone the file is in its place.
            if lost.hasSuffix(".lock") { try FileManager.default.removeItem(atPath: shared.path) }
            #expect(throws: RawConnection.Failure.self) { try RawConnection(shared.path) }
            let descriptor = try #require(try file.restore())
            _ = try RawConnection(shared.path)
            #expect(try mode(of: shared.path) == 0o666)
            #expect(try file.restore() == nil)
            #expect(throws: CallError.self) { try SocketFile(shared, permissions) }
            close(descriptor)
        }
        file.remove()
        #expect(!FileManager.default.fileExists(atPath: shared.path))
        #expect(try file.restore() == nil)
        end(try SocketFile(shared, permissions))
        close(file.descriptor)
    }

    @Test("78: whatever else is in its place is left alone")
    func takenPlace() throws {
        let file = try make()
        defer { end(file) }
        // Another server, which has made a lock of its own.
        try FileManager.default.removeItem(atPath: address.path)
        try FileManager.default.removeItem(atPath: address.path + ".lock")
        let other = try make()
        #expect(throws: CallError.self) { try file.restore() }
        _ = try RawConnection(address.path)
        end(other)

        // A server that knows of no lock.
        let descriptor = try SocketFile.makeSocket()
        #expect(address.withSocketAddress { bind(descriptor, $0, $1) } == 0)
        #expect(listen(descriptor, 5) == 0)
        #expect(throws: CallError.self) { try file.restore() }
        _ = try RawConnection(address.path)
        close(descriptor)
        unlink(address.path)

        try Data("mine".utf8).write(to: URL(fileURLWithPath: address.path))
        #expect(throws: CallError.self) { try file.restore() }
        #expect(FileManager.default.contents(atPath: address.path) == Data("mine".utf8))
        unlink(address.path)
        close(try #require(try file.restore()))
    }

    @Test("41: a regular file, a folder or a symlink at the path is refused")
    func notASocket() throws {
        try Data("mine".utf8).write(to: URL(fileURLWithPath: address.path))
        #expect(throws: CallError.self) { try make() }
        #expect(FileManager.default.contents(atPath: address.path) == Data("mine".utf8))
        unlink(address.path)

        symlink(folder.path("elsewhere"), address.path)
        #expect(throws: CallError.self) { try make() }
        unlink(address.path)

        mkdir(address.path, 0o700)
        #expect(throws: CallError.self) { try make() }
    }

    @Test("41: a missing folder is named in the error")
    func missingFolder() throws {
        let missing = try UnixSocketAddress(path: folder.path("no/s.sock"))
        #expect {
            try SocketFile(missing, SocketPermissions())
        } throws: {
            "\($0)".contains(folder.path("no/s.sock"))
        }
    }

    @Test("41: a path of 107 bytes is possible, one of 108 is refused with its length")
    func longPath() throws {
        let longest = folder.path("")
        let name = String(repeating: "p", count: 107 - longest.utf8.count)
        let file = try SocketFile(UnixSocketAddress(path: longest + name), SocketPermissions())
        _ = try RawConnection(longest + name)
        end(file)
        #expect {
            try UnixSocketAddress(path: longest + name + "p")
        } throws: {
            ($0 as? CallError)?.message.contains("108 bytes, at most 107") == true
        }
    }

    @Test("54: abstract and empty addresses are refused", arguments: ["@feedbackd", "\0x", ""])
    func abstract(_ path: String) {
        #expect(throws: CallError.self) { try UnixSocketAddress(path: path) }
    }

    @Test func a_folder_that_others_may_write_to_is_refused() throws {
        let shared = folder.path("shared")
        mkdir(shared, 0o700)
        chmod(shared, 0o777)
        #expect(throws: CallError.self) { try SocketFile.makePrivateFolder(shared) }
        try SocketFile.makePrivateFolder(folder.path("own"))
        try SocketFile.makePrivateFolder(folder.path("own"))
        #expect(try mode(of: folder.path("own")) == 0o700)
        try SocketFile.makePrivateFolder(folder.path("own"), mode: 0o711)
        #expect(try mode(of: folder.path("own")) == 0o711)
        symlink(folder.path("own"), folder.path("link"))
        #expect(throws: CallError.self) { try SocketFile.makePrivateFolder(folder.path("link")) }
    }
}
