import FeedbackCore
import FeedbackModel
import TestSupport
import Testing

@Suite("the rules of requests about destinations")
struct DeliveryRulesTests {
    /// A service with the destination `slack`.
    private let service = FeedbackService(store: MemoryStore(), storeName: "memory:")
    private let engine = FakeDeliveries("slack")

    init() { service.deliveryEngine = engine }

    private func bytes(_ count: Int) -> String { String(repeating: "x", count: count) }

    /// Returns the fields at fault; nil for any other outcome than INVALID_ARGUMENT.
    private func faults(_ body: () async throws -> Void) async -> [String]? {
        let error = await error(body)
        return error?.code == .invalidArgument ? error?.violations.map(\.field) : nil
    }

    private func error(_ body: () async throws -> Void) async -> CallError? {
        do {
            try await body()
            return nil
        } catch {
            return error as? CallError
        }
    }

    @Test(arguments: ["", String(repeating: "x", count: 256), "a\0"])
    func a_name_that_cannot_be_is_the_field_at_fault(_ name: String) async {
        let deliveries = service.deliveries
        #expect(await faults { _ = try await deliveries.pause(name) } == ["name"])
        #expect(await faults { _ = try await deliveries.resume(name) } == ["name"])
        #expect(await faults { _ = try await deliveries.rewind(name, to: nil) } == ["name"])
        #expect(await faults { _ = try await deliveries.test(name) } == ["name"])
        let all = DeliverySelection(destination: name)
        #expect(await faults { _ = try await deliveries.retry(all) } == ["destination"])
        #expect(await faults { _ = try await deliveries.drop(all) } == ["destination"])
        if !name.isEmpty {
            let query = DeliveryQuery(destination: name)
            #expect(await faults { _ = try await deliveries.deliveries(query) } == ["destination"])
        }
    }

    @Test func a_position_has_1_to_1024_bytes() async throws {
        for count in [0, 1_025] {
            let position = LogPosition(bytes(count))
            let found = await faults { _ = try await service.deliveries.rewind("", to: position) }
            #expect(found == ["name", "position"], "\(count)")
        }
        let longest = LogPosition(bytes(1_024))
        #expect(try await service.deliveries.rewind("slack", to: longest).position == longest)
    }

    @Test func a_page_has_0_to_1000_deliveries_and_100_unless_it_is_said() async throws {
        for size in [-1, 1_001] {
            let query = DeliveryQuery(pageSize: size, pageToken: bytes(256))
            let found = await faults { _ = try await service.deliveries.deliveries(query) }
            #expect(found == ["page_size", "page_token"])
        }
        engine.update { state in
            state.deliveries = (0..<1_001).map { Delivery.dead("\($0)", of: "slack") }
        }
        for (size, count) in [(0, 100), (1, 1), (1_000, 1_000)] {
            let page = try await service.deliveries.deliveries(DeliveryQuery(pageSize: size))
            #expect(page.deliveries.count == count)
            #expect(page.totalSize == 1_001)
        }
        let strange = DeliveryQuery(pageToken: "x")
        #expect(
            await faults { _ = try await service.deliveries.deliveries(strange) } == ["page_token"]
        )
    }

    @Test func one_to_1000_ids_are_named_and_each_has_1_to_255_bytes() async throws {
        for ids in [[], [""], [bytes(256)], (0...1_000).map { "\($0)" }] {
            let selection = DeliverySelection(destination: "slack", ids: ids)
            for call in [service.deliveries.retry, service.deliveries.drop] {
                #expect(await faults { _ = try await call(selection) } == ["delivery_ids"])
            }
        }
        let neither = await error {
            _ = try await service.deliveries.drop(DeliverySelection(destination: "slack", ids: []))
        }
        #expect(
            neither?.message == "delivery_ids: one of delivery_ids and all must be given"
        )
        let most = DeliverySelection(destination: "slack", ids: (0..<1_000).map { "\($0)" })
        #expect(try await service.deliveries.drop(most) == 0)
    }

    @Test func a_service_without_destinations_has_an_empty_list_and_knows_no_name() async throws {
        let deliveries = FeedbackService(store: MemoryStore()).deliveries
        #expect(try await deliveries.destinations() == [])
        #expect(try await deliveries.deliveries(DeliveryQuery()) == DeliveryPage())
        let all = DeliverySelection(destination: "slack")
        let calls: [() async throws -> Void] = [
            { _ = try await deliveries.pause("slack") },
            { _ = try await deliveries.resume("slack") },
            { _ = try await deliveries.rewind("slack", to: nil) },
            { _ = try await deliveries.test("slack") },
            { _ = try await deliveries.deliveries(DeliveryQuery(destination: "slack")) },
            { _ = try await deliveries.retry(all) }, { _ = try await deliveries.drop(all) },
        ]
        for call in calls { #expect(await error(call)?.code == .notFound) }
    }

    @Test func the_status_has_the_position_of_the_last_change() async throws {
        let before = try await service.status()
        #expect(before.version == FeedbackdVersion.text)
        #expect(before.store == "memory:")
        #expect(before.destinations.map(\.name) == ["slack"])
        #expect(before.startedAt <= Timestamp.now)
        _ = try await service.add(FeedbackDraft(sessionID: "s"))
        let after = try await service.status()
        #expect(after.position != nil && after.position != before.position)
        #expect(after.startedAt == before.startedAt)
        #expect(try await service.status() == after)
    }

    @Test func a_store_that_does_not_tell_the_position_holds_no_status_up() async throws {
        let status = try await FeedbackService(store: StoreWithStuckLog()).status()
        #expect(status.position == nil)
        #expect(status.version == FeedbackdVersion.text)
    }
}
