// Command ttrpc-go is feedback.v1 as a Go programmer would serve it: containerd's own ttrpc library
// (v1.1, as Debian has it), the generated service, and a handler that keeps the feedback in memory.
//
// Left out on purpose, in Go's favour: checks of the fields, hooks, repeated request ids, counters,
// and every method but AddFeedback.
package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/containerd/ttrpc"
	"github.com/gogo/protobuf/types"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	feedbackv1 "feedbackd/feedback/v1"
)

type service struct {
	// The other methods are not called.
	feedbackv1.FeedbackServiceService
	mutex    sync.Mutex
	sessions map[string][]*feedbackv1.Feedback
	// random reads the system's randomness 4 KiB at a time.
	random *bufio.Reader
}

func (s *service) AddFeedback(
	ctx context.Context, request *feedbackv1.AddFeedbackRequest,
) (*feedbackv1.AddFeedbackResponse, error) {
	now := time.Now()
	created := &types.Timestamp{
		Seconds: now.Unix(),
		Nanos:   int32(now.Nanosecond() / 1e6 * 1e6),
	}
	feedback := &feedbackv1.Feedback{
		SessionId:  request.SessionId,
		Rating:     request.Rating,
		Comment:    request.Comment,
		CreatedAt:  created,
		UpdatedAt:  created,
		MessageId:  request.MessageId,
		AgentId:    request.AgentId,
		Author:     request.Author,
		Tags:       request.Tags,
		Attributes: request.Attributes,
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	id, err := s.newID(now)
	if err != nil {
		return nil, err
	}
	feedback.FeedbackId = id
	s.sessions[request.SessionId] = append(s.sessions[request.SessionId], feedback)
	return &feedbackv1.AddFeedbackResponse{Feedback: feedback}, nil
}

// newID makes a UUID of version 7.
func (s *service) newID(now time.Time) (string, error) {
	var id [16]byte
	if _, err := s.random.Read(id[6:]); err != nil {
		return "", err
	}
	milliseconds := now.UnixMilli()
	for index := 5; index >= 0; index-- {
		id[index] = byte(milliseconds)
		milliseconds >>= 8
	}
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80

	var text [36]byte
	hex.Encode(text[:8], id[:4])
	hex.Encode(text[9:13], id[4:6])
	hex.Encode(text[14:18], id[6:8])
	hex.Encode(text[19:23], id[8:10])
	hex.Encode(text[24:], id[10:])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:]), nil
}

func (s *service) ListFeedbacks(
	context.Context, *feedbackv1.ListFeedbacksRequest,
) (*feedbackv1.ListFeedbacksResponse, error) {
	return nil, status.Error(codes.Unimplemented, "only AddFeedback is served")
}

func (s *service) GetMetrics(
	context.Context, *feedbackv1.GetMetricsRequest,
) (*feedbackv1.GetMetricsResponse, error) {
	return nil, status.Error(codes.Unimplemented, "only AddFeedback is served")
}

func main() {
	path := flag.String("socket", "", "the Unix socket's path")
	flag.Parse()
	if *path == "" || flag.NArg() != 0 {
		fmt.Fprintln(os.Stderr, "usage: ttrpc-go --socket PATH")
		os.Exit(64)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)

	os.Remove(*path)
	listener, err := net.Listen("unix", *path)
	if err != nil {
		log.Fatal(err)
	}
	server, err := ttrpc.NewServer()
	if err != nil {
		log.Fatal(err)
	}
	feedbackv1.RegisterFeedbackServiceService(server, &service{
		sessions: make(map[string][]*feedbackv1.Feedback),
		random:   bufio.NewReader(rand.Reader),
	})
	go func() {
		if err := server.Serve(context.Background(), listener); err != ttrpc.ErrServerClosed {
			log.Fatal(err)
		}
	}()
	fmt.Println("ready")
	<-stop
	// This also removes the socket's file.
	if err := server.Close(); err != nil {
		log.Fatal(err)
	}
}
