package main

import (
	"fmt"

	feedbackv1 "feedbackd/feedback/v1"
)

// listAll follows the pages of a list to the end, while nobody adds to it. The request's page token
// is overwritten.
func listAll(
	c *client, request *feedbackv1.ListFeedbacksRequest,
) ([]*feedbackv1.Feedback, error) {
	var all []*feedbackv1.Feedback
	var totals []int64
	request.PageToken = ""
	for {
		page, err := call(c.feedback.ListFeedbacks, request)
		if err != nil {
			return nil, fmt.Errorf("expected page %d of the list, got: %w", len(totals)+1, err)
		}
		all = append(all, page.Feedbacks...)
		totals = append(totals, page.TotalSize)
		if page.NextPageToken == "" {
			return all, checkTotals(totals, len(all))
		}
		// Without this a token that leads nowhere would keep the loop running forever.
		if len(page.Feedbacks) == 0 {
			return nil, fmt.Errorf("expected no next_page_token after the empty page %d, got %q",
				len(totals), page.NextPageToken)
		}
		request.PageToken = page.NextPageToken
	}
}

func checkTotals(totals []int64, listed int) error {
	for index, total := range totals {
		if total != int64(listed) {
			return fmt.Errorf("expected total_size %d (as many as were listed) on page %d, got %d",
				listed, index+1, total)
		}
	}
	return nil
}
