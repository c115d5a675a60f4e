import FeedbackMessages
import FeedbackModel
import Foundation
import TestSupport
import Testing

@Suite("what goes over the wire comes back as it was")
struct RoundtripTests {
    @Test(arguments: [
        Samples.draft, Samples.draftAtTheLimits, FeedbackDraft(sessionID: ""),
        FeedbackDraft(sessionID: "s", author: Author()),
    ])
    func feedback_to_be_added(_ draft: FeedbackDraft) throws {
        #expect(try FeedbackMethods.addFeedback.passed(.add(draft)) == .add(draft))
    }

    @Test(arguments: [
        Samples.stored(Samples.draft), Samples.stored(Samples.draftAtTheLimits),
        Samples.stored(FeedbackDraft(sessionID: ""), at: 0),
        Samples.stored(FeedbackDraft(sessionID: "s"), at: -1),
        Samples.stored(FeedbackDraft(sessionID: "s"), at: -62_135_596_800_000),
        Samples.stored(FeedbackDraft(sessionID: "s"), at: 253_402_300_799_999 - 1_001),
        Feedback(
            id: nil,
            draft: FeedbackDraft(sessionID: "foreign"),
            createdAt: Timestamp(millisecondsSinceEpoch: 1)
        ),
    ])
    func stored_feedback(_ feedback: Feedback) throws {
        for replayed in [false, true] {
            let added = AddedFeedback(feedback: feedback, replayed: replayed)
            #expect(
                try FeedbackMethods.addFeedback.passed(response: .added(added)) == .added(added)
            )
        }
        let page = FeedbackPage(
            feedbacks: [feedback, feedback],
            nextPageToken: "token",
            totalSize: .max
        )
        #expect(try FeedbackMethods.listFeedbacks.passed(response: page) == page)
    }

    @Test func destinations_and_deliveries() throws {
        let idle = DestinationStatus(name: "größe", kind: "log", position: LogPosition("e-0"))
        let destinations = [Samples.destination, idle]
        #expect(
            try DeliveryMethods.listDestinations.passed(response: destinations) == destinations
        )
        #expect(try DeliveryMethods.listDestinations.passed(response: []) == [])
        for method in [DeliveryMethods.pauseDestination, DeliveryMethods.resumeDestination] {
            #expect(try method.passed("größe") == "größe")
            #expect(try method.passed(response: Samples.destination) == Samples.destination)
        }
        #expect(try DeliveryMethods.rewindDestination.passed(response: idle) == idle)
        for position in [nil, LogPosition("e-42")] {
            let passed = try DeliveryMethods.rewindDestination.passed(("slack", position))
            #expect(passed == ("slack", position))
        }
        #expect(try DeliveryMethods.testDestination.passed("slack") == "slack")
        #expect(try DeliveryMethods.testDestination.passed(response: "no") == "no")
        for query in [
            DeliveryQuery(),
            DeliveryQuery(
                destination: "slack",
                state: .retrying,
                pageSize: 9,
                pageToken: "17",
                includesContent: true
            ),
        ] {
            #expect(try DeliveryMethods.listDeliveries.passed(query) == query)
        }
        var ofNone = Samples.delivery(.dead)
        ofNone.feedbackID = nil
        ofNone.feedback = nil
        let page = DeliveryPage(
            deliveries: [Samples.delivery(.dead), Samples.delivery(.retrying), ofNone],
            nextPageToken: "7",
            totalSize: .max
        )
        #expect(try DeliveryMethods.listDeliveries.passed(response: page) == page)
        #expect(
            try DeliveryMethods.listDeliveries.passed(response: DeliveryPage()) == DeliveryPage()
        )
    }

    @Test func selections_of_deliveries() throws {
        for ids in [nil, [], ["a", "größe"], ["a", "a"]] as [[String]?] {
            let selection = DeliverySelection(destination: "slack", ids: ids)
            for method in [DeliveryMethods.retryDeliveries, DeliveryMethods.dropDeliveries] {
                #expect(try method.passed(selection) == selection)
                #expect(try method.passed(response: .max) == .max)
            }
        }
    }

    @Test func a_status() throws {
        let since = Timestamp(millisecondsSinceEpoch: -1)
        for status in [
            ServerStatus(version: "", startedAt: since, store: "", position: nil),
            ServerStatus(
                version: "0.1.0",
                startedAt: since,
                store: "sqlite:/größe.db",
                position: LogPosition("e-42"),
                destinations: [Samples.destination],
                unreplicatedCount: .max,
                unreplicatedSince: since
            ),
        ] {
            #expect(try AdminMethods.getStatus.passed(response: status) == status)
        }
    }

    @Test func the_request_id_stays_with_the_caller() throws {
        var feedback = Samples.stored(Samples.draft)
        feedback.draft.requestID = "request-1"
        let added = AddedFeedback(feedback: feedback, replayed: false)
        let passed = try FeedbackMethods.addFeedback.passed(response: .added(added)).added()
        #expect(passed.feedback.draft.requestID == "")
    }

    @Test(arguments: [nil, false, true], [-1, 0, 1_000, Int(Int32.max)])
    func a_list_s_query(hasComment: Bool?, pageSize: Int) throws {
        var query = Samples.query
        query.filter.hasComment = hasComment
        query.pageSize = pageSize
        query.newestFirst = pageSize == 0
        #expect(try FeedbackMethods.listFeedbacks.passed(query) == query)
        query = FeedbackQuery(hasComment: hasComment, pageSize: pageSize)
        #expect(try FeedbackMethods.listFeedbacks.passed(query) == query)
    }

    @Test(arguments: Rating.allCases.map { Set([$0]) } + [[], [.up, .down]])
    func a_list_s_ratings(_ ratings: Set<Rating>) throws {
        let query = FeedbackQuery(ratings: ratings)
        #expect(try FeedbackMethods.listFeedbacks.passed(query) == query)
    }

    @Test(arguments: [Int.max, Int.min])
    func a_page_size_beyond_32_bits_stays_out_of_range(_ pageSize: Int) throws {
        let passed = try FeedbackMethods.listFeedbacks.passed(FeedbackQuery(pageSize: pageSize))
        #expect(!(0...FieldLimits.pageSizeMax).contains(passed.pageSize))
    }

    @Test func pages_empty_and_of_the_largest_size() throws {
        #expect(
            try FeedbackMethods.listFeedbacks.passed(response: FeedbackPage()) == FeedbackPage()
        )
        let feedbacks = (0..<Int64(FieldLimits.pageSizeMax)).map {
            Samples.stored(Samples.draft, at: $0)
        }
        let page = FeedbackPage(feedbacks: feedbacks, nextPageToken: "next", totalSize: 12_345)
        #expect(try FeedbackMethods.listFeedbacks.passed(response: page) == page)
    }

    @Test(
        arguments: [
            .none, .session, .metadata(key: "team"), .metadata(key: ""), .hour, .day,
        ] as [MetricsGrouping]
    )
    func a_query_of_metrics(_ grouping: MetricsGrouping) throws {
        let query = MetricsQuery(
            sessionID: "user-123",
            created: Samples.query.filter.created,
            grouping: grouping
        )
        #expect(try FeedbackMethods.getMetrics.passed(query) == query)
        let rest = MetricsQuery(grouping: grouping)
        #expect(try FeedbackMethods.getMetrics.passed(rest) == rest)
    }

    @Test(arguments: [
        Metrics(), Metrics(positive: 1), Metrics(positive: 3, negative: 2, neutral: 1),
        Metrics(positive: 7, negative: 3, neutral: 1, commentCodePoints: 1_000_003),
        Metrics(negative: 1 << 40, commentCodePoints: (1 << 40) * 10_000),
    ])
    func metrics(_ metrics: Metrics) throws {
        let report = MetricsReport(
            metrics: metrics,
            groups: [
                "": metrics, "2024-01-22": metrics, "ü": Metrics(neutral: 1), "none": Metrics(),
            ]
        )
        #expect(try FeedbackMethods.getMetrics.passed(response: report) == report)
    }

    @Test(
        arguments: [
            [:], Samples.metadata, Samples.metadata(levels: FieldLimits.metadataDepthMax),
            ["large": .string(String(repeating: "x", count: FieldLimits.metadataBytesMax))],
        ] as [Metadata]
    )
    func metadata(_ metadata: Metadata) throws {
        let update = Change.changeMetadata(sessionID: "user-123", .merge(metadata))
        #expect(try SessionMethods.updateMetadata.passed(update) == update)
        for method in [SessionMethods.updateMetadata, SessionMethods.deleteMetadata] {
            #expect(try method.passed(response: .metadata(metadata)) == .metadata(metadata))
        }
        #expect(try SessionMethods.getMetadata.passed(response: metadata) == metadata)
    }

    @Test(arguments: ["", "user-123", "日本語"])
    func the_names_of_sessions_and_keys(_ sessionID: String) throws {
        #expect(try SessionMethods.getMetadata.passed(sessionID) == sessionID)
        for keys in [[], ["a"], ["", "b", "b", "ключ"]] {
            let deletion = Change.changeMetadata(sessionID: sessionID, .remove(keys))
            #expect(try SessionMethods.deleteMetadata.passed(deletion) == deletion)
        }
    }
}
