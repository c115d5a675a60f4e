import Testing

@testable import FeedbackHooks

@Suite("webhook sink")
struct WebhookSinkTests {
    @Test(arguments: [
        "http://localhost/", "http://LOCALHOST:8080/a", "http://localhost./", "http://a.localhost/",
        "http://127.0.0.1/", "https://127.9.8.7:1/", "http://127.1/", "http://0x7f000001/",
        "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://0.0.0.0/", "http://[::]/",
        "http://user:password@localhost/",
    ])
    func a_receiver_on_this_host_is_recognised(_ url: String) {
        #expect(WebhookSink.isOnThisHost(url))
    }

    @Test(arguments: [
        "http://localhost.example/", "http://notlocalhost/", "http://128.0.0.1/", "http://[::2]/",
        "http://127.0.0.1.example/", "http://localhost@receiver.example/",
        "http://[::ffff:10.0.0.1]/", "http://[fe80::1]/", "http://receiver.example/localhost",
    ])
    func any_other_receiver_is_not(_ url: String) {
        #expect(!WebhookSink.isOnThisHost(url))
    }
}
