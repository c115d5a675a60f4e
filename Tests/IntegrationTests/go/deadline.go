package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"

	feedbackv1 "feedbackd/feedback/v1"
)

// shortTimeouts are far below and near the duration of a call, so that deadlines pass before,
// within and after every part of it.
var shortTimeouts = []time.Duration{
	1, time.Microsecond, 10 * time.Microsecond, 50 * time.Microsecond, 100 * time.Microsecond,
	200 * time.Microsecond, 300 * time.Microsecond, 500 * time.Microsecond, time.Millisecond,
}

const callsWithDeadline = 450

func runDeadline(t *tester) {
	t.step("deadlines of the caller", func() {
		t.callWithDeadlines(func(timeout time.Duration) (context.Context, context.CancelFunc) {
			return context.WithTimeout(context.Background(), timeout)
		})
	})
	t.step("timeouts that only the server minds", func() {
		t.callWithDeadlines(func(timeout time.Duration) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
			return withServerTimeout(ctx, timeout), cancel
		})
	})
	t.step("a deadline in the past", t.callAfterDeadline)
	t.step("calls cancelled before they are made", func() { t.callCancelled(0) })
	t.step("calls cancelled under way", func() { t.callCancelled(100 * time.Microsecond) })
}

// callWithDeadlines stores with deadlines too short for most calls. However a call ends, its
// feedback must be stored no more than once, and not lost if it was acknowledged: that is checked
// by repeating each call without a deadline.
func (t *tester) callWithDeadlines(
	newContext func(timeout time.Duration) (context.Context, context.CancelFunc),
) {
	session := newSession("deadline")
	outcomes := map[codes.Code]int{}
	var stored []*feedbackv1.Feedback
	for index := 0; index < callsWithDeadline; index++ {
		request := &feedbackv1.AddFeedbackRequest{
			SessionId: session,
			Comment:   fmt.Sprint("comment ", index),
			RequestId: fmt.Sprint("request-", index),
		}
		ctx, cancel := newContext(shortTimeouts[index%len(shortTimeouts)])
		reply, err := t.feedback.AddFeedback(ctx, request)
		t.expectEndInTime(ctx, err, codes.DeadlineExceeded)
		cancel()
		outcomes[codeOf(err)]++

		again := must(t, t.feedback.AddFeedback, request)
		if err == nil {
			t.expect("repeated: replayed", true, again.Replayed)
			t.expect("repeated: feedback", reply.Feedback, again.Feedback)
		}
		stored = append(stored, again.Feedback)
	}
	t.expectList("stored", stored,
		&feedbackv1.ListFeedbacksRequest{SessionId: session, PageSize: 1000})
	fmt.Printf("%s: %v\n", t.name, outcomes)
}

// expectEndInTime accepts success and one code. It distinguishes an answer from the client's own
// guard against hanging, which has the same code.
func (t *tester) expectEndInTime(ctx context.Context, err error, code codes.Code) {
	hung := ctx.Value(timeoutKey{}) != nil && errors.Is(err, context.DeadlineExceeded)
	if got := codeOf(err); hung || got != codes.OK && got != code {
		t.stop("outcome", fmt.Sprintf("success or %v from the server", code), err)
	}
}

func (t *tester) callAfterDeadline() {
	ctx, cancel := context.WithDeadline(context.Background(), time.Now().Add(-time.Hour))
	defer cancel()
	// The library may send such a call, with a negative timeout.
	for count := 0; count < 20; count++ {
		_, err := t.feedback.GetMetrics(ctx, &feedbackv1.GetMetricsRequest{SessionId: "any"})
		t.expectEndInTime(ctx, err, codes.DeadlineExceeded)
		must(t, t.feedback.GetMetrics, &feedbackv1.GetMetricsRequest{SessionId: "any"})
	}
}

func (t *tester) callCancelled(delay time.Duration) {
	session := newSession("cancelled")
	var stored []*feedbackv1.Feedback
	for index := 0; index < 100; index++ {
		request := &feedbackv1.AddFeedbackRequest{
			SessionId: session,
			RequestId: fmt.Sprint("request-", index),
		}
		ctx, cancel := context.WithCancel(context.Background())
		if delay == 0 {
			cancel()
		} else {
			time.AfterFunc(delay, cancel)
		}
		_, err := t.feedback.AddFeedback(ctx, request)
		t.expectEndInTime(ctx, err, codes.Canceled)
		cancel()
		stored = append(stored, must(t, t.feedback.AddFeedback, request).Feedback)
	}
	t.expectList("stored", stored, &feedbackv1.ListFeedbacksRequest{SessionId: session})
}
