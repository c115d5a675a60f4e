import FeedbackMessages
import FeedbackModel
import Foundation
import TestSupport
import Testing

/// The field numbers of the contract, checked against hand-written bytes.
@Suite("the bytes of feedback.v1")
struct ContractTests {
    /// Concatenates encoded fields.
    private func joined(_ parts: Data...) -> Data { parts.reduce(Data(), +) }

    @Test func the_methods_have_the_contract_s_names() {
        #expect(FeedbackMethods.service == "feedback.v1.FeedbackService")
        #expect(FeedbackMethods.addFeedback.service == "feedback.v1.FeedbackService")
        #expect(FeedbackMethods.addFeedback.name == "AddFeedback")
        #expect(FeedbackMethods.listFeedbacks.name == "ListFeedbacks")
        #expect(FeedbackMethods.watchFeedbacks.name == "WatchFeedbacks")
        #expect(FeedbackMethods.getMetrics.name == "GetMetrics")
        #expect(SessionMethods.updateMetadata.service == "feedback.v1.SessionService")
        #expect(SessionMethods.updateMetadata.name == "UpdateMetadata")
        #expect(SessionMethods.getMetadata.name == "GetMetadata")
        #expect(SessionMethods.deleteMetadata.name == "DeleteMetadata")
        #expect(DeliveryMethods.listDestinations.service == "feedback.v1.DeliveryService")
        #expect(DeliveryMethods.listDestinations.name == "ListDestinations")
        #expect(DeliveryMethods.pauseDestination.name == "PauseDestination")
        #expect(DeliveryMethods.resumeDestination.name == "ResumeDestination")
        #expect(DeliveryMethods.rewindDestination.name == "RewindDestination")
        #expect(DeliveryMethods.testDestination.name == "TestDestination")
        #expect(DeliveryMethods.listDeliveries.name == "ListDeliveries")
        #expect(DeliveryMethods.retryDeliveries.name == "RetryDeliveries")
        #expect(DeliveryMethods.dropDeliveries.name == "DropDeliveries")
        #expect(AdminMethods.getStatus.service == "feedback.v1.AdminService")
        #expect(AdminMethods.getStatus.name == "GetStatus")
    }

    @Test func a_get_status_response() throws {
        let destination = joined(
            Wire.field(1, "slack"),
            Wire.field(2, "webhook"),
            Wire.field(3, "0123456789abcdef-42"),
            Wire.field(4, 5),
            Wire.field(5, 60),
            Wire.field(6, 7),
            Wire.field(7, 3),
            Wire.field(8, "HTTP status 500"),
            Wire.field(9, 1),
            Wire.field(10, Wire.field(1, 1_705_935_602)),
            Wire.field(11, 2)
        )
        let bytes = joined(
            Wire.field(1, "0.1.0"),
            Wire.field(2, Wire.field(1, 1_705_935_600)),
            Wire.field(3, "memory:"),
            Wire.field(4, "0123456789abcdef-47"),
            Wire.field(5, destination),
            Wire.field(6, 9),
            Wire.field(7, Wire.field(1, 1_705_935_599))
        )
        let status = ServerStatus(
            version: "0.1.0",
            startedAt: Samples.moment(1_705_935_600),
            store: "memory:",
            position: LogPosition("0123456789abcdef-47"),
            destinations: [Samples.destination],
            unreplicatedCount: 9,
            unreplicatedSince: Samples.moment(1_705_935_599)
        )
        #expect(try AdminMethods.getStatus.bytes(ofResponse: status) == bytes)
        #expect(try AdminMethods.getStatus.response(bytes) == status)
    }

    @Test func a_list_deliveries_response() throws {
        var delivery = Samples.delivery(.retrying)
        delivery.feedback = Samples.stored(FeedbackDraft(sessionID: "s"))
        let feedback = joined(
            Wire.field(1, "018d3f60-5a00-7b1c-8a2f-0123456789ab"),
            Wire.field(2, "s"),
            Wire.field(5, Wire.field(1, 1_705_935_600) + Wire.field(2, 123_000_000)),
            Wire.field(6, Wire.field(1, 1_705_935_601) + Wire.field(2, 124_000_000))
        )
        let message = joined(
            Wire.field(1, "0123456789abcdef-41"),
            Wire.field(2, "slack"),
            Wire.field(3, "018d3f60-5a00-7b1c-8a2f-0123456789ab"),
            Wire.field(4, "user-123"),
            Wire.field(5, 1),
            Wire.field(6, 4),
            Wire.field(7, Wire.field(1, 1_705_935_601)),
            Wire.field(8, Wire.field(1, 1_705_935_602)),
            Wire.field(9, "HTTP status 500"),
            Wire.field(10, feedback)
        )
        let bytes = joined(Wire.field(1, message), Wire.field(2, "token"), Wire.field(3, 9))
        let page = DeliveryPage(deliveries: [delivery], nextPageToken: "token", totalSize: 9)
        #expect(try DeliveryMethods.listDeliveries.bytes(ofResponse: page) == bytes)
        #expect(try DeliveryMethods.listDeliveries.response(bytes) == page)
    }

    @Test func a_list_deliveries_request_without_a_state_is_about_dead_letters() throws {
        #expect(try DeliveryMethods.listDeliveries.request(Data()) == DeliveryQuery())
        let retrying = try DeliveryMethods.listDeliveries.request(Wire.field(2, 1))
        #expect(retrying.state == .retrying)
    }

    @Test func requests_about_deliveries() throws {
        let ids = Wire.field(1, "slack") + Wire.field(2, "a") + Wire.field(2, "b")
        let some = DeliverySelection(destination: "slack", ids: ["a", "b"])
        let everything = Wire.field(1, "slack") + Wire.field(3, 1)
        for method in [DeliveryMethods.retryDeliveries, DeliveryMethods.dropDeliveries] {
            #expect(try method.bytes(of: some) == ids)
            #expect(try method.request(ids) == some)
            #expect(try method.bytes(of: DeliverySelection(destination: "slack")) == everything)
            #expect(try method.request(everything) == DeliverySelection(destination: "slack"))
            // Neither is no selection; the service refuses it.
            #expect(try method.request(Wire.field(1, "slack")).ids == [])
        }
        let rewind = DeliveryMethods.rewindDestination
        #expect(try rewind.bytes(of: ("a", nil)) == Wire.field(1, "a"))
        #expect(try rewind.request(Wire.field(1, "a")) == ("a", nil))
        #expect(
            try rewind.bytes(of: ("a", LogPosition("b"))) == Wire.field(1, "a") + Wire.field(2, "b")
        )
    }

    @Test func a_rewind_to_an_empty_position_is_none_to_the_beginning() {
        #expect {
            try DeliveryMethods.rewindDestination.bytes(of: ("a", LogPosition("")))
        } throws: {
            ($0 as? CallError)?.violations.map(\.field) == ["position"]
        }
    }

    @Test func an_add_feedback_request() throws {
        var draft = Samples.draft
        draft.attributes = ["model": "m-1"]
        let expected = joined(
            Wire.field(1, "user-123"),
            Wire.field(2, 2),
            Wire.field(3, draft.comment),
            Wire.field(4, "request-1"),
            Wire.field(5, "message-1"),
            Wire.field(6, "agent-1"),
            Wire.field(7, Wire.field(1, 1) + Wire.field(2, "anna")),
            draft.tags.map { Wire.field(8, $0) }.reduce(Data(), +),
            Wire.field(9, Wire.field(1, "model") + Wire.field(2, "m-1"))
        )
        #expect(try FeedbackMethods.addFeedback.bytes(of: .add(draft)) == expected)
        #expect(try FeedbackMethods.addFeedback.request(expected) == .add(draft))
    }

    @Test func a_list_feedbacks_request() throws {
        var query = Samples.query
        query.filter.ratings = [.down]
        let expected = joined(
            Wire.field(1, "user-123"),
            Wire.field(2, Data([2])),
            Wire.field(3, Wire.field(1, UInt64(bitPattern: -1)) + Wire.field(2, 999_000_000)),
            Wire.field(4, Wire.field(1, 1_705_935_600) + Wire.field(2, 123_000_000)),
            Wire.field(5, "message-1"),
            Wire.field(6, 1),
            Wire.field(7, 1_000),
            Wire.field(8, "0123456789abcdef"),
            Wire.field(9, 1)
        )
        #expect(try FeedbackMethods.listFeedbacks.bytes(of: query) == expected)
        #expect(try FeedbackMethods.listFeedbacks.request(expected) == query)
    }

    @Test func a_filter_for_no_comment_differs_from_no_filter() throws {
        let none = try FeedbackMethods.listFeedbacks.bytes(of: FeedbackQuery())
        let without = try FeedbackMethods.listFeedbacks.bytes(of: FeedbackQuery(hasComment: false))
        #expect(none == Data())
        #expect(without == Wire.field(6, 0))
    }

    @Test func a_watch_feedbacks_request() throws {
        var query = WatchQuery(Samples.query.filter, from: .after(LogPosition("e-7")))
        query.filter.ratings = [.down]
        let filter = joined(
            Wire.field(1, "user-123"),
            Wire.field(2, Data([2])),
            Wire.field(3, Wire.field(1, UInt64(bitPattern: -1)) + Wire.field(2, 999_000_000)),
            Wire.field(4, Wire.field(1, 1_705_935_600) + Wire.field(2, 123_000_000)),
            Wire.field(5, "message-1"),
            Wire.field(6, 1)
        )
        let expected = Wire.field(1, filter) + Wire.field(2, "e-7") + Wire.field(4, 1)
        #expect(try FeedbackMethods.watchFeedbacks.bytes(of: query) == expected)
        #expect(try FeedbackMethods.watchFeedbacks.request(expected) == query)
        let now = Wire.field(3, 1)
        let fromNow = WatchQuery(from: .now, follows: false)
        #expect(try FeedbackMethods.watchFeedbacks.bytes(of: fromNow) == now)
        #expect(try FeedbackMethods.watchFeedbacks.request(now) == fromNow)
    }

    @Test(arguments: FeedbackChange.Kind.allCases)
    func a_watch_feedbacks_response(_ kind: FeedbackChange.Kind) throws {
        let feedback = Feedback(
            id: FeedbackID(high: 0x018D_3F60_5A00_7B1C, low: 0x8A2F_0123_4567_89AB),
            draft: FeedbackDraft(sessionID: "s"),
            createdAt: Samples.moment(1)
        )
        let message = joined(
            Wire.field(1, "018d3f60-5a00-7b1c-8a2f-0123456789ab"),
            Wire.field(2, "s"),
            Wire.field(5, Wire.field(1, 1)),
            Wire.field(6, Wire.field(1, 1))
        )
        let number: UInt64 =
            switch kind {
            case .added: 1
            case .updated: 2
            case .deleted: 3
            case .left: 4
            }
        let expected = Wire.field(
            1,
            Wire.field(1, "e-7") + Wire.field(2, number) + Wire.field(3, message)
        )
        let event = WatchEvent.change(
            FeedbackChange(position: LogPosition("e-7"), kind: kind, feedback: feedback)
        )
        #expect(try FeedbackMethods.watchFeedbacks.bytes(ofResponse: event) == expected)
        #expect(try FeedbackMethods.watchFeedbacks.response(expected) == event)
    }

    @Test func a_heartbeat() throws {
        let event = WatchEvent.heartbeat(LogPosition("e-7"))
        let bytes = Wire.field(2, "e-7")
        #expect(try FeedbackMethods.watchFeedbacks.bytes(ofResponse: event) == bytes)
        #expect(try FeedbackMethods.watchFeedbacks.response(bytes) == event)
    }

    @Test func a_watch_that_begins_at_two_places_or_with_an_unserved_filter_is_refused() throws {
        let watch = FeedbackMethods.watchFeedbacks
        let both = try watch.refusal(of: Wire.field(2, "e-7") + Wire.field(3, 1))
        #expect(both?.code == .invalidArgument)
        #expect(both?.violations.map(\.field) == ["start_position"])
        for number in 10...18 {
            let filter = number == 12 ? Wire.field(12, 1) : Wire.field(number, "x")
            let refusal = try watch.refusal(of: Wire.field(1, filter))
            #expect(refusal?.code == .unimplemented, "\(number)")
        }
        let refusal = try watch.refusal(of: Wire.field(1, Wire.field(10, "a")))
        #expect(refusal?.message == "filter.agent_id is not served yet")
        // The request's own fields of these numbers are a later version's.
        #expect(try watch.request(Wire.field(10, "a")) == WatchQuery(follows: false))
        #expect(throws: CallError.self) {
            try watch.bytes(of: WatchQuery(from: .after(LogPosition(""))))
        }
    }

    @Test func a_get_metrics_request() throws {
        let query = MetricsQuery(
            sessionID: "s",
            created: TimeRange(
                from: Timestamp(millisecondsSinceEpoch: 1_000),
                until: Timestamp(millisecondsSinceEpoch: 2_000)
            ),
            grouping: .metadata(key: "team")
        )
        let expected = joined(
            Wire.field(1, "s"),
            Wire.field(2, Wire.field(1, 1)),
            Wire.field(3, Wire.field(1, 2)),
            Wire.field(4, 2),
            Wire.field(5, "team")
        )
        #expect(try FeedbackMethods.getMetrics.bytes(of: query) == expected)
        #expect(try FeedbackMethods.getMetrics.request(expected) == query)
    }

    @Test(arguments: zip([1, 3, 4], [.session, .hour, .day] as [MetricsGrouping]))
    func the_values_of_group_by(_ value: UInt64, _ grouping: MetricsGrouping) throws {
        #expect(try FeedbackMethods.getMetrics.request(Wire.field(4, value)).grouping == grouping)
    }

    @Test func an_add_feedback_response() throws {
        var feedback = Samples.stored(Samples.draft)
        feedback.draft.attributes = ["model": "m-1"]
        let message = joined(
            Wire.field(1, "018d3f60-5a00-7b1c-8a2f-0123456789ab"),
            Wire.field(2, "user-123"),
            Wire.field(3, 2),
            Wire.field(4, feedback.comment),
            Wire.field(5, Wire.field(1, 1_705_935_600) + Wire.field(2, 123_000_000)),
            Wire.field(6, Wire.field(1, 1_705_935_601) + Wire.field(2, 124_000_000)),
            Wire.field(7, "message-1"),
            Wire.field(8, "agent-1"),
            Wire.field(9, Wire.field(1, 1) + Wire.field(2, "anna")),
            feedback.draft.tags.map { Wire.field(10, $0) }.reduce(Data(), +),
            Wire.field(11, Wire.field(1, "model") + Wire.field(2, "m-1"))
        )
        let added = AddedFeedback(feedback: feedback, replayed: true)
        let expected = Wire.field(1, message) + Wire.field(2, 1)
        #expect(try FeedbackMethods.addFeedback.bytes(ofResponse: .added(added)) == expected)
        #expect(try FeedbackMethods.addFeedback.response(expected) == .added(added))
    }

    @Test func metadata_of_every_kind() throws {
        func entry(_ key: String, _ value: Data) -> Data {
            Wire.field(1, Wire.field(1, key) + Wire.field(2, value))
        }
        let number = withUnsafeBytes(of: Double(1.5).bitPattern.littleEndian) { Data($0) }
        let structure = joined(
            entry("null", Wire.field(1, 0)),
            entry("number", Data([2 << 3 | 1]) + number),
            entry("text", Wire.field(3, "a")),
            entry("bool", Wire.field(4, 1)),
            entry("object", Wire.field(5, entry("k", Wire.field(1, 0)))),
            entry("list", Wire.field(6, Wire.field(1, Wire.field(4, 0)))),
            entry("none", Data())
        )
        let update = try SessionMethods.updateMetadata.request(
            Wire.field(1, "s") + Wire.field(2, structure)
        )
        let expected: Metadata = [
            "null": .null, "number": .number(1.5), "text": .string("a"), "bool": .bool(true),
            "object": .object(["k": .null]), "list": .list([.bool(false)]), "none": .null,
        ]
        #expect(update == .changeMetadata(sessionID: "s", .merge(expected)))
    }

    @Test func of_a_field_that_comes_twice_the_last_counts_and_lists_grow() throws {
        let draft = try FeedbackMethods.addFeedback.request(
            joined(
                Wire.field(1, "first"),
                Wire.field(8, "a"),
                Wire.field(1, "last"),
                Wire.field(8, "b")
            )
        )
        #expect(draft == .add(FeedbackDraft(sessionID: "last", tags: ["a", "b"])))
    }

    @Test func fields_of_later_versions_are_passed_over() throws {
        let bytes = Wire.field(99, "new") + Wire.field(1, "s") + Wire.field(100, 7)
        let draft = FeedbackDraft(sessionID: "s")
        #expect(try FeedbackMethods.addFeedback.request(bytes) == .add(draft))
    }
}
