internal import CNGHTTP2

/// Header fields in the form that libnghttp2 takes.
///
/// The library does not copy constant fields, so that those are made once.
final class HTTP2Fields: @unchecked Sendable {
    // Unchecked: constant after init.

    let fields: UnsafeMutableBufferPointer<nghttp2_nv>
    /// The memory of the values that are not constants of the program.
    private let values: UnsafeMutableBufferPointer<UInt8>

    /// Makes fields of constants, and of names with values that are copied.
    init(
        _ constants: KeyValuePairs<StaticString, StaticString>,
        _ others: [(name: StaticString, value: [UInt8])] = []
    ) {
        fields = .allocate(capacity: constants.count + others.count)
        values = .allocate(capacity: others.reduce(0) { $0 + $1.value.count })
        var index = 0
        for (name, value) in constants {
            fields.initializeElement(
                at: index,
                to: nghttp2_nv(
                    name: UnsafeMutablePointer(mutating: name.utf8Start),
                    value: UnsafeMutablePointer(mutating: value.utf8Start),
                    namelen: name.utf8CodeUnitCount,
                    valuelen: value.utf8CodeUnitCount,
                    flags: Self.isConstant
                )
            )
            index += 1
        }
        var free = values[...]
        for (name, value) in others {
            let end = free.initialize(fromContentsOf: value)
            fields.initializeElement(
                at: index,
                to: nghttp2_nv(
                    name: UnsafeMutablePointer(mutating: name.utf8Start),
                    value: UnsafeMutableBufferPointer(rebasing: free).baseAddress,
                    namelen: name.utf8CodeUnitCount,
                    valuelen: value.count,
                    flags: UInt8(NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue)
                )
            )
            free = free[end...]
            index += 1
        }
    }

    private static let isConstant = UInt8(
        NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue | NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue
    )

    deinit {
        fields.deallocate()
        values.deallocate()
    }
}
