import FeedbackCore
import FeedbackModel
import MongoServers
import StoreContract
import Testing

@testable import MongoStore

/// Conversion of the documents of the Python library feedback-system, in both directions.
struct DocumentTests {
    private let database = SharedServer.newDatabase()

    private func sessions() async throws -> Sessions {
        try Sessions(await SharedServer.uri(), database: database)
    }

    private func element(_ fields: BSONDocument) -> BSON { .document(fields) }

    @Test func a_new_session_is_complete_for_the_python_package() async throws {
        let store = try await TestStore.open(database: database)
        let added = try await store.add(
            FeedbackDraft(sessionID: "s", rating: .up, comment: "ok", requestID: "r")
        )
        let document = try #require(try await sessions().document("s"))
        #expect(
            Set(document.fields.map(\.key)) == [
                "_id", "session_id", "session_type", "agents", "metadata", "feedbacks",
                "guardrail_events", "application_name", "created_at", "updated_at",
            ]
        )
        #expect(document["session_id"]?.string == "s")
        #expect(document["session_type"]?.string == "AGENT")
        #expect(document["agents"]?.document?.fields.isEmpty == true)
        #expect(document["metadata"]?.document?.fields.isEmpty == true)
        #expect(document["guardrail_events"]?.array?.isEmpty == true)
        let time = added.feedback.createdAt.millisecondsSinceEpoch
        #expect(document["updated_at"]?.date == time)
        #expect(document["created_at"]?.date == time)
        let element = try #require(document["feedbacks"]?.array?.first?.document)
        #expect(
            element.fields.map(\.key) == [
                "rating", "comment", "created_at", "feedback_id", "request_id",
            ]
        )
        #expect(element["rating"]?.string == "up")
        #expect(element["created_at"]?.date == time)
        #expect(element["feedback_id"]?.string == added.feedback.id?.description)
        #expect(element["request_id"]?.string == "r")
        await store.close()
    }

    @Test func no_rating_is_null_and_no_request_id_is_the_feedback_id() async throws {
        let store = try await TestStore.open(database: database)
        let added = try await store.add(FeedbackDraft(sessionID: "s"))
        let document = try #require(try await sessions().document("s"))
        let element = try #require(document["feedbacks"]?.array?.first?.document)
        guard case .null? = element["rating"] else {
            Issue.record("the rating is not null")
            return
        }
        #expect(element["comment"]?.string == "")
        #expect(element["request_id"]?.string == added.feedback.id?.description)
        #expect(try await store.all() == [added.feedback])
        await store.close()
    }

    @Test func a_session_of_metadata_alone_is_complete_too() async throws {
        let store = try await TestStore.open(database: database)
        _ = try await store.changeMetadata(
            ofSession: "s",
            by: .merge(["variant": .string("B")]),
            missingSession: .create
        )
        let document = try #require(try await sessions().document("s"))
        #expect(document["session_type"]?.string == "AGENT")
        #expect(document["feedbacks"]?.array?.isEmpty == true)
        #expect(document["metadata"]?.document?["variant"]?.string == "B")
        await store.close()
    }

    @Test func feedback_of_the_python_package_is_listed_and_counted() async throws {
        let store = try await TestStore.open(database: database)
        let sessions = try await sessions()
        try sessions.insert([
            "_id": "p", "session_id": "p", "metadata": ["variant": "B", "since": .date(0)],
            "feedbacks": [
                ["rating": "up", "comment": "Thanks!", "created_at": .date(1_000)],
                ["rating": "maybe", "comment": nil, "created_at": .date(3_700_000)],
                ["rating": "down", "created_at": .date(2_000), "_validated_at": "2024"],
                ["comment": 5, "rating": 1, "n": 1],
                "nonsense",
            ],
        ])
        try sessions.insert(["_id": "empty", "feedbacks": nil])
        let listed = try await store.all(FeedbackQuery(sessionID: "p"))
        #expect(listed.map(\.rating) == [.up, .none, .down, .none, .none])
        #expect(listed.map(\.comment) == ["Thanks!", "", "", "", ""])
        #expect(listed.allSatisfy { $0.id == nil && $0.draft.requestID.isEmpty })
        #expect(listed[2].draft.attributes == ["_validated_at": "2024"])
        #expect(
            listed.map(\.createdAt.millisecondsSinceEpoch) == [1_000, 3_700_000, 2_000, 0, 0]
        )
        let whole = try await store.metrics(MetricsQuery(grouping: .hour))
        #expect(
            whole.metrics == Metrics(positive: 1, negative: 1, neutral: 3, commentCodePoints: 7)
        )
        #expect(whole.groups.map(\.metrics.total) == [4, 1])
        let variants = try await store.metrics(MetricsQuery(grouping: .metadata(key: "variant")))
        #expect(variants.groups.map(\.key) == ["B"])
        for (query, count) in [
            (FeedbackQuery(ratings: [.none]), 3), (FeedbackQuery(hasComment: true), 1),
            (FeedbackQuery(created: TimeRange(from: Timestamp(millisecondsSinceEpoch: 1))), 3),
            (FeedbackQuery(created: TimeRange(until: Timestamp(millisecondsSinceEpoch: 1))), 2),
        ] {
            #expect(try await store.all(query).count == count)
            var ofSession = query
            ofSession.filter.sessionID = "p"
            #expect(try await store.all(ofSession).count == count)
        }
        await store.close()
    }

    @Test func feedback_without_an_identifier_has_its_place_by_its_time() async throws {
        let store = try await TestStore.open(database: database)
        let sessions = try await sessions()
        let first = try await store.add(FeedbackDraft(sessionID: "a", comment: "1")).feedback
        let time = first.createdAt.millisecondsSinceEpoch
        for (session, moment) in [("x", time - 1), ("y", time + 60_000), ("z", time + 60_000)] {
            let element: BSON = ["comment": .string(session), "created_at": .date(moment)]
            try sessions.insert(["_id": .string(session), "feedbacks": [element, element]])
        }
        let last = Feedback(
            id: FeedbackID(high: UInt64(time + 120_000) << 16 | 0x7000, low: 1 << 63),
            draft: FeedbackDraft(sessionID: "b", comment: "2"),
            createdAt: first.createdAt
        )
        try await store.add(last)
        let expected = ["x", "x", "1", "y", "y", "z", "z", "2"]
        for pageSize in 1...3 {
            var query = FeedbackQuery(pageSize: pageSize)
            var found: [String] = []
            repeat {
                let page = try await store.list(query, context: CallContext())
                #expect(page.totalSize == expected.count)
                found += page.feedbacks.map(\.comment)
                query.pageToken = page.nextPageToken
            } while !query.pageToken.isEmpty
            #expect(found == expected)
        }
        await store.close()
    }

    @Test func a_span_of_time_finds_sessions_by_when_they_were_last_added_to() async throws {
        let store = try await TestStore.open(database: database)
        let sessions = try await sessions()
        let hour = Timestamp.hourMilliseconds
        let time = 1_705_935_600_000 as Int64
        func insert(_ name: BSON, updatedAt: BSON?) throws {
            var document: BSONDocument = [
                "_id": name,
                "feedbacks": [
                    ["created_at": .date(time)], ["created_at": .date(time - 100 * hour)],
                ],
            ]
            document["updated_at"] = updatedAt
            try sessions.insert(document)
        }
        try insert("as it should be", updatedAt: .date(time))
        try insert("changed later", updatedAt: .date(time + hour))
        try insert("by a slow clock", updatedAt: .date(time - 20 * hour))
        try insert("without", updatedAt: nil)
        try insert("of another kind", updatedAt: "2024-01-22")
        let recent = TimeRange(from: Timestamp(millisecondsSinceEpoch: time))
        #expect(try await store.all(FeedbackQuery(created: recent)).count == 5)
        #expect(try await store.metrics(MetricsQuery(created: recent)).metrics.total == 5)
        #expect(try await store.metrics(MetricsQuery()).metrics.total == 10)
        // A time that goes back is not taken over.
        for milliseconds in [time, time - 200 * hour] {
            let feedback = Feedback(
                id: FeedbackID(
                    high: UInt64(time) << 16 | 0x7000,
                    low: UInt64.random(in: 0 ... .max)
                ),
                draft: FeedbackDraft(sessionID: "own"),
                createdAt: Timestamp(millisecondsSinceEpoch: milliseconds)
            )
            try await store.add(feedback)
        }
        #expect(try await store.metrics(MetricsQuery(created: recent)).metrics.total == 6)
        await store.close()
    }

    @Test func a_change_of_metadata_leaves_the_other_keys_as_they_are() async throws {
        let store = try await TestStore.open(database: database)
        let sessions = try await sessions()
        try sessions.insert(["_id": "s", "metadata": ["count": 1, "since": .date(0)]])
        let after = try await store.changeMetadata(
            ofSession: "s",
            by: .merge(["k": .bool(true)]),
            missingSession: .reject
        )
        #expect(
            after == [
                "count": .number(1), "since": .string("1970-01-01T00:00:00.000Z"),
                "k": .bool(true),
            ]
        )
        let metadata = try #require(try sessions.document("s")?["metadata"]?.document)
        guard case .int32(1)? = metadata["count"], case .date(0)? = metadata["since"] else {
            Issue.record("the other keys changed: \(metadata)")
            return
        }
        await store.close()
    }

    @Test(arguments: [5, ["request_id": "r"], ["a": 1]] as [BSON])
    func a_session_whose_feedbacks_are_no_list_fails_alone(_ feedbacks: BSON) async throws {
        let store = try await TestStore.open(database: database)
        try await sessions().insert(["_id": "broken", "feedbacks": feedbacks])
        async let broken = errorCode {
            try await store.add(FeedbackDraft(sessionID: "broken"))
        }
        async let sound = store.add(FeedbackDraft(sessionID: "sound"))
        #expect(await broken == .failedPrecondition)
        #expect(try await !sound.replayed)
        await store.close()
    }

    @Test func a_session_whose_feedbacks_are_null_is_added_to() async throws {
        let store = try await TestStore.open(database: database)
        let sessions = try await sessions()
        try sessions.insert(["_id": "s", "feedbacks": nil, "metadata": ["variant": "B"]])
        let drafts = (0..<20).map { FeedbackDraft(sessionID: "s", requestID: "\($0)") }
        let answers = try await withThrowingTaskGroup(of: AddedFeedback.self) { group in
            for draft in drafts { group.addTask { try await store.add(draft) } }
            return try await group.reduce(into: [AddedFeedback]()) { $0.append($1) }
        }
        #expect(answers.allSatisfy { !$0.replayed })
        #expect(Set(try await store.all()) == Set(answers.map(\.feedback)))
        let document = try #require(try sessions.document("s"))
        #expect(document["metadata"]?.document?["variant"]?.string == "B")
        // Only the fields that an add sets are added.
        #expect(
            Set(document.fields.map(\.key)) == ["_id", "feedbacks", "metadata", "updated_at"]
        )
        await store.close()
    }

    @Test func texts_that_mean_something_in_a_pipeline_are_stored_as_they_are() async throws {
        let store = try await TestStore.open(database: database)
        let draft = FeedbackDraft(
            sessionID: "$$ROOT",
            comment: "$_id",
            requestID: "$feedbacks",
            messageID: "$$REMOVE",
            tags: ["$a"],
            attributes: ["k": "$b"]
        )
        for replayed in [false, true] {
            #expect(try await store.add(draft).replayed == replayed)
        }
        #expect(try await store.all(FeedbackQuery(sessionID: "$$ROOT")).map(\.draft) == [draft])
        let session = try await sessions().document("$$ROOT")
        #expect(session?["session_id"]?.string == "$$ROOT")
        await store.close()
    }

    @Test func a_moment_that_is_written_as_text_is_understood() async throws {
        let store = try await TestStore.open(database: database)
        let texts: [(BSON, String)] = [
            ("2024-01-22", "2024-01-22T00:00:00.000Z"),
            ("2024-01-22T15:00:00", "2024-01-22T15:00:00.000Z"),
            ("2024-01-22 16:30:00.123456", "2024-01-22T16:30:00.123Z"),
            ("2024-01-22T15:00:00.5Z", "2024-01-22T15:00:00.500Z"),
            ("2024-01-22T23:30:00+02:00", "2024-01-22T21:30:00.000Z"),
            ("2024-01-22T25:61:00", "1970-01-01T00:00:00.000Z"),
            ("yesterday", "1970-01-01T00:00:00.000Z"),
            ("", "1970-01-01T00:00:00.000Z"),
        ]
        let elements = texts.map { BSON.document(["created_at": $0.0]) }
        try await sessions().insert(["_id": "s", "feedbacks": .array(elements)])
        let listed = try await store.all(FeedbackQuery(sessionID: "s"))
        #expect(listed.map(\.createdAt.description) == texts.map(\.1))
        let every = try await store.all()
        #expect(every.map(\.createdAt.description) == texts.map(\.1).sorted())
        let day = TimeRange(from: listed[0].createdAt)
        #expect(try await store.all(FeedbackQuery(created: day)).count == 5)
        let days = try await store.metrics(MetricsQuery(grouping: .day))
        #expect(days.groups.map(\.metrics.total) == [3, 5])
        await store.close()
    }

    @Test func a_change_replaces_metadata_that_is_a_list_of_documents() async throws {
        let store = try await TestStore.open(database: database)
        try await sessions().insert(["_id": "s", "metadata": [["a": 1]]])
        let after = try await store.changeMetadata(
            ofSession: "s",
            by: .merge(["k": .bool(true)]),
            missingSession: .reject
        )
        #expect(after == ["k": .bool(true)])
        #expect(
            try await store.metadata(ofSession: "s", context: CallContext()) == ["k": .bool(true)]
        )
        await store.close()
    }

    @Test func whole_numbers_of_metadata_are_stored_as_whole_numbers() async throws {
        let store = try await TestStore.open(database: database)
        let whole: [Int64] = [0, 4, -1, 1 << 53 + 2, 1 << 62, .min]
        _ = try await store.changeMetadata(
            ofSession: "s",
            by: .merge([
                "whole": .list(whole.map { .number(Double($0)) }),
                "others": .list([0.5, -0.0, 1e300].map { .number($0) }),
            ]),
            missingSession: .create
        )
        let session = try await sessions().document("s")
        let metadata = try #require(session?["metadata"]?.document)
        let numbers = metadata["whole"]?.array?.compactMap { value -> Int64? in
            if case .int64(let number) = value { number } else { nil }
        }
        #expect(numbers == whole)
        let others = metadata["others"]?.array?.compactMap { value -> UInt64? in
            if case .double(let number) = value { number.bitPattern } else { nil }
        }
        #expect(others == [0.5, -0.0, 1e300].map(\.bitPattern))
        await store.close()
    }

    @Test func a_change_of_metadata_of_a_full_session_is_refused_naming_it() async throws {
        let store = try await TestStore.open(database: database)
        let filling = String(repeating: "x", count: (16 << 20) - 1_000)
        try await sessions().insert(["_id": "full", "metadata": [:], "filling": .string(filling)])
        do {
            _ = try await store.changeMetadata(
                ofSession: "full",
                by: .merge(["k": .string(String(repeating: "y", count: 2_000))]),
                missingSession: .reject
            )
            Issue.record("it was changed")
        } catch let error as CallError {
            #expect(error.code == .resourceExhausted)
            #expect(error.message.contains("full"))
        }
        await store.close()
    }

    @Test func dates_beyond_the_years_1_to_9999_are_read_as_the_nearest_moment() async throws {
        let store = try await TestStore.open(database: database)
        try await sessions().insert([
            "_id": "s", "metadata": ["first": .date(.min), "last": .date(.max)],
            "feedbacks": [["created_at": .date(.min)], ["created_at": .date(.max)]],
        ])
        #expect(
            try await store.metadata(ofSession: "s", context: CallContext()) == [
                "first": .string("0001-01-01T00:00:00.000Z"),
                "last": .string("9999-12-31T23:59:59.999Z"),
            ]
        )
        for sessionID in [nil, "s"] {
            let listed = try await store.all(FeedbackQuery(sessionID: sessionID))
            #expect(
                Set(listed.map(\.createdAt))
                    == [Timestamp.range.lowerBound, Timestamp.range.upperBound]
            )
        }
        let days = try await store.metrics(MetricsQuery(grouping: .day))
        #expect(days.groups.map(\.key) == ["0001-01-01", "9999-12-31"])
        let values = try await store.metrics(MetricsQuery(grouping: .metadata(key: "first")))
        #expect(values.groups.map(\.metrics.total) == [2])
        await store.close()
    }
}
