internal import CFeedbackProto
internal import FeedbackModel
internal import ProtoCodec

// Conversions between destinations, deliveries and their generated messages, in both directions.

private let destinationType = ProtoType(feedback__v1__destination__init)
private let deliveryType = ProtoType(feedback__v1__delivery__init)

extension DestinationStatus {
    /// Reads a destination from a response.
    ///
    /// - Throws: an error that makes the client reject the response.
    init(_ destination: UnsafeMutablePointer<Feedback__V1__Destination>?) throws {
        guard let message = destination?.pointee else { throw MissingField() }
        self.init(
            name: String(proto: message.name),
            kind: String(proto: message.kind),
            position: LogPosition(String(proto: message.position))
        )
        changesBehind = message.behind_changes
        secondsBehind = message.behind_seconds
        retryingCount = message.retrying
        deadCount = message.dead
        skippedCount = message.skipped
        lastError = String(proto: message.last_error)
        isPaused = message.paused != 0
        nextAttemptAt = try message.next_attempt_at.map {
            try Timestamp($0.pointee, field: "next_attempt_at")
        }
    }
}

extension [DestinationStatus] {
    /// Reads the destinations of a response.
    ///
    /// - Throws: an error that makes the client reject the response.
    init(
        _ destinations: UnsafeMutablePointer<UnsafeMutablePointer<Feedback__V1__Destination>?>?,
        count: Int
    ) throws {
        self = try (0..<count).map { try DestinationStatus(destinations?[$0]) }
    }
}

extension Delivery {
    /// Reads a delivery from a response.
    ///
    /// - Throws: an error that makes the client reject the response.
    init(_ message: Feedback__V1__Delivery) throws {
        guard let state = State(message.state),
            let firstAttemptAt = message.first_attempt_at?.pointee
        else { throw MissingField() }
        let id = String(proto: message.feedback_id)
        let feedbackID = FeedbackID(id)
        if feedbackID == nil, !id.isEmpty { throw MissingField() }
        self.init(
            id: String(proto: message.delivery_id),
            destination: String(proto: message.destination),
            feedbackID: feedbackID,
            sessionID: String(proto: message.session_id),
            state: state,
            attempts: Int(message.attempts),
            firstAttemptAt: try Timestamp(firstAttemptAt, field: "first_attempt_at"),
            nextAttemptAt: try message.next_attempt_at.map {
                try Timestamp($0.pointee, field: "next_attempt_at")
            },
            lastError: String(proto: message.last_error)
        )
        if message.content_case == FEEDBACK__V1__DELIVERY__CONTENT_FEEDBACK {
            feedback = try message.feedback.map { try Feedback($0.pointee) }
        }
    }
}

extension Delivery.State {
    /// Makes a state; nil if it is unspecified.
    init?(_ state: Feedback__V1__DeliveryState) {
        switch state {
        case FEEDBACK__V1__DELIVERY_STATE__DELIVERY_STATE_RETRYING: self = .retrying
        case FEEDBACK__V1__DELIVERY_STATE__DELIVERY_STATE_DEAD: self = .dead
        default: return nil
        }
    }

    var message: Feedback__V1__DeliveryState {
        switch self {
        case .retrying: FEEDBACK__V1__DELIVERY_STATE__DELIVERY_STATE_RETRYING
        case .dead: FEEDBACK__V1__DELIVERY_STATE__DELIVERY_STATE_DEAD
        }
    }
}

extension DeliverySelection {
    /// Makes a selection of a request's fields.
    ///
    /// - Throws: INVALID_ARGUMENT if there are ids and all are meant as well.
    init(_ destination: UnsafePointer<CChar>?, _ ids: [String], all: Bool) throws(CallError) {
        if all, !ids.isEmpty {
            throw .invalid("all", "must not be given together with delivery_ids")
        }
        self.init(destination: String(proto: destination), ids: all ? nil : ids)
    }
}

extension ProtoArena {
    func message(
        of status: DestinationStatus
    ) throws(ProtoError) -> UnsafeMutablePointer<Feedback__V1__Destination> {
        let message = try make(destinationType)
        message.pointee.name = try string(status.name)
        message.pointee.kind = try string(status.kind)
        message.pointee.position = try string(status.position.text)
        message.pointee.behind_changes = status.changesBehind
        message.pointee.behind_seconds = status.secondsBehind
        message.pointee.retrying = status.retryingCount
        message.pointee.dead = status.deadCount
        message.pointee.last_error = try string(status.lastError)
        message.pointee.paused = status.isPaused ? 1 : 0
        if let due = status.nextAttemptAt {
            message.pointee.next_attempt_at = try self.message(of: due)
        }
        message.pointee.skipped = status.skippedCount
        return message
    }

    /// Builds a repeated field of destinations.
    func messages(
        of destinations: [DestinationStatus]
    ) throws(ProtoError) -> UnsafeMutablePointer<UnsafeMutablePointer<Feedback__V1__Destination>?> {
        let array = try allocate(
            of: UnsafeMutablePointer<Feedback__V1__Destination>?.self,
            count: destinations.count
        )
        for (index, status) in destinations.enumerated() { array[index] = try message(of: status) }
        return array
    }

    func message(
        of delivery: Delivery
    ) throws(ProtoError) -> UnsafeMutablePointer<Feedback__V1__Delivery> {
        let message = try make(deliveryType)
        message.pointee.delivery_id = try string(delivery.id)
        message.pointee.destination = try string(delivery.destination)
        message.pointee.feedback_id = try string(delivery.feedbackID?.description ?? "")
        message.pointee.session_id = try string(delivery.sessionID)
        message.pointee.state = delivery.state.message
        message.pointee.attempts = Int32(clamping: delivery.attempts)
        message.pointee.first_attempt_at = try self.message(of: delivery.firstAttemptAt)
        if let due = delivery.nextAttemptAt {
            message.pointee.next_attempt_at = try self.message(of: due)
        }
        message.pointee.last_error = try string(delivery.lastError)
        if let feedback = delivery.feedback {
            message.pointee.content_case = FEEDBACK__V1__DELIVERY__CONTENT_FEEDBACK
            message.pointee.feedback = try self.message(of: feedback)
        }
        return message
    }
}
