import FeedbackCore
import FeedbackModel
import Testing

extension StoreContract {
    static let appending: [StoreBehaviour] = [
        StoreBehaviour("every field of a feedback is read as it was written", everyField),
        StoreBehaviour("no author and an author without a name stay apart", authors),
        StoreBehaviour("texts are kept byte for byte", exactTexts),
        StoreBehaviour("a repeated request_id answers with the original", replay),
        StoreBehaviour("a request_id is remembered per session", requestIDsOfSessions),
        StoreBehaviour("adds without a request_id are never taken for repeats", noRequestID),
        StoreBehaviour("of concurrent adds with one request_id one is stored", concurrentReplay),
        StoreBehaviour("concurrent adds are all stored once", concurrentAdds),
        StoreBehaviour("an add to an unknown session makes it under create", createsSession),
        StoreBehaviour("an add to an unknown session is NOT_FOUND under reject", rejectsSession),
        StoreBehaviour("an add to a known session succeeds under reject", acceptsKnownSession),
        StoreBehaviour("an add whose caller is gone is dropped", droppedAdd),
    ]

    private static func everyField(_ store: any Store) async throws {
        let written = Feedback(
            id: FeedbackID("018d3f60-5a00-7b1c-8a2f-fedcba987654"),
            draft: FeedbackDraft(
                sessionID: "s",
                rating: .down,
                comment: "too \"long\"\n\u{1F469}\u{200D}\u{1F4BB}",
                requestID: "r",
                messageID: "m",
                agentID: "a",
                author: Author(source: .human, id: "ann"),
                tags: ["b", "a", "/\\\u{1}"],
                attributes: ["k": "v", "": "", "ключ": "значение"]
            ),
            createdAt: Timestamp(millisecondsSinceEpoch: 1_705_935_600_123)
        )
        let bare = Feedback(
            id: FeedbackID(high: .max, low: 0),
            draft: FeedbackDraft(sessionID: "s"),
            createdAt: Timestamp(millisecondsSinceEpoch: -1)
        )
        for feedback in [written, bare] {
            let change = AcceptedChange(
                .add(feedback.draft),
                feedbackID: try #require(feedback.id),
                acceptedAt: feedback.createdAt
            )
            let outcome = try await store.commit(change, context: CallContext())
            #expect(outcome == .added(AddedFeedback(feedback: feedback, replayed: false)))
        }
        #expect(try await store.all() == [written, bare])
        #expect(try await store.all(FeedbackQuery(sessionID: "s")) == [written, bare])
    }

    private static func authors(_ store: any Store) async throws {
        let authors =
            [nil, Author(), Author(id: "x")] + AuthorSource.allCases.map { Author(source: $0) }
        for author in authors {
            try await store.add(FeedbackDraft(sessionID: "s", author: author))
        }
        #expect(try await store.all().map(\.draft.author) == authors)
    }

    private static func exactTexts(_ store: any Store) async throws {
        let composed = "\u{E9}"
        let decomposed = "e\u{301}"
        for name in [composed, decomposed] {
            let draft = FeedbackDraft(
                sessionID: name,
                comment: name,
                requestID: "r",
                messageID: name,
                tags: [composed, decomposed],
                attributes: [composed: decomposed, decomposed: composed]
            )
            #expect(try await store.add(draft).replayed == false)
            // In one session, its request_ids are told apart as well.
            let other = FeedbackDraft(sessionID: "requests", requestID: name)
            #expect(try await store.add(other).replayed == false)
            #expect(try await store.add(other).replayed == true)
        }
        for name in [composed, decomposed] {
            for query in [FeedbackQuery(sessionID: name), FeedbackQuery(messageID: name)] {
                let found = try await store.all(query)
                #expect(found.map { Array($0.comment.utf8) } == [Array(name.utf8)])
                #expect(
                    found.map(\.draft.tags).map { $0.map { Array($0.utf8) } }
                        == [[Array(composed.utf8), Array(decomposed.utf8)]]
                )
                let attributes = try #require(found.first?.draft.attributes)
                #expect(attributes.count == 2)
                #expect(attributes[composed].map { Array($0.utf8) } == Array(decomposed.utf8))
                #expect(attributes[decomposed].map { Array($0.utf8) } == Array(composed.utf8))
            }
        }
        let report = try await store.metrics(MetricsQuery(grouping: .session))
        #expect(
            report.groups.map { Array($0.key.utf8) } == [
                Array(decomposed.utf8), Array("requests".utf8), Array(composed.utf8),
            ]
        )
        #expect(report.metrics.commentCodePoints == 3)
    }

    private static func replay(_ store: any Store) async throws {
        let draft = FeedbackDraft(sessionID: "s", rating: .up, comment: "first", requestID: "r")
        let original = try await store.add(draft, at: 1_000)
        #expect(!original.replayed)
        let other = FeedbackDraft(sessionID: "s", rating: .down, comment: "second", requestID: "r")
        for repeated in [draft, other] {
            let answer = try await store.add(repeated, at: 9_000_000)
            #expect(answer == AddedFeedback(feedback: original.feedback, replayed: true))
        }
        #expect(try await store.all() == [original.feedback])
        let metrics = try await store.metrics(MetricsQuery()).metrics
        #expect(metrics == Metrics(positive: 1, commentCodePoints: 5))
    }

    private static func requestIDsOfSessions(_ store: any Store) async throws {
        for session in ["a", "b"] {
            let draft = FeedbackDraft(sessionID: session, requestID: "r")
            #expect(try await store.add(draft).replayed == false)
        }
        #expect(try await store.all().count == 2)
    }

    private static func noRequestID(_ store: any Store) async throws {
        for _ in 0..<3 {
            #expect(try await store.add(FeedbackDraft(sessionID: "s")).replayed == false)
        }
        #expect(try await store.all().count == 3)
    }

    private static func concurrentReplay(_ store: any Store) async throws {
        let answers = try await withThrowingTaskGroup(of: AddedFeedback.self) { group in
            for index in 0..<50 {
                group.addTask {
                    let comment = "\(index)"
                    return try await store.add(
                        FeedbackDraft(sessionID: "s", comment: comment, requestID: "r")
                    )
                }
            }
            return try await group.reduce(into: [AddedFeedback]()) { $0.append($1) }
        }
        #expect(answers.filter { !$0.replayed }.count == 1)
        #expect(Set(answers.map(\.feedback)).count == 1)
        #expect(try await store.all() == [answers[0].feedback])
    }

    private static func concurrentAdds(_ store: any Store) async throws {
        let answers = try await withThrowingTaskGroup(of: AddedFeedback.self) { group in
            for index in 0..<200 {
                group.addTask {
                    try await store.add(
                        FeedbackDraft(sessionID: "s\(index % 3)", requestID: "r\(index)")
                    )
                }
            }
            return try await group.reduce(into: [AddedFeedback]()) { $0.append($1) }
        }
        let stored = try await store.all()
        #expect(stored.count == 200)
        #expect(Set(stored) == Set(answers.map(\.feedback)))
        #expect(try await store.metrics(MetricsQuery()).metrics == Metrics(neutral: 200))
    }

    private static func createsSession(_ store: any Store) async throws {
        try await store.add(FeedbackDraft(sessionID: "new"), missingSession: .create)
        #expect(try await store.metadata(ofSession: "new") == [:])
    }

    private static func rejectsSession(_ store: any Store) async throws {
        let code = await errorCode {
            try await store.add(FeedbackDraft(sessionID: "new"), missingSession: .reject)
        }
        #expect(code == .notFound)
        #expect(try await store.all().isEmpty)
        #expect(try await store.metadata(ofSession: "new") == nil)
    }

    private static func acceptsKnownSession(_ store: any Store) async throws {
        _ = try await store.changeMetadata("s", .merge([:]))
        try await store.add(FeedbackDraft(sessionID: "s"), missingSession: .reject)
        #expect(try await store.all().count == 1)
    }

    private static func droppedAdd(_ store: any Store) async throws {
        for (context, code) in goneCallers {
            let answer = await errorCode {
                try await store.add(FeedbackDraft(sessionID: "s"), context: context)
            }
            #expect(answer == code)
        }
        #expect(try await store.all().isEmpty)
        #expect(try await store.metadata(ofSession: "s") == nil)
    }

    /// The contexts of calls that ended before they began, with the expected error codes.
    static let goneCallers: [(CallContext, CallError.Code)] = [
        (CallContext(deadline: .now - .seconds(1)), .deadlineExceeded),
        (CallContext(cancellation: Gone()), .cancelled),
    ]

    private final class Gone: CallCancellation {
        let isCancelled = true
    }
}
