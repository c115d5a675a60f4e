package main

import (
	"context"
	"fmt"
	"sync"

	"github.com/containerd/ttrpc"
	"google.golang.org/grpc/codes"

	feedbackv1 "feedbackd/feedback/v1"
	healthv1 "feedbackd/grpc/health/v1"
)

func runAll(t *tester) {
	t.step("health", t.checkHealth)
	t.step("add with every field", t.addEveryField)
	t.step("add with a session only", t.addSessionOnly)
	t.step("repeated request_id", t.repeatRequestID)
	t.step("concurrent calls with one request_id", t.repeatRequestIDAtOnce)
	t.step("unknown session", t.readUnknownSession)
	runList(t)
	runMetrics(t)
	runMetadata(t)
}

func (t *tester) checkHealth() {
	services := []string{"", "feedback.v1.FeedbackService", "feedback.v1.SessionService"}
	for _, service := range services {
		reply := must(t, t.health.Check, &healthv1.HealthCheckRequest{Service: service})
		t.expect(fmt.Sprintf("status of %q", service),
			healthv1.HealthCheckResponse_SERVING, reply.Status)
	}

	// The other calls carry a deadline and no metadata; here it is the other way round.
	ctx := ttrpc.WithMetadata(context.Background(), ttrpc.MD{"x-caller": {"go", "again"}})
	reply, err := t.health.Check(ctx, &healthv1.HealthCheckRequest{})
	if err != nil {
		t.stop("check with metadata and no deadline", "a reply", err)
	}
	t.expect("status with metadata", healthv1.HealthCheckResponse_SERVING, reply.Status)
}

func everyField(session string) *feedbackv1.AddFeedbackRequest {
	return &feedbackv1.AddFeedbackRequest{
		SessionId: session,
		Rating:    feedbackv1.Rating_RATING_DOWN,
		Comment:   "Zu lang.\n\t„Kürzer“, bitte 👩‍👩‍👧 e\u0301",
		RequestId: "request-1",
		MessageId: "message-1",
		AgentId:   "agent-1",
		Author: &feedbackv1.Author{
			Source: feedbackv1.AuthorSource_AUTHOR_SOURCE_MODEL,
			Id:     "judge-1",
		},
		Tags:       []string{"too-long", "tone", "too-long"},
		Attributes: map[string]string{"locale": "de-AT", "empty": "", "größe": "10 %"},
	}
}

func (t *tester) addEveryField() {
	request := everyField(newSession("every-field"))
	added := t.add(request)
	t.expectList("stored", []*feedbackv1.Feedback{added},
		&feedbackv1.ListFeedbacksRequest{SessionId: request.SessionId})
}

func (t *tester) addSessionOnly() {
	// Without a request_id two equal calls are two feedbacks.
	request := &feedbackv1.AddFeedbackRequest{SessionId: newSession("session-only")}
	first, second := t.add(request), t.add(request)
	if first.FeedbackId == second.FeedbackId {
		t.fail("second feedback_id", "another than the first", second.FeedbackId)
	}
	t.expectList("stored", []*feedbackv1.Feedback{first, second},
		&feedbackv1.ListFeedbacksRequest{SessionId: request.SessionId})
}

func (t *tester) repeatRequestID() {
	request := everyField(newSession("repeated"))
	original := t.add(request)
	t.expectReplay("same content", original, request)
	t.expectReplay("different content", original, &feedbackv1.AddFeedbackRequest{
		SessionId: request.SessionId,
		RequestId: request.RequestId,
		Rating:    feedbackv1.Rating_RATING_UP,
		Comment:   "quite another comment",
		Tags:      []string{"other"},
	})
	t.expectList("stored", []*feedbackv1.Feedback{original},
		&feedbackv1.ListFeedbacksRequest{SessionId: request.SessionId})

	// The key is unique within its session only.
	elsewhere := everyField(newSession("repeated-elsewhere"))
	if added := t.add(elsewhere); added.FeedbackId == original.FeedbackId {
		t.fail("feedback_id in another session", "a new one", added.FeedbackId)
	}
}

func (t *tester) expectReplay(
	what string, original *feedbackv1.Feedback, request *feedbackv1.AddFeedbackRequest,
) {
	reply := must(t, t.feedback.AddFeedback, request)
	t.expect(what+": replayed", true, reply.Replayed)
	t.expect(what+": feedback", original, reply.Feedback)
}

// repeatRequestIDAtOnce makes equal calls concurrently, before the first is stored.
func (t *tester) repeatRequestIDAtOnce() {
	const calls = 16
	request := everyField(newSession("at-once"))
	replies := make([]*feedbackv1.AddFeedbackResponse, calls)
	errs := make([]error, calls)
	var done sync.WaitGroup
	for index := range replies {
		done.Add(1)
		go func(index int) {
			defer done.Done()
			replies[index], errs[index] = call(t.feedback.AddFeedback, request)
		}(index)
	}
	done.Wait()

	fresh := 0
	for index, reply := range replies {
		if errs[index] != nil {
			t.stop("call", "a reply", errs[index])
		}
		t.expect("feedback", replies[0].Feedback, reply.Feedback)
		if !reply.Replayed {
			fresh++
		}
	}
	t.expect("replies that are not replayed", 1, fresh)
	t.expectList("stored", []*feedbackv1.Feedback{replies[0].Feedback},
		&feedbackv1.ListFeedbacksRequest{SessionId: request.SessionId})
}

func (t *tester) readUnknownSession() {
	session := newSession("unknown")
	// There are two rounds, since the first must not have created the session.
	for _, round := range []string{"first", "second"} {
		page := must(t, t.feedback.ListFeedbacks,
			&feedbackv1.ListFeedbacksRequest{SessionId: session})
		t.expect(round+" list", &feedbackv1.ListFeedbacksResponse{}, page)

		// Later ones are not served yet.
		for grouping := feedbackv1.GroupBy(0); grouping <= feedbackv1.GroupBy_GROUP_BY_DAY; grouping++ {
			metrics := must(t, t.feedback.GetMetrics, &feedbackv1.GetMetricsRequest{
				SessionId:   session,
				GroupBy:     grouping,
				MetadataKey: keyFor(grouping),
			})
			t.expect(round+" metrics",
				&feedbackv1.GetMetricsResponse{Metrics: &feedbackv1.Metrics{}}, metrics)
		}

		_, err := call(t.session.GetMetadata, &feedbackv1.GetMetadataRequest{SessionId: session})
		t.expectCode(round+" get metadata", codes.NotFound, err)
		_, err = call(t.session.DeleteMetadata,
			&feedbackv1.DeleteMetadataRequest{SessionId: session, Keys: []string{"key"}})
		t.expectCode(round+" delete metadata", codes.NotFound, err)
	}
}

// keyFor returns a metadata key for the grouping that needs one.
func keyFor(grouping feedbackv1.GroupBy) string {
	if grouping == feedbackv1.GroupBy_GROUP_BY_METADATA {
		return "variant"
	}
	return ""
}
