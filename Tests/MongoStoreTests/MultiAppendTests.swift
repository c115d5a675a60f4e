import FeedbackCore
import FeedbackModel
import Foundation
import MongoServers
import Synchronization
import Testing

@testable import MongoStore

/// The outcomes of the adds of one bulk write to sessions that are known to exist.
@Suite("sessions that are there share an update", .serialized)
struct MultiAppendTests {
    private static let server = Task { try await ReplicaSet(members: 1) }
    private let relay: Relay
    private let updates = Updates()
    private let database = SharedServer.newDatabase()
    private let sessions: Sessions

    init() async throws {
        let server = try await MultiAppendTests.server.value
        relay = try Relay(to: server.members[0].address) { [updates] in updates.note($0) }
        let uri = "mongodb://\(server.members[0].address)/?directConnection=true"
        sessions = try Sessions(uri, database: database)
    }

    /// Returns the tests' collection, through a relay, after one add to each of the sessions.
    private func collection(
        with sessions: [String],
        through relay: Relay? = nil
    ) throws -> SessionCollection {
        let address = (relay ?? self.relay).address
        let collection = SessionCollection(
            pool: try ClientPool(
                MongoURI("mongodb://\(address)/?directConnection=true"),
                clientsMax: 1,
                retriesWrites: false
            ),
            name: try CollectionName(database: database, collection: "sessions")
        )
        let drafts = sessions.map { FeedbackDraft(sessionID: $0, requestID: "first") }
        for result in collection.commit(drafts) { #expect(try !result.get().replayed) }
        updates.forget()
        return collection
    }

    /// Returns the request_ids of a session's feedback, in the order of storage.
    private func requestIDs(of session: String) throws -> [String] {
        let feedbacks = try sessions.document(session)?["feedbacks"]?.array ?? []
        return feedbacks.compactMap { $0.document?["request_id"]?.string }
    }

    private let names = (0..<20).map { "session \($0)" }

    @Test func each_gets_its_own_feedback_and_its_time() throws {
        let collection = try collection(with: names)
        let drafts = names.map {
            FeedbackDraft(
                sessionID: $0,
                rating: .down,
                comment: "$comment of \($0)",
                requestID: "second of \($0)",
                attributes: ["$k": "$v"]
            )
        }
        let added = try collection.commit(drafts).map { try $0.get() }
        #expect(added.map(\.feedback.draft) == drafts)
        #expect(added.allSatisfy { !$0.replayed })
        #expect(updates.seen == [Update(statements: 1, isOfMany: true)])
        for (name, added) in zip(names, added) {
            let document = try #require(try sessions.document(name))
            let elements = document["feedbacks"]?.array ?? []
            #expect(elements.count == 2)
            let last = try #require(elements.last?.document)
            #expect(FeedbackDocument.feedback(last, sessionID: name) == added.feedback)
            #expect(
                document["updated_at"]?.date == added.feedback.createdAt.millisecondsSinceEpoch
            )
        }
    }

    @Test func those_that_are_new_or_have_several_adds_have_an_update_of_their_own() throws {
        let collection = try collection(with: ["a", "b", "c"])
        let drafts = ["a", "new", "c", "b", "c"].enumerated().map {
            FeedbackDraft(sessionID: $1, requestID: "\($0)")
        }
        for result in collection.commit(drafts) { #expect(try !result.get().replayed) }
        #expect(updates.seen == [Update(statements: 3, isOfMany: true)])
        #expect(try requestIDs(of: "a") == ["first", "0"])
        #expect(try requestIDs(of: "b") == ["first", "3"])
        #expect(try requestIDs(of: "c") == ["first", "2", "4"])
        #expect(try requestIDs(of: "new") == ["1"])
    }

    @Test func known_request_ids_are_answered_with_what_is_stored() throws {
        let collection = try collection(with: names)
        let drafts = names.enumerated().map { number, name in
            FeedbackDraft(
                sessionID: name,
                comment: "again",
                requestID: number.isMultiple(of: 3) ? "first" : "second"
            )
        }
        let results = try collection.commit(drafts).map { try $0.get() }
        for (number, result) in results.enumerated() {
            #expect(result.replayed == number.isMultiple(of: 3))
            #expect(result.feedback.comment == (result.replayed ? "" : "again"))
        }
        for (number, name) in names.enumerated() {
            let expected = number.isMultiple(of: 3) ? ["first"] : ["first", "second"]
            #expect(try requestIDs(of: name) == expected)
        }
    }

    @Test func one_that_somebody_has_removed_is_made_again_and_its_neighbours_are_not() throws {
        let collection = try collection(with: names)
        try sessions.run([
            "delete": "sessions", "deletes": [["q": ["_id": .string(names[3])], "limit": 1]],
        ])
        let drafts = names.map { FeedbackDraft(sessionID: $0, requestID: "second") }
        for result in collection.commit(drafts) { #expect(try !result.get().replayed) }
        for (number, name) in names.enumerated() {
            #expect(try requestIDs(of: name) == (number == 3 ? ["second"] : ["first", "second"]))
        }
    }

    @Test(arguments: [CallError.Code.failedPrecondition, .resourceExhausted])
    func one_that_the_server_refuses_fails_alone_and_is_not_sent_with_others_again(
        _ refusal: CallError.Code
    ) throws {
        let collection = try collection(with: names)
        if refusal == .failedPrecondition {
            try sessions.update(names[7], ["$set": ["feedbacks": 5]])
        } else {
            // The session is slightly smaller than a document may be.
            let text = String(repeating: "x", count: (16 << 20) - 1_000)
            try sessions.update(names[7], ["$set": ["agents": ["text": .string(text)]]])
        }
        for round in 0..<2 {
            let drafts = names.map {
                FeedbackDraft(
                    sessionID: $0,
                    comment: String(repeating: "x", count: 1_000),
                    requestID: "\(round)"
                )
            }
            let results = collection.commit(drafts)
            for (number, result) in results.enumerated() {
                #expect(code(of: result) == (number == 7 ? refusal : nil))
                #expect(number == 7 || (try? !result.get().replayed) == true)
            }
        }
        // First all sessions share an update, then each has its own, then one session remains
        // alone.
        let counts = updates.seen.map(\.statements)
        #expect(counts == [1, 20, 2])
        for (number, name) in names.enumerated() where number != 7 {
            #expect(try requestIDs(of: name) == ["first", "0", "1"])
        }
    }

    @Test func what_is_beside_a_refused_update_gets_its_own_answer() throws {
        let collection = try collection(with: names)
        try sessions.update(names[0], ["$set": ["feedbacks": 5]])
        let drafts =
            names.map { FeedbackDraft(sessionID: $0, requestID: "second") }
            + [
                FeedbackDraft(sessionID: "new", requestID: "1"),
                FeedbackDraft(sessionID: "new", requestID: "2"),
                FeedbackDraft(sessionID: names[1], requestID: "first"),
            ]
        let results = collection.commit(drafts)
        #expect(code(of: results[0]) == .failedPrecondition)
        let replayed = try results.dropFirst().map { try $0.get().replayed }
        #expect(replayed == Array(repeating: false, count: 21) + [true])
        #expect(try requestIDs(of: "new") == ["1", "2"])
        for name in names[1...] { #expect(try requestIDs(of: name) == ["first", "second"]) }
    }

    @Test func a_removed_one_is_unknown_where_sessions_are_not_made() throws {
        let collection = try collection(with: names)
        try sessions.run([
            "delete": "sessions", "deletes": [["q": ["_id": .string(names[3])], "limit": 1]],
        ])
        let drafts = names.map { FeedbackDraft(sessionID: $0, requestID: "second") }
        for (number, result) in collection.commit(drafts, missingSession: .reject).enumerated() {
            #expect(code(of: result) == (number == 3 ? .notFound : nil))
        }
        #expect(try sessions.document(names[3]) == nil)
        #expect(try requestIDs(of: names[4]) == ["first", "second"])
    }

    @Test func whatever_a_program_wrote_instead_of_feedback_does_not_matter() throws {
        let collection = try collection(with: names)
        try sessions.update(names[0], ["$set": ["feedbacks": nil, "updated_at": "text"]])
        try sessions.update(names[1], ["$unset": ["feedbacks": 1, "updated_at": 1]])
        try sessions.update(names[2], ["$set": ["feedbacks": [1, ["request_id": 5], [[]]]]])
        let drafts = names.map { FeedbackDraft(sessionID: $0, requestID: "second") }
        updates.forget()
        for result in collection.commit(drafts) { #expect(try !result.get().replayed) }
        #expect(updates.seen == [Update(statements: 1, isOfMany: true)])
        for name in names[..<3] { #expect(try requestIDs(of: name) == ["second"]) }
        #expect(try sessions.document(names[2])?["feedbacks"]?.array?.count == 4)
    }

    @Test("49: a writeConcernError is an acknowledgement of none", arguments: [64, 91] as [Int32])
    func failedWriteConcern(code: Int32) async throws {
        let server = try await MultiAppendTests.server.value
        let collection = try collection(with: names)
        let drafts = names.map { FeedbackDraft(sessionID: $0, requestID: "second") }
        try await server.failWriteConcern(code: code)
        let results = collection.commit(drafts, timeout: .milliseconds(500))
        try await server.failWriteConcern(code: nil)
        #expect(results.allSatisfy { MongoStoreTests.code(of: $0) == .unavailable })
        #expect(updates.seen.first == Update(statements: 1, isOfMany: true))
        // The writes themselves were done, as their repetition shows.
        for result in collection.commit(drafts) { #expect(try result.get().replayed) }
        for name in names { #expect(try requestIDs(of: name) == ["first", "second"]) }
    }

    @Test(arguments: ["collation", "clusteredIndex"])
    func those_of_a_collection_whose_ids_are_not_plain_share_none(_ option: String) throws {
        let value: BSON =
            option == "collation"
            ? ["locale": "en", "strength": 2] : ["key": ["_id": 1], "unique": true]
        let creation = BSONDocument([("create", "sessions"), (option, value)])
        try sessions.run(creation)
        let collection = try collection(with: names)
        let drafts = names.map { FeedbackDraft(sessionID: $0, requestID: "second") }
        for result in collection.commit(drafts) { #expect(try !result.get().replayed) }
        #expect(updates.seen == [Update(statements: 20, isOfMany: false)])
        for name in names { #expect(try requestIDs(of: name) == ["first", "second"]) }
    }

    @Test("47: cut after sending, before the reply: each is stored once", arguments: 1...3)
    func cut(times: Int) throws {
        let collection = try collection(with: names)
        relay.cut("update", times: times)
        let drafts = names.map { FeedbackDraft(sessionID: $0, requestID: "second") }
        for result in collection.commit(drafts) { #expect(try !result.get().replayed) }
        #expect(relay.cutsLeft == 0)
        for name in names { #expect(try requestIDs(of: name) == ["first", "second"]) }
    }

    /// While documents move between shards, an update of many may miss one or count one twice.
    @Test func behind_a_router_each_has_an_update_of_its_own() async throws {
        let server = try await MultiAppendTests.server.value
        // This field of the greeting is all that distinguishes a router from a primary.
        let name = Data("\u{2}setName\0\u{6}\0\0\0tests\0".utf8)
        let router = Data("\u{2}msg\0\u{A}\0\0\0isdbgrid\0\0".utf8)
        let relay = try Relay(
            to: server.members[0].address,
            onRequest: { [updates] in updates.note($0) },
            onReply: { reply in
                var reply = reply
                while let found = reply.range(of: name) {
                    reply.replaceSubrange(found, with: router)
                }
                return reply
            }
        )
        let collection = try collection(with: names, through: relay)
        let drafts = names.map { FeedbackDraft(sessionID: $0, requestID: "second") }
        for result in collection.commit(drafts) { #expect(try !result.get().replayed) }
        #expect(updates.seen == [Update(statements: 20, isOfMany: false)])
        for name in names { #expect(try requestIDs(of: name) == ["first", "second"]) }
    }
}

/// The statements of a bulk write of updates.
private struct Update: Equatable {
    let statements: Int
    let isOfMany: Bool
}

/// The bulk writes that were sent.
private final class Updates: Sendable {
    private let updates = Mutex<[Update]>([])

    var seen: [Update] { updates.withLock { $0 } }

    func forget() { updates.withLock { $0 = [] } }

    func note(_ request: Data) {
        guard request.range(of: Data("\u{2}update\0".utf8)) != nil else { return }
        let update = Update(
            statements: request.count(of: "\u{3}q\0"),
            isOfMany: request.count(of: "\u{8}multi\0\u{1}") > 0
        )
        updates.withLock { $0.append(update) }
    }
}
