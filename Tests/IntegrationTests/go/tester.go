package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/gogo/protobuf/types"
	"google.golang.org/grpc/codes"

	feedbackv1 "feedbackd/feedback/v1"
)

// tester runs steps on one connection and collects the failed expectations.
type tester struct {
	*client
	name     string
	steps    int
	failures []string
}

// stopStep is the value with which a step panics when it cannot continue.
type stopStep struct{}

// step runs a part that the ones after it do not depend on, so that one run shows every failure.
func (t *tester) step(name string, body func()) {
	t.name = name
	t.steps++
	defer func() {
		if cause := recover(); cause != nil && cause != (stopStep{}) {
			panic(cause)
		}
	}()
	body()
}

func (t *tester) result() error {
	if len(t.failures) > 0 {
		return errors.New(strings.Join(t.failures, "\n"))
	}
	fmt.Printf("ok, %d steps\n", t.steps)
	return nil
}

func (t *tester) fail(what string, want, got any) {
	t.failures = append(t.failures, fmt.Sprintf("%s: %s: expected %s, got %s",
		t.name, what, shorten(want), shorten(got)))
}

// stop ends the step; it may be called only on the goroutine that runs the step.
func (t *tester) stop(what string, want, got any) {
	t.fail(what, want, got)
	panic(stopStep{})
}

func (t *tester) expect(what string, want, got any) {
	if !same(want, got) {
		t.fail(what, want, got)
	}
}

func (t *tester) expectNear(what string, want, got float64) {
	// The tolerance allows for the rounding of another order of operations, not for another result.
	if math.Abs(want-got) > 1e-9*math.Max(1, math.Abs(want)) {
		t.fail(what, want, got)
	}
}

func (t *tester) expectCode(what string, want codes.Code, err error) {
	if got := codeOf(err); got != want {
		t.fail(what, want, fmt.Sprintf("%v (%v)", got, err))
	}
}

// must makes a call without whose success the step cannot continue.
func must[Request, Reply any](
	t *tester, method func(context.Context, *Request) (*Reply, error), request *Request,
) *Reply {
	reply, err := call(method, request)
	if err != nil {
		t.stop(fmt.Sprintf("%T", request), "a reply", err)
	}
	return reply
}

// add stores a feedback and checks all of the reply.
func (t *tester) add(request *feedbackv1.AddFeedbackRequest) *feedbackv1.Feedback {
	reply := must(t, t.feedback.AddFeedback, request)
	t.expect("replayed", false, reply.Replayed)
	if reply.Feedback == nil {
		t.stop("feedback", "a feedback", "none")
	}
	t.expectFeedback(request, reply.Feedback)
	return reply.Feedback
}

// expectFeedback checks a new feedback against the request that made it.
func (t *tester) expectFeedback(request *feedbackv1.AddFeedbackRequest, got *feedbackv1.Feedback) {
	created := t.expectCreatedNow(got)
	t.expectUUIDv7(got.FeedbackId, created)
	want := &feedbackv1.Feedback{
		FeedbackId: got.FeedbackId,
		SessionId:  request.SessionId,
		Rating:     request.Rating,
		Comment:    request.Comment,
		CreatedAt:  got.CreatedAt,
		UpdatedAt:  got.CreatedAt,
		MessageId:  request.MessageId,
		AgentId:    request.AgentId,
		Author:     request.Author,
		Tags:       request.Tags,
		Attributes: request.Attributes,
	}
	t.expect("feedback", want, got)
}

func (t *tester) expectCreatedNow(feedback *feedbackv1.Feedback) time.Time {
	created, err := types.TimestampFromProto(feedback.CreatedAt)
	if err != nil {
		t.stop("created_at", "a timestamp", err)
	}
	if age := time.Since(created); age < -time.Minute || age > time.Minute {
		t.fail("created_at", "within a minute of "+time.Now().UTC().String(), created)
	}
	t.expect("created_at's part of a millisecond", 0, created.Nanosecond()%int(time.Millisecond))
	return created
}

var uuidv7 = regexp.MustCompile(
	`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func (t *tester) expectUUIDv7(id string, created time.Time) {
	if !uuidv7.MatchString(id) {
		t.fail("feedback_id", "a UUID of version 7", id)
		return
	}
	// Its first 48 bits are the time in milliseconds (RFC 9562, section 5.7).
	milliseconds, err := strconv.ParseInt(id[:8]+id[9:13], 16, 64)
	if err != nil {
		t.fail("feedback_id's time", "hexadecimal digits", err)
		return
	}
	if distance := time.UnixMilli(milliseconds).Sub(created); distance.Abs() > time.Minute {
		t.fail("feedback_id's time", created, time.UnixMilli(milliseconds).UTC())
	}
}

// same compares messages as messages: their structs also hold what the library keeps beside fields.
// Fields that the API does not know count as a difference.
func same(want, got any) bool {
	if a, ok := want.(proto.Message); ok {
		b, ok := got.(proto.Message)
		return ok && proto.Equal(a, b)
	}
	return reflect.DeepEqual(want, got)
}

// shorten limits the length of a value in the output, such as of comments of 10,000 characters.
func shorten(value any) string {
	const limit = 400
	text := fmt.Sprintf("%+v", value)
	if len(text) > limit {
		return text[:limit] + fmt.Sprintf("... (%d bytes)", len(text))
	}
	return text
}
