/// A moment in the order of all writes of a deployment: the timestamp of its oplog.
///
/// The upper half are the seconds since 1970, the lower half count the writes of that second.
struct ClusterTime: RawRepresentable, Comparable, Sendable {
    let rawValue: UInt64

    /// The first moment after this one.
    var next: ClusterTime { ClusterTime(rawValue: rawValue &+ 1) }

    /// The last moment before this one.
    var former: ClusterTime { ClusterTime(rawValue: rawValue &- 1) }

    static func < (one: ClusterTime, other: ClusterTime) -> Bool { one.rawValue < other.rawValue }
}

extension ClusterTime {
    /// The moment with which the token of a change stream begins; nil if it has another form.
    ///
    /// Routers merge the streams of several servers by their tokens, so that each begins with a
    /// timestamp in the encoding of index keys: its type, 0x82, and its eight bytes.
    init?(ofToken token: BSONDocument) {
        guard let digits = token["_data"]?.string, digits.hasPrefix("82"),
            let value = UInt64(digits.dropFirst(2).prefix(16), radix: 16)
        else { return nil }
        self.init(rawValue: value)
    }
}
