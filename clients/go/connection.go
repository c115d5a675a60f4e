package feedbackd

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/containerd/ttrpc"
	"github.com/gogo/protobuf/proto"
	"google.golang.org/grpc/codes"
)

const (
	frameHeaderBytes = 10
	// The largest frame of ttrpc, without its header.
	frameBytesMax = 4 << 20
)

// connection is one connection to the daemon. After its first failure it is of no more use.
type connection struct {
	net.Conn
	ttrpc *ttrpc.Client

	mutex sync.Mutex
	cause *Error

	// Where in the stream of frames reading is; used by the library's one reader only.
	header      [frameHeaderBytes]byte
	headerBytes int
	dataBytes   uint32
}

func dial(ctx context.Context, socket string) (*connection, error) {
	conn, err := dialSocket(ctx, socket)
	if err != nil {
		return nil, err
	}
	c := &connection{Conn: conn}
	c.ttrpc = ttrpc.NewClient(c, ttrpc.WithUnaryClientInterceptor(checkRequest))
	return c, nil
}

func dialSocket(ctx context.Context, socket string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	switch {
	case err == nil:
		return conn, nil
	case errors.Is(err, syscall.EINVAL):
		return nil, invalid("socket", "must be a path that a socket can have")
	case ctx.Err() != nil:
		return nil, ctx.Err()
	default:
		return nil, &Error{Code: codes.Unavailable, Message: "cannot connect: " + err.Error()}
	}
}

// checkRequest ends calls that must not be sent. The library would send the negative rest of a
// deadline that has passed, or 0, which means none; and a frame that no server takes.
func checkRequest(
	ctx context.Context, request *ttrpc.Request, reply *ttrpc.Response,
	_ *ttrpc.UnaryClientInfo, invoke ttrpc.Invoker,
) error {
	if deadline, ok := ctx.Deadline(); ok {
		request.TimeoutNano = time.Until(deadline).Nanoseconds()
		if request.TimeoutNano <= 0 {
			return context.DeadlineExceeded
		}
	}
	if size := proto.Size(request); size > frameBytesMax {
		return tooLarge("the request", size)
	}
	return invoke(ctx, request, reply)
}

// failure is why the connection is of no more use; nil while it is.
func (c *connection) failure() *Error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.cause
}

func (c *connection) fail(cause *Error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.cause == nil {
		c.cause = cause
	}
}

func (c *connection) Read(bytes []byte) (int, error) {
	count, err := c.Conn.Read(bytes)
	if err != nil {
		c.fail(lost(err))
	} else if oversized := c.checkFrames(bytes[:count]); oversized != nil {
		c.fail(oversized)
		err = oversized
	}
	return count, err
}

func (c *connection) Write(bytes []byte) (int, error) {
	count, err := c.Conn.Write(bytes)
	if err != nil {
		c.fail(lost(err))
	}
	return count, err
}

// checkFrames finds a frame above the limit before the library does, which panics then.
func (c *connection) checkFrames(bytes []byte) *Error {
	for len(bytes) > 0 {
		if c.dataBytes > 0 {
			skipped := len(bytes)
			if uint32(skipped) > c.dataBytes {
				skipped = int(c.dataBytes)
			}
			c.dataBytes -= uint32(skipped)
			bytes = bytes[skipped:]
			continue
		}
		copied := copy(c.header[c.headerBytes:], bytes)
		c.headerBytes += copied
		bytes = bytes[copied:]
		if c.headerBytes == frameHeaderBytes {
			c.headerBytes = 0
			c.dataBytes = binary.BigEndian.Uint32(c.header[:4])
			if c.dataBytes > frameBytesMax {
				return tooLarge("a reply", int(c.dataBytes))
			}
		}
	}
	return nil
}
