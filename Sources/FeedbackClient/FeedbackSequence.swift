public import FeedbackModel

/// All feedback of a query, in order.
///
/// Each iteration lists anew.
public struct FeedbackSequence: AsyncSequence, Sendable {
    let client: FeedbackClient
    let query: FeedbackQuery

    /// Fetches a page when the one before is used up.
    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let client: FeedbackClient
        fileprivate var query: FeedbackQuery
        fileprivate var page: ArraySlice<Feedback> = []
        fileprivate var isLastPage = false

        /// The next feedback; nil at the end.
        public mutating func next() async throws -> Feedback? {
            while page.isEmpty, !isLastPage {
                let next = try await client.listFeedbacks(query)
                page = next.feedbacks[...]
                query.pageToken = next.nextPageToken
                isLastPage = next.nextPageToken.isEmpty
            }
            return page.popFirst()
        }
    }

    /// Begins at the query's page.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(client: client, query: query)
    }
}
