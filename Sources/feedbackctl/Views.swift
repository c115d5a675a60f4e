internal import FeedbackClient
internal import Foundation
internal import StandardStreams

extension Feedback {
    /// The feedback as JSON, with the field names of the proto file; the rating is "up", "down" or
    /// null, as in the Python library feedback-system.
    var jsonView: MetadataValue {
        var fields: Metadata = [
            "feedback_id": .string(id?.description ?? ""), "session_id": .string(draft.sessionID),
            "rating": draft.rating == .none ? .null : .string(draft.rating.name),
            "comment": .string(draft.comment), "created_at": .string(createdAt.description),
            "updated_at": .string(updatedAt.description),
        ]
        if !draft.messageID.isEmpty { fields["message_id"] = .string(draft.messageID) }
        if !draft.agentID.isEmpty { fields["agent_id"] = .string(draft.agentID) }
        if let author = draft.author {
            fields["author"] = .object([
                "source": .string("\(author.source)"), "id": .string(author.id),
            ])
        }
        if !draft.tags.isEmpty { fields["tags"] = .list(draft.tags.map(MetadataValue.string)) }
        if !draft.attributes.isEmpty {
            fields["attributes"] = .object(draft.attributes.mapValues(MetadataValue.string))
        }
        return .object(fields)
    }
}

/// The JSON output of `metrics`.
struct ReportView: Encodable {
    struct Group: Encodable {
        let key: String
        let metrics: MetricsView
    }

    let metrics: MetricsView
    let groups: [Group]

    init(_ report: MetricsReport) {
        metrics = MetricsView(report.metrics)
        groups = report.groups.map { Group(key: $0.key, metrics: MetricsView($0.metrics)) }
    }
}

/// Metrics as JSON, with the field names of the proto file.
struct MetricsView: Encodable {
    private enum CodingKeys: String, CodingKey {
        case total
        case positive
        case negative
        case neutral
        case averageCommentLength = "average_comment_length"
        case satisfactionRate = "satisfaction_rate"
        case approvalRate = "approval_rate"
        case approvalInterval = "approval_interval"
    }

    let total: Int64
    let positive: Int64
    let negative: Int64
    let neutral: Int64
    let averageCommentLength: Double
    let satisfactionRate: Double
    let approvalRate: Double
    /// The bounds of the approval rate's interval, the lower first; null if there is none.
    let approvalInterval: [Double]?

    init(_ metrics: Metrics) {
        total = metrics.total
        positive = metrics.positive
        negative = metrics.negative
        neutral = metrics.neutral
        averageCommentLength = metrics.averageCommentLength
        satisfactionRate = metrics.satisfactionRate
        approvalRate = metrics.approvalRate
        approvalInterval = metrics.approvalInterval.map { [$0.lowerBound, $0.upperBound] }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(total, forKey: .total)
        try container.encode(positive, forKey: .positive)
        try container.encode(negative, forKey: .negative)
        try container.encode(neutral, forKey: .neutral)
        try container.encode(averageCommentLength, forKey: .averageCommentLength)
        try container.encode(satisfactionRate, forKey: .satisfactionRate)
        try container.encode(approvalRate, forKey: .approvalRate)
        // Null is encoded, so that the field is always present.
        try container.encode(approvalInterval, forKey: .approvalInterval)
    }
}

/// Returns JSON text in which nothing can control a terminal.
func harmless(_ json: String) -> String {
    var escaped = ""
    for scalar in json.unicodeScalars {
        // Outside of texts, where nothing else needs it, are the ends of lines.
        if scalar.needsEscape, scalar != "\n" {
            for unit in String(scalar).utf16 { escaped += String(format: "\\u%04x", unit) }
        } else {
            escaped.unicodeScalars.append(scalar)
        }
    }
    return escaped
}

/// Prints a value of which no key is a caller's: Foundation's coder takes keys for the same that
/// differ in Unicode normalisation only.
func printJSON(_ value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
    let json = String(decoding: try encoder.encode(value), as: UTF8.self)
    try StandardStreams.print(harmless(json))
}

/// Prints a value whose keys are a caller's.
func printJSON(_ value: MetadataValue) throws {
    try StandardStreams.print(harmless(value.json(isPretty: true)))
}
