internal import CoreMetrics
public import FeedbackModel
internal import Synchronization

/// A list of hooks around the storage, built once.
///
/// The first hook is the outermost.
public final class HookChain: Sendable {
    /// What the innermost hook's `next` does.
    typealias Storage =
        @Sendable (FeedbackDraft, [AlertRule], HookContext) async throws -> AddedFeedback

    private let hooks: [any FeedbackHook]
    /// The same, if none of them ever suspends.
    private let immediate: ImmediateHooks?
    private let storage: Storage
    /// One for each hook; nil if nobody collects them.
    private let vetoes: [VetoCounters]?

    init(_ hooks: [any FeedbackHook], storage: @escaping Storage) {
        self.hooks = hooks
        self.storage = storage
        let isCounted = !(MetricsSystem.factory is NOOPMetricsHandler)
        vetoes = isCounted ? hooks.map { VetoCounters(hook: $0.name) } : nil
        immediate = ImmediateHooks(hooks, vetoes: vetoes)
    }

    func run(_ feedback: FeedbackDraft, context: HookContext) async throws -> AddedFeedback {
        if let immediate { return try await run(immediate, feedback, context: context) }
        let trace = vetoes.map { _ in FailureTrace() }
        let next = Next(chain: self, index: 0, context: context, rules: [], trace: trace)
        return try await next(feedback)
    }

    private func run(
        _ hooks: ImmediateHooks,
        _ feedback: FeedbackDraft,
        context: HookContext
    ) async throws -> AddedFeedback {
        var endings: [HookEnding?] = []
        let outcome: Result<AddedFeedback, any Error>
        do {
            var feedback = feedback
            try hooks.begin(&feedback, context: context, endings: &endings)
            outcome = .success(try await storage(feedback, hooks.rules, context))
        } catch {
            outcome = .failure(error)
        }
        return try hooks.end(endings, outcome)
    }

    /// Whether ``runNow(_:context:storage:)`` can be called for feedback of that rating.
    func runsAtOnce(for rating: Rating) -> Bool {
        if let immediate { !immediate.mayAlert(of: rating) } else { false }
    }

    /// Does what ``run(_:context:)`` does, at once and with a storage that alerts of nothing.
    func runNow(
        _ feedback: consuming FeedbackDraft,
        context: HookContext,
        storage: (consuming FeedbackDraft) throws -> AddedFeedback
    ) throws -> AddedFeedback {
        guard let immediate else { preconditionFailure("one of the hooks may suspend") }
        var endings: [HookEnding?] = []
        let outcome: Result<AddedFeedback, any Error>
        do {
            try immediate.begin(&feedback, context: context, endings: &endings)
            precondition(!immediate.mayAlert(of: feedback.rating), "a hook changed the rating")
            outcome = .success(try storage(feedback))
        } catch {
            outcome = .failure(error)
        }
        return try immediate.end(endings, outcome)
    }

    /// The rest of a chain.
    public struct Next: Sendable {
        fileprivate let chain: HookChain
        fileprivate var index: Int
        fileprivate let context: HookContext
        fileprivate var rules: [AlertRule]
        /// Tells whose error it is that comes out of the chain; nil if no vetoes are counted.
        fileprivate let trace: FailureTrace?

        /// Passes the feedback on.
        ///
        /// What it throws, a hook usually lets through.
        public func callAsFunction(_ feedback: FeedbackDraft) async throws -> AddedFeedback {
            guard let trace, let vetoes = chain.vetoes else { return try await pass(feedback) }
            do {
                let added = try await pass(feedback)
                trace.hasFailed.store(false, ordering: .relaxed)
                return added
            } catch {
                // What a further hook or the storage threw is no veto of this hook.
                let isOwn = !trace.hasFailed.exchange(true, ordering: .relaxed)
                if isOwn, index < vetoes.count { vetoes[index].count(error) }
                throw error
            }
        }

        private func pass(_ feedback: FeedbackDraft) async throws -> AddedFeedback {
            guard index < chain.hooks.count else {
                return try await chain.storage(feedback, rules, context)
            }
            var next = self
            next.index += 1
            return try await chain.hooks[index].intercept(feedback, context: context, next: next)
        }

        /// Passes the feedback on, and has an alert queued in the transaction that stores it, if the
        /// rule says so then.
        public func callAsFunction(
            _ feedback: FeedbackDraft,
            alerting rule: AlertRule?
        ) async throws -> AddedFeedback {
            guard let rule else { return try await self(feedback) }
            var next = self
            next.rules.append(rule)
            return try await next(feedback)
        }
    }
}

/// Whether the part of a chain that was passed last has failed.
private final class FailureTrace: Sendable {
    let hasFailed = Atomic(false)
}

/// Counts by their codes what a hook refused.
final class VetoCounters: Sendable {
    private let hook: String
    /// For counters that are made later, by whatever task.
    private let factory: any MetricsFactory = MetricsSystem.factory
    private let counters = Mutex<[String: Counter]>([:])

    init(hook: String) { self.hook = hook }

    func count(_ error: any Error) {
        let code = FeedbackError.Code(of: error).name
        counters.withLock { counters in
            let counter =
                counters[code]
                ?? Counter(
                    label: InstrumentName.hookVetoes.rawValue,
                    dimensions: [("hook", hook), ("code", code)],
                    factory: factory
                )
            counters[code] = counter
            counter.increment()
        }
    }
}
