package feedbackd

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/containerd/ttrpc"
	"github.com/gogo/protobuf/proto"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"

	feedbackv1 "feedbackd/feedback/v1"
)

func streamFrame(kind, flags byte, data []byte) string {
	frame := make([]byte, frameHeaderBytes)
	binary.BigEndian.PutUint32(frame, uint32(len(data)))
	frame[7], frame[8], frame[9] = 1, kind, flags
	return string(frame) + string(data)
}

func encoded(message proto.Message) []byte {
	data, err := proto.Marshal(message)
	if err != nil {
		panic(err)
	}
	return data
}

func changeFrame(position, comment string) string {
	return streamFrame(frameData, 0, encoded(&feedbackv1.WatchFeedbacksResponse{
		Event: &feedbackv1.WatchFeedbacksResponse_Change{Change: &feedbackv1.Change{
			Position: position, Kind: feedbackv1.Change_KIND_ADDED,
			Feedback: &feedbackv1.Feedback{Comment: comment},
		}},
	}))
}

func heartbeatFrame(position string) string {
	return streamFrame(frameData, 0, encoded(&feedbackv1.WatchFeedbacksResponse{
		Event: &feedbackv1.WatchFeedbacksResponse_HeartbeatPosition{HeartbeatPosition: position},
	}))
}

func refusalFrame(code codes.Code) string {
	return streamFrame(frameResponse, 0, encoded(&ttrpc.Response{
		Status: &spb.Status{Code: int32(code), Message: "why"},
	}))
}

var endFrame = streamFrame(frameData, flagRemoteClosed|flagNoData, nil)

// script is a server that says what it is told, one text for each connection.
type script struct {
	socket   string
	requests chan *feedbackv1.WatchFeedbacksRequest
}

func startScript(t *testing.T, answers ...string) *script {
	t.Helper()
	folder, err := os.MkdirTemp("", "feedbackd-go-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	s := &script{folder + "/socket", make(chan *feedbackv1.WatchFeedbacksRequest, len(answers))}
	connections := make(chan string, len(answers))
	for _, answer := range answers {
		connections <- answer
	}
	close(connections)
	serve(t, s.socket, func(conn net.Conn) {
		answer, ok := <-connections
		if !ok {
			t.Error("there are more connections than answers")
			return
		}
		header := make([]byte, frameHeaderBytes)
		if _, err := io.ReadFull(conn, header); err != nil {
			t.Error(err)
			return
		}
		expect(t, "type", byte(frameRequest), header[8])
		expect(t, "flags", byte(flagRemoteClosed), header[9])
		data := make([]byte, binary.BigEndian.Uint32(header))
		if _, err := io.ReadFull(conn, data); err != nil {
			t.Error(err)
			return
		}
		var request ttrpc.Request
		var payload feedbackv1.WatchFeedbacksRequest
		if err := proto.Unmarshal(data, &request); err != nil {
			t.Error(err)
		}
		if err := proto.Unmarshal(request.Payload, &payload); err != nil {
			t.Error(err)
		}
		expect(t, "method", "WatchFeedbacks", request.Method)
		expect(t, "timeout", int64(0), request.TimeoutNano)
		s.requests <- &payload
		// One byte at a time: frames have no edges in a stream.
		for index := range []byte(answer) {
			if _, err := conn.Write([]byte(answer[index : index+1])); err != nil {
				return
			}
		}
	})
	return s
}

func everything() *feedbackv1.WatchFeedbacksRequest {
	return &feedbackv1.WatchFeedbacksRequest{}
}

func following() *feedbackv1.WatchFeedbacksRequest {
	return &feedbackv1.WatchFeedbacksRequest{Follow: true}
}

// commentsOf goes through all changes.
func commentsOf(t *testing.T, changes *ChangeIterator) []string {
	t.Helper()
	var comments []string
	for changes.Next() {
		comments = append(comments, changes.Change().Feedback.Comment)
	}
	return comments
}

func TestHeartbeatsAreNoChangesAndMoveThePosition(t *testing.T) {
	s := startScript(t, heartbeatFrame("1")+changeFrame("2", "a")+
		// A type and an event that only newer servers know.
		streamFrame(9, 0, []byte("later"))+streamFrame(frameData, 0, []byte("\x7a\x01x"))+
		heartbeatFrame("3")+endFrame)
	changes := newTestClient(t, s.socket).WatchFeedbacksOfAllSessions(ctx, everything())
	expect(t, "before the first", true, changes.Change() == nil)
	expect(t, "comments", []string{"a"}, commentsOf(t, changes))
	expect(t, "error", nil, changes.Err())
	expect(t, "after the last", true, !changes.Next() && changes.Change() == nil)
	expect(t, "position", "3", changes.Position())
}

func TestTheLastMessageMaySayThatItIsTheLast(t *testing.T) {
	last := []byte(changeFrame("1", "a"))
	last[9] = flagRemoteClosed
	s := startScript(t, string(last)+changeFrame("2", "b"))
	changes := newTestClient(t, s.socket).WatchFeedbacksOfAllSessions(ctx, everything())
	expect(t, "comments", []string{"a"}, commentsOf(t, changes))
	expect(t, "error", nil, changes.Err())
}

func TestAWatchResumesAfterTheLastHeartbeat(t *testing.T) {
	cut := changeFrame("4", "c")
	s := startScript(t,
		changeFrame("1", "a")+heartbeatFrame("2"),
		// Cut within a frame, after nothing, and by a server that stops.
		changeFrame("3", "b")+cut[:len(cut)-1],
		"",
		cut+refusalFrame(codes.Unavailable),
		heartbeatFrame("5")+endFrame)
	client := newTestClient(t, s.socket)
	client.AttemptsMax, client.Backoff = 1, time.Millisecond
	request := &feedbackv1.WatchFeedbacksRequest{
		Filter: &feedbackv1.FeedbackFilter{SessionId: "s"}, FromNow: true, Follow: true,
	}
	changes := client.WatchFeedbacks(ctx, request)
	expect(t, "comments", []string{"a", "b", "c"}, commentsOf(t, changes))
	expect(t, "error", nil, changes.Err())
	expect(t, "position", "5", changes.Position())
	for index, after := range []string{"", "2", "3", "3", "4"} {
		expectMessage(t, fmt.Sprint("request ", index), &feedbackv1.WatchFeedbacksRequest{
			Filter: request.Filter, StartPosition: after, FromNow: index == 0, Follow: true,
		}, <-s.requests)
	}
	expect(t, "the caller's request", "", request.StartPosition)
}

func TestStreamsThatNoServerSendsAreErrors(t *testing.T) {
	oversized := []byte(streamFrame(frameData, 0, nil))
	binary.BigEndian.PutUint32(oversized, frameBytesMax+1)
	for name, answer := range map[string]struct {
		bytes string
		code  codes.Code
	}{
		"refused":           {refusalFrame(codes.OutOfRange), codes.OutOfRange},
		"oversized":         {string(oversized), codes.ResourceExhausted},
		"no message":        {streamFrame(frameData, 0, []byte("\xff")), codes.Internal},
		"no response":       {streamFrame(frameResponse, 0, []byte("\xff")), codes.Internal},
		"closed every time": {"", codes.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			s := startScript(t, answer.bytes)
			client := newTestClient(t, s.socket)
			client.AttemptsMax = 1
			changes := client.WatchFeedbacksOfAllSessions(ctx, following())
			expect(t, "next", false, changes.Next())
			expectCode(t, answer.code, changes.Err())
			expect(t, "next again", false, changes.Next())
			expectCode(t, answer.code, changes.Err())
		})
	}
}

func TestWithoutADaemonAWatchIsUnavailable(t *testing.T) {
	client := newTestClient(t, "/nonexistent/socket")
	client.Backoff = time.Millisecond
	changes := client.WatchFeedbacksOfAllSessions(ctx, following())
	expect(t, "next", false, changes.Next())
	expectCode(t, codes.Unavailable, changes.Err())
}

func TestASessionIsWatchedOrAllByName(t *testing.T) {
	client := newTestClient(t, "/nonexistent/socket")
	one := &feedbackv1.WatchFeedbacksRequest{Filter: &feedbackv1.FeedbackFilter{SessionId: "s"}}
	for _, changes := range []*ChangeIterator{
		client.WatchFeedbacks(ctx, everything()),
		client.WatchFeedbacks(ctx, &feedbackv1.WatchFeedbacksRequest{
			Filter: &feedbackv1.FeedbackFilter{},
		}),
		client.WatchFeedbacksOfAllSessions(ctx, one),
	} {
		expect(t, "next", false, changes.Next())
		expect(t, "field", "session_id",
			expectCode(t, codes.InvalidArgument, changes.Err()).Violations[0].Field)
	}
}

func addComments(t *testing.T, client *Client, session string, comments ...string) {
	t.Helper()
	for _, comment := range comments {
		mustAdd(t)(client.AddFeedback(ctx,
			&feedbackv1.AddFeedbackRequest{SessionId: session, Comment: comment}))
	}
}

func numbers(count int) []string {
	made := make([]string, count)
	for index := range made {
		made[index] = fmt.Sprint(index)
	}
	return made
}

// eventually waits for what nobody tells.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for begin := time.Now(); !condition(); time.Sleep(time.Millisecond) {
		if time.Since(begin) > 2*time.Minute {
			t.Fatal(what + " never came true")
		}
	}
}

func TestChangesComeInOrderAndEndWhereTheyAreNotFollowed(t *testing.T) {
	d := startDaemon(t)
	client := d.client()
	addComments(t, client, "s", numbers(700)...)
	changes := client.WatchFeedbacksOfAllSessions(ctx, everything())
	list := client.ListFeedbacks(ctx, &feedbackv1.ListFeedbacksRequest{SessionId: "s"})
	positions := map[string]bool{}
	var third string
	for list.Next() {
		if !changes.Next() {
			t.Fatal("the changes ended early: ", changes.Err())
		}
		change := changes.Change()
		expectMessage(t, "change", &feedbackv1.Change{
			Position: changes.Position(), Kind: feedbackv1.Change_KIND_ADDED,
			Feedback: list.Feedback(),
		}, change)
		if positions[change.Position] = true; len(positions) == 3 {
			third = change.Position
		}
	}
	expect(t, "next", false, changes.Next())
	expect(t, "error", nil, changes.Err())
	expect(t, "positions", 700, len(positions))

	after := client.WatchFeedbacksOfAllSessions(ctx,
		&feedbackv1.WatchFeedbacksRequest{StartPosition: third})
	expect(t, "after the third", numbers(700)[3:], commentsOf(t, after))
	// No watch has a connection any more.
	eventually(t, "one connection", func() bool { return d.connections() == 1 })
}

func TestFiltersOfAWatch(t *testing.T) {
	client := startDaemon(t).client()
	for _, session := range []string{"s", "t"} {
		for rating, comment := range map[feedbackv1.Rating]string{
			feedbackv1.Rating_RATING_UP: "good", feedbackv1.Rating_RATING_DOWN: "",
		} {
			mustAdd(t)(client.AddFeedback(ctx, &feedbackv1.AddFeedbackRequest{
				SessionId: session, Rating: rating, Comment: comment,
			}))
		}
	}
	filter := &feedbackv1.FeedbackFilter{
		SessionId: "t", Ratings: []feedbackv1.Rating{feedbackv1.Rating_RATING_UP},
		CommentFilter: &feedbackv1.FeedbackFilter_HasComment{HasComment: true},
	}
	changes := client.WatchFeedbacks(ctx, &feedbackv1.WatchFeedbacksRequest{Filter: filter})
	expect(t, "comments", []string{"good"}, commentsOf(t, changes))
	filter.Ratings[0] = feedbackv1.Rating_RATING_DOWN
	changes = client.WatchFeedbacks(ctx, &feedbackv1.WatchFeedbacksRequest{Filter: filter})
	expect(t, "nothing", []string(nil), commentsOf(t, changes))
	expect(t, "error", nil, changes.Err())
}

// caughtUp returns what Next says when the iterator, which has nothing more to say, waits in it.
func caughtUp(t *testing.T, d *daemon, changes *ChangeIterator, connections int) chan bool {
	t.Helper()
	next := make(chan bool, 1)
	go func() { next <- changes.Next() }()
	eventually(t, "connected", func() bool { return d.connections() == connections })
	return next
}

func TestAWatchWaitsForFurtherChanges(t *testing.T) {
	d := startDaemon(t)
	client := d.client()
	addComments(t, client, "s", "before")
	changes := client.WatchFeedbacks(ctx, &feedbackv1.WatchFeedbacksRequest{
		Filter: &feedbackv1.FeedbackFilter{SessionId: "s"}, Follow: true,
	})
	defer changes.Close()
	expect(t, "next", true, changes.Next())
	next := caughtUp(t, d, changes, 2)
	addComments(t, client, "another", "of another session")
	addComments(t, client, "s", "after")
	expect(t, "next", true, <-next)
	expect(t, "comment", "after", changes.Change().Feedback.Comment)
}

func TestAWatchGoesOnAfterTheDaemonWasKilled(t *testing.T) {
	d := startDaemon(t)
	client := d.client()
	client.AttemptsMax, client.BackoffMax = 1000, 50*time.Millisecond
	changes := client.WatchFeedbacksOfAllSessions(ctx, following())
	defer changes.Close()
	want, added := numbers(300), make(chan error)
	go func() {
		for _, comment := range want {
			request := &feedbackv1.AddFeedbackRequest{SessionId: "s", Comment: comment}
			if _, err := client.AddFeedback(ctx, request); err != nil {
				added <- err
				return
			}
		}
		added <- nil
	}()
	var got []string
	for _, seen := range []int{50, 150, 250, 300} {
		for len(got) < seen && changes.Next() {
			got = append(got, changes.Change().Feedback.Comment)
		}
		if seen < 300 {
			d.kill()
			d.start()
		}
	}
	expect(t, "error", nil, changes.Err())
	expect(t, "added", nil, <-added)
	expect(t, "comments", want, got)
}

func TestErrorsOfAWatch(t *testing.T) {
	client := startDaemon(t).client()
	other := startDaemon(t).client()
	addComments(t, other, "s", "elsewhere")
	elsewhere := other.WatchFeedbacksOfAllSessions(ctx, everything())
	expect(t, "elsewhere", []string{"elsewhere"}, commentsOf(t, elsewhere))
	for code, request := range map[codes.Code]*feedbackv1.WatchFeedbacksRequest{
		codes.OutOfRange:      {StartPosition: elsewhere.Position(), Follow: true},
		codes.InvalidArgument: {StartPosition: "no position", Follow: true},
	} {
		changes := client.WatchFeedbacksOfAllSessions(ctx, request)
		expect(t, "next", false, changes.Next())
		expectCode(t, code, changes.Err())
	}
}

func TestASlowConsumerMakesTheDaemonWait(t *testing.T) {
	client := startDaemon(t).client()
	want := numbers(1000)
	for index := range want {
		want[index] += " " + strings.Repeat("x", 9_000)
	}
	addComments(t, client, "s", want...)
	changes := client.WatchFeedbacksOfAllSessions(ctx, everything())
	expect(t, "next", true, changes.Next())
	// Others are served meanwhile.
	addComments(t, client, "t", "meanwhile")
	expect(t, "held", true, changes.reader.Buffered() <= watchBufferBytes)
	got := append([]string{changes.Change().Feedback.Comment}, commentsOf(t, changes)...)
	expect(t, "comments", append(want, "meanwhile"), got)
}

func TestWhatEndsAWatch(t *testing.T) {
	d := startDaemon(t)
	client := d.client()
	addComments(t, client, "s", "one")
	left := client.WatchFeedbacksOfAllSessions(ctx, following())
	expect(t, "next", true, left.Next())
	eventually(t, "two connections", func() bool { return d.connections() == 2 })
	left.Close()
	eventually(t, "one connection", func() bool { return d.connections() == 1 })
	expect(t, "after it was closed", false, left.Next())
	expect(t, "error", nil, left.Err())

	closed := client.WatchFeedbacksOfAllSessions(ctx, following())
	expect(t, "next", true, closed.Next())
	next := caughtUp(t, d, closed, 2)
	closed.Close()
	expect(t, "next", false, <-next)
	expect(t, "error", nil, closed.Err())

	cancellable, cancel := context.WithCancel(ctx)
	cancelled := client.WatchFeedbacksOfAllSessions(cancellable, following())
	expect(t, "next", true, cancelled.Next())
	next = caughtUp(t, d, cancelled, 2)
	cancel()
	expect(t, "next", false, <-next)
	expectCode(t, codes.Canceled, cancelled.Err())

	late, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	expired := client.WatchFeedbacks(late, &feedbackv1.WatchFeedbacksRequest{
		Filter: &feedbackv1.FeedbackFilter{SessionId: "nobody's"}, Follow: true,
	})
	expect(t, "next", false, expired.Next())
	expectCode(t, codes.DeadlineExceeded, expired.Err())

	open := client.WatchFeedbacksOfAllSessions(ctx, following())
	expect(t, "next", true, open.Next())
	next = caughtUp(t, d, open, 2)
	client.Close()
	expect(t, "next", false, <-next)
	expectCode(t, codes.Canceled, open.Err())
	eventually(t, "no connection", func() bool { return d.connections() == 0 })
	later := client.WatchFeedbacksOfAllSessions(ctx, following())
	expect(t, "next", false, later.Next())
	expectCode(t, codes.Canceled, later.Err())
}
