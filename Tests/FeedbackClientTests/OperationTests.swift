import FeedbackClient
import FeedbackModel
import Foundation
import TestSupport
import Testing

@Suite("the client's calls to operate the daemon")
struct OperationTests {
    private let engine = FakeDeliveries("slack", "größe")

    @Test(arguments: Way.allCases)
    func destinations_are_listed_paused_resumed_and_rewound(_ way: Way) async throws {
        engine.update { state in
            state.destinations[0].changesBehind = 3
            state.destinations[0].nextAttemptAt = Timestamp(millisecondsSinceEpoch: 1)
        }
        try await withClient(way, deliveries: engine) { client async throws in
            #expect(try await client.destinations() == (try await engine.destinations()))
            #expect(try await client.pauseDestination("größe").isPaused)
            #expect(try await client.destinations().map(\.isPaused) == [false, true])
            #expect(try await !client.resumeDestination("größe").isPaused)
            let position = LogPosition("e-3")
            #expect(
                try await client.rewindDestination("slack", to: position).position == position
            )
            #expect(
                try await client.rewindDestination("slack", to: nil).position.text == "e-0"
            )
        }
    }

    @Test(arguments: Way.allCases)
    func an_empty_position_rewinds_nothing(_ way: Way) async throws {
        try await withClient(way, deliveries: engine) { client async throws in
            let error = await failure {
                try await client.rewindDestination("slack", to: LogPosition(""))
            }
            #expect(error?.code == .invalidArgument)
            #expect(error?.violations.map(\.field) == ["position"])
            #expect(try await client.destinations().map(\.position.text) == ["e-7", "e-7"])
        }
    }

    @Test(arguments: Way.allCases)
    func a_test_message_is_accepted_or_refused_with_a_reason(_ way: Way) async throws {
        try await withClient(way, deliveries: engine) { client async throws in
            #expect(try await client.testDestination("slack") == "")
            engine.update { $0.testError = "HTTP status 500" }
            #expect(try await client.testDestination("slack") == "HTTP status 500")
        }
    }

    @Test(arguments: Way.allCases)
    func deliveries_are_listed_retried_and_dropped(_ way: Way) async throws {
        let feedback = Feedback(
            id: FeedbackID(high: 0x018D_3F60_5A00_7B1C, low: 0x8A2F_0123_4567_89AB),
            draft: FeedbackDraft(sessionID: "user-123", rating: .down, comment: "no"),
            createdAt: Timestamp(millisecondsSinceEpoch: 1_705_935_600_123)
        )
        let dead = (0..<5).map { Delivery.dead("\($0)", of: "slack", feedback: feedback) }
        engine.update { $0.deliveries = dead + [.dead("0", of: "größe")] }
        try await withClient(way, deliveries: engine) { client async throws in
            var query = DeliveryQuery(destination: "slack", pageSize: 3, includesContent: true)
            let first = try await client.listDeliveries(query)
            #expect(first.deliveries == Array(dead[..<3]))
            #expect(first.totalSize == 5)
            query.pageToken = first.nextPageToken
            let second = try await client.listDeliveries(query)
            #expect(second.deliveries == Array(dead[3...]))
            #expect(second.nextPageToken == "")
            let bare = try await client.listDeliveries()
            #expect(bare.totalSize == 6)
            #expect(bare.deliveries.allSatisfy { $0.feedback == nil })

            let two = DeliverySelection(destination: "slack", ids: ["0", "1", "gone"])
            #expect(try await client.retryDeliveries(two) == 2)
            let retrying = try await client.listDeliveries(DeliveryQuery(state: .retrying))
            #expect(retrying.deliveries.map(\.id) == ["0", "1"])
            #expect(retrying.deliveries.allSatisfy { $0.nextAttemptAt != nil })
            let one = DeliverySelection(destination: "slack", ids: ["0"])
            #expect(try await client.dropDeliveries(one) == 1)
            let all = DeliverySelection(destination: "slack")
            #expect(try await client.dropDeliveries(all) == 3)
            #expect(try await client.retryDeliveries(all) == 0)
            #expect(try await client.listDeliveries().deliveries.map(\.destination) == ["größe"])
        }
    }

    @Test(arguments: Way.allCases)
    func what_is_not_there_is_not_found_and_what_cannot_be_is_named(_ way: Way) async throws {
        try await withClient(way, deliveries: engine) { client async throws in
            await expectFailure(.notFound) { try await client.pauseDestination("mail") }
            await expectFailure(.notFound) {
                _ = try await client.listDeliveries(DeliveryQuery(destination: "mail"))
            }
            let error = await failure {
                try await client.dropDeliveries(DeliverySelection(destination: "", ids: []))
            }
            #expect(error?.violations.map(\.field) == ["destination", "delivery_ids"])
        }
    }

    @Test(arguments: Way.allCases)
    func the_status_has_version_position_and_destinations(_ way: Way) async throws {
        try await withClient(way, deliveries: engine) { client async throws in
            let before = try await client.serverStatus()
            try await client.addFeedback(sessionID: "s")
            let after = try await client.serverStatus()
            #expect(after.version == FeedbackdVersion.text)
            #expect(after.startedAt == before.startedAt)
            #expect(after.position != nil && after.position != before.position)
            #expect(after.destinations == (try await engine.destinations()))
            #expect(after.unreplicatedCount == 0 && after.unreplicatedSince == nil)
            if way == .socket { #expect(after.store == "memory:") }
        }
    }
}
