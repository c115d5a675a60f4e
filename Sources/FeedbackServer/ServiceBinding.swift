internal import CFeedbackDescriptors
internal import FeedbackCore
internal import FeedbackMessages
internal import FeedbackModel
internal import RPC

/// The router's methods, each bound to what the service does for it.
enum ServiceBinding {
    static func router(for service: FeedbackService, mapping: StatusMapping) -> Router {
        var router = Router { mapping.status(of: $0) }
        router.bind(FeedbackMethods.addFeedback) { draft, call in
            switch try service.beginAdd(draft, context: CallContext(call)) {
            case .done(let added): .now(added)
            case .waiting(let add): .later(add)
            }
        }
        router.bind(FeedbackMethods.listFeedbacks) { query, call in
            try await service.list(query, context: CallContext(call))
        }
        router.bind(FeedbackMethods.getMetrics) { query, call in
            try await service.metrics(query, context: CallContext(call))
        }
        router.bind(SessionMethods.updateMetadata) { update, call in
            try await service.changeMetadata(
                ofSession: update.sessionID,
                by: .merge(update.metadata),
                context: CallContext(call)
            )
        }
        router.bind(SessionMethods.getMetadata) { sessionID, call in
            try await service.metadata(ofSession: sessionID, context: CallContext(call))
        }
        router.bind(SessionMethods.deleteMetadata) { deletion, call in
            try await service.changeMetadata(
                ofSession: deletion.sessionID,
                by: .remove(deletion.keys),
                context: CallContext(call)
            )
        }
        router.bind(AlertMethods.listAlerts) { query, _ in try await service.alerts(query) }
        router.bind(AlertMethods.retryAlerts) { ids, _ in
            Int64(try await service.retryAlerts(ids))
        }
        HealthService.register(on: &router) { await service.health() == .serving }
        ReflectionService.register(on: &router, descriptors: descriptors)
        return router
    }

    /// The descriptions of all that is served.
    private static var descriptors: DescriptorSet {
        var size = 0
        let start = feedbackd_descriptors(&size)
        return DescriptorSet(UnsafeRawBufferPointer(start: start, count: size))
    }
}

extension Router {
    fileprivate mutating func bind<Request: Sendable, Response: Sendable>(
        _ method: MethodCodec<Request, Response>,
        answer: @escaping @Sendable (consuming Request, ServerCall) throws -> Answer<Response>
    ) {
        unary(
            method.service,
            method.name,
            decode: method.decodeRequest,
            encode: method.encodeResponse,
            answer: answer
        )
    }

    fileprivate mutating func bind<Request: Sendable, Response: Sendable>(
        _ method: MethodCodec<Request, Response>,
        to handle: @escaping @Sendable (Request, ServerCall) async throws -> Response
    ) {
        unary(
            method.service,
            method.name,
            decode: method.decodeRequest,
            encode: method.encodeResponse,
            handle: handle
        )
    }
}

extension ServerCall: CallOrigin {}

extension CallContext {
    fileprivate init(_ call: ServerCall) {
        self.init(
            peer: Peer(pid: call.peer.pid, uid: call.peer.uid, gid: call.peer.gid),
            deadline: call.deadline,
            origin: call
        )
    }
}
