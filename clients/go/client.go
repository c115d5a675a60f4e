// Package feedbackd calls the daemon feedbackd through its Unix socket.
//
//	client := feedbackd.NewClient("/run/feedbackd/feedbackd.sock")
//	defer client.Close()
//	added, err := client.AddFeedback(ctx, &feedbackv1.AddFeedbackRequest{
//		SessionId: "user-123",
//		Rating:    feedbackv1.Rating_RATING_UP,
//		Comment:   "Very helpful response!",
//	})
//
// The messages are those of package feedbackd/feedback/v1, with every field's rule in its comment.
// Calls fail with an *Error.
package feedbackd

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	feedbackv1 "feedbackd/feedback/v1"
	healthv1 "feedbackd/grpc/health/v1"
)

const (
	feedbackService = "feedback.v1.FeedbackService"
	sessionService  = "feedback.v1.SessionService"
	deliveryService = "feedback.v1.DeliveryService"
	adminService    = "feedback.v1.AdminService"
	healthService   = "grpc.health.v1.Health"
)

// Client calls the daemon at one socket. It may be used from many goroutines at once; their calls
// share one connection, which is made when it is first needed and again after it was lost.
//
// While the server is UNAVAILABLE a call is repeated as long as attempts and time are left. Adding
// is repeated with the same request_id: nothing is stored twice.
//
// The fields may be changed before the first call.
type Client struct {
	// Timeout is how long a call may take with all its attempts, if its context has no deadline.
	Timeout time.Duration
	// AttemptsMax is how often a call is tried at most.
	AttemptsMax int
	// Backoff is the first pause between attempts, each further one is twice as long. Every pause
	// is cut by a random share of up to a half.
	Backoff time.Duration
	// BackoffMax is the longest pause.
	BackoffMax time.Duration

	socket string

	mutex   sync.Mutex
	current *connection
	// The connections of watches.
	watches map[net.Conn]struct{}
	closed  bool
}

// NewClient makes a client of the daemon at that socket. Nothing is connected yet.
func NewClient(socket string) *Client {
	return &Client{
		Timeout:     10 * time.Second,
		AttemptsMax: 5,
		Backoff:     50 * time.Millisecond,
		BackoffMax:  time.Second,
		socket:      socket,
		watches:     map[net.Conn]struct{}{},
	}
}

// ConventionalSocket is where the daemon listens when nobody names a path:
// $XDG_RUNTIME_DIR/feedbackd/feedbackd.sock, else under /run for root, else under
// /tmp/feedbackd-UID.
func ConventionalSocket() string {
	folder := fmt.Sprintf("/tmp/feedbackd-%d", os.Getuid())
	if runtime := os.Getenv("XDG_RUNTIME_DIR"); runtime != "" {
		folder = runtime + "/feedbackd"
	} else if os.Getuid() == 0 {
		folder = "/run/feedbackd"
	}
	return folder + "/feedbackd.sock"
}

// Close closes all connections. Calls that wait, and later ones, end with codes.Canceled.
func (c *Client) Close() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.closed = true
	if c.current != nil {
		c.current.ttrpc.Close()
	}
	for conn := range c.watches {
		conn.Close()
	}
}

// AddFeedback stores a feedback. It is durable when this returns without an error.
//
// A request without a request_id is sent with a new one, so that attempts after the first do not
// store it again. The request itself is left as it is.
func (c *Client) AddFeedback(
	ctx context.Context, request *feedbackv1.AddFeedbackRequest,
) (*feedbackv1.AddFeedbackResponse, error) {
	if request.RequestId == "" {
		copied := *request
		copied.RequestId = newRequestID()
		request = &copied
	}
	reply := &feedbackv1.AddFeedbackResponse{}
	if err := c.call(ctx, feedbackService, "AddFeedback", request, reply); err != nil {
		return nil, err
	}
	if reply.Feedback == nil {
		return nil, &Error{Code: codes.Internal, Message: "the server's reply has no feedback"}
	}
	return reply, nil
}

// ListPage returns one page of a session's feedback; the next one is that of the request with its
// NextPageToken. A session that nobody knows has an empty page. It fails with codes.InvalidArgument
// for an empty SessionId, which to the server means all sessions: see ListPageOfAllSessions.
func (c *Client) ListPage(
	ctx context.Context, request *feedbackv1.ListFeedbacksRequest,
) (*feedbackv1.ListFeedbacksResponse, error) {
	if err := oneSession(request.SessionId); err != nil {
		return nil, err
	}
	return c.listPage(ctx, request)
}

// ListPageOfAllSessions returns one page of everybody's feedback; the request has no SessionId.
func (c *Client) ListPageOfAllSessions(
	ctx context.Context, request *feedbackv1.ListFeedbacksRequest,
) (*feedbackv1.ListFeedbacksResponse, error) {
	if err := allSessions(request.SessionId); err != nil {
		return nil, err
	}
	return c.listPage(ctx, request)
}

func (c *Client) listPage(
	ctx context.Context, request *feedbackv1.ListFeedbacksRequest,
) (*feedbackv1.ListFeedbacksResponse, error) {
	reply := &feedbackv1.ListFeedbacksResponse{}
	if err := c.call(ctx, feedbackService, "ListFeedbacks", request, reply); err != nil {
		return nil, err
	}
	return reply, nil
}

// GetMetrics returns a session's exact counts and rates. A session that nobody knows has zeros. It
// fails with codes.InvalidArgument for an empty SessionId, which to the server means all sessions:
// see GetMetricsOfAllSessions.
func (c *Client) GetMetrics(
	ctx context.Context, request *feedbackv1.GetMetricsRequest,
) (*feedbackv1.GetMetricsResponse, error) {
	if err := oneSession(request.SessionId); err != nil {
		return nil, err
	}
	return c.getMetrics(ctx, request)
}

// GetMetricsOfAllSessions returns everybody's exact counts and rates; the request has no SessionId.
func (c *Client) GetMetricsOfAllSessions(
	ctx context.Context, request *feedbackv1.GetMetricsRequest,
) (*feedbackv1.GetMetricsResponse, error) {
	if err := allSessions(request.SessionId); err != nil {
		return nil, err
	}
	return c.getMetrics(ctx, request)
}

func (c *Client) getMetrics(
	ctx context.Context, request *feedbackv1.GetMetricsRequest,
) (*feedbackv1.GetMetricsResponse, error) {
	reply := &feedbackv1.GetMetricsResponse{}
	if err := c.call(ctx, feedbackService, "GetMetrics", request, reply); err != nil {
		return nil, err
	}
	if reply.Metrics == nil {
		return nil, &Error{Code: codes.Internal, Message: "the server's reply has no metrics"}
	}
	return reply, nil
}

// UpdateMetadata merges top-level keys into a session's metadata and returns it as it is then.
//
// Values are those of encoding/json (nil, bool, float64, string, []any, map[string]any) and Go's
// integers; others are refused with codes.InvalidArgument.
func (c *Client) UpdateMetadata(
	ctx context.Context, sessionID string, metadata map[string]any,
) (map[string]any, error) {
	object, err := newStruct(metadata)
	if err != nil {
		return nil, err
	}
	request := &feedbackv1.UpdateMetadataRequest{SessionId: sessionID, Metadata: object}
	reply := &feedbackv1.UpdateMetadataResponse{}
	if err := c.call(ctx, sessionService, "UpdateMetadata", request, reply); err != nil {
		return nil, err
	}
	return fromStruct(reply.Metadata), nil
}

// GetMetadata returns a session's metadata, with values as encoding/json has them. It fails with
// codes.NotFound if the session is unknown.
func (c *Client) GetMetadata(ctx context.Context, sessionID string) (map[string]any, error) {
	request := &feedbackv1.GetMetadataRequest{SessionId: sessionID}
	reply := &feedbackv1.GetMetadataResponse{}
	if err := c.call(ctx, sessionService, "GetMetadata", request, reply); err != nil {
		return nil, err
	}
	return fromStruct(reply.Metadata), nil
}

// DeleteMetadata removes top-level keys from a session's metadata and returns it as it is then.
// Keys that are not there are passed over. It fails with codes.NotFound if the session is unknown.
func (c *Client) DeleteMetadata(
	ctx context.Context, sessionID string, keys ...string,
) (map[string]any, error) {
	request := &feedbackv1.DeleteMetadataRequest{SessionId: sessionID, Keys: keys}
	reply := &feedbackv1.DeleteMetadataResponse{}
	if err := c.call(ctx, sessionService, "DeleteMetadata", request, reply); err != nil {
		return nil, err
	}
	return fromStruct(reply.Metadata), nil
}

// IsServing tells whether the server says that calls are served now. It is asked once.
func (c *Client) IsServing(ctx context.Context) (bool, error) {
	ctx, cancel := c.withDeadline(ctx)
	defer cancel()
	reply := &healthv1.HealthCheckResponse{}
	err := c.attempt(ctx, healthService, "Check", &healthv1.HealthCheckRequest{}, reply)
	if err != nil {
		return false, err
	}
	return reply.Status == healthv1.HealthCheckResponse_SERVING, nil
}

// call makes attempts until one succeeds or it makes no sense to go on.
func (c *Client) call(
	ctx context.Context, service, method string, request, reply any,
) error {
	ctx, cancel := c.withDeadline(ctx)
	defer cancel()
	var pause time.Duration
	var before *Error
	for attempt := 1; ; attempt++ {
		err := c.attempt(ctx, service, method, request, reply)
		if err == nil {
			return nil
		}
		if err.Code == codes.DeadlineExceeded && before != nil {
			err.Message += "; the attempt before: " + before.Message
		}
		if err.Code != codes.Unavailable || attempt >= c.AttemptsMax {
			return err
		}
		pause = c.nextPause(pause)
		cut := shortened(pause)
		if deadline, _ := ctx.Deadline(); time.Until(deadline) <= cut {
			// The reason is of more use than that time is over.
			return err
		}
		select {
		case <-time.After(cut):
		case <-ctx.Done():
			return newError(ctx.Err(), nil)
		}
		before = err
	}
}

// nextPause is the pause that follows another one, or 0.
func (c *Client) nextPause(pause time.Duration) time.Duration {
	if pause == 0 {
		pause = c.Backoff
	} else {
		pause *= 2
	}
	if pause > c.BackoffMax {
		pause = c.BackoffMax
	}
	return pause
}

func (c *Client) attempt(
	ctx context.Context, service, method string, request, reply any,
) *Error {
	conn, err := c.connect(ctx)
	if err != nil {
		return newError(err, nil)
	}
	err = conn.ttrpc.Call(ctx, service, method, request, reply)
	if err == nil {
		return nil
	}
	failure := newError(err, conn)
	if failure.Code == codes.Unavailable && c.isClosed() {
		return clientClosed()
	}
	return failure
}

// connect returns the connection, and makes it if there is none that works. Connecting to a Unix
// socket waits for nobody, so the lock is not held for long.
func (c *Client) connect(ctx context.Context) (*connection, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.closed {
		return nil, clientClosed()
	}
	if c.current != nil {
		if c.current.failure() == nil {
			return c.current, nil
		}
		c.current.ttrpc.Close()
		c.current = nil
	}
	conn, err := dial(ctx, c.socket)
	if err == nil {
		c.current = conn
	}
	return conn, err
}

func (c *Client) isClosed() bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.closed
}

func clientClosed() *Error {
	return &Error{Code: codes.Canceled, Message: "the client was closed"}
}

func (c *Client) withDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, c.Timeout)
}

// oneSession refuses an empty session id, so that a variable that happens to be empty never shows
// one person the feedback of all others.
func oneSession(sessionID string) error {
	if sessionID == "" {
		return invalid("session_id", "must be 1 to 255 bytes, is empty")
	}
	return nil
}

// allSessions refuses a session id, which would be left unheard.
func allSessions(sessionID string) error {
	if sessionID != "" {
		return invalid("session_id", "must be empty where all sessions are meant")
	}
	return nil
}

// shortened cuts a pause, so that clients that failed together do not come back together.
func shortened(pause time.Duration) time.Duration {
	return pause - time.Duration(float64(pause)/2*float64(random()[0])/256)
}

// newRequestID makes a UUID of version 7 (RFC 9562): the time in milliseconds, then random bits. Ids
// that ascend with time lie together in the index of a store.
func newRequestID() string {
	id := random()
	milliseconds := make([]byte, 8)
	binary.BigEndian.PutUint64(milliseconds, uint64(time.Now().UnixMilli()))
	copy(id, milliseconds[2:])
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

func random() []byte {
	bytes := make([]byte, 16)
	if _, err := rand.Read(bytes); err != nil {
		// Linux gives random numbers to everybody, always.
		panic("feedbackd: no random numbers: " + err.Error())
	}
	return bytes
}
