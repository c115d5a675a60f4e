import CallStatus
import Glibc
import Testing

@testable import PrometheusMetrics

@Suite("the address of the page")
struct MetricsAddressTests {
    @Test(arguments: ["127.0.0.1:9464", "127.1.2.3:0", "[::1]:65535"])
    func a_loopback_address_is_described_as_it_was_given(_ text: String) throws {
        #expect(try MetricsAddress(loopback: text).description == text)
    }

    @Test(arguments: [
        "0.0.0.0:0", "10.0.0.1:80", "localhost:80", "[::]:0", "::1:80", "[127.0.0.1]:80",
        "[::ffff:127.0.0.1]:80", "127.0.0.1", "127.0.0.1:65536", "127.0.0.1:", "",
    ])
    func addresses_that_others_could_reach_are_refused(_ text: String) {
        #expect(throws: CallError.self) { try MetricsAddress(loopback: text) }
    }

    @Test(arguments: ["localhost", "0.0.0.0", "::", ""])
    func nothing_listens_at_another_address(_ host: String) {
        #expect(throws: CallError.self) { try MetricsAddress.listen(host: host, port: 0) }
    }

    @Test func a_port_that_is_taken_is_named_in_the_error() throws {
        let first = try MetricsAddress.listen(host: "127.0.0.1", port: 0)
        defer { close(first.descriptor) }
        #expect {
            try MetricsAddress.listen(host: "127.0.0.1", port: first.port)
        } throws: {
            let message = ($0 as? CallError)?.message
            return message?.hasPrefix("cannot listen on 127.0.0.1:\(first.port): ") == true
        }
    }
}
