internal import DequeModule
internal import ProtoCodec

/// The messages of a streaming call that wait: requests for the handler, and a response for room.
///
/// Used on the call's loop only, but for init.
final class CallMessages: @unchecked Sendable {
    // Unchecked: see above.

    /// Given the next request, nil after the last, or why there will be none.
    typealias RequestCompletion = (Result<[UInt8]?, any Error>) -> Void
    /// Told that its response is sent, or why it will not be.
    typealias SendCompletion = (Result<Void, any Error>) -> Void

    /// One wait for a request, to tell which one is cancelled.
    ///
    /// Used on the call's loop only, but for init.
    final class CancellationToken: @unchecked Sendable {
        // Unchecked: see above.
        fileprivate var isCancelled = false
    }

    /// What a waiting request costs beside its bytes.
    private static let requestOverheadBytes = 64

    private var requests: Deque<[UInt8]> = []
    private(set) var requestsHaveEnded = false
    private var requestCompletion: RequestCompletion?
    /// What the request completion waits with.
    private var token: CancellationToken?
    /// The response that waits.
    private(set) var response: MessageBuilder?
    private var sendCompletion: SendCompletion?
    /// Why the call ended early.
    private var failure: (any Error)?
    /// The memory of the requests that wait, in bytes.
    private(set) var heldBytes = 0
    /// What the session last counted of them.
    var countedBytes = 0

    // MARK: - Requests

    var hasWaitingRequest: Bool { !requests.isEmpty }

    func add(_ request: [UInt8]) {
        guard failure == nil else { return }
        if let requestCompletion {
            self.requestCompletion = nil
            requestCompletion(.success(request))
        } else {
            requests.append(request)
            heldBytes += request.count + Self.requestOverheadBytes
        }
    }

    /// No request follows those that were added.
    func endRequests() {
        requestsHaveEnded = true
        guard let requestCompletion else { return }
        self.requestCompletion = nil
        requestCompletion(.success(nil))
    }

    /// Gives the next request to the completion, now or when it comes.
    func take(_ token: CancellationToken, _ requestCompletion: @escaping RequestCompletion) {
        if let failure {
            requestCompletion(.failure(failure))
        } else if token.isCancelled {
            requestCompletion(.failure(CancellationError()))
        } else if !requests.isEmpty {
            let request = requests.removeFirst()
            heldBytes -= request.count + Self.requestOverheadBytes
            requestCompletion(.success(request))
        } else if requestsHaveEnded {
            requestCompletion(.success(nil))
        } else {
            precondition(
                self.requestCompletion == nil,
                "one task at a time takes a call's requests"
            )
            self.token = token
            self.requestCompletion = requestCompletion
        }
    }

    /// The task that takes, is about to, or already has, was cancelled.
    func cancel(_ token: CancellationToken) {
        token.isCancelled = true
        guard let requestCompletion, self.token === token else { return }
        self.requestCompletion = nil
        requestCompletion(.failure(CancellationError()))
    }

    // MARK: - Responses

    /// Keeps the response until the session has sent it.
    func offer(_ response: @escaping MessageBuilder, _ sendCompletion: @escaping SendCompletion) {
        if let failure {
            sendCompletion(.failure(failure))
        } else {
            precondition(self.sendCompletion == nil, "one task at a time sends a call's responses")
            self.response = response
            self.sendCompletion = sendCompletion
        }
    }

    /// The response that waits is packed, and needs its values no more.
    func responseIsPacked() { response = nil }

    /// The response that waited is sent, or cannot be.
    func responseEnded(_ result: Result<Void, any Error>) {
        response = nil
        guard let sendCompletion else { return }
        self.sendCompletion = nil
        sendCompletion(result)
    }

    // MARK: - The end

    /// The call has ended, whatever its handler does.
    func fail(_ error: any Error) {
        guard failure == nil else { return }
        failure = error
        requests = []
        heldBytes = 0
        let requestCompletion = self.requestCompletion
        self.requestCompletion = nil
        requestCompletion?(.failure(error))
        responseEnded(.failure(error))
    }
}
