import FeedbackCore
import FeedbackModel
import Testing

extension StoreContract {
    static let metadata: [StoreBehaviour] = [
        StoreBehaviour("metadata of every kind is read as it was written", everyValue),
        StoreBehaviour("numbers of metadata are read exactly as they were written", numbers),
        StoreBehaviour("a merge replaces and joins top-level keys", merge),
        StoreBehaviour("a removal passes over keys that are not there", remove),
        StoreBehaviour("keys of metadata are told apart by their bytes", exactKeys),
        StoreBehaviour("a merge makes an unknown session under create", mergeCreates),
        StoreBehaviour("a change of an unknown session is NOT_FOUND under reject", changeRejected),
        StoreBehaviour("metadata that would be too large is refused and nothing changes", tooLarge),
        StoreBehaviour("concurrent merges are all kept", concurrentMerges),
        StoreBehaviour("a change whose caller is gone is dropped", droppedChange),
    ]

    static let ending: [StoreBehaviour] = [
        StoreBehaviour("an open store is serving", serving),
        StoreBehaviour("a closed store answers UNAVAILABLE", closed),
        StoreBehaviour("closing waits for the adds that were accepted", closingWaits),
    ]

    private static func everyValue(_ store: any Store) async throws {
        let metadata: Metadata = [
            "null": .null, "bool": .bool(true), "number": .number(-1.5e-7),
            "text": .string("\"\\/\u{8}\u{1F600}\u{2028}"), "1": .number(1),
            "list": .list([.list([]), .object([:]), .bool(false), .string("1")]),
            "object": .object(["": .null, "ключ": .number(9_007_199_254_740_991)]),
        ]
        #expect(try await store.changeMetadata("s", .merge(metadata)) == metadata)
        #expect(try await store.metadata(ofSession: "s") == metadata)
    }

    private static func numbers(_ store: any Store) async throws {
        let bound = 0x1p63
        let numbers = [
            0, -0.0, 4, -4, 0.1, 0x1p53, 0x1p53 + 2, -0x1p53 - 2, 0x1p62, bound.nextDown, bound,
            bound.nextUp, -bound, (-bound).nextDown, 1e300, -1e300, .leastNonzeroMagnitude,
            .greatestFiniteMagnitude,
        ]
        for number in numbers {
            _ = try await store.changeMetadata("s", .merge(["k": .number(number)]))
            guard case .number(let read)? = try await store.metadata(ofSession: "s")?["k"] else {
                Issue.record("\(number) is read as something else")
                continue
            }
            #expect(read.bitPattern == number.bitPattern, "\(number) is read as \(read)")
        }
    }

    private static func merge(_ store: any Store) async throws {
        _ = try await store.changeMetadata("s", .merge(["a": .object(["x": .null]), "b": .null]))
        let merged = try await store.changeMetadata(
            "s",
            .merge(["a": .object(["y": .null]), "c": .null])
        )
        #expect(merged == ["a": .object(["y": .null]), "b": .null, "c": .null])
        #expect(try await store.metadata(ofSession: "s") == merged)
    }

    private static func remove(_ store: any Store) async throws {
        _ = try await store.changeMetadata("s", .merge(["a": .null, "b": .null]))
        let rest = try await store.changeMetadata("s", .remove(["a", "z"]))
        #expect(rest == ["b": .null])
        #expect(try await store.metadata(ofSession: "s") == rest)
    }

    private static func exactKeys(_ store: any Store) async throws {
        let (composed, decomposed) = ("\u{E9}", "e\u{301}")
        let inner: Metadata = [composed: .number(1), decomposed: .number(2)]
        let both = try await store.changeMetadata(
            "s",
            .merge([composed: .object(inner), decomposed: .string(composed)])
        )
        #expect(both.count == 2)
        #expect(try await store.metadata(ofSession: "s") == both)
        #expect(both[composed] == .object(inner))
        #expect(both[decomposed] == .string(composed))
        #expect(both[decomposed] != .string(decomposed))

        try await store.add(FeedbackDraft(sessionID: "s", rating: .up))
        for (key, group) in [
            (composed, "{\"\(decomposed)\":2,\"\(composed)\":1}"), (decomposed, composed),
        ] {
            let query = MetricsQuery(grouping: .metadata(key: key))
            let groups = try await store.metrics(query).groups
            #expect(groups.map { Array($0.key.utf8) } == [Array(group.utf8)])
        }

        let replaced = try await store.changeMetadata("s", .merge([decomposed: .bool(true)]))
        #expect(replaced == [composed: .object(inner), decomposed: .bool(true)])
        let rest = try await store.changeMetadata("s", .remove([composed]))
        #expect(rest == [decomposed: .bool(true)])
        #expect(try await store.metadata(ofSession: "s") == rest)
    }

    private static func mergeCreates(_ store: any Store) async throws {
        _ = try await store.changeMetadata("s", .merge([:]), missingSession: .create)
        #expect(try await store.metadata(ofSession: "s") == [:])
        #expect(try await store.all(FeedbackQuery(sessionID: "s")).isEmpty)
    }

    private static func changeRejected(_ store: any Store) async throws {
        for change in [MetadataChange.merge(["a": .null]), .remove(["a"])] {
            let code = await errorCode {
                try await store.changeMetadata("s", change, missingSession: .reject)
            }
            #expect(code == .notFound)
        }
        #expect(try await store.metadata(ofSession: "s") == nil)
    }

    private static func tooLarge(_ store: any Store) async throws {
        // {"a":"…"} has eight bytes besides the text.
        let largest = String(repeating: "x", count: FieldLimits.metadataBytesMax - 8)
        let before = try await store.changeMetadata("s", .merge(["a": .string(largest)]))
        for (session, metadata) in [
            ("s", ["b": .null] as Metadata), ("new", ["a": .string(largest + "x")]),
        ] {
            let code = await errorCode { try await store.changeMetadata(session, .merge(metadata)) }
            #expect(code == .invalidArgument)
        }
        #expect(try await store.metadata(ofSession: "s") == before)
        #expect(try await store.metadata(ofSession: "new") == nil)
    }

    private static func concurrentMerges(_ store: any Store) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<40 {
                group.addTask {
                    _ = try await store.changeMetadata("s", .merge(["k\(index)": .null]))
                }
            }
            try await group.waitForAll()
        }
        #expect(try await store.metadata(ofSession: "s")?.count == 40)
    }

    private static func droppedChange(_ store: any Store) async throws {
        for (context, code) in goneCallers {
            let answer = await errorCode {
                try await store.changeMetadata("s", .merge(["a": .null]), context: context)
            }
            #expect(answer == code)
        }
        #expect(try await store.metadata(ofSession: "s") == nil)
    }

    private static func serving(_ store: any Store) async throws {
        #expect(await store.health() == .serving)
    }

    private static func closed(_ store: any Store) async throws {
        try await store.add(FeedbackDraft(sessionID: "s"))
        await store.close()
        await store.close()
        let codes = [
            await errorCode { try await store.add(FeedbackDraft(sessionID: "s")) },
            await errorCode { try await store.list(FeedbackQuery(pageSize: 1)) },
            await errorCode { try await store.metrics(MetricsQuery()) },
            await errorCode { try await store.metadata(ofSession: "s") },
            await errorCode { try await store.changeMetadata("s", .merge([:])) },
        ]
        #expect(codes == Array(repeating: .unavailable, count: 5))
        #expect(await store.health() != .serving)
    }

    /// Each add is either stored or refused, and all are answered.
    private static func closingWaits(_ store: any Store) async throws {
        let codes = await withTaskGroup(of: CallError.Code?.self) { group in
            for index in 0..<100 {
                group.addTask {
                    await errorCode { try await store.add(FeedbackDraft(sessionID: "s\(index)")) }
                }
            }
            await store.close()
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(codes.count == 100)
        #expect(codes.allSatisfy { $0 == nil || $0 == .unavailable })
    }
}
