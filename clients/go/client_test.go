package feedbackd

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gogo/protobuf/proto"
	"google.golang.org/grpc/codes"

	feedbackv1 "feedbackd/feedback/v1"
)

var ctx = context.Background()

func expect(t *testing.T, what string, want, got any) {
	t.Helper()
	if !reflect.DeepEqual(want, got) {
		t.Errorf("%s: expected %v, got %v", what, want, got)
	}
}

func expectMessage(t *testing.T, what string, want, got proto.Message) {
	t.Helper()
	if !proto.Equal(want, got) {
		t.Errorf("%s: expected %v, got %v", what, want, got)
	}
}

func expectCode(t *testing.T, want codes.Code, err error) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Code != want {
		t.Fatalf("expected %v, got %v", want, err)
	}
	return e
}

func must[Reply any](t *testing.T) func(Reply, error) Reply {
	return func(reply Reply, err error) Reply {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return reply
	}
}

var mustAdd = must[*feedbackv1.AddFeedbackResponse]
var mustHave = must[map[string]any]

func TestEveryFieldOfFeedbackComesBack(t *testing.T) {
	client := startDaemon(t).client()
	request := &feedbackv1.AddFeedbackRequest{
		SessionId:  "user-123",
		Rating:     feedbackv1.Rating_RATING_DOWN,
		Comment:    "Zu lang. „Kürzer“, bitte 👩‍👩‍👧",
		RequestId:  "request-1",
		MessageId:  "message-1",
		AgentId:    "agent-1",
		Author:     &feedbackv1.Author{Source: feedbackv1.AuthorSource_AUTHOR_SOURCE_MODEL, Id: "j"},
		Tags:       []string{"too-long", "tone"},
		Attributes: map[string]string{"locale": "de-AT", "größe": "🎉"},
	}
	added := mustAdd(t)(client.AddFeedback(ctx, request))
	want := &feedbackv1.Feedback{
		FeedbackId: added.Feedback.FeedbackId,
		SessionId:  request.SessionId,
		Rating:     request.Rating,
		Comment:    request.Comment,
		CreatedAt:  added.Feedback.CreatedAt,
		UpdatedAt:  added.Feedback.CreatedAt,
		MessageId:  request.MessageId,
		AgentId:    request.AgentId,
		Author:     request.Author,
		Tags:       request.Tags,
		Attributes: request.Attributes,
	}
	expectMessage(t, "reply", &feedbackv1.AddFeedbackResponse{Feedback: want}, added)
	age := time.Since(time.Unix(added.Feedback.CreatedAt.Seconds, 0))
	expect(t, "created now", true, age > -time.Minute && age < time.Minute)

	again := mustAdd(t)(client.AddFeedback(ctx, request))
	expectMessage(t, "repeated",
		&feedbackv1.AddFeedbackResponse{Feedback: want, Replayed: true}, again)
}

func TestAddingTwiceWithoutARequestIDStoresTwo(t *testing.T) {
	client := startDaemon(t).client()
	request := &feedbackv1.AddFeedbackRequest{SessionId: "s"}
	first := mustAdd(t)(client.AddFeedback(ctx, request))
	second := mustAdd(t)(client.AddFeedback(ctx, request))
	expect(t, "ids differ", true, first.Feedback.FeedbackId != second.Feedback.FeedbackId)
	expect(t, "the caller's request", "", request.RequestId)
}

func TestNewRequestIDsAreUUIDsThatBeginWithTheTime(t *testing.T) {
	form := regexp.MustCompile(
		`^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	made := map[string]bool{}
	before := time.Now().UnixMilli()
	for index := 0; index < 10_000; index++ {
		id := newRequestID()
		made[id] = true
		parts := form.FindStringSubmatch(id)
		if parts == nil {
			t.Fatal("no UUID of version 7: ", id)
		}
		milliseconds, _ := strconv.ParseInt(parts[1]+parts[2], 16, 64)
		expect(t, "made now", true, before <= milliseconds && milliseconds <= time.Now().UnixMilli())
	}
	expect(t, "different ids", 10_000, len(made))
}

func TestListingGoesThroughAllPages(t *testing.T) {
	client := startDaemon(t).client()
	var want []string
	for index := 0; index < 25; index++ {
		comment := fmt.Sprint("comment ", index)
		mustAdd(t)(client.AddFeedback(ctx,
			&feedbackv1.AddFeedbackRequest{SessionId: "s", Comment: comment}))
		want = append(want, comment)
	}
	for _, pageSize := range []int32{1, 10, 25, 100} {
		request := &feedbackv1.ListFeedbacksRequest{SessionId: "s", PageSize: pageSize}
		list := client.ListFeedbacks(ctx, request)
		expect(t, "before the first", true, list.Feedback() == nil)
		var got []string
		for list.Next() {
			got = append(got, list.Feedback().Comment)
		}
		if err := list.Err(); err != nil {
			t.Fatal(err)
		}
		expect(t, fmt.Sprint("pages of ", pageSize), want, got)
		expect(t, "after the last", true, !list.Next() && list.Feedback() == nil)
		expect(t, "the caller's request", "", request.PageToken)
	}
	page, err := client.ListPageOfAllSessions(ctx, &feedbackv1.ListFeedbacksRequest{PageSize: 10})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "page", 10, len(page.Feedbacks))
	expect(t, "all that match", int64(25), page.TotalSize)
	empty := client.ListFeedbacks(ctx, &feedbackv1.ListFeedbacksRequest{SessionId: "nobody's"})
	expect(t, "an unknown session", false, empty.Next())
	expect(t, "error", nil, empty.Err())
}

func TestListingEndsWithTheFirstError(t *testing.T) {
	client := startDaemon(t).client()
	list := client.ListFeedbacksOfAllSessions(ctx, &feedbackv1.ListFeedbacksRequest{PageSize: -1})
	expect(t, "next", false, list.Next())
	expect(t, "field", "page_size", expectCode(t, codes.InvalidArgument, list.Err()).
		Violations[0].Field)
}

func TestMetrics(t *testing.T) {
	client := startDaemon(t).client()
	for session, rating := range map[string]feedbackv1.Rating{
		"a": feedbackv1.Rating_RATING_UP, "b": feedbackv1.Rating_RATING_DOWN,
	} {
		mustAdd(t)(client.AddFeedback(ctx, &feedbackv1.AddFeedbackRequest{
			SessionId: session, Rating: rating, Comment: "1234",
		}))
	}
	got, err := client.GetMetricsOfAllSessions(ctx, &feedbackv1.GetMetricsRequest{
		GroupBy: feedbackv1.GroupBy_GROUP_BY_SESSION,
	})
	if err != nil {
		t.Fatal(err)
	}
	expectMessage(t, "metrics", &feedbackv1.GetMetricsResponse{
		Metrics: &feedbackv1.Metrics{
			Total: 2, Positive: 1, Negative: 1,
			AverageCommentLength: 4, SatisfactionRate: 50, ApprovalRate: 50,
		},
		Groups: []*feedbackv1.MetricsGroup{
			{Key: "a", Metrics: &feedbackv1.Metrics{
				Total: 1, Positive: 1,
				AverageCommentLength: 4, SatisfactionRate: 100, ApprovalRate: 100,
			}},
			{Key: "b", Metrics: &feedbackv1.Metrics{
				Total: 1, Negative: 1, AverageCommentLength: 4,
			}},
		},
	}, got)
}

func TestAnEmptySessionIDIsNobodys(t *testing.T) {
	client := startDaemon(t).client()
	mustAdd(t)(client.AddFeedback(ctx, &feedbackv1.AddFeedbackRequest{SessionId: "somebody"}))
	list := client.ListFeedbacks(ctx, &feedbackv1.ListFeedbacksRequest{})
	expect(t, "next", false, list.Next())
	failures := map[string]error{"ListFeedbacks": list.Err()}
	_, failures["ListPage"] = client.ListPage(ctx, &feedbackv1.ListFeedbacksRequest{})
	_, failures["GetMetrics"] = client.GetMetrics(ctx, &feedbackv1.GetMetricsRequest{})
	_, failures["AddFeedback"] = client.AddFeedback(ctx, &feedbackv1.AddFeedbackRequest{})
	_, failures["UpdateMetadata"] = client.UpdateMetadata(ctx, "", nil)
	_, failures["GetMetadata"] = client.GetMetadata(ctx, "")
	_, failures["DeleteMetadata"] = client.DeleteMetadata(ctx, "", "key")
	for call, err := range failures {
		expect(t, call, []FieldViolation{{"session_id", "must be 1 to 255 bytes, is empty"}},
			expectCode(t, codes.InvalidArgument, err).Violations)
	}
}

func TestAllSessionsAreAskedForByName(t *testing.T) {
	client := startDaemon(t).client()
	for _, session := range []string{"a", "b"} {
		mustAdd(t)(client.AddFeedback(ctx, &feedbackv1.AddFeedbackRequest{SessionId: session}))
	}
	all := client.ListFeedbacksOfAllSessions(ctx, &feedbackv1.ListFeedbacksRequest{})
	var got []string
	for all.Next() {
		got = append(got, all.Feedback().SessionId)
	}
	expect(t, "sessions", []string{"a", "b"}, got)
	expect(t, "error", nil, all.Err())

	list := &feedbackv1.ListFeedbacksRequest{SessionId: "a"}
	one := client.ListFeedbacksOfAllSessions(ctx, list)
	expect(t, "next", false, one.Next())
	expectCode(t, codes.InvalidArgument, one.Err())
	_, err := client.ListPageOfAllSessions(ctx, list)
	expectCode(t, codes.InvalidArgument, err)
	_, err = client.GetMetricsOfAllSessions(ctx, &feedbackv1.GetMetricsRequest{SessionId: "a"})
	expectCode(t, codes.InvalidArgument, err)
}

func TestMetadata(t *testing.T) {
	client := startDaemon(t).client()
	_, err := client.GetMetadata(ctx, "s")
	expectCode(t, codes.NotFound, err)
	_, err = client.DeleteMetadata(ctx, "s", "key")
	expectCode(t, codes.NotFound, err)

	got := mustHave(t)(client.UpdateMetadata(ctx, "s", map[string]any{
		"null": nil, "yes": true, "text": "größe 🎉", "int": 7, "float": -1.5e300,
		"list":   []any{nil, false, "", int64(1), float32(0.5), uint8Free(), []any{}},
		"large":  []any{int64(-1 << 53), uint64(1 << 53)},
		"object": map[string]any{"k": map[string]any{}},
	}))
	want := map[string]any{
		"null": nil, "yes": true, "text": "größe 🎉", "int": 7.0, "float": -1.5e300,
		"list":   []any{nil, false, "", 1.0, 0.5, 2.0, []any{}},
		"large":  []any{-9007199254740992.0, 9007199254740992.0},
		"object": map[string]any{"k": map[string]any{}},
	}
	expect(t, "updated", want, got)
	expect(t, "got", want, mustHave(t)(client.GetMetadata(ctx, "s")))
	for _, key := range []string{"list", "large", "object", "float", "null"} {
		delete(want, key)
	}
	got = mustHave(t)(client.DeleteMetadata(ctx, "s", "list", "large", "object", "float", "null", "none"))
	expect(t, "deleted", want, got)
	expect(t, "emptied", map[string]any{},
		mustHave(t)(client.DeleteMetadata(ctx, "s", "yes", "text", "int")))

	cycle := map[string]any{}
	cycle["k"] = cycle
	for what, bad := range map[string]any{
		"a type": time.Second, "a cycle": cycle, "no number": math.NaN(), "text": "\xff",
		"a dot": map[string]any{"a.b": 1}, "an int64": int64(1<<53 + 1),
		"a negative": -1<<53 - 1, "a uint64": uint64(math.MaxUint64), "a uint": uint(math.MaxUint64),
	} {
		_, err = client.UpdateMetadata(ctx, "s", map[string]any{"k": bad})
		e := expectCode(t, codes.InvalidArgument, err)
		expect(t, what, "metadata", strings.SplitN(e.Violations[0].Field, ".", 2)[0])
	}
}

func uint8Free() any { return uint32(2) }

func TestHealth(t *testing.T) {
	d := startDaemon(t)
	client := d.client()
	serving := must[bool](t)(client.IsServing(ctx))
	expect(t, "serving", true, serving)
	d.stop()
	_, err := client.IsServing(ctx)
	expectCode(t, codes.Unavailable, err)
}

func TestErrorsNameTheFieldsAtFault(t *testing.T) {
	client := startDaemon(t).client()
	_, err := client.AddFeedback(ctx, &feedbackv1.AddFeedbackRequest{
		Comment: strings.Repeat("x", 10_001), AgentId: "a\x00b", SessionId: "s",
	})
	expect(t, "field", "agent_id", expectCode(t, codes.InvalidArgument, err).Violations[0].Field)
	_, err = client.AddFeedback(ctx, &feedbackv1.AddFeedbackRequest{
		Comment: strings.Repeat("x", 10_001), AgentId: strings.Repeat("a", 256), SessionId: "s",
	})
	e := expectCode(t, codes.InvalidArgument, err)
	fields := map[string]bool{}
	for _, violation := range e.Violations {
		fields[violation.Field] = true
		expect(t, "message has "+violation.Field, true,
			strings.Contains(e.Message, violation.Field+": "+violation.Description))
	}
	expect(t, "fields", map[string]bool{"comment": true, "agent_id": true}, fields)
	expect(t, "text", "feedbackd: InvalidArgument: "+e.Message, err.Error())
	expect(t, "code", codes.InvalidArgument, CodeOf(fmt.Errorf("wrapped: %w", err)))
}

func TestRequestsThatAreTooLargeAreRefusedAndLeaveTheConnection(t *testing.T) {
	d := startDaemon(t)
	r := startRelay(t, d)
	client := newTestClient(t, r.socket)
	for _, size := range []int{4 << 20, 20 << 20} {
		_, err := client.AddFeedback(ctx, &feedbackv1.AddFeedbackRequest{
			SessionId: "s", Comment: strings.Repeat("x", size),
		})
		expectCode(t, codes.ResourceExhausted, err)
		mustAdd(t)(client.AddFeedback(ctx, &feedbackv1.AddFeedbackRequest{SessionId: "s"}))
	}
	expect(t, "connections", int32(1), r.connections.Load())
}

func TestManyCallsShareOneConnection(t *testing.T) {
	d := startDaemon(t)
	r := startRelay(t, d)
	client := newTestClient(t, r.socket)
	var callers sync.WaitGroup
	for caller := 0; caller < 64; caller++ {
		callers.Add(1)
		go func(session string) {
			defer callers.Done()
			for count := 0; count < 10; count++ {
				added, err := client.AddFeedback(ctx,
					&feedbackv1.AddFeedbackRequest{SessionId: session})
				if err != nil || added.Feedback.SessionId != session {
					t.Errorf("expected feedback of %s, got %v, %v", session, added, err)
				}
			}
		}(fmt.Sprint("session-", caller))
	}
	callers.Wait()
	page, err := client.ListPageOfAllSessions(ctx, &feedbackv1.ListFeedbacksRequest{PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "stored", int64(640), page.TotalSize)
	expect(t, "connections", int32(1), r.connections.Load())
}

func TestALostReplyIsAskedForAgainAndNothingIsStoredTwice(t *testing.T) {
	d := startDaemon(t)
	r := startRelay(t, d)
	client := newTestClient(t, r.socket)
	r.losses.Store(2)
	added := mustAdd(t)(client.AddFeedback(ctx, &feedbackv1.AddFeedbackRequest{SessionId: "s"}))
	expect(t, "replayed", true, added.Replayed)
	expect(t, "connections", int32(3), r.connections.Load())
	page, err := client.ListPageOfAllSessions(ctx, &feedbackv1.ListFeedbacksRequest{})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "stored", int64(1), page.TotalSize)
}

func TestAttemptsEndWithTheLastError(t *testing.T) {
	d := startDaemon(t)
	r := startRelay(t, d)
	client := newTestClient(t, r.socket)
	client.AttemptsMax, client.Backoff = 3, time.Millisecond
	r.losses.Store(100)
	_, err := client.AddFeedback(ctx, &feedbackv1.AddFeedbackRequest{SessionId: "s"})
	expectCode(t, codes.Unavailable, err)
	expect(t, "attempts", int32(3), r.connections.Load())
	r.losses.Store(0)
	mustAdd(t)(client.AddFeedback(ctx, &feedbackv1.AddFeedbackRequest{SessionId: "s"}))
}

func TestADeadlineInALaterAttemptSaysWhyTheOneBeforeFailed(t *testing.T) {
	socket := t.TempDir() + "/socket"
	var connections atomic.Int32
	serve(t, socket, func(caller net.Conn) {
		if connections.Add(1) > 1 {
			// Says nothing until the caller has gone.
			io.Copy(io.Discard, caller)
		}
	})
	client := newTestClient(t, socket)
	client.Timeout, client.Backoff = time.Second, time.Millisecond
	_, err := client.AddFeedback(ctx, &feedbackv1.AddFeedbackRequest{SessionId: "s"})
	expectCode(t, codes.DeadlineExceeded, err)
	if !strings.Contains(err.Error(), "; the attempt before: ") {
		t.Error(err)
	}
}

func TestTheDaemonMayStartLaterAndAgain(t *testing.T) {
	d := newDaemon(t)
	client := d.client()
	client.AttemptsMax, client.BackoffMax = 100, 50*time.Millisecond
	added := make(chan error)
	go func() {
		_, err := client.AddFeedback(ctx, &feedbackv1.AddFeedbackRequest{SessionId: "s"})
		added <- err
	}()
	d.start()
	if err := <-added; err != nil {
		t.Fatal(err)
	}
	d.stop()
	d.start()
	mustAdd(t)(client.AddFeedback(ctx, &feedbackv1.AddFeedbackRequest{SessionId: "s"}))
	page, err := client.ListPageOfAllSessions(ctx, &feedbackv1.ListFeedbacksRequest{})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "stored", int64(2), page.TotalSize)
}

func TestWithoutADaemonCallsAreUnavailable(t *testing.T) {
	client := newTestClient(t, "/nonexistent/socket")
	within(t, 5*time.Second, "a call without a daemon", func() {
		_, err := client.GetMetricsOfAllSessions(ctx, &feedbackv1.GetMetricsRequest{})
		expectCode(t, codes.Unavailable, err)
	})
	// The reason counts, not that it was tried until the deadline.
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	_, err := client.GetMetricsOfAllSessions(short, &feedbackv1.GetMetricsRequest{})
	expectCode(t, codes.Unavailable, err)

	client = newTestClient(t, "/tmp/"+strings.Repeat("x", 200))
	_, err = client.GetMetricsOfAllSessions(ctx, &feedbackv1.GetMetricsRequest{})
	expectCode(t, codes.InvalidArgument, err)
}

func TestDeadlines(t *testing.T) {
	d := startDaemon(t)
	client := d.client()
	past, cancel := context.WithDeadline(ctx, time.Now().Add(-time.Hour))
	defer cancel()
	_, err := client.GetMetricsOfAllSessions(past, &feedbackv1.GetMetricsRequest{})
	expectCode(t, codes.DeadlineExceeded, err)
	expect(t, "as the context's", true, errors.Is(err, context.DeadlineExceeded))

	cancelled, cancelNow := context.WithCancel(ctx)
	cancelNow()
	_, err = client.GetMetricsOfAllSessions(cancelled, &feedbackv1.GetMetricsRequest{})
	expectCode(t, codes.Canceled, err)
	expect(t, "as the context's", true, errors.Is(err, context.Canceled))

	// Nobody answers here.
	silent := d.socket + "-silent"
	released := make(chan struct{})
	serve(t, silent, func(net.Conn) { <-released })
	defer close(released)
	client = newTestClient(t, silent)
	client.Timeout = 50 * time.Millisecond
	within(t, 5*time.Second, "a call that nobody answers", func() {
		_, err := client.GetMetricsOfAllSessions(ctx, &feedbackv1.GetMetricsRequest{})
		expectCode(t, codes.DeadlineExceeded, err)
	})
	later, cancelLater := context.WithCancel(ctx)
	time.AfterFunc(20*time.Millisecond, cancelLater)
	client.Timeout = time.Hour
	within(t, 5*time.Second, "a call that is cancelled", func() {
		_, err := client.GetMetricsOfAllSessions(later, &feedbackv1.GetMetricsRequest{})
		expectCode(t, codes.Canceled, err)
	})
	time.AfterFunc(20*time.Millisecond, client.Close)
	within(t, 5*time.Second, "a call of a client that is closed", func() {
		_, err := client.GetMetricsOfAllSessions(ctx, &feedbackv1.GetMetricsRequest{})
		expectCode(t, codes.Canceled, err)
	})
	_, err = client.GetMetricsOfAllSessions(ctx, &feedbackv1.GetMetricsRequest{})
	expectCode(t, codes.Canceled, err)
}

func TestRepliesThatNoServerSendsAreErrors(t *testing.T) {
	folder, err := os.MkdirTemp("", "feedbackd-go-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	frame := func(length uint32, data string) string {
		header := make([]byte, frameHeaderBytes)
		binary.BigEndian.PutUint32(header, length)
		header[7], header[8] = 1, 2
		return string(header) + data
	}
	tooLarge := strings.Repeat("x", frameBytesMax+1)
	for name, answer := range map[string]struct {
		bytes string
		code  codes.Code
	}{
		"oversized":   {frame(frameBytesMax+1, tooLarge), codes.ResourceExhausted},
		"largest":     {frame(math.MaxUint32, tooLarge), codes.ResourceExhausted},
		"undecodable": {frame(1, "\xff"), codes.Internal},
		"payload":     {frame(3, "\x12\x01\xff"), codes.Internal},
		"no metrics":  {frame(0, ""), codes.Internal},
		"cut":         {frame(9, "x"), codes.Unavailable},
		"closed":      {"", codes.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			socket := folder + "/" + name
			serve(t, socket, func(conn net.Conn) {
				conn.Read(make([]byte, 4096))
				conn.Write([]byte(answer.bytes))
				if answer.code != codes.Unavailable {
					io.Copy(io.Discard, conn)
				}
			})
			client := newTestClient(t, socket)
			client.AttemptsMax = 1
			within(t, 10*time.Second, "the call", func() {
				_, err := client.GetMetricsOfAllSessions(ctx, &feedbackv1.GetMetricsRequest{})
				expectCode(t, answer.code, err)
			})
		})
	}
}

func TestTheConventionalSocketIsTheDaemonsOwn(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", "/run/user/1")
	expect(t, "with a runtime folder", "/run/user/1/feedbackd/feedbackd.sock", ConventionalSocket())
	t.Setenv("XDG_RUNTIME_DIR", "")
	want := fmt.Sprintf("/tmp/feedbackd-%d/feedbackd.sock", os.Getuid())
	if os.Getuid() == 0 {
		want = "/run/feedbackd/feedbackd.sock"
	}
	expect(t, "without one", want, ConventionalSocket())
}
