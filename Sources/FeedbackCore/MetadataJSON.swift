public import FeedbackModel
internal import Foundation

/// Metadata as JSON text: the form in which stores keep it and in which its size is limited.
public enum MetadataJSON {
    /// Encodes metadata as JSON with sorted keys.
    ///
    /// - Throws: INVALID_ARGUMENT if it has more than ``FieldLimits/metadataBytesMax`` bytes.
    public static func encode(_ metadata: Metadata) throws -> String {
        let json = try text(.object(metadata))
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
    public static func decode(_ json: String) throws -> Metadata {
        do {
            return try JSONDecoder().decode(Metadata.self, from: Data(json.utf8))
        } catch {
            throw CallError(.dataLoss, "stored metadata is not a JSON object", cause: error)
        }
    }

    /// Returns the key of the metrics group of a value: text as it is, nil as "", any other value
    /// as JSON.
    public static func groupKey(_ value: MetadataValue?) throws -> String {
        switch value {
        case nil: ""
        case .string(let text): text
        case .some(let value): try text(value)
        }
    }

    private static func text(_ value: MetadataValue) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }
}
