import FeedbackCore
import FeedbackModel
import Testing

extension StoreContract {
    static let measuring: [StoreBehaviour] = [
        StoreBehaviour("metrics count ratings and code points", counts),
        StoreBehaviour("sessions without feedback make no group", noEmptyGroups),
        StoreBehaviour("groups by metadata are called as the value is", metadataKeys),
        StoreBehaviour("groups by metadata follow a change of it", changedMetadata),
        StoreBehaviour("groups that no message can carry are given up", tooManyGroups),
        StoreBehaviour("metrics without groups are those of MemoryStore") {
            try await compare($0, .none)
        },
        StoreBehaviour("groups by session are those of MemoryStore") {
            try await compare($0, .session)
        },
        StoreBehaviour("groups by metadata are those of MemoryStore") {
            try await compare($0, .metadata(key: SampleFeedback.metadataKey))
        },
        StoreBehaviour("groups by hour are those of MemoryStore") { try await compare($0, .hour) },
        StoreBehaviour("groups by day are those of MemoryStore") { try await compare($0, .day) },
    ]

    private static func counts(_ store: any Store) async throws {
        for rating in [Rating.up, .up, .down, .none] {
            let family = "\u{1F469}\u{200D}\u{1F4BB}"
            try await store.add(FeedbackDraft(sessionID: "s", rating: rating, comment: family))
        }
        let report = try await store.metrics(MetricsQuery())
        let metrics = Metrics(positive: 2, negative: 1, neutral: 1, commentCodePoints: 12)
        #expect(report == MetricsReport(metrics: metrics))
        #expect(try await store.metrics(MetricsQuery(sessionID: "s")) == report)
    }

    private static func noEmptyGroups(_ store: any Store) async throws {
        _ = try await store.changeMetadata("quiet", .merge(["k": .string("v")]))
        for grouping in [MetricsGrouping.session, .metadata(key: "k"), .hour, .day] {
            #expect(try await store.metrics(MetricsQuery(grouping: grouping)) == MetricsReport())
            let query = MetricsQuery(sessionID: "quiet", grouping: grouping)
            #expect(try await store.metrics(query) == MetricsReport())
        }
    }

    private static func tooManyGroups(_ store: any Store) async throws {
        for index in 0..<20 {
            try await store.add(FeedbackDraft(sessionID: "session \(index)", rating: .up))
        }
        let query = MetricsQuery(grouping: .session)
        let small = CallContext(replyBytesMax: 200)
        #expect(
            await errorCode { try await store.metrics(query, context: small) }
                == .resourceExhausted
        )
        for context in [CallContext(replyBytesMax: 1_000), CallContext()] {
            #expect(try await store.metrics(query, context: context).groups.count == 20)
        }
        #expect(try await store.metrics(MetricsQuery(), context: small).metrics.positive == 20)
        let ofOne = MetricsQuery(sessionID: "session 1", grouping: .session)
        #expect(try await store.metrics(ofOne, context: small).groups.count == 1)
    }

    private static func metadataKeys(_ store: any Store) async throws {
        let values: [MetadataValue?] = [
            nil, .null, .bool(true), .bool(false), .string("text"), .string("a \"b\" / \n\u{1}é"),
            .number(0), .number(-0.0), .number(1), .number(-7), .number(0.1), .number(1e300),
            .number(1e16), .number(123_456_789_012), .number(.leastNonzeroMagnitude),
            .number(0.1 + 0.2),
            .list([]), .list([.number(1.5), .string("/x\u{1F600}"), .null]), .object([:]),
            .object(["z": .bool(true), "a": .object(["k\"": .number(2)])]),
        ]
        let oracle = MemoryStore()
        for key in ["key", "with space", "quote\" and \\ and [0]", "é", "#"] {
            for store in [store, oracle] as [any Store] {
                for (index, value) in values.enumerated() {
                    let session = "\(key) \(index)"
                    try await store.add(FeedbackDraft(sessionID: session, rating: .up))
                    let metadata: Metadata = value.map { [key: $0, "other": .string("x")] } ?? [:]
                    _ = try await store.changeMetadata(session, .merge(metadata))
                }
            }
            let query = MetricsQuery(grouping: .metadata(key: key))
            let expected = try await oracle.metrics(query)
            #expect(try await store.metrics(query) == expected)
            // MemoryStore itself is checked by examples.
            #expect(expected.groups.contains { $0.key == "0.1" })
            #expect(expected.groups.contains { $0.key == #"{"a":{"k\"":2},"z":true}"# })
        }
    }

    private static func changedMetadata(_ store: any Store) async throws {
        try await store.add(FeedbackDraft(sessionID: "s", rating: .up))
        let query = MetricsQuery(grouping: .metadata(key: "k"))
        for value in ["a", "b"] {
            _ = try await store.changeMetadata("s", .merge(["k": .string(value)]))
            #expect(try await store.metrics(query).groups.map(\.key) == [value])
        }
        _ = try await store.changeMetadata("s", .remove(["k"]))
        #expect(try await store.metrics(query).groups.map(\.key) == [""])
    }

    private static func compare(_ store: any Store, _ grouping: MetricsGrouping) async throws {
        let oracle = MemoryStore()
        var sample = SampleFeedback(seed: 2)
        try await sample.fill([store, oracle], count: 300)
        let whole = MetricsQuery(grouping: grouping)
        #expect(try await store.metrics(whole) == oracle.metrics(whole))
        for _ in 0..<150 {
            let query = sample.metricsQuery(grouping)
            let found = try await store.metrics(query)
            let expected = try await oracle.metrics(query)
            #expect(found == expected, "\(query)")
        }
    }
}
