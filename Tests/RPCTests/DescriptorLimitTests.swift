import CallStatus
import Testing

@testable import RPC

/// `docs/RELIABILITY.md`, "Process", 81, and "Access", 55: places for connections.
@Suite("descriptors and places for connections")
struct DescriptorLimitTests {
    @Test("81: as many connections are served as the descriptors allow")
    func division() throws {
        var limits = RPCLimits()
        let plenty = try DescriptorLimit(descriptorsMax: 20_000, open: 30, limits)
        #expect(plenty.connectionsMax == 10_000)
        #expect(plenty.refusalsMax == 64)
        let usual = try DescriptorLimit(descriptorsMax: 1_024, open: 30, limits)
        #expect(usual.connectionsMax == 1_024 - 30 - 128 - 2 * 64)
        let few = try DescriptorLimit(descriptorsMax: 64, open: 30, limits)
        #expect(few.connectionsMax == 64 - 30 - 16 - 2 * 4)
        #expect(few.refusalsMax == 4)
        limits.connectionsMax = 2
        #expect(try DescriptorLimit(descriptorsMax: 64, open: 30, limits).connectionsMax == 2)
    }

    @Test("81: a process without descriptors for connections says so")
    func none() throws {
        let error = #expect(throws: CallError.self) {
            try DescriptorLimit(descriptorsMax: 40, open: 30, RPCLimits())
        }
        #expect(error?.code == .failedPrecondition)
        #expect(error?.message.contains("40 open files") == true)
    }

    @Test("81: the process's limit is raised as far as connections need it")
    func raised() throws {
        var limits = RPCLimits()
        limits.connectionsMax = 500
        let limit = try DescriptorLimit(for: limits)
        #expect(limit.connectionsMax == 500)
        #expect(limit.descriptorsMax >= 500 + 2 * 64 + 128)
    }

    @Test("55: one user leaves an eighth of the places to others")
    func places() {
        var table = ConnectionTable<Int>(connectionsMax: 16, refusalsMax: 2)
        for id in 0..<14 {
            #expect(table.refusal(for: 1) == nil)
            #expect(table.add(.init(connection: id, uid: 1, isRefused: false), as: id) == nil)
        }
        #expect(table.refusal(for: 1)?.code == .resourceExhausted)
        #expect(table.refusal(for: 2) == nil)
        for id in 14..<16 {
            #expect(table.add(.init(connection: id, uid: 2, isRefused: false), as: id) == nil)
        }
        #expect(table.refusal(for: 2)?.message.contains("16 connections") == true)
        table.remove(0)
        #expect(table.refusal(for: 1) == nil)
        #expect(table.refusal(for: 2) == nil)
    }

    @Test("16: the last refused connections are kept, and never too many")
    func refusals() {
        var table = ConnectionTable<Int>(connectionsMax: 1, refusalsMax: 2)
        #expect(table.add(.init(connection: 0, uid: 1, isRefused: true), as: 0) == nil)
        #expect(table.add(.init(connection: 1, uid: 1, isRefused: true), as: 1) == nil)
        #expect(table.add(.init(connection: 2, uid: 1, isRefused: true), as: 2) == 0)
        table.remove(1)
        #expect(table.add(.init(connection: 3, uid: 1, isRefused: true), as: 3) == nil)
        #expect(!table.isFull)
        #expect(table.add(.init(connection: 4, uid: 1, isRefused: true), as: 4) == 2)
        #expect(table.isFull)
        // Refused connections take no place from those that are served.
        #expect(table.refusal(for: 1) == nil)
        table.remove(0)
        #expect(!table.isFull)
        #expect(table.count == 3)
    }
}
