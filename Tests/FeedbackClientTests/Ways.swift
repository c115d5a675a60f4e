import FeedbackClient
import FeedbackCore
import FeedbackModel
import FeedbackServer
import Foundation
import Logging
import Synchronization
import TestSupport
import Testing

/// The kinds of transport by which a client reaches a service.
enum Way: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case socket, inProcess

    var testDescription: String { rawValue }
}

/// A counter of events.
final class Counter: Sendable {
    private let number = Atomic<Int>(0)

    var count: Int { number.load(ordering: .sequentiallyConsistent) }

    /// Adds one to the count and returns it.
    @discardableResult
    func increment() -> Int { number.add(1, ordering: .sequentiallyConsistent).newValue }
}

extension FeedbackClient.Options {
    /// Options for tests: a long timeout for slow machines, and short pauses between attempts.
    static var forTests: FeedbackClient.Options {
        var options = FeedbackClient.Options()
        options.timeout = .seconds(60)
        options.backoff = .milliseconds(1)
        options.backoffMax = .milliseconds(20)
        return options
    }
}

extension FeedbackServer {
    /// Returns a running server with an empty store.
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

/// Calls the body with a client of a new service with an empty store.
func withClient(
    _ way: Way,
    hooks: [any FeedbackHook] = [],
    missingSession: MissingSessionPolicy = .create,
    deliveries: (any DeliveryControl)? = nil,
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
        service.deliveryEngine = deliveries
        try await body(FeedbackClient(service: service, options: options))
    case .socket:
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        let server = try FeedbackServer.started(
            at: folder.path("feedbackd.sock"),
            hooks: hooks,
            missingSession: missingSession
        )
        server.service.deliveryEngine = deliveries
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

/// Returns the error of the call; nil if it succeeds.
func failure(of call: () async throws -> Void) async -> CallError? {
    do {
        try await call()
        return nil
    } catch {
        return error as? CallError ?? CallError(.unknown, "not a CallError: \(error)")
    }
}

/// Expects the call to fail with the code.
func expectFailure(
    _ code: CallError.Code,
    sourceLocation: SourceLocation = #_sourceLocation,
    of call: () async throws -> Void
) async {
    let error = await failure(of: call)
    #expect(error?.code == code, sourceLocation: sourceLocation)
}

extension Feedback {
    /// The feedback as clients receive it: messages have no request_id.
    var withoutRequestID: Feedback {
        var feedback = self
        feedback.draft.requestID = ""
        return feedback
    }
}
