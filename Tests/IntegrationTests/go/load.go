package main

import (
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc/codes"

	feedbackv1 "feedbackd/feedback/v1"
)

// loadComment begins the comments of load, which end with the request id, so that check-acks knows
// the request of a feedback.
const loadComment = "load "

// loader adds from several goroutines over one connection.
type loader struct {
	*client
	session string
	// The name of this run; another run may add to the same session.
	run string

	stopping sync.Once
	stopped  chan struct{}
	// The first outcome that was neither an acknowledgement nor the end; set before stopped is
	// closed.
	failure error
}

func runLoad(c *client, session string, concurrency int) error {
	l := &loader{
		client:  c,
		session: session,
		run:     session + "-" + randomSuffix(),
		stopped: make(chan struct{}),
	}
	l.stopOnSignal()

	var adders sync.WaitGroup
	for index := 0; index < concurrency; index++ {
		adders.Add(1)
		go func(index int) {
			defer adders.Done()
			l.addUntilStopped(index)
		}(index)
	}
	adders.Wait()
	l.stop(nil)
	return l.failure
}

// runLoadOnConnections runs a load of its own on each connection. Each ends with its connection.
func runLoadOnConnections(socket string, arguments []string) error {
	count, err := parseCount(arguments[1])
	if err != nil {
		return err
	}
	clients, err := separateConnections(socket, count)
	if err != nil {
		return err
	}
	errs := make(chan error)
	for _, c := range clients {
		go func(c *client) { errs <- runLoad(c, arguments[0], 1) }(c)
	}
	var failure error
	for range clients {
		if err := <-errs; err != nil {
			failure = err
		}
	}
	return failure
}

// stopOnSignal lets the calls under way end, so that their acknowledgements are printed.
func (l *loader) stopOnSignal() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-signals
		l.stop(nil)
	}()
}

func (l *loader) stop(failure error) {
	l.stopping.Do(func() {
		l.failure = failure
		close(l.stopped)
	})
}

func (l *loader) isStopped() bool {
	select {
	case <-l.stopped:
		return true
	default:
		return false
	}
}

func (l *loader) addUntilStopped(adder int) {
	for count := 0; !l.isStopped(); count++ {
		requestID := fmt.Sprintf("%s-%d-%d", l.run, adder, count)
		feedback, err := l.addOne(requestID)
		switch {
		case err == nil && feedback != nil:
			// One write a line, at once: what is printed counts as promised, also if this process is
			// killed next.
			fmt.Fprintf(os.Stdout, "ack %s %s\n", requestID, feedback.FeedbackId)
		case err == nil:
			// The load was stopped before there was an answer.
		case l.isConnectionLoss(err):
			l.stop(nil)
		default:
			l.stop(fmt.Errorf("expected %s to be stored, got: %w", requestID, err))
		}
	}
}

// addOne repeats the call, with its request id, when the server says that this is safe.
func (l *loader) addOne(requestID string) (*feedbackv1.Feedback, error) {
	request := &feedbackv1.AddFeedbackRequest{
		SessionId: l.session,
		Comment:   loadComment + requestID,
		RequestId: requestID,
	}
	for !l.isStopped() {
		reply, err := call(l.feedback.AddFeedback, request)
		switch codeOf(err) {
		case codes.Unavailable, codes.ResourceExhausted, codes.DeadlineExceeded:
			time.Sleep(10 * time.Millisecond)
		case codes.OK:
			if reply.Feedback == nil || reply.Feedback.Comment != request.Comment {
				return nil, fmt.Errorf("another feedback: %v", reply.Feedback)
			}
			return reply.Feedback, nil
		default:
			return nil, err
		}
	}
	return nil, nil
}
