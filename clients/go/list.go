package feedbackd

import (
	"context"

	feedbackv1 "feedbackd/feedback/v1"
)

// FeedbackIterator goes through all feedback that matches a request, page by page.
//
//	feedbacks := client.ListFeedbacks(ctx, &feedbackv1.ListFeedbacksRequest{SessionId: "user-123"})
//	for feedbacks.Next() {
//		fmt.Println(feedbacks.Feedback().Comment)
//	}
//	if err := feedbacks.Err(); err != nil { … }
//
// It is for one goroutine at a time, and needs no closing.
type FeedbackIterator struct {
	ctx     context.Context
	request feedbackv1.ListFeedbacksRequest
	fetch   func(
		context.Context, *feedbackv1.ListFeedbacksRequest,
	) (*feedbackv1.ListFeedbacksResponse, error)
	page    []*feedbackv1.Feedback
	current *feedbackv1.Feedback
	isLast  bool
	err     error
}

// ListFeedbacks begins a list of a session's feedback at the request's page. Nothing is fetched before
// the first Next; each page is a call of its own. An empty SessionId is refused, as by ListPage.
func (c *Client) ListFeedbacks(
	ctx context.Context, request *feedbackv1.ListFeedbacksRequest,
) *FeedbackIterator {
	return &FeedbackIterator{ctx: ctx, request: *request, fetch: c.ListPage}
}

// ListFeedbacksOfAllSessions begins a list of everybody's feedback; the request has no SessionId.
func (c *Client) ListFeedbacksOfAllSessions(
	ctx context.Context, request *feedbackv1.ListFeedbacksRequest,
) *FeedbackIterator {
	return &FeedbackIterator{ctx: ctx, request: *request, fetch: c.ListPageOfAllSessions}
}

// Next goes on to the next feedback. It returns false at the end and after an error.
func (i *FeedbackIterator) Next() bool {
	for len(i.page) == 0 {
		if i.isLast || i.err != nil {
			i.current = nil
			return false
		}
		var reply *feedbackv1.ListFeedbacksResponse
		if reply, i.err = i.fetch(i.ctx, &i.request); i.err != nil {
			continue
		}
		i.page = reply.Feedbacks
		i.request.PageToken = reply.NextPageToken
		i.isLast = reply.NextPageToken == ""
	}
	i.current, i.page = i.page[0], i.page[1:]
	return true
}

// Feedback is the one that Next has gone to; nil before the first and after the last.
func (i *FeedbackIterator) Feedback() *feedbackv1.Feedback {
	return i.current
}

// Err is why Next returned false; nil at the end.
func (i *FeedbackIterator) Err() error {
	return i.err
}
