public import FeedbackCore
public import FeedbackModel
import Synchronization
public import Testing

/// Makes an empty store for one behaviour, which closes it.
public typealias StoreFactory = @Sendable () async throws -> any Store

/// A behaviour of every store, with a check of it.
public struct StoreBehaviour: Sendable, CustomTestStringConvertible {
    /// The behaviour in words.
    public let testDescription: String
    private let check: @Sendable (any Store) async throws -> Void

    init(_ description: String, _ check: @escaping @Sendable (any Store) async throws -> Void) {
        self.testDescription = description
        self.check = check
    }

    /// Checks the behaviour on a store made by the factory.
    public func verify(_ makeStore: StoreFactory) async throws {
        let store = try await makeStore()
        do {
            try await check(store)
        } catch {
            await store.close()
            throw error
        }
        await store.close()
    }
}

/// The behaviours that every ``Store`` must have, wherever it keeps its feedback.
///
/// A store's tests run all behaviours, each as a case of its own:
///
///     @Test(arguments: StoreContract.behaviours)
///     func keeps_the_contract(_ behaviour: StoreBehaviour) async throws {
///         try await behaviour.verify { MemoryStore() }
///     }
public enum StoreContract {
    /// All behaviours.
    public static let behaviours: [StoreBehaviour] =
        appending + listing + filtering + measuring + metadata + ending
}

extension FeedbackID {
    private static let count = Atomic<UInt64>(0)

    /// Returns an identifier that is greater than all previous ones, as the service's are.
    static func ascending() -> FeedbackID {
        let number = count.add(1, ordering: .relaxed).newValue
        return FeedbackID(high: 0x018D_3F60_5A00_7000 + number >> 32, low: number << 32)
    }
}

/// Returns the code of the error that the body throws; nil if it throws none.
public func errorCode<T>(_ body: () async throws -> T) async -> CallError.Code? {
    do {
        _ = try await body()
        return nil
    } catch {
        return (error as? CallError)?.code
    }
}

extension Store {
    /// Adds a draft as the service would.
    @discardableResult
    func add(
        _ draft: FeedbackDraft,
        at milliseconds: Int64 = 1_705_935_600_000,
        missingSession: MissingSessionPolicy = .create,
        context: CallContext = CallContext()
    ) async throws -> AddedFeedback {
        let change = AcceptedChange(
            .add(draft),
            feedbackID: .ascending(),
            acceptedAt: Timestamp(millisecondsSinceEpoch: milliseconds),
            missingSession: missingSession
        )
        return try await commit(change, context: context).added()
    }

    func changeMetadata(
        _ sessionID: String,
        _ change: MetadataChange,
        missingSession: MissingSessionPolicy = .create,
        context: CallContext = CallContext()
    ) async throws -> Metadata {
        let change = AcceptedChange(
            .changeMetadata(sessionID: sessionID, change),
            feedbackID: .ascending(),
            acceptedAt: .now,
            missingSession: missingSession
        )
        return try await commit(change, context: context).metadata()
    }

    /// Returns all pages of the query, one after the other; they must have the same total.
    func pages(_ query: FeedbackQuery) async throws -> [FeedbackPage] {
        var query = query
        if query.pageSize == 0 { query.pageSize = FieldLimits.pageSizeMax }
        var pages: [FeedbackPage] = []
        repeat {
            let page = try await list(query)
            pages.append(page)
            query.pageToken = page.nextPageToken
        } while !query.pageToken.isEmpty
        return pages
    }

    /// Returns the feedback of all pages.
    func all(_ query: FeedbackQuery = FeedbackQuery()) async throws -> [Feedback] {
        try await pages(query).flatMap(\.feedbacks)
    }
}
