package feedbackd

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/containerd/ttrpc"
	"github.com/gogo/protobuf/proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	feedbackv1 "feedbackd/feedback/v1"
)

// Types and flags of ttrpc's frames; the library knows those of unary calls only.
const (
	frameRequest  = 1
	frameResponse = 2
	frameData     = 3

	flagRemoteClosed = 1
	flagNoData       = 4
)

// How much of a stream is read at once, unless a frame is larger.
const watchBufferBytes = 64 << 10

// ChangeIterator follows the changes of all feedback that matches a request.
//
//	changes := client.WatchFeedbacks(ctx, &feedbackv1.WatchFeedbacksRequest{
//		Filter: &feedbackv1.FeedbackFilter{SessionId: "user-123"}, Follow: true,
//	})
//	defer changes.Close()
//	for changes.Next() {
//		fmt.Println(changes.Change().Kind, changes.Change().Feedback.Comment)
//	}
//	if err := changes.Err(); err != nil { … }
//
// It has a connection of its own, which it reads no faster than Next is called: the daemon waits for
// whoever is slow. When the connection is lost or the daemon is UNAVAILABLE, Next goes on after the
// last change as soon as the daemon is there again; only before the first answer it gives up after
// AttemptsMax attempts.
//
// It is for one goroutine at a time, but for Close. It holds its connection until it is closed, its
// context or its client is, or Next has returned false.
type ChangeIterator struct {
	ctx      context.Context
	cancel   context.CancelFunc
	isClosed atomic.Bool
	client   *Client
	request  feedbackv1.WatchFeedbacksRequest

	// hangUp ends the connection; nil while there is none.
	hangUp   context.CancelFunc
	reader   *bufio.Reader
	hasBegun bool
	attempts int
	pause    time.Duration

	current *feedbackv1.Change
	isDone  bool
	err     error
}

// WatchFeedbacks begins to follow a session's feedback. Nothing is sent before the first Next. An empty
// SessionId of the filter is refused, as by ListPage: see WatchFeedbacksOfAllSessions.
func (c *Client) WatchFeedbacks(
	ctx context.Context, request *feedbackv1.WatchFeedbacksRequest,
) *ChangeIterator {
	return c.watch(ctx, request, oneSession(sessionOf(request)))
}

// WatchFeedbacksOfAllSessions begins to follow everybody's feedback; the filter has no SessionId.
func (c *Client) WatchFeedbacksOfAllSessions(
	ctx context.Context, request *feedbackv1.WatchFeedbacksRequest,
) *ChangeIterator {
	return c.watch(ctx, request, allSessions(sessionOf(request)))
}

func sessionOf(request *feedbackv1.WatchFeedbacksRequest) string {
	if request.Filter == nil {
		return ""
	}
	return request.Filter.SessionId
}

func (c *Client) watch(
	ctx context.Context, request *feedbackv1.WatchFeedbacksRequest, refused error,
) *ChangeIterator {
	i := &ChangeIterator{client: c, request: *request, isDone: refused != nil, err: refused}
	i.ctx, i.cancel = context.WithCancel(ctx)
	return i
}

// Next goes on to the next change and waits until there is one. It returns false at the end of a stream
// that does not follow, after an error, and when the iterator has been closed.
func (i *ChangeIterator) Next() bool {
	i.current = nil
	for !i.isDone && i.current == nil {
		if err := i.receive(); err != nil {
			i.disconnect()
			i.err = i.retry(err)
			i.isDone = i.err != nil || i.isClosed.Load()
		}
	}
	if i.current == nil {
		// It ends the connection, too.
		i.cancel()
	}
	return i.current != nil
}

// Change is the one that Next has gone to; nil before the first and after the last.
func (i *ChangeIterator) Change() *feedbackv1.Change {
	return i.current
}

// Position is that up to which the changes have been gone through: a watch with it as StartPosition
// goes on from there. It is the last change's, or a later one if the daemon has come further without
// a change that matches.
func (i *ChangeIterator) Position() string {
	return i.request.StartPosition
}

// Err is why Next returned false; nil at the end, and after Close.
func (i *ChangeIterator) Err() error {
	return i.err
}

// Close ends the call and its connection; a Next that waits returns false. Any goroutine may close.
func (i *ChangeIterator) Close() {
	i.isClosed.Store(true)
	i.cancel()
}

// receive takes the next frame, over a new connection if there is none.
func (i *ChangeIterator) receive() *Error {
	if i.hangUp == nil {
		if err := i.connect(); err != nil {
			return newError(err, nil)
		}
	}
	var header [frameHeaderBytes]byte
	if _, err := io.ReadFull(i.reader, header[:]); err != nil {
		return lost(err)
	}
	size := binary.BigEndian.Uint32(header[:4])
	if size > frameBytesMax {
		return tooLarge("a reply", int(size))
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(i.reader, data); err != nil {
		return lost(err)
	}
	kind, flags := header[8], header[9]
	switch kind {
	case frameResponse:
		i.isDone = true
		return outcome(data)
	case frameData:
		i.isDone = flags&flagRemoteClosed != 0
		if flags&flagNoData != 0 {
			return nil
		}
		return i.take(data)
	default:
		return nil
	}
}

// take goes on to the event of a message. One that only a newer daemon knows is passed over.
func (i *ChangeIterator) take(data []byte) *Error {
	var message feedbackv1.WatchFeedbacksResponse
	if err := proto.Unmarshal(data, &message); err != nil {
		return undecodable()
	}
	i.hasBegun, i.pause = true, 0
	position := message.GetHeartbeatPosition()
	if i.current = message.GetChange(); i.current != nil {
		position = i.current.Position
	}
	if position != "" {
		// A stream that has a position begins after it.
		i.request.StartPosition, i.request.FromNow = position, false
	}
	return nil
}

// outcome is the error that a response says, or nil.
func outcome(data []byte) *Error {
	var response ttrpc.Response
	if err := proto.Unmarshal(data, &response); err != nil {
		return undecodable()
	}
	if response.Status == nil || response.Status.Code == 0 {
		return nil
	}
	return newError(status.ErrorProto(response.Status), nil)
}

func (i *ChangeIterator) connect() error {
	if err := i.ctx.Err(); err != nil {
		return err
	}
	payload, err := proto.Marshal(&i.request)
	if err != nil {
		return invalid("request", err.Error())
	}
	request := &ttrpc.Request{
		Service: feedbackService, Method: "WatchFeedbacks", Payload: payload,
	}
	data, err := proto.Marshal(request)
	if err != nil {
		return invalid("request", err.Error())
	}
	if len(data) > frameBytesMax {
		return tooLarge("the request", len(data))
	}
	conn, err := i.client.openWatch(i.ctx)
	if err != nil {
		return err
	}
	i.reader = bufio.NewReaderSize(conn, watchBufferBytes)
	// The connection ends with the context, also while it is read.
	connected, hangUp := context.WithCancel(i.ctx)
	i.hangUp = hangUp
	go func() {
		<-connected.Done()
		i.client.closeWatch(conn)
	}()
	frame := make([]byte, frameHeaderBytes, frameHeaderBytes+len(data))
	binary.BigEndian.PutUint32(frame, uint32(len(data)))
	frame[7], frame[8], frame[9] = 1, frameRequest, flagRemoteClosed
	if _, err := conn.Write(append(frame, data...)); err != nil {
		return lost(err)
	}
	return nil
}

func (i *ChangeIterator) disconnect() {
	if i.hangUp != nil {
		i.hangUp()
		i.hangUp, i.reader = nil, nil
	}
}

// retry waits until the next attempt, or returns the error that ends the iterator.
func (i *ChangeIterator) retry(err *Error) error {
	if i.isClosed.Load() {
		return nil
	}
	if i.ctx.Err() != nil {
		return newError(i.ctx.Err(), nil)
	}
	if i.client.isClosed() {
		return clientClosed()
	}
	i.attempts++
	if err.Code != codes.Unavailable || !i.hasBegun && i.attempts >= i.client.AttemptsMax {
		return err
	}
	i.pause = i.client.nextPause(i.pause)
	select {
	case <-time.After(shortened(i.pause)):
	case <-i.ctx.Done():
	}
	return nil
}

// openWatch makes a connection that is closed with the client.
func (c *Client) openWatch(ctx context.Context) (net.Conn, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.closed {
		return nil, clientClosed()
	}
	conn, err := dialSocket(ctx, c.socket)
	if err == nil {
		c.watches[conn] = struct{}{}
	}
	return conn, err
}

func (c *Client) closeWatch(conn net.Conn) {
	c.mutex.Lock()
	delete(c.watches, conn)
	c.mutex.Unlock()
	conn.Close()
}
