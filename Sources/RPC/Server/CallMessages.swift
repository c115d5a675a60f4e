internal import DequeModule
internal import ProtoCodec

/// The messages of a streaming call: requests that wait for the handler, and a response that waits
/// for room in the output.
///
/// It is used on the call's loop only, except for `init`.
final class CallMessages: @unchecked Sendable {
    // Unchecked: guarded by the queue of the call's loop, as above.

    /// Receives the next request, nil after the last, or the error because of which there is none.
    typealias RequestCompletion = (Result<[UInt8]?, any Error>) -> Void
    /// Receives the end of a response: it is sent, or there is an error because of which it is not.
    typealias SendCompletion = (Result<Void, any Error>) -> Void

    /// Identifies one wait for a request, so that it can be cancelled.
    ///
    /// It is used on the call's loop only, except for `init`.
    final class CancellationToken: @unchecked Sendable {
        // Unchecked: guarded by the queue of the call's loop, as above.
        fileprivate var isCancelled = false
    }

    /// The memory that a waiting request takes besides its bytes.
    private static let requestOverheadBytes = 64

    private var requests: Deque<[UInt8]> = []
    private(set) var requestsHaveEnded = false
    /// The handler's wait for the next request; nil if it does not wait.
    private var requestCompletion: RequestCompletion?
    /// The token of the wait.
    private var token: CancellationToken?
    /// The response that waits; nil if there is none or if it has been packed.
    private(set) var response: MessageBuilder?
    private var sendCompletion: SendCompletion?
    /// The error with which the call has ended; nil until then.
    private var failure: (any Error)?
    /// The memory of the requests that wait, in bytes.
    private(set) var heldBytes = 0
    /// The part of the session's sum that stands for ``heldBytes``, in bytes.
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

    /// Records that no request follows those that were added.
    func endRequests() {
        requestsHaveEnded = true
        guard let requestCompletion else { return }
        self.requestCompletion = nil
        requestCompletion(.success(nil))
    }

    /// Completes with the next request, at once if one waits.
    ///
    /// Only one wait at a time is allowed.
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

    /// Ends the wait of the token with `CancellationError`, or a wait with it that begins later;
    /// does nothing if that wait has ended.
    func cancel(_ token: CancellationToken) {
        token.isCancelled = true
        guard let requestCompletion, self.token === token else { return }
        self.requestCompletion = nil
        requestCompletion(.failure(CancellationError()))
    }

    // MARK: - Responses

    /// Takes a response for the session to send; only one at a time may wait.
    func offer(_ response: @escaping MessageBuilder, _ sendCompletion: @escaping SendCompletion) {
        if let failure {
            sendCompletion(.failure(failure))
        } else {
            precondition(self.sendCompletion == nil, "one task at a time sends a call's responses")
            self.response = response
            self.sendCompletion = sendCompletion
        }
    }

    /// Drops the builder of the waiting response, which has been packed.
    func responseIsPacked() { response = nil }

    /// Completes the waiting response, which is sent or cannot be.
    func responseEnded(_ result: Result<Void, any Error>) {
        response = nil
        guard let sendCompletion else { return }
        self.sendCompletion = nil
        sendCompletion(result)
    }

    // MARK: - The end

    /// Ends the call for its handler: waits end with the error, now and later.
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
