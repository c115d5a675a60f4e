public import FeedbackModel

/// Metadata as JSON text: the form in which stores keep it and in which its size is limited.
public enum MetadataJSON {
    /// Encodes metadata as JSON with sorted keys.
    ///
    /// - Throws: INVALID_ARGUMENT if it has more than ``FieldLimits/metadataBytesMax`` bytes;
    ///   INTERNAL if a number is not finite, which the field rules refuse.
    public static func encode(_ metadata: Metadata) throws(CallError) -> String {
        guard MetadataValue.object(metadata).hasFiniteNumbers else {
            throw CallError(.internal, "the metadata cannot be written as JSON")
        }
        let json = MetadataValue.object(metadata).json
        if json.utf8.count > FieldLimits.metadataBytesMax {
            throw CallError.invalid(
                "metadata",
                "must be at most \(FieldLimits.metadataBytesMax) bytes of JSON with what the "
                    + "session has already, would have \(json.utf8.count)"
            )
        }
        return json
    }

    /// Decodes metadata from JSON.
    ///
    /// - Throws: DATA_LOSS if the text is not a JSON object.
    public static func decode(_ json: String) throws(CallError) -> Metadata {
        guard case .object(let metadata)? = MetadataValue(json: json) else {
            throw CallError(.dataLoss, "stored metadata is not a JSON object")
        }
        return metadata
    }

    /// Returns the key of the metrics group of a value: text as it is, nil as "", any other value
    /// as JSON.
    public static func groupKey(_ value: MetadataValue?) -> String {
        switch value {
        case nil: ""
        case .string(let text): text
        case .some(let value): value.json
        }
    }
}

extension MetadataValue {
    /// True if all numbers are finite, as those of JSON are.
    fileprivate var hasFiniteNumbers: Bool {
        switch self {
        case .null, .bool, .string: true
        case .number(let number): number.isFinite
        case .list(let values): values.allSatisfy(\.hasFiniteNumbers)
        case .object(let pairs): pairs.allSatisfy(\.value.hasFiniteNumbers)
        }
    }
}
