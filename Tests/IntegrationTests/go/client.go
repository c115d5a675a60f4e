package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/containerd/ttrpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	feedbackv1 "feedbackd/feedback/v1"
	healthv1 "feedbackd/grpc/health/v1"
)

const (
	// No call takes that long; it only turns a daemon that never answers into a failure.
	callTimeout = 30 * time.Second
	// The time for which a full backlog may delay a connection.
	connectTimeout = 10 * time.Second
)

// client is one connection with the services that are called on it.
type client struct {
	conn     *watchedConn
	ttrpc    *ttrpc.Client
	feedback feedbackv1.FeedbackServiceService
	session  feedbackv1.SessionServiceService
	health   healthv1.HealthService
}

func connect(socket string) (*client, error) {
	conn, err := dial(socket)
	if err != nil {
		return nil, fmt.Errorf("expected a connection to %s, got: %w", socket, err)
	}
	c := ttrpc.NewClient(conn, ttrpc.WithUnaryClientInterceptor(overrideTimeout))
	return &client{
		conn:     conn,
		ttrpc:    c,
		feedback: feedbackv1.NewFeedbackServiceClient(c),
		session:  feedbackv1.NewSessionServiceClient(c),
		health:   healthv1.NewHealthClient(c),
	}, nil
}

// dial tries again while the listener's backlog is full: on Unix sockets the kernel answers a
// non-blocking connect with EAGAIN then, and does not make it wait as on TCP.
func dial(socket string) (*watchedConn, error) {
	end := time.Now().Add(connectTimeout)
	for {
		conn, err := net.Dial("unix", socket)
		if !errors.Is(err, syscall.EAGAIN) || time.Now().After(end) {
			return &watchedConn{Conn: conn}, err
		}
		time.Sleep(time.Millisecond)
	}
}

func (c *client) close() {
	c.ttrpc.Close()
}

// call makes a call that cannot last forever.
func call[Request, Reply any](
	method func(context.Context, *Request) (*Reply, error), request *Request,
) (*Reply, error) {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	return method(ctx, request)
}

type timeoutKey struct{}

// withServerTimeout lets the server see a timeout that the client itself does not wait for. The
// library stops waiting at a context's deadline whatever the server does, so only with such a
// timeout the server's own answer is seen.
func withServerTimeout(ctx context.Context, timeout time.Duration) context.Context {
	return context.WithValue(ctx, timeoutKey{}, timeout)
}

func overrideTimeout(
	ctx context.Context, request *ttrpc.Request, reply *ttrpc.Response,
	_ *ttrpc.UnaryClientInfo, invoke ttrpc.Invoker,
) error {
	if timeout, ok := ctx.Value(timeoutKey{}).(time.Duration); ok {
		request.TimeoutNano = timeout.Nanoseconds()
	}
	return invoke(ctx, request, reply)
}

// codeOf returns the code of a call's outcome. The library reports its own deadlines and
// cancellations as plain context errors, the server's as a status.
func codeOf(err error) codes.Code {
	if errors.Is(err, context.DeadlineExceeded) {
		return codes.DeadlineExceeded
	}
	if errors.Is(err, context.Canceled) {
		return codes.Canceled
	}
	return status.Code(err)
}

// watchedConn records that the connection broke. The errors of calls do not show it: a reply that
// cannot be decoded and an end within a reply both come as io.ErrUnexpectedEOF.
type watchedConn struct {
	net.Conn
	broken atomic.Bool
}

func (c *watchedConn) Read(bytes []byte) (int, error) {
	count, err := c.Conn.Read(bytes)
	if err != nil {
		c.broken.Store(true)
	}
	return count, err
}

func (c *watchedConn) Write(bytes []byte) (int, error) {
	count, err := c.Conn.Write(bytes)
	if err != nil {
		c.broken.Store(true)
	}
	return count, err
}

// isConnectionLoss tells a broken connection from a call that the server answered wrongly.
func (c *client) isConnectionLoss(err error) bool {
	_, answered := status.FromError(err)
	return !answered && c.conn.broken.Load()
}

// randomSuffix keeps the sessions of one run apart from all others in the same store.
func randomSuffix() string {
	var bytes [8]byte
	if _, err := rand.Read(bytes[:]); err != nil {
		panic(err)
	}
	return hex.EncodeToString(bytes[:])
}

func newSession(purpose string) string {
	return "go-" + purpose + "-" + randomSuffix()
}
