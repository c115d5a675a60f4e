internal import CFeedbackDescriptors
internal import FeedbackCore
internal import FeedbackMessages
internal import FeedbackModel
internal import Logging
internal import RPC

/// The methods of the router, each bound to the function of the service that handles it.
enum ServiceBinding {
    static func router(
        for service: FeedbackService,
        admins: AdminAccess,
        logger: Logger
    ) -> Router {
        var router = Router(logger: logger)
        for write in [
            FeedbackMethods.addFeedback, SessionMethods.updateMetadata,
            SessionMethods.deleteMetadata,
        ] {
            router.bind(write, hasSideEffects: true) { change, context in
                try await service.write(change, context: context)
            }
        }
        router.bind(FeedbackMethods.listFeedbacks) { query, context in
            try await service.list(query, context: context)
        }
        router.bind(FeedbackMethods.getMetrics) { query, context in
            try await service.metrics(query, context: context)
        }
        let watch = FeedbackMethods.watchFeedbacks
        router.streaming(
            watch.service,
            watch.name,
            decode: watch.decodeRequest,
            encode: watch.encodeResponse
        ) { requests, responses, context in
            var watch = try await service.watch(try await requests.only(), context: context)
            try await watch.deliver { try await responses.send($0) }
        }
        router.bind(SessionMethods.getMetadata) { sessionID, context in
            try await service.metadata(ofSession: sessionID, context: context)
        }
        bindOperation(of: service, for: admins, on: &router)
        HealthService.register(on: &router) { await service.health() == .serving }
        ReflectionService.register(on: &router, descriptors: descriptors)
        return router
    }

    /// Binds the methods that only admins may call.
    private static func bindOperation(
        of service: FeedbackService,
        for admins: AdminAccess,
        on router: inout Router
    ) {
        router.bind(AdminMethods.getStatus, for: admins) { _, context in
            try await service.status(context: context)
        }
        router.bind(DeliveryMethods.listDestinations, for: admins) { _, _ in
            try await service.deliveries.destinations()
        }
        router.bind(DeliveryMethods.pauseDestination, hasSideEffects: true, for: admins) {
            name,
            _ in
            try await service.deliveries.pause(name)
        }
        router.bind(DeliveryMethods.resumeDestination, hasSideEffects: true, for: admins) {
            name,
            _ in
            try await service.deliveries.resume(name)
        }
        router.bind(DeliveryMethods.rewindDestination, hasSideEffects: true, for: admins) {
            request,
            _ in
            try await service.deliveries.rewind(request.name, to: request.position)
        }
        router.bind(DeliveryMethods.testDestination, hasSideEffects: true, for: admins) { name, _ in
            try await service.deliveries.test(name)
        }
        router.bind(DeliveryMethods.listDeliveries, for: admins) { query, _ in
            try await service.deliveries.deliveries(query)
        }
        router.bind(DeliveryMethods.retryDeliveries, hasSideEffects: true, for: admins) {
            selection,
            _ in
            try await service.deliveries.retry(selection)
        }
        router.bind(DeliveryMethods.dropDeliveries, hasSideEffects: true, for: admins) {
            selection,
            _ in
            try await service.deliveries.drop(selection)
        }
    }

    /// The descriptors of all services, for reflection.
    private static var descriptors: DescriptorSet {
        var size = 0
        let start = feedbackd_descriptors(&size)
        return DescriptorSet(UnsafeRawBufferPointer(start: start, count: size))
    }
}

extension Router {
    /// Binds a method that only admins may call.
    fileprivate mutating func bind<Request: Sendable, Response: Sendable>(
        _ method: MethodCodec<Request, Response>,
        hasSideEffects: Bool = false,
        for admins: AdminAccess,
        to handle: @escaping @Sendable (Request, CallContext) async throws -> Response
    ) {
        bind(method, hasSideEffects: hasSideEffects) { request, context in
            try admins.check(context.peer, calling: method.service)
            return try await handle(request, context)
        }
    }

    fileprivate mutating func bind<Request: Sendable, Response: Sendable>(
        _ method: MethodCodec<Request, Response>,
        hasSideEffects: Bool = false,
        to handle: @escaping @Sendable (Request, CallContext) async throws -> Response
    ) {
        unary(
            method.service,
            method.name,
            hasSideEffects: hasSideEffects,
            decode: method.decodeRequest,
            encode: method.encodeResponse,
            handle: handle
        )
    }
}
