import FeedbackCore
import FeedbackModel
import Logging
import Synchronization

/// A service with the given hooks and an empty store.
struct Adding {
    let service: FeedbackService

    init(_ hooks: any FeedbackHook...) {
        service = FeedbackService(store: MemoryStore(), hooks: hooks)
    }

    /// Adds a feedback and returns it as it is stored.
    @discardableResult
    func add(
        _ comment: String = "",
        rating: Rating = .none,
        session: String = "s",
        attributes: Attributes = [:],
        pid: Int32? = nil
    ) async throws -> Feedback {
        let draft = FeedbackDraft(
            sessionID: session,
            rating: rating,
            comment: comment,
            attributes: attributes
        )
        let peer = pid.map { PeerCredentials(pid: $0, uid: 1, gid: 1) }
        return try await service.add(draft, context: CallContext(peer: peer)).feedback
    }

    /// Returns the error of an add; nil if it succeeds.
    func failure(
        _ comment: String = "",
        rating: Rating = .none,
        session: String = "s",
        pid: Int32? = nil
    ) async -> CallError? {
        do {
            try await add(comment, rating: rating, session: session, pid: pid)
            return nil
        } catch {
            return error as? CallError
        }
    }

    var stored: [Feedback] {
        get async throws { try await service.list(FeedbackQuery()).feedbacks }
    }
}

/// The log messages of one test.
final class LogLines: Sendable {
    private let lines = Mutex<[String]>([])

    var all: [String] { lines.withLock { $0 } }

    func add(_ line: String) { lines.withLock { $0.append(line) } }

    var logger: Logger { Logger(label: "test") { [self] _ in LineHandler(lines: self) } }
}

private struct LineHandler: LogHandler {
    let lines: LogLines
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let metadata = (event.metadata ?? [:]).map { "\($0)=\($1)" }.sorted()
        lines.add("\(event.level) \(event.message) \(metadata.joined(separator: " "))")
    }
}
