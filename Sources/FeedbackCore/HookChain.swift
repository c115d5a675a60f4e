internal import CoreMetrics
public import FeedbackModel
internal import Synchronization

/// A list of hooks around the store, built once; the first hook is the outermost.
public final class HookChain: Sendable {
    private let hooks: [any FeedbackHook]
    private let writer: ChangeWriter
    /// The veto counters, one for each hook; nil if no metrics system is installed.
    private let vetoes: [VetoCounters]?

    init(_ hooks: [any FeedbackHook], writer: ChangeWriter) {
        self.hooks = hooks
        self.writer = writer
        let isCounted = !(MetricsSystem.factory is NOOPMetricsHandler)
        vetoes = isCounted ? hooks.map { VetoCounters(hook: $0.name) } : nil
    }

    /// Passes a change that meets the field rules through the hooks to the store.
    func run(_ change: Change, context: CallContext) async throws -> ChangeOutcome {
        let context = HookContext(change, call: context, store: writer.store)
        return try await Next(chain: self, index: 0, context: context)(change)
    }

    /// The rest of a chain, as a hook calls it.
    public struct Next: Sendable {
        fileprivate let chain: HookChain
        fileprivate let index: Int
        fileprivate let context: HookContext

        /// Passes the change to the next hook, or to the store after the last one.
        ///
        /// A hook usually rethrows the errors.
        ///
        /// - Throws: INVALID_ARGUMENT if a hook made the change break a field rule; the error of a
        ///   further hook or of the store.
        public func callAsFunction(_ change: Change) async throws -> ChangeOutcome {
            let hooks = chain.hooks
            do {
                let outcome: ChangeOutcome
                if index < hooks.count {
                    let next = Next(chain: chain, index: index + 1, context: context)
                    outcome = try await hooks[index].intercept(change, context: context, next: next)
                } else {
                    // A change that hooks have modified must meet the field rules, too.
                    if !change.isCopy(of: context.original) { try FieldRules.check(change) }
                    let accepted = chain.writer.accept(change)
                    outcome = try await chain.writer.store.commit(accepted, context: context.call)
                }
                context.hasFailed.store(false, ordering: .relaxed)
                return outcome
            } catch {
                // An error that a further hook or the store threw is no veto of this hook.
                let isOwn = !context.hasFailed.exchange(true, ordering: .relaxed)
                if isOwn, let vetoes = chain.vetoes, index < vetoes.count {
                    vetoes[index].count(error)
                }
                throw error
            }
        }
    }
}

/// Counts the refusals of one hook, by error code.
private final class VetoCounters: Sendable {
    private let hook: String
    /// The metrics factory for counters that are made later, in any task.
    private let factory: any MetricsFactory = MetricsSystem.factory
    private let counters = Mutex<[String: Counter]>([:])

    init(hook: String) { self.hook = hook }

    func count(_ error: any Error) {
        let code = CallError(error).code.name
        counters.withLock { counters in
            let counter =
                counters[code]
                ?? Counter(
                    label: CoreInstrument.hookVetoes.rawValue,
                    dimensions: [("hook", hook), ("code", code)],
                    factory: factory
                )
            counters[code] = counter
            counter.increment()
        }
    }
}
