import Foundation
import Synchronization
import TestSupport
import Testing

@testable import RPC

@Suite("health")
struct HealthTests {
    /// Returns a HealthCheckRequest for the service.
    private func request(_ service: String) -> Data {
        HTTP2Peer.message(service.isEmpty ? Data() : Wire.field(1, service))
    }

    private func status(_ message: Data?) -> Int? {
        message.map { Int(Wire.fields($0).first { $0.number == 1 }?.content.first ?? 0) }
    }

    private func send(_ peer: HTTP2Peer, stream: UInt32, _ method: String, _ service: String) {
        let fields = HTTP2Peer.requestFields(path: "/grpc.health.v1.Health/\(method)")
        peer.send(HTTP2Peer.headers(stream: stream, fields))
        peer.send(HTTP2Peer.data(stream: stream, request(service)))
    }

    @Test func check_answers_for_the_server_and_for_each_service() async throws {
        let echo = try EchoServer()
        let peer = try HTTP2Peer(echo.path)
        for (index, service) in ["", EchoServer.service, HealthService.name].enumerated() {
            let stream = UInt32(2 * index + 1)
            send(peer, stream: stream, "Check", service)
            #expect(status(try peer.response(stream).messages.first) == 1)
        }
        send(peer, stream: 11, "Check", "no.such.Service")
        #expect(try peer.response(11).status == 5)
        echo.isHealthy.store(false, ordering: .relaxed)
        send(peer, stream: 13, "Check", "")
        #expect(status(try peer.response(13).messages.first) == 2)
        await echo.stop()
    }

    @Test func watch_tells_every_change_once_on_grpc() async throws {
        let echo = try EchoServer()
        let peer = try HTTP2Peer(echo.path)
        send(peer, stream: 1, "Watch", EchoServer.service)
        send(peer, stream: 3, "Watch", "no.such.Service")
        func receive(_ count: Int, stream: UInt32) throws -> [Int?] {
            while (peer.responses[stream]?.messages.count ?? 0) < count, try peer.receive() != nil {
            }
            return peer.responses[stream]?.messages.map(status) ?? []
        }
        #expect(try receive(1, stream: 1) == [1])
        #expect(try receive(1, stream: 3) == [3])
        echo.isHealthy.store(false, ordering: .relaxed)
        #expect(try receive(2, stream: 1) == [1, 2])
        echo.isHealthy.store(true, ordering: .relaxed)
        #expect(try receive(3, stream: 1) == [1, 2, 1])
        #expect(try receive(1, stream: 3) == [3])
        await echo.stop()
    }

    @Test func watch_tells_every_change_once_on_ttrpc() async throws {
        let echo = try EchoServer()
        let connection = try echo.connect()
        let request = Wire.request(HealthService.name, "Watch", Data())
        connection.send(Wire.frame(stream: 1, flags: 1, request))
        #expect(status(try connection.receiveFrame()?.data) == 1)
        echo.isHealthy.store(false, ordering: .relaxed)
        #expect(status(try connection.receiveFrame()?.data) == 2)
        await echo.stop()
    }
}

@Suite("reflection")
struct ReflectionTests {
    private let descriptors = EchoServer.descriptors

    @Test func files_are_found_by_name_with_what_they_import() throws {
        let file = try #require(descriptors.file(named: "feedback/v1/feedback.proto"))
        let closure = descriptors.closure(of: file).map(\.name)
        #expect(
            closure == [
                "feedback/v1/feedback.proto", "feedback/v1/value.proto",
                "google/protobuf/field_mask.proto", "google/protobuf/timestamp.proto",
                "google/rpc/status.proto", "google/protobuf/struct.proto",
                "google/protobuf/any.proto",
            ]
        )
        #expect(descriptors.file(named: "feedback.proto") == nil)
    }

    @Test(
        arguments: [
            "feedback.v1.FeedbackService", "feedback.v1.FeedbackService.AddFeedback",
            "feedback.v1.Feedback", "feedback.v1.Feedback.comment", "feedback.v1.Rating",
            "feedback.v1.RATING_UP", "feedback.v1.Rating.RATING_UP",
            "feedback.v1.Feedback.AttributesEntry", "feedback.v1.Feedback.AttributesEntry.key",
        ]
    )
    func symbols_are_found_in_their_file(_ symbol: String) {
        #expect(descriptors.file(declaring: symbol)?.name == "feedback/v1/feedback.proto")
    }

    @Test(
        arguments: [
            "", "feedback", "feedback.v1", "feedback.v1.", "feedback.v1.Feed", "Feedback",
            "feedback.v1.Feedback.", "feedback.v1.Feedback.nothing",
            "feedback.v1.FeedbackService.Nothing", ".feedback.v1.Feedback",
        ]
    )
    func what_is_not_declared_is_not_found(_ symbol: String) {
        #expect(descriptors.file(declaring: symbol) == nil)
    }

    @Test func a_method_that_is_not_served_is_neither_found_nor_described() throws {
        let service = "feedback.v1.FeedbackService"
        let served = descriptors.serving(["\(service)/AddFeedback", "\(service)/GetMetrics"])
        #expect(served.file(declaring: service) != nil)
        #expect(served.file(declaring: "\(service).AddFeedback") != nil)
        #expect(descriptors.file(declaring: "\(service).ListFeedbacks") != nil)
        #expect(served.file(declaring: "\(service).ListFeedbacks") == nil)

        let file = try #require(served.file(declaring: service))
        /// Returns the parts of the file: service is number 6, its methods number 2, names 1.
        func parts(_ set: DescriptorSet) -> [(number: Int, content: Data)] {
            Wire.fields(Data(set.descriptor(of: file)))
        }
        let described = parts(served).filter { $0.number == 6 }.map { part in
            Wire.fields(part.content).filter { $0.number == 2 }.map {
                String(decoding: Wire.fields($0.content)[0].content, as: UTF8.self)
            }
        }
        #expect(described == [["AddFeedback", "GetMetrics"]])
        #expect(descriptors.descriptor(of: file) == Array(file.bytes))
        let rest = parts(served).filter { $0.number != 6 }.map(\.content)
        #expect(rest == parts(descriptors).filter { $0.number != 6 }.map(\.content))
    }

    @Test func nested_enums_and_their_values_are_found() {
        let file = "grpc/health/v1/health.proto"
        let type = "grpc.health.v1.HealthCheckResponse"
        for symbol in ["\(type).ServingStatus", "\(type).SERVING", "\(type).ServingStatus.SERVING"]
        {
            #expect(descriptors.file(declaring: symbol)?.name == file, "\(symbol)")
        }
    }

    /// A file with an extension of `t.Extended` outside of a message and one inside.
    private let extending: Data = {
        func declaration(_ name: String, _ number: UInt64) -> Data {
            Wire.field(1, name) + Wire.field(2, ".t.Extended") + Wire.field(3, number)
        }
        let outer = Wire.field(1, "Outer") + Wire.field(6, declaration("inner", 200))
        let file =
            Wire.field(1, "t.proto") + Wire.field(2, "t") + Wire.field(4, Wire.field(1, "Extended"))
            + Wire.field(4, outer) + Wire.field(7, declaration("outside", 100))
        return Wire.field(1, file)
    }()

    @Test func extensions_are_found_by_type_and_number() {
        extending.withUnsafeBytes { bytes in
            let descriptors = DescriptorSet(bytes)
            #expect(descriptors.extensionNumbers(of: "t.Extended") == [100, 200])
            #expect(descriptors.extensionNumbers(of: "t.Outer") == [])
            #expect(descriptors.extensionNumbers(of: "t.Nothing") == nil)
            #expect(descriptors.file(extending: "t.Extended", number: 200)?.name == "t.proto")
            #expect(descriptors.file(extending: "t.Extended", number: 201) == nil)
            #expect(descriptors.file(declaring: "t.Outer.inner") != nil)
            #expect(descriptors.file(declaring: "t.outside") != nil)
        }
    }

    /// Sends a request and returns the fields of the response.
    private func ask(
        _ peer: HTTP2Peer,
        stream: UInt32,
        version: String,
        _ question: Data
    ) throws -> [(number: Int, content: Data)] {
        let path = "/grpc.reflection.\(version).ServerReflection/ServerReflectionInfo"
        peer.send(HTTP2Peer.headers(stream: stream, HTTP2Peer.requestFields(path: path)))
        peer.send(HTTP2Peer.data(stream: stream, HTTP2Peer.message(question)))
        let response = try peer.response(stream)
        #expect(response.status == 0)
        return Wire.fields(try #require(response.messages.first))
    }

    @Test(arguments: ["v1", "v1alpha"])
    func the_service_answers_each_kind_of_question(_ version: String) async throws {
        let echo = try EchoServer()
        let peer = try HTTP2Peer(echo.path)
        let list = Wire.field(1, "host") + Wire.field(7, "")
        var answer = try ask(peer, stream: 1, version: version, list)
        #expect(answer.map(\.number) == [1, 2, 6])
        #expect(answer[0].content == Data("host".utf8))
        #expect(answer[1].content == list)
        let services = Wire.fields(answer[2].content).map {
            String(decoding: Wire.fields($0.content)[0].content, as: UTF8.self)
        }
        #expect(services.contains(EchoServer.service))
        #expect(services.contains("grpc.reflection.v1alpha.ServerReflection"))

        answer = try ask(
            peer,
            stream: 3,
            version: version,
            Wire.field(3, "feedback/v1/session.proto")
        )
        #expect(answer.last?.number == 4)
        #expect(Wire.fields(try #require(answer.last).content).count == 4)

        answer = try ask(peer, stream: 5, version: version, Wire.field(4, "no.such.Thing"))
        #expect(answer.last?.number == 7)
        #expect(Wire.fields(try #require(answer.last).content)[0].content.first == 5)

        let wanted = Wire.field(5, Wire.field(1, "feedback.v1.Feedback") + Wire.field(2, 100))
        answer = try ask(peer, stream: 7, version: version, wanted)
        #expect(answer.last?.number == 7)

        answer = try ask(peer, stream: 9, version: version, Wire.field(6, "feedback.v1.Feedback"))
        #expect(answer.last?.number == 5)

        answer = try ask(peer, stream: 11, version: version, Data())
        #expect(answer.last?.number == 7)
        #expect(Wire.fields(try #require(answer.last).content)[0].content.first == 3)
        await echo.stop()
    }

    @Test func a_question_beyond_all_measure_is_refused() async throws {
        let echo = try EchoServer()
        let peer = try HTTP2Peer(echo.path)
        let path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
        for (stream, length) in [(1, 4_000), (3, 4_094)] as [(UInt32, Int)] {
            let question = Wire.field(4, String(repeating: "x", count: length))
            peer.send(HTTP2Peer.headers(stream: stream, HTTP2Peer.requestFields(path: path)))
            peer.send(HTTP2Peer.data(stream: stream, HTTP2Peer.message(question)))
            #expect(try peer.response(stream).status == (length == 4_000 ? 0 : 8))
        }
        await echo.stop()
    }
}
