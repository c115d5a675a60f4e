internal import ProtoCodec

/// The fields of served methods' requests that are declared and not built yet.
///
/// A request with one of them is refused with UNIMPLEMENTED: what is acknowledged has been done as a
/// whole. Whoever builds a field takes it out of its set here; values of `group_by` are refused where
/// it is read.
enum UnservedFields {
    /// `key` to `extra`.
    static let addFeedback: ProtoFieldNumbers = [10...18]
    /// `agent_id` to `trace_id`.
    static let listFeedbacks: ProtoFieldNumbers = [10...18]
    /// The same, of the filter.
    static let watchFeedbacks = listFeedbacks
    /// `page_size`, `page_token`, and `agent_id` to `trace_id`.
    static let getMetrics: ProtoFieldNumbers = [7...8, 10...18]
    /// `document`, `typed` and `dotted`.
    static let updateMetadata: ProtoFieldNumbers = [3...5]
    /// `typed`.
    static let getMetadata: ProtoFieldNumbers = [4...4]
    /// `typed` and `dotted`.
    static let deleteMetadata: ProtoFieldNumbers = [4...5]
}
