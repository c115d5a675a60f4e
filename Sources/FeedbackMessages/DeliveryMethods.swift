internal import CFeedbackProto
public import FeedbackModel
internal import ProtoCodec

/// The methods of `feedback.v1.DeliveryService`.
public enum DeliveryMethods {
    /// The service's full name.
    public static let service = "feedback.v1.DeliveryService"

    /// Lists all destinations.
    public static let listDestinations = MethodCodec<Void, [DestinationStatus]>(
        service,
        "ListDestinations",
        request: ProtoType(feedback__v1__list_destinations_request__init),
        response: ProtoType(feedback__v1__list_destinations_response__init),
        buildRequest: { _, _, _ in },
        readRequest: { _ in },
        buildResponse: { destinations, message, arena in
            message.destinations = try arena.messages(of: destinations)
            message.n_destinations = destinations.count
        },
        readResponse: { try [DestinationStatus]($0.destinations, count: $0.n_destinations) }
    )

    /// Pauses the destination of a name.
    public static let pauseDestination = MethodCodec<String, DestinationStatus>(
        service,
        "PauseDestination",
        request: ProtoType(feedback__v1__pause_destination_request__init),
        response: ProtoType(feedback__v1__pause_destination_response__init),
        buildRequest: { $1.name = try $2.string($0, field: "name") },
        readRequest: { String(proto: $0.name) },
        buildResponse: { $1.destination = try $2.message(of: $0) },
        readResponse: { try DestinationStatus($0.destination) }
    )

    /// Resumes the destination of a name.
    public static let resumeDestination = MethodCodec<String, DestinationStatus>(
        service,
        "ResumeDestination",
        request: ProtoType(feedback__v1__resume_destination_request__init),
        response: ProtoType(feedback__v1__resume_destination_response__init),
        buildRequest: { $1.name = try $2.string($0, field: "name") },
        readRequest: { String(proto: $0.name) },
        buildResponse: { $1.destination = try $2.message(of: $0) },
        readResponse: { try DestinationStatus($0.destination) }
    )

    /// Has a destination deliver again what came after a position; nil means everything.
    public static let rewindDestination = MethodCodec<
        (name: String, position: LogPosition?), DestinationStatus
    >(
        service,
        "RewindDestination",
        request: ProtoType(feedback__v1__rewind_destination_request__init),
        response: ProtoType(feedback__v1__rewind_destination_response__init),
        buildRequest: { request, message, arena in
            // On the wire an empty one would mean everything.
            if request.position?.text.isEmpty == true {
                throw CallError.invalid("position", "must not be empty")
            }
            message.name = try arena.string(request.name, field: "name")
            message.position = try arena.string(request.position?.text ?? "", field: "position")
        },
        readRequest: { message in
            let position = String(proto: message.position)
            return (String(proto: message.name), position.isEmpty ? nil : LogPosition(position))
        },
        buildResponse: { $1.destination = try $2.message(of: $0) },
        readResponse: { try DestinationStatus($0.destination) }
    )

    /// Sends a test message to the destination of a name; the response is the reason for which it
    /// was not accepted, or empty.
    public static let testDestination = MethodCodec<String, String>(
        service,
        "TestDestination",
        request: ProtoType(feedback__v1__test_destination_request__init),
        response: ProtoType(feedback__v1__test_destination_response__init),
        buildRequest: { $1.name = try $2.string($0, field: "name") },
        readRequest: { String(proto: $0.name) },
        buildResponse: { $1.error = try $2.string($0) },
        readResponse: { String(proto: $0.error) }
    )

    /// Lists deliveries that wait or that were given up, a page at a time.
    public static let listDeliveries = MethodCodec<DeliveryQuery, DeliveryPage>(
        service,
        "ListDeliveries",
        request: ProtoType(feedback__v1__list_deliveries_request__init),
        response: ProtoType(feedback__v1__list_deliveries_response__init),
        buildRequest: { query, message, arena in
            message.destination = try arena.string(query.destination, field: "destination")
            message.state = query.state.message
            message.page_size = Int32(clamping: query.pageSize)
            message.page_token = try arena.string(query.pageToken, field: "page_token")
            message.with_content = query.includesContent ? 1 : 0
        },
        readRequest: { message in
            DeliveryQuery(
                destination: String(proto: message.destination),
                state: Delivery.State(message.state) ?? .dead,
                pageSize: Int(message.page_size),
                pageToken: String(proto: message.page_token),
                includesContent: message.with_content != 0
            )
        },
        buildResponse: { page, message, arena in
            let deliveries = try arena.allocate(
                of: UnsafeMutablePointer<Feedback__V1__Delivery>?.self,
                count: page.deliveries.count
            )
            for (index, delivery) in page.deliveries.enumerated() {
                deliveries[index] = try arena.message(of: delivery)
            }
            message.deliveries = deliveries
            message.n_deliveries = page.deliveries.count
            message.next_page_token = try arena.string(page.nextPageToken)
            message.total_size = page.totalSize
        },
        readResponse: { message in
            DeliveryPage(
                deliveries: try (0..<message.n_deliveries).compactMap { index in
                    try message.deliveries[index].map { try Delivery($0.pointee) }
                },
                nextPageToken: String(proto: message.next_page_token),
                totalSize: message.total_size
            )
        }
    )

    /// Makes deliveries due at once; the response is their number.
    public static let retryDeliveries = MethodCodec<DeliverySelection, Int64>(
        service,
        "RetryDeliveries",
        request: ProtoType(feedback__v1__retry_deliveries_request__init),
        response: ProtoType(feedback__v1__retry_deliveries_response__init),
        buildRequest: { selection, message, arena in
            message.destination = try arena.string(selection.destination, field: "destination")
            message.delivery_ids = try arena.strings(selection.ids ?? [], field: "delivery_ids")
            message.n_delivery_ids = selection.ids?.count ?? 0
            message.all = selection.ids == nil ? 1 : 0
        },
        readRequest: { message in
            try DeliverySelection(
                message.destination,
                [String](proto: message.delivery_ids, count: message.n_delivery_ids),
                all: message.all != 0
            )
        },
        buildResponse: { count, message, _ in message.retried = count },
        readResponse: { $0.retried }
    )

    /// Gives deliveries up for ever; the response is their number.
    public static let dropDeliveries = MethodCodec<DeliverySelection, Int64>(
        service,
        "DropDeliveries",
        request: ProtoType(feedback__v1__drop_deliveries_request__init),
        response: ProtoType(feedback__v1__drop_deliveries_response__init),
        buildRequest: { selection, message, arena in
            message.destination = try arena.string(selection.destination, field: "destination")
            message.delivery_ids = try arena.strings(selection.ids ?? [], field: "delivery_ids")
            message.n_delivery_ids = selection.ids?.count ?? 0
            message.all = selection.ids == nil ? 1 : 0
        },
        readRequest: { message in
            try DeliverySelection(
                message.destination,
                [String](proto: message.delivery_ids, count: message.n_delivery_ids),
                all: message.all != 0
            )
        },
        buildResponse: { count, message, _ in message.dropped = count },
        readResponse: { $0.dropped }
    )
}
