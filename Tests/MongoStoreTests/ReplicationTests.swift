import FeedbackCore
import FeedbackModel
import MongoServers
import TestSupport
import Testing

@testable import MongoStore

@Suite("changes are replicated to MongoDB", .serialized)
struct ReplicationTests {
    private static let server = Task { try await ReplicaSet(members: 1) }

    private static func add(
        _ session: String,
        _ comment: String,
        requestID: String = ""
    ) -> AcceptedChange {
        let draft = FeedbackDraft(sessionID: session, comment: comment, requestID: requestID)
        return AcceptedChange(.add(draft), feedbackID: .next(), acceptedAt: .now)
    }

    private static func merge(_ session: String, _ metadata: Metadata) -> AcceptedChange {
        let change = Change.changeMetadata(sessionID: session, .merge(metadata))
        return AcceptedChange(change, feedbackID: .next(), acceptedAt: .now)
    }

    private func comments(_ store: MongoStore, _ session: String) async throws -> [String] {
        try await store.list(FeedbackQuery(sessionID: session, pageSize: 1_000))
            .feedbacks.map(\.comment)
    }

    @Test("the order of each session is kept, and a repetition changes nothing")
    func order() async throws {
        let store = try await TestStore.open()
        var changes: [AcceptedChange] = []
        for number in 0..<200 {
            changes.append(Self.add("s\(number % 3)", "\(number)"))
            if number.isMultiple(of: 50) {
                changes.append(Self.merge("s0", ["n": .number(Double(number))]))
            }
        }
        for round in 0..<3 {
            let results = await store.replicate(changes)
            for (result, change) in zip(results, changes) {
                guard case .done(let outcome) = result else {
                    Issue.record("\(result)")
                    continue
                }
                if case .add = change.change {
                    #expect(outcome.feedback?.id == change.feedbackID, "round \(round)")
                }
            }
            for session in 0..<3 {
                let expected = (0..<200).filter { $0 % 3 == session }.map { "\($0)" }
                #expect(try await comments(store, "s\(session)") == expected)
            }
            #expect(try await store.metadata(ofSession: "s0") == ["n": .number(150)])
        }
        await store.close()
    }

    @Test("the original of a request_id that MongoDB has stays, and is answered")
    func original() async throws {
        let store = try await TestStore.open()
        let original = try await store.add(FeedbackDraft(sessionID: "s", requestID: "r")).feedback
        let results = await store.replicate([Self.add("s", "other", requestID: "r")])
        guard case .done(.added(let added))? = results.first else {
            Issue.record("\(results)")
            return
        }
        #expect(added.replayed)
        #expect(added.feedback.id == original.id)
        #expect(try await comments(store, "s") == [""])
        await store.close()
    }

    @Test("what MongoDB never takes is refused, and holds up nothing else")
    func refused() async throws {
        let store = try await TestStore.open()
        let large: Metadata = ["k": .string(String(repeating: "x", count: 70_000))]
        let results = await store.replicate([
            Self.add("s", "1"), Self.merge("s", large), Self.add("s", "2"),
        ])
        guard results.count == 3, case .done = results[0], case .refused = results[1],
            case .done = results[2]
        else {
            Issue.record("\(results)")
            return
        }
        #expect(try await comments(store, "s") == ["1", "2"])
        await store.close()
    }

    @Test("while MongoDB is away all is undecided; repeated until it is back, nothing is lost")
    func away() async throws {
        let server = try await Self.server.value
        let store = try await TestStore.open(
            server.uri + "&serverSelectionTimeoutMS=300&connectTimeoutMS=300"
        )
        let changes = (0..<50).flatMap { number in
            [
                Self.add("s\(number % 2)", "\(number)"),
                Self.merge("s\(number % 2)", ["\(number)": .bool(true)]),
            ]
        }
        server.members[0].kill()
        for result in await store.replicate(changes) {
            guard case .undecided(let error) = result else {
                Issue.record("\(result)")
                continue
            }
            #expect(error.code == .unavailable)
        }
        try server.members[0].start()
        let isDone = await eventually(within: .seconds(60)) {
            await store.replicate(changes).allSatisfy { if case .done = $0 { true } else { false } }
        }
        #expect(isDone)
        for session in 0..<2 {
            let numbers = (0..<50).filter { $0 % 2 == session }
            #expect(try await comments(store, "s\(session)") == numbers.map { "\($0)" })
            #expect(try await store.metadata(ofSession: "s\(session)")?.count == numbers.count)
        }
        await store.close()
    }
}

extension FeedbackID {
    private static let ids = FeedbackIDGenerator()

    fileprivate static func next() -> FeedbackID { ids.next(at: .now) }
}
