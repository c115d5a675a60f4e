/// A response of HTTP/1.1 (RFC 9112), after which the connection is closed.
struct HTTPResponse {
    /// The status code and its reason phrase.
    var status: String
    /// The media type of the body.
    var contentType = "text/plain; charset=utf-8"
    /// Further header fields, each with its CRLF.
    var fields = ""
    /// The body; nil for a line with the status.
    var body: String?

    /// The response to a request whose head exceeds the limit.
    static let headIsTooLong = HTTPResponse(status: "431 Request Header Fields Too Large")

    /// Returns the response to a request: the page for a GET of `path`, else an error.
    ///
    /// - Parameters:
    ///   - head: the complete head of the request.
    ///   - path: the path of the page; a query behind it is ignored.
    ///   - page: makes the page, in Prometheus' text format.
    /// - Returns: a response whose status tells which it is.
    static func response(
        to head: HTTPRequestHead,
        path: String,
        page: () -> String
    ) -> HTTPResponse {
        let words = head.words
        guard words.count == 3, words[1].hasPrefix("/") else {
            return HTTPResponse(status: "400 Bad Request")
        }
        guard words[2] == "HTTP/1.1" || words[2] == "HTTP/1.0" else {
            return HTTPResponse(status: "505 HTTP Version Not Supported")
        }
        guard words[0] == "GET" else {
            return HTTPResponse(status: "405 Method Not Allowed", fields: "Allow: GET\r\n")
        }
        guard words[1].prefix(while: { $0 != "?" }) == path else {
            return HTTPResponse(status: "404 Not Found")
        }
        return HTTPResponse(
            status: "200 OK",
            contentType: PrometheusMetrics.contentType,
            body: page()
        )
    }

    /// The response as it is sent.
    var bytes: [UInt8] {
        let body = self.body ?? "\(status)\n"
        let head =
            "HTTP/1.1 \(status)\r\nContent-Type: \(contentType)\r\n"
            + "Content-Length: \(body.utf8.count)\r\nConnection: close\r\n\(fields)\r\n"
        return Array(head.utf8) + Array(body.utf8)
    }
}
