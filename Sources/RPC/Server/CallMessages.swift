internal import DequeModule
internal import ProtoCodec

/// The messages of a streaming call that wait: requests for the handler, and a response for room.
///
/// Used on the call's loop only, but for init.
final class CallMessages: @unchecked Sendable {
    // Unchecked: see above.

    /// Given the next request, nil after the last, or why there will be none.
    typealias Taker = (Result<[UInt8]?, any Error>) -> Void
    /// Told that its response is sent, or why it will not be.
    typealias Sender = (Result<Void, any Error>) -> Void

    /// One wait for a request, to tell which one is cancelled.
    ///
    /// Used on the call's loop only, but for init.
    final class Taking: @unchecked Sendable {
        // Unchecked: see above.
        fileprivate var isCancelled = false
    }

    /// What a waiting request costs beside its bytes.
    private static let requestOverheadBytes = 64

    private var requests: Deque<[UInt8]> = []
    private(set) var requestsHaveEnded = false
    private var taker: Taker?
    /// What the taker waits with.
    private var taking: Taking?
    /// The response that waits.
    private(set) var response: MessageBuilder?
    private var sender: Sender?
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
        if let taker {
            self.taker = nil
            taker(.success(request))
        } else {
            requests.append(request)
            heldBytes += request.count + Self.requestOverheadBytes
        }
    }

    /// No request follows those that were added.
    func endRequests() {
        requestsHaveEnded = true
        guard let taker else { return }
        self.taker = nil
        taker(.success(nil))
    }

    /// Gives the next request to the taker, now or when it comes.
    func take(_ taking: Taking, _ taker: @escaping Taker) {
        if let failure {
            taker(.failure(failure))
        } else if taking.isCancelled {
            taker(.failure(CancellationError()))
        } else if !requests.isEmpty {
            let request = requests.removeFirst()
            heldBytes -= request.count + Self.requestOverheadBytes
            taker(.success(request))
        } else if requestsHaveEnded {
            taker(.success(nil))
        } else {
            precondition(self.taker == nil, "one task at a time takes a call's requests")
            self.taking = taking
            self.taker = taker
        }
    }

    /// The task that takes, is about to, or already has, was cancelled.
    func cancel(_ taking: Taking) {
        taking.isCancelled = true
        guard let taker, self.taking === taking else { return }
        self.taker = nil
        taker(.failure(CancellationError()))
    }

    // MARK: - Responses

    /// Keeps the response until the session has sent it.
    func offer(_ response: @escaping MessageBuilder, _ sender: @escaping Sender) {
        if let failure {
            sender(.failure(failure))
        } else {
            precondition(self.sender == nil, "one task at a time sends a call's responses")
            self.response = response
            self.sender = sender
        }
    }

    /// The response that waits is packed, and needs its values no more.
    func responseIsPacked() { response = nil }

    /// The response that waited is sent, or cannot be.
    func responseEnded(_ result: Result<Void, any Error>) {
        response = nil
        guard let sender else { return }
        self.sender = nil
        sender(result)
    }

    // MARK: - The end

    /// The call has ended, whatever its handler does.
    func fail(_ error: any Error) {
        guard failure == nil else { return }
        failure = error
        requests = []
        heldBytes = 0
        let taker = self.taker
        self.taker = nil
        taker?(.failure(error))
        responseEnded(.failure(error))
    }
}
