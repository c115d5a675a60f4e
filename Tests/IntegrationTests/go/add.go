package main

import (
	"errors"
	"fmt"
	"os"

	feedbackv1 "feedbackd/feedback/v1"
)

// numbered is the feedback that add stores and verify looks for.
func numbered(session string, index int) *feedbackv1.AddFeedbackRequest {
	ratings := []feedbackv1.Rating{up, down, none}
	return &feedbackv1.AddFeedbackRequest{
		SessionId: session,
		Rating:    ratings[index%len(ratings)],
		Comment:   fmt.Sprint("comment ", index),
		RequestId: fmt.Sprintf("%s-%d", session, index),
	}
}

// runAdd stores N feedbacks, one after the other. A second run stores nothing: its request ids are
// the same.
func runAdd(c *client, session string, count int) error {
	for index := 0; index < count; index++ {
		request := numbered(session, index)
		reply, err := call(c.feedback.AddFeedback, request)
		if err != nil {
			return fmt.Errorf("expected feedback %d to be stored, got: %w", index, err)
		}
		if reply.Feedback == nil || reply.Feedback.Comment != request.Comment {
			return fmt.Errorf("expected %q back, got %v", request.Comment, reply.Feedback)
		}
		// Whoever reads this may kill the daemon at any line: os.Stdout has no buffer.
		fmt.Fprintln(os.Stdout, reply.Feedback.FeedbackId)
	}
	return nil
}

func runVerify(c *client, session string, count int) error {
	// An odd page size, so that pages do not end where the server's own steps may end.
	stored, err := listAll(c, &feedbackv1.ListFeedbacksRequest{SessionId: session, PageSize: 97})
	if err != nil {
		return err
	}
	if err := checkNumbered(session, count, stored); err != nil {
		return err
	}
	if err := checkMeasured(c, session, stored); err != nil {
		return err
	}
	fmt.Printf("ok, %d feedbacks\n", count)
	return nil
}

func checkNumbered(session string, count int, stored []*feedbackv1.Feedback) error {
	byComment := map[string]*feedbackv1.Feedback{}
	ids := map[string]bool{}
	for _, feedback := range stored {
		if byComment[feedback.Comment] != nil || ids[feedback.FeedbackId] {
			return fmt.Errorf("expected %q once, got it twice: %v", feedback.Comment, feedback)
		}
		byComment[feedback.Comment] = feedback
		ids[feedback.FeedbackId] = true
	}
	for index := 0; index < count; index++ {
		want := numbered(session, index)
		got := byComment[want.Comment]
		if got == nil {
			return fmt.Errorf("expected %q to be stored, got no such feedback", want.Comment)
		}
		if got.SessionId != session || got.Rating != want.Rating {
			return fmt.Errorf("expected %q with %v in %s, got %v",
				want.Comment, want.Rating, session, got)
		}
	}
	if len(stored) != count {
		return fmt.Errorf("expected %d feedbacks, got %d", count, len(stored))
	}
	return nil
}

// checkMeasured compares the server's counters with what it lists.
func checkMeasured(c *client, session string, stored []*feedbackv1.Feedback) error {
	reply, err := call(c.feedback.GetMetrics, &feedbackv1.GetMetricsRequest{SessionId: session})
	if err != nil {
		return fmt.Errorf("expected metrics, got: %w", err)
	}
	t := &tester{client: c, name: "metrics"}
	if reply.Metrics == nil {
		return errors.New("expected metrics, got none")
	}
	t.expectMetrics("session", measured(stored), reply.Metrics)
	if len(t.failures) > 0 {
		return errors.New(t.failures[0])
	}
	return nil
}
