import FeedbackMessages
import FeedbackModel
import Foundation
import TestSupport
import Testing

/// Damaged messages, the same in each run, since the generator's seed is fixed.
@Suite("messages that are damaged")
struct MutationTests {
    private static let mutationsPerMessage = 400

    private func damaged(_ bytes: Data, _ generator: inout SeededGenerator) -> Data {
        var bytes = [UInt8](bytes)
        for _ in 0..<Int.random(in: 1...4, using: &generator) where !bytes.isEmpty {
            let place = Int.random(in: 0..<bytes.count, using: &generator)
            switch Int.random(in: 0..<6, using: &generator) {
            case 0, 1: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
            case 2: bytes.removeSubrange(place...)
            case 3: bytes.insert(.random(in: 0 ... .max, using: &generator), at: place)
            case 4: bytes[place] = [0, 0x7F, 0x80, 0xFF].randomElement(using: &generator) ?? 0
            default: bytes.insert(contentsOf: bytes[place...].prefix(20), at: place)
            }
        }
        return Data(bytes)
    }

    /// Decodes damaged requests and responses; values that are still accepted must survive another
    /// round trip.
    private func damage<Request, Response>(
        _ method: MethodCodec<Request, Response>,
        _ requests: [Request],
        _ responses: [Response]
    ) throws {
        var generator = SeededGenerator(seed: 42)
        var taken = 0
        var refused = 0
        for bytes in try requests.map({ try method.bytes(of: $0) }) {
            for _ in 0..<Self.mutationsPerMessage {
                let damaged = damaged(bytes, &generator)
                do {
                    _ = try method.passed(try method.request(damaged))
                    taken += 1
                } catch {
                    let code = (error as? CallError)?.code
                    let refusals: [CallError.Code?] = [
                        .internal, .invalidArgument, .unimplemented,
                    ]
                    #expect(refusals.contains(code), "\(Array(damaged))")
                    refused += 1
                }
            }
        }
        for bytes in try responses.map({ try method.bytes(ofResponse: $0) }) {
            for _ in 0..<Self.mutationsPerMessage {
                let damaged = damaged(bytes, &generator)
                do {
                    _ = try method.passed(response: try method.response(damaged))
                    taken += 1
                } catch {
                    #expect((error as? CallError)?.code == .internal, "\(Array(damaged))")
                    refused += 1
                }
            }
        }
        #expect(taken > 0 && refused > 0)
    }

    @Test func of_add_feedback_are_refused_or_read_without_harm() throws {
        try damage(
            FeedbackMethods.addFeedback,
            [.add(Samples.draft), .add(FeedbackDraft(sessionID: "s", rating: .up))],
            [.added(AddedFeedback(feedback: Samples.stored(Samples.draft), replayed: true))]
        )
    }

    @Test func of_list_feedbacks_are_refused_or_read_without_harm() throws {
        let feedbacks = [
            Samples.stored(FeedbackDraft(sessionID: "s", author: Author(id: "a")), at: -1),
            Samples.stored(FeedbackDraft(sessionID: "t", tags: ["a"], attributes: ["b": "c"])),
        ]
        try damage(
            FeedbackMethods.listFeedbacks,
            [Samples.query, FeedbackQuery(hasComment: false)],
            [FeedbackPage(feedbacks: feedbacks, nextPageToken: "t", totalSize: 2)]
        )
    }

    @Test func of_get_metrics_are_refused_or_read_without_harm() throws {
        let metrics = Metrics(positive: 3, negative: 2, neutral: 1, commentCodePoints: 50)
        try damage(
            FeedbackMethods.getMetrics,
            [MetricsQuery(created: Samples.query.filter.created, grouping: .metadata(key: "team"))],
            [MetricsReport(metrics: metrics, groups: ["a": metrics, "b": metrics])]
        )
    }

    @Test func of_the_session_methods_are_refused_or_read_without_harm() throws {
        try damage(
            SessionMethods.updateMetadata,
            [.changeMetadata(sessionID: "s", .merge(Samples.metadata))],
            [.metadata(Samples.metadata), .metadata(["a": .list([.object(["b": .null])])])]
        )
        try damage(SessionMethods.getMetadata, ["user-123"], [["k": .string("v")]])
        try damage(
            SessionMethods.deleteMetadata,
            [.changeMetadata(sessionID: "s", .remove(["a", "ключ"]))],
            [.metadata(["k": .bool(true)])]
        )
    }

    @Test func of_the_delivery_methods_are_refused_or_read_without_harm() throws {
        let deliveries = [Samples.delivery(.retrying), Samples.delivery(.dead)]
        try damage(
            DeliveryMethods.listDeliveries,
            [DeliveryQuery(destination: "slack", state: .retrying, pageSize: 10, pageToken: "t")],
            [DeliveryPage(deliveries: deliveries, nextPageToken: "t", totalSize: 2)]
        )
        try damage(
            DeliveryMethods.retryDeliveries,
            [DeliverySelection(destination: "slack", ids: ["a", "b"])],
            [7]
        )
        try damage(
            DeliveryMethods.rewindDestination,
            [("slack", LogPosition("0123456789abcdef-42"))],
            [Samples.destination]
        )
    }
}
