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

    /// What a waiting request costs beside its bytes.
    private static let requestOverheadBytes = 64

    private var requests: [[UInt8]] = []
    private(set) var requestsHaveEnded = false
    private var taker: Taker?
    private var takingIsCancelled = false
    /// The response that waits.
    private(set) var response: MessageBuilder?
    private var sender: Sender?
    private var sendingIsCancelled = false
    /// Why the call ended early.
    private var failure: (any Error)?
    /// The memory of the requests that wait, in bytes.
    private(set) var heldBytes = 0

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
    func take(_ taker: @escaping Taker) {
        if let failure {
            taker(.failure(failure))
        } else if takingIsCancelled {
            takingIsCancelled = false
            taker(.failure(CancellationError()))
        } else if !requests.isEmpty {
            let request = requests.removeFirst()
            heldBytes -= request.count + Self.requestOverheadBytes
            taker(.success(request))
        } else if requestsHaveEnded {
            taker(.success(nil))
        } else {
            precondition(self.taker == nil, "one task at a time takes a call's requests")
            self.taker = taker
        }
    }

    /// The task that takes, or is about to, was cancelled.
    func cancelTaking() {
        guard let taker else {
            takingIsCancelled = true
            return
        }
        self.taker = nil
        taker(.failure(CancellationError()))
    }

    // MARK: - Responses

    /// Keeps the response until the session has sent it.
    func offer(_ response: @escaping MessageBuilder, _ sender: @escaping Sender) {
        if let failure {
            sender(.failure(failure))
        } else if sendingIsCancelled {
            sendingIsCancelled = false
            sender(.failure(CancellationError()))
        } else {
            precondition(self.sender == nil, "one task at a time sends a call's responses")
            self.response = response
            self.sender = sender
        }
    }

    /// The response that waited is sent, or cannot be.
    func responseEnded(_ result: Result<Void, any Error>) {
        response = nil
        guard let sender else { return }
        self.sender = nil
        sender(result)
    }

    /// The task that sends, or is about to, was cancelled; a response that has begun to be sent
    /// goes on.
    func cancelSending() {
        guard let sender else {
            sendingIsCancelled = true
            return
        }
        self.sender = nil
        sender(.failure(CancellationError()))
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
