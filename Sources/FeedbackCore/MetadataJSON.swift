public import FeedbackModel
internal import Foundation

/// Metadata as JSON text, the form in which stores keep it and in which its size is limited.
public enum MetadataJSON {
    /// JSON with its keys in order.
    ///
    /// - Throws: INVALID_ARGUMENT if it has more than ``FieldLimits/metadataBytesMax`` bytes.
    public static func encode(_ metadata: Metadata) throws -> String {
        let json = try text(.object(metadata))
        if json.utf8.count > FieldLimits.metadataBytesMax {
            throw FeedbackError.invalid(
                "metadata",
                "must be at most \(FieldLimits.metadataBytesMax) bytes of JSON with what the "
                    + "session has already, would have \(json.utf8.count)"
            )
        }
        return json
    }

    /// - Throws: DATA_LOSS if it is not a JSON object.
    public static func decode(_ json: String) throws -> Metadata {
        do {
            return try JSONDecoder().decode(Metadata.self, from: Data(json.utf8))
        } catch {
            throw FeedbackError(.dataLoss, "stored metadata is not a JSON object", cause: error)
        }
    }

    /// What the value is called as a metrics group: text as it is, anything else as JSON.
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
