import FeedbackCore
import FeedbackModel
import Synchronization
import TestSupport
import Testing

@Suite("hooks that work between the calls")
struct BackgroundHookTests {
    /// A hook that counts its starts and stops; a stop lasts until `mayEnd` is true.
    private final class Working: BackgroundHook {
        let starts = Atomic(0)
        let stops = Atomic(0)
        let mayEnd: Atomic<Bool>

        init(mayEnd: Bool = true) { self.mayEnd = Atomic(mayEnd) }

        var startCount: Int { starts.load(ordering: .sequentiallyConsistent) }
        var stopCount: Int { stops.load(ordering: .sequentiallyConsistent) }

        func letGo() { mayEnd.store(true, ordering: .sequentiallyConsistent) }

        var alertRule: AlertRule? { nil }

        func intercept(
            _ change: Change,
            context: HookContext,
            next: HookChain.Next
        ) async throws -> ChangeOutcome {
            try await next(change)
        }

        func start(_ outbox: any AlertOutbox) { starts.add(1, ordering: .sequentiallyConsistent) }

        func outboxChanged() {}

        func stop() async {
            stops.add(1, ordering: .sequentiallyConsistent)
            _ = await eventually { self.mayEnd.load(ordering: .sequentiallyConsistent) }
        }
    }

    @Test("a hook that takes its time to stop holds up no other", arguments: [false, true])
    func together(replacing: Bool) async {
        let hooks = (0..<3).map { _ in Working(mayEnd: false) }
        let service = FeedbackService(store: MemoryStore(), hooks: hooks)
        service.start()
        let ending = Task {
            if replacing { await service.replaceHooks([]) } else { await service.stop() }
        }
        let areTold = await eventually(within: .seconds(2)) {
            hooks.allSatisfy { $0.stopCount == 1 }
        }
        #expect(areTold)
        for hook in hooks { hook.letGo() }
        await ending.value
        #expect(hooks.allSatisfy { $0.stopCount == 1 })
    }

    @Test("hooks are replaced one after the other, and once")
    func replacement() async throws {
        let (former, new) = (Working(mayEnd: false), Working())
        let service = FeedbackService(store: MemoryStore(), hooks: [former])
        service.start()
        let replacing = Task { await service.replaceHooks([new]) }
        try #require(await eventually { former.stopCount == 1 })
        #expect(new.startCount == 0)
        former.letGo()
        await replacing.value
        #expect(new.startCount == 1 && new.stopCount == 0)
        await service.stop()
        #expect(new.startCount == 1 && new.stopCount == 1)
        #expect(former.startCount == 1 && former.stopCount == 1)
    }

    @Test("a stop while hooks are replaced waits for the former, and leaves none started")
    func stopDuringReplacement() async throws {
        let (former, new) = (Working(mayEnd: false), Working())
        let service = FeedbackService(store: MemoryStore(), hooks: [former])
        service.start()
        let replacing = Task { await service.replaceHooks([new]) }
        try #require(await eventually { former.stopCount == 1 })
        let hasStopped = Atomic(false)
        async let stopping: Void = {
            await service.stop()
            hasStopped.store(true, ordering: .sequentiallyConsistent)
        }()
        try await Task.sleep(for: .milliseconds(100))
        let isEarly = hasStopped.load(ordering: .sequentiallyConsistent)
        #expect(!isEarly)
        former.letGo()
        await stopping
        await replacing.value
        #expect(new.startCount == 0 && new.stopCount == 0)
        #expect(former.stopCount == 1)
    }
}
