import FeedbackMessages
import FeedbackModel
import Foundation
import TestSupport
import Testing

/// The vectors of `Proto/vectors`, against which clients in other languages are checked, too.
@Suite("golden messages of feedback.v1")
struct VectorTests {
    private static func messages() throws -> [GoldenVector] {
        let payloads = try GoldenVector.all("frame").compactMap(GoldenVector.init(payloadOf:))
        return (try GoldenVector.all("message") + payloads)
            .filter { $0.type?.hasPrefix("feedback.v1.") == true }
    }

    @Test(arguments: try messages().filter { $0.code == nil })
    func a_message_has_its_meaning(_ vector: GoldenVector) throws {
        switch vector.type {
        case "feedback.v1.AddFeedbackRequest":
            try check(vector, request: FeedbackMethods.addFeedback) {
                guard case .add(let draft) = $0 else { return .null }
                return draft.json
            }
        case "feedback.v1.AddFeedbackResponse":
            try check(vector, response: FeedbackMethods.addFeedback) { try $0.added().json }
        case "feedback.v1.ListFeedbacksRequest":
            try check(vector, request: FeedbackMethods.listFeedbacks) { $0.json }
        case "feedback.v1.ListFeedbacksResponse":
            try check(vector, response: FeedbackMethods.listFeedbacks) { $0.json }
        case "feedback.v1.WatchFeedbacksRequest":
            try check(vector, request: FeedbackMethods.watchFeedbacks) { query in
                // The decoded query does not distinguish an absent filter from one without fields.
                query.json(hasFilter: vector.meaning?["filter"] != .null)
            }
        case "feedback.v1.WatchFeedbacksResponse":
            try check(vector, response: FeedbackMethods.watchFeedbacks) { $0.json }
        case "feedback.v1.GetMetricsRequest":
            try check(vector, request: FeedbackMethods.getMetrics) { $0.json }
        case "feedback.v1.GetMetricsResponse":
            try check(vector, response: FeedbackMethods.getMetrics) { $0.json }
        case "feedback.v1.UpdateMetadataRequest":
            try check(vector, request: SessionMethods.updateMetadata) {
                // The decoded change does not distinguish absent metadata from metadata without
                // keys.
                let absent = vector.meaning?["metadata"] == .null
                guard case .changeMetadata(let sessionID, .merge(let metadata)) = $0 else {
                    return .null
                }
                return .message([
                    "sessionId": .text(sessionID), "metadata": absent ? .null : metadata.json,
                ])
            }
        case "feedback.v1.GetMetadataRequest":
            try check(vector, request: SessionMethods.getMetadata) {
                .message(["sessionId": .text($0)])
            }
        case "feedback.v1.DeleteMetadataRequest":
            try check(vector, request: SessionMethods.deleteMetadata) {
                guard case .changeMetadata(let sessionID, .remove(let keys)) = $0 else {
                    return .null
                }
                return .message([
                    "sessionId": .text(sessionID), "keys": .repeated(keys.map(JSON.string)),
                ])
            }
        case "feedback.v1.UpdateMetadataResponse":
            try check(vector, response: SessionMethods.updateMetadata) {
                metadataReply(try $0.metadata())
            }
        case "feedback.v1.GetMetadataResponse":
            try check(vector, response: SessionMethods.getMetadata, metadataReply)
        case "feedback.v1.DeleteMetadataResponse":
            try check(vector, response: SessionMethods.deleteMetadata) {
                metadataReply(try $0.metadata())
            }
        default: try checkOperation(vector)
        }
    }

    private func checkOperation(_ vector: GoldenVector) throws {
        switch vector.type {
        case "feedback.v1.ListDestinationsRequest":
            try check(vector, request: DeliveryMethods.listDestinations) { .message([:]) }
        case "feedback.v1.ListDestinationsResponse":
            try check(vector, response: DeliveryMethods.listDestinations) {
                .message(["destinations": .repeated($0.map(\.json))])
            }
        case "feedback.v1.PauseDestinationRequest":
            try check(vector, request: DeliveryMethods.pauseDestination, named)
        case "feedback.v1.PauseDestinationResponse":
            try check(vector, response: DeliveryMethods.pauseDestination, destinationReply)
        case "feedback.v1.ResumeDestinationRequest":
            try check(vector, request: DeliveryMethods.resumeDestination, named)
        case "feedback.v1.ResumeDestinationResponse":
            try check(vector, response: DeliveryMethods.resumeDestination, destinationReply)
        case "feedback.v1.RewindDestinationRequest":
            try check(vector, request: DeliveryMethods.rewindDestination) {
                .message(["name": .text($0.name), "position": .text($0.position?.text ?? "")])
            }
        case "feedback.v1.RewindDestinationResponse":
            try check(vector, response: DeliveryMethods.rewindDestination, destinationReply)
        case "feedback.v1.TestDestinationRequest":
            try check(vector, request: DeliveryMethods.testDestination, named)
        case "feedback.v1.TestDestinationResponse":
            try check(vector, response: DeliveryMethods.testDestination) {
                .message(["error": .text($0)])
            }
        case "feedback.v1.ListDeliveriesRequest":
            try check(vector, request: DeliveryMethods.listDeliveries) { $0.json }
        case "feedback.v1.ListDeliveriesResponse":
            try check(vector, response: DeliveryMethods.listDeliveries) { $0.json }
        case "feedback.v1.RetryDeliveriesRequest":
            try check(vector, request: DeliveryMethods.retryDeliveries) { $0.json }
        case "feedback.v1.RetryDeliveriesResponse":
            try check(vector, response: DeliveryMethods.retryDeliveries) {
                .message(["retried": .int64($0)])
            }
        case "feedback.v1.DropDeliveriesRequest":
            try check(vector, request: DeliveryMethods.dropDeliveries) { $0.json }
        case "feedback.v1.DropDeliveriesResponse":
            try check(vector, response: DeliveryMethods.dropDeliveries) {
                .message(["dropped": .int64($0)])
            }
        case "feedback.v1.GetStatusRequest":
            try check(vector, request: AdminMethods.getStatus) { .message([:]) }
        case "feedback.v1.GetStatusResponse":
            try check(vector, response: AdminMethods.getStatus) { $0.json }
        default: Issue.record("there is no message \(vector.type ?? "without a type")")
        }
    }

    private func metadataReply(_ metadata: Metadata) -> JSON {
        .message(["metadata": metadata.json])
    }

    private func named(_ name: String) -> JSON { .message(["name": .text(name)]) }

    private func destinationReply(_ destination: DestinationStatus) -> JSON {
        .message(["destination": destination.json])
    }

    private func check<Request, Response>(
        _ vector: GoldenVector,
        request method: MethodCodec<Request, Response>,
        _ json: (Request) -> JSON
    ) throws {
        let request = try method.request(vector.bytes)
        #expect(json(request) == vector.meaning)
        if !vector.isDecodeOnly { #expect(try method.bytes(of: request) == vector.bytes) }
    }

    private func check<Request, Response>(
        _ vector: GoldenVector,
        response method: MethodCodec<Request, Response>,
        _ json: (Response) throws -> JSON
    ) throws {
        let response = try method.response(vector.bytes)
        #expect(try json(response) == vector.meaning)
        if !vector.isDecodeOnly { #expect(try method.bytes(ofResponse: response) == vector.bytes) }
    }

    @Test(arguments: try messages().filter { $0.code != nil })
    func an_invalid_request_is_refused(_ vector: GoldenVector) throws {
        let refusal: CallError?
        switch vector.type {
        case "feedback.v1.AddFeedbackRequest":
            refusal = try FeedbackMethods.addFeedback.refusal(of: vector.bytes)
        case "feedback.v1.ListFeedbacksRequest":
            refusal = try FeedbackMethods.listFeedbacks.refusal(of: vector.bytes)
        case "feedback.v1.GetMetricsRequest":
            refusal = try FeedbackMethods.getMetrics.refusal(of: vector.bytes)
        case "feedback.v1.UpdateMetadataRequest":
            refusal = try SessionMethods.updateMetadata.refusal(of: vector.bytes)
        case "feedback.v1.ListDeliveriesRequest":
            refusal = try DeliveryMethods.listDeliveries.refusal(of: vector.bytes)
        case "feedback.v1.RetryDeliveriesRequest":
            refusal = try DeliveryMethods.retryDeliveries.refusal(of: vector.bytes)
        case "feedback.v1.DropDeliveriesRequest":
            refusal = try DeliveryMethods.dropDeliveries.refusal(of: vector.bytes)
        default:
            refusal = nil
            Issue.record("there is no request \(vector.type ?? "without a type")")
        }
        #expect(refusal?.code.name == vector.code)
        #expect(refusal?.violations.map(\.field) == (vector.field.map { [$0] } ?? []))
    }
}

// The JSON mapping of protobuf for values, without fields that have their default.

extension JSON {
    fileprivate static func message(_ members: [String: JSON]) -> JSON {
        .object(members.filter { $0.value != .null })
    }

    fileprivate static func text(_ text: String) -> JSON { text.isEmpty ? .null : .string(text) }

    fileprivate static func repeated(_ elements: [JSON]) -> JSON {
        elements.isEmpty ? .null : .list(elements)
    }

    fileprivate static func int64(_ number: Int64) -> JSON {
        number == 0 ? .null : .string("\(number)")
    }

    fileprivate static func double(_ number: Double) -> JSON {
        number == 0 ? .null : .number(number)
    }

    fileprivate static func flag(_ flag: Bool) -> JSON { flag ? .bool(true) : .null }
}

extension Rating {
    fileprivate var json: JSON {
        switch self {
        case .none: .string("RATING_UNSPECIFIED")
        case .up: .string("RATING_UP")
        case .down: .string("RATING_DOWN")
        }
    }
}

extension Author {
    fileprivate var json: JSON {
        let source: JSON =
            switch source {
            case .unspecified: .null
            case .human: .string("AUTHOR_SOURCE_HUMAN")
            case .model: .string("AUTHOR_SOURCE_MODEL")
            case .code: .string("AUTHOR_SOURCE_CODE")
            }
        return .message(["source": source, "id": .text(id)])
    }
}

extension Timestamp {
    fileprivate var json: JSON {
        .string(description.replacingOccurrences(of: ".000Z", with: "Z"))
    }
}

extension FeedbackDraft {
    fileprivate var members: [String: JSON] {
        [
            "sessionId": .text(sessionID), "rating": rating == .none ? .null : rating.json,
            "comment": .text(comment), "requestId": .text(requestID),
            "messageId": .text(messageID), "agentId": .text(agentID),
            "author": author?.json ?? .null, "tags": .repeated(tags.map(JSON.string)),
            "attributes": attributes.isEmpty ? .null : attributes.mapValues(JSON.string).json,
        ]
    }

    fileprivate var json: JSON { .message(members) }
}

extension Feedback {
    fileprivate var json: JSON {
        var members = draft.members
        members["feedbackId"] = id.map { .string("\($0)") }
        members["createdAt"] = createdAt.json
        members["updatedAt"] = updatedAt.json
        return .message(members)
    }
}

extension AddedFeedback {
    fileprivate var json: JSON {
        .message(["feedback": feedback.json, "replayed": .flag(replayed)])
    }
}

extension FeedbackFilter {
    fileprivate var members: [String: JSON] {
        [
            "sessionId": .text(sessionID ?? ""),
            "ratings": .repeated(ratings.sorted { $0.rawValue < $1.rawValue }.map(\.json)),
            "createdAtOrAfter": created.from?.json ?? .null,
            "createdBefore": created.until?.json ?? .null,
            "messageId": .text(messageID),
            "hasComment": hasComment.map(JSON.bool) ?? .null,
        ]
    }
}

extension FeedbackQuery {
    fileprivate var json: JSON {
        var members = filter.members
        members["pageSize"] = .double(Double(pageSize))
        members["pageToken"] = .text(pageToken)
        members["newestFirst"] = .flag(newestFirst)
        return .message(members)
    }
}

extension WatchQuery {
    fileprivate func json(hasFilter: Bool) -> JSON {
        var members: [String: JSON] = ["follow": .flag(follows)]
        if hasFilter { members["filter"] = .message(filter.members) }
        switch start {
        case .beginning: break
        case .now: members["fromNow"] = .bool(true)
        case .after(let position): members["startPosition"] = .text(position.text)
        }
        return .message(members)
    }
}

extension WatchEvent {
    fileprivate var json: JSON {
        switch self {
        case .heartbeat(let position): .message(["heartbeatPosition": .text(position.text)])
        case .change(let change):
            .message([
                "change": .message([
                    "position": .text(change.position.text),
                    "kind": .string("KIND_\(change.kind)".uppercased()),
                    "feedback": change.feedback.json,
                ])
            ])
        }
    }
}

extension FeedbackPage {
    fileprivate var json: JSON {
        .message([
            "feedbacks": .repeated(feedbacks.map(\.json)), "nextPageToken": .text(nextPageToken),
            "totalSize": .int64(totalSize),
        ])
    }
}

extension MetricsQuery {
    fileprivate var json: JSON {
        var members: [String: JSON] = [
            "sessionId": .text(sessionID ?? ""),
            "createdAtOrAfter": created.from?.json ?? .null,
            "createdBefore": created.until?.json ?? .null,
        ]
        switch grouping {
        case .none: break
        case .session: members["groupBy"] = .string("GROUP_BY_SESSION")
        case .hour: members["groupBy"] = .string("GROUP_BY_HOUR")
        case .day: members["groupBy"] = .string("GROUP_BY_DAY")
        case .metadata(let key):
            members["groupBy"] = .string("GROUP_BY_METADATA")
            members["metadataKey"] = .text(key)
        }
        return .message(members)
    }
}

extension Metrics {
    fileprivate var json: JSON {
        .message([
            "total": .int64(total), "positive": .int64(positive), "negative": .int64(negative),
            "neutral": .int64(neutral), "averageCommentLength": .double(averageCommentLength),
            "satisfactionRate": .double(satisfactionRate), "approvalRate": .double(approvalRate),
        ])
    }
}

extension MetricsReport {
    fileprivate var json: JSON {
        .message([
            "metrics": metrics.json,
            "groups": .repeated(
                groups.map { .message(["key": .text($0.key), "metrics": $0.metrics.json]) }
            ),
        ])
    }
}

extension DestinationStatus {
    fileprivate var json: JSON {
        .message([
            "name": .text(name), "kind": .text(kind), "position": .text(position.text),
            "behindChanges": .int64(changesBehind), "behindSeconds": .int64(secondsBehind),
            "retrying": .int64(retryingCount), "dead": .int64(deadCount),
            "lastError": .text(lastError), "paused": .flag(isPaused),
            "nextAttemptAt": nextAttemptAt?.json ?? .null, "skipped": .int64(skippedCount),
        ])
    }
}

extension Delivery.State {
    fileprivate var json: JSON {
        switch self {
        case .retrying: .string("DELIVERY_STATE_RETRYING")
        case .dead: .string("DELIVERY_STATE_DEAD")
        }
    }
}

extension Delivery {
    fileprivate var json: JSON {
        .message([
            "deliveryId": .text(id), "destination": .text(destination),
            "feedbackId": .text(feedbackID?.description ?? ""), "sessionId": .text(sessionID),
            "state": state.json, "attempts": .double(Double(attempts)),
            "firstAttemptAt": firstAttemptAt.json, "nextAttemptAt": nextAttemptAt?.json ?? .null,
            "lastError": .text(lastError), "feedback": feedback?.json ?? .null,
        ])
    }
}

extension DeliveryQuery {
    fileprivate var json: JSON {
        .message([
            "destination": .text(destination), "state": state.json,
            "pageSize": .double(Double(pageSize)), "pageToken": .text(pageToken),
            "withContent": .flag(includesContent),
        ])
    }
}

extension DeliveryPage {
    fileprivate var json: JSON {
        .message([
            "deliveries": .repeated(deliveries.map(\.json)),
            "nextPageToken": .text(nextPageToken), "totalSize": .int64(totalSize),
        ])
    }
}

extension DeliverySelection {
    fileprivate var json: JSON {
        .message([
            "destination": .text(destination),
            "deliveryIds": .repeated((ids ?? []).map(JSON.string)), "all": .flag(ids == nil),
        ])
    }
}

extension ServerStatus {
    fileprivate var json: JSON {
        .message([
            "version": .text(version), "startedAt": startedAt.json, "store": .text(store),
            "position": .text(position?.text ?? ""),
            "destinations": .repeated(destinations.map(\.json)),
            "unreplicated": .int64(unreplicatedCount),
            "unreplicatedSince": unreplicatedSince?.json ?? .null,
        ])
    }
}

extension ExactDictionary<JSON> {
    fileprivate var json: JSON {
        .object(reduce(into: [:]) { $0[$1.key] = $1.value })
    }
}

extension Metadata {
    fileprivate var json: JSON { mapValues(\.json).json }
}

extension MetadataValue {
    fileprivate var json: JSON {
        switch self {
        case .null: .null
        case .bool(let value): .bool(value)
        case .number(let value): .number(value)
        case .string(let value): .string(value)
        case .list(let values): .list(values.map(\.json))
        case .object(let members): members.json
        }
    }
}
