import FeedbackClient
import FeedbackCore
import FeedbackModel
import FeedbackServer
import Foundation
import Logging
import Synchronization
import TestSupport
import Testing

/// How a client reaches a service.
enum Way: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case socket, inProcess

    var testDescription: String { rawValue }
}

/// A hook made of a closure.
struct Hook: FeedbackHook {
    typealias Body =
        @Sendable (FeedbackDraft, HookContext, HookChain.Next) async throws -> AddedFeedback

    let body: Body

    init(_ body: @escaping Body) { self.body = body }

    func intercept(
        _ feedback: FeedbackDraft,
        context: HookContext,
        next: HookChain.Next
    ) async throws -> AddedFeedback {
        try await body(feedback, context, next)
    }
}

/// Counts how often something happened.
final class Counter: Sendable {
    private let number = Atomic<Int>(0)

    var count: Int { number.load(ordering: .sequentiallyConsistent) }

    /// Counts once more, and returns how often that was.
    @discardableResult
    func increment() -> Int { number.add(1, ordering: .sequentiallyConsistent).newValue }
}

extension FeedbackClient.Options {
    /// Patient with a slow machine, and quick to try again.
    static var forTests: FeedbackClient.Options {
        var options = FeedbackClient.Options()
        options.timeout = .seconds(60)
        options.backoff = .milliseconds(1)
        options.backoffMax = .milliseconds(20)
        return options
    }
}

extension FeedbackServer {
    /// A server with an empty store.
    static func started(
        at path: String,
        hooks: [any FeedbackHook] = [],
        missingSession: MissingSessionPolicy = .create,
        drainTimeout: Duration = .seconds(10)
    ) throws -> FeedbackServer {
        var configuration = ServerConfiguration()
        configuration.socketPath = path
        configuration.store = .memory
        configuration.missingSession = missingSession
        configuration.drainTimeout = drainTimeout
        var quiet = Logger(label: "test")
        quiet.logLevel = .critical
        let server = try FeedbackServer(configuration: configuration, hooks: hooks, logger: quiet)
        try server.start()
        return server
    }
}

/// Lends a client of a service of its own, with an empty store.
func withClient(
    _ way: Way,
    hooks: [any FeedbackHook] = [],
    missingSession: MissingSessionPolicy = .create,
    options: FeedbackClient.Options = .forTests,
    _ body: (FeedbackClient) async throws -> Void
) async throws {
    switch way {
    case .inProcess:
        let service = FeedbackService(
            store: MemoryStore(),
            hooks: hooks,
            missingSession: missingSession
        )
        try await body(FeedbackClient(service: service, options: options))
    case .socket:
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        let server = try FeedbackServer.started(
            at: folder.path("feedbackd.sock"),
            hooks: hooks,
            missingSession: missingSession
        )
        let client = try FeedbackClient(socket: server.socketPath, options: options)
        do {
            try await body(client)
        } catch {
            client.close()
            try? await server.stop()
            throw error
        }
        client.close()
        try await server.stop()
    }
}

/// The error that the call ends with; nil if it ends well.
func failure(of call: () async throws -> Void) async -> FeedbackError? {
    do {
        try await call()
        return nil
    } catch {
        return error as? FeedbackError ?? FeedbackError(.unknown, "not a FeedbackError: \(error)")
    }
}

/// Expects the call to end with that code.
func expectFailure(
    _ code: FeedbackError.Code,
    sourceLocation: SourceLocation = #_sourceLocation,
    of call: () async throws -> Void
) async {
    let error = await failure(of: call)
    #expect(error?.code == code, sourceLocation: sourceLocation)
}

extension Feedback {
    /// As every client sees it: the request_id is not part of the message.
    var withoutRequestID: Feedback {
        var feedback = self
        feedback.draft.requestID = ""
        return feedback
    }
}
