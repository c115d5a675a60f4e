internal import CCurl
internal import Dispatch
internal import FeedbackCore
internal import FeedbackModel
internal import Glibc
internal import Synchronization

/// A sink that posts alerts to a URL, over persistent connections.
///
/// A response with status 2xx accepts the alert. The header `Idempotency-Key` is the same in all
/// attempts for an alert and differs between alerts. A receiver on this host is reached directly; any
/// other one by the proxy that the environment names, if it does (curl.se, "Environment variables").
final class WebhookSink: AlertSink {
    /// A curl handle with its connection.
    private final class Worker: @unchecked Sendable {
        // Unchecked Sendable: the handle is made and used on `queue` only, and freed by the last
        // owner.
        let queue: DispatchQueue
        private var handle: UnsafeMutableRawPointer?

        init(number: Int) { queue = DispatchQueue(label: "feedbackd.hooks.webhook.\(number)") }

        deinit { curl_easy_cleanup(handle) }

        /// Returns the handle, without the settings of the last request.
        func reset() -> UnsafeMutableRawPointer? {
            if handle == nil { handle = curl_easy_init() } else { curl_easy_reset(handle) }
            return handle
        }
    }

    let kind = "webhook"
    let concurrency: Int
    private let url: String
    /// The header lines, in the form that curl accepts.
    private let headers: [String]
    private let body: AlertBody
    private let caFile: String?
    private let timeout: Duration
    /// True to use no proxy, even if the environment names one.
    private let isDirect: Bool
    private let idle: Mutex<[Worker]>

    /// Makes a sink, which connects with the first alert.
    init(
        url: String,
        headers: [String: String],
        body: AlertBody,
        options: NotificationDestination.Options
    ) {
        _ = Self.isCurlReady
        self.url = url
        var own = ["Content-Type": body.contentType]
        for name in headers.keys where name.lowercased() == "content-type" { own = [:] }
        self.headers =
            own.merging(headers) { $1 }
            .filter { $0.key.lowercased() != "idempotency-key" }
            // Curl sends a field without a value if it is written with a semicolon.
            .map { $1.isEmpty ? "\($0);" : "\($0): \($1)" }
            // Curl would wait a second for "100 Continue" before it sends a long body.
            + ["Expect:"]
        self.body = body
        concurrency = options.concurrency ?? 4
        caFile = options.caFile
        timeout = options.timeout
        isDirect = Self.isOnThisHost(url)
        // One more for a test alert beside the deliveries.
        idle = Mutex((0...concurrency).map { Worker(number: $0) })
    }

    func deliver(_ alert: Alert) async -> DeliveryOutcome {
        guard let worker = idle.withLock({ $0.popLast() }) else {
            return .away("all connections are in use", retryDelay: nil)
        }
        let delivery = await withCheckedContinuation { continuation in
            worker.queue.async { continuation.resume(returning: self.post(alert, worker)) }
        }
        idle.withLock { $0.append(worker) }
        return delivery
    }

    /// Posts an alert; blocks until there is a response or the timeout has passed.
    private func post(_ alert: Alert, _ worker: Worker) -> DeliveryOutcome {
        guard let curl = worker.reset() else {
            return .away("no memory for a connection", retryDelay: nil)
        }
        var list: UnsafeMutablePointer<curl_slist>?
        for field in headers { list = curl_slist_append(list, field) }
        let key = "Idempotency-Key: \(alert.feedbackID)-\(alert.rule)"
        list = curl_slist_append(list, key)
        defer { curl_slist_free_all(list) }
        let milliseconds = Int(timeout / .milliseconds(1))
        let text = body.text(for: alert)
        var isComplete = false
        let code = text.withCString { text -> CURLcode in
            curl_set_text(curl, CURLOPT_URL, url)
            curl_set_text(curl, CURLOPT_PROTOCOLS_STR, "http,https")
            curl_set_text(curl, CURLOPT_USERAGENT, "feedbackd")
            if isDirect { curl_set_text(curl, CURLOPT_PROXY, "") }
            if let caFile { curl_set_text(curl, CURLOPT_CAINFO, caFile) }
            curl_set_list(curl, CURLOPT_HTTPHEADER, list)
            // The text is not copied, since it outlives the request.
            curl_set_text(curl, CURLOPT_POSTFIELDS, text)
            // Curl must not use signals, which concern all threads of the process.
            curl_set_number(curl, CURLOPT_NOSIGNAL, 1)
            curl_set_number(curl, CURLOPT_TIMEOUT_MS, milliseconds)
            curl_set_number(curl, CURLOPT_CONNECTTIMEOUT_MS, milliseconds)
            curl_set_write(curl, { _, size, count, _ in size * count }, nil)
            return withUnsafeMutablePointer(to: &isComplete) { isComplete in
                curl_set_header(
                    curl,
                    { line, size, count, isComplete in
                        // The line that ends the headers consists of its line end only: CR LF, or
                        // LF.
                        if size * count <= 2 { isComplete?.storeBytes(of: true, as: Bool.self) }
                        return size * count
                    },
                    isComplete
                )
                return curl_easy_perform(curl)
            }
        }
        guard code == CURLE_OK else {
            let error = String(cString: curl_easy_strerror(code))
            let hasConnected = Self.connectTime(curl) > 0
            return hasConnected ? .timedOut(error) : .away(error, retryDelay: nil)
        }
        // Curl reports success for a response that ends after its status line.
        guard isComplete else { return .timedOut("the answer is cut off") }
        var status = 0
        curl_get_number(curl, CURLINFO_RESPONSE_CODE, &status)
        var seconds: curl_off_t = 0
        curl_get_offset(curl, CURLINFO_RETRY_AFTER, &seconds)
        let retryDelay: Duration? = seconds > 0 ? .seconds(seconds) : nil
        return switch status {
        case 200..<300: .delivered
        // The receiver takes nothing now, whatever it is sent.
        case 401, 429, 503: .away("HTTP status \(status)", retryDelay: retryDelay)
        // A proxy had no answer from the receiver in time.
        case 408, 502, 504: .timedOut("HTTP status \(status)")
        default: .refused("HTTP status \(status)")
        }
    }

    /// Returns the microseconds until the connection of a request that failed stood; 0 if it did not.
    private static func connectTime(_ curl: UnsafeMutableRawPointer) -> curl_off_t {
        var microseconds: curl_off_t = 0
        curl_get_offset(curl, CURLINFO_PRETRANSFER_TIME_T, &microseconds)
        return microseconds
    }

    /// Returns true if the host of the URL is this one's loopback interface, by its name or by an
    /// address (RFC 6761, section 6.3; RFC 1122, section 3.2.1.3; RFC 4291, section 2.5).
    static func isOnThisHost(_ url: String) -> Bool {
        let parts = curl_url()
        defer { curl_url_cleanup(parts) }
        var text: UnsafeMutablePointer<CChar>?
        guard curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK,
            curl_url_get(parts, CURLUPART_HOST, &text, 0) == CURLUE_OK, let text
        else { return false }
        defer { curl_free(text) }
        var host = Substring(String(cString: text).lowercased())
        var address = in6_addr()
        if host.hasPrefix("["),
            inet_pton(AF_INET6, String(host.dropFirst().dropLast()), &address) == 1
        {
            let bytes = withUnsafeBytes(of: address) { Array($0) }
            let isMapped = bytes.starts(with: Array(repeating: 0, count: 10) + [0xFF, 0xFF])
            if isMapped { return bytes[12] == 127 }
            return bytes.dropLast().allSatisfy { $0 == 0 } && bytes[15] <= 1
        }
        if host.hasSuffix(".") { host.removeLast() }
        var number = in_addr()
        if inet_aton(String(host), &number) != 0 {
            let value = UInt32(bigEndian: number.s_addr)
            return value == 0 || value >> 24 == 127
        }
        return host == "localhost" || host.hasSuffix(".localhost")
    }

    /// Initializes curl, once, before any thread uses it.
    private static let isCurlReady = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK
}
