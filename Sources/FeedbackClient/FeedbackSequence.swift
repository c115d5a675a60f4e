public import FeedbackModel

/// All feedback of a query, in order.
///
/// Each iteration lists the feedback again from the query's page on.
public struct FeedbackSequence: AsyncSequence, Sendable {
    let client: FeedbackClient
    let query: FeedbackQuery

    /// An iterator that fetches a page when the previous one is used up.
    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let client: FeedbackClient
        fileprivate var query: FeedbackQuery
        fileprivate var page: ArraySlice<Feedback> = []
        fileprivate var isLastPage = false

        /// Returns the next feedback; nil at the end.
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

    /// Makes an iterator that begins at the query's page.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(client: client, query: query)
    }
}
