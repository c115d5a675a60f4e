internal import FeedbackModel

/// The destinations of a service, behind the rules of the requests' fields.
///
/// The errors of rules are INVALID_ARGUMENT and name all fields at fault.
struct CheckedDeliveries: DeliveryControl {
    /// The engine that delivers; nil if there are no destinations.
    let engine: (any DeliveryControl)?

    func destinations() async throws -> [DestinationStatus] {
        try await engine?.destinations() ?? []
    }

    func pause(_ name: String) async throws -> DestinationStatus {
        try FieldRules.check(destination: name)
        return try await present.pause(name)
    }

    func resume(_ name: String) async throws -> DestinationStatus {
        try FieldRules.check(destination: name)
        return try await present.resume(name)
    }

    func rewind(_ name: String, to position: LogPosition?) async throws -> DestinationStatus {
        try FieldRules.check(destination: name, rewindingTo: position)
        return try await present.rewind(name, to: position)
    }

    func test(_ name: String) async throws -> String {
        try FieldRules.check(destination: name)
        return try await present.test(name)
    }

    func deliveries(_ query: DeliveryQuery) async throws -> DeliveryPage {
        let query = try FieldRules.checked(query)
        if engine == nil, query.destination.isEmpty, query.pageToken.isEmpty {
            return DeliveryPage()
        }
        return try await present.deliveries(query)
    }

    func retry(_ selection: DeliverySelection) async throws -> Int64 {
        try FieldRules.check(selection)
        return try await present.retry(selection)
    }

    func drop(_ selection: DeliverySelection) async throws -> Int64 {
        try FieldRules.check(selection)
        return try await present.drop(selection)
    }

    /// The engine.
    ///
    /// - Throws: NOT_FOUND if there are no destinations.
    private var present: any DeliveryControl {
        get throws {
            guard let engine else { throw CallError.unknownDestination }
            return engine
        }
    }
}
