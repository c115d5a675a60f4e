public import FeedbackModel

/// The destinations of a service, as an operator sees and controls them.
///
/// An unknown destination is NOT_FOUND; the other errors are those of ``Store``.
public protocol DeliveryControl: Sendable {
    /// Returns all destinations, in the order of the configuration.
    func destinations() async throws -> [DestinationStatus]

    /// Delivers nothing more to a destination until it is resumed, also after a new start.
    func pause(_ name: String) async throws -> DestinationStatus

    /// Delivers to a paused destination again.
    func resume(_ name: String) async throws -> DestinationStatus

    /// Delivers again what came after a position; nil means everything that is there.
    ///
    /// - Throws: INVALID_ARGUMENT or OUT_OF_RANGE, as ``Store/readLog(from:context:)`` does.
    func rewind(_ name: String, to position: LogPosition?) async throws -> DestinationStatus

    /// Sends a test message, which is about no feedback, and returns the reason for which it was not
    /// accepted; empty if it was.
    func test(_ name: String) async throws -> String

    /// Returns a page of the deliveries that wait, or of the dead letters.
    ///
    /// The page is shorter than requested if its content would exceed
    /// ``FieldLimits/pageBytesMax``.
    ///
    /// - Throws: INVALID_ARGUMENT for a page size or a page token that cannot be.
    func deliveries(_ query: DeliveryQuery) async throws -> DeliveryPage

    /// Makes deliveries due at once, dead letters too, and returns their number; without ids, all
    /// dead letters of the destination.
    ///
    /// Deliveries that are gone are passed over.
    func retry(_ selection: DeliverySelection) async throws -> Int64

    /// Gives deliveries up for ever and returns their number; without ids, all dead letters of the
    /// destination. The feedback itself stays.
    func drop(_ selection: DeliverySelection) async throws -> Int64
}
