package main

import (
	"fmt"

	feedbackv1 "feedbackd/feedback/v1"
)

// separateConnections makes one connection for each call, all of them open before the first call.
func separateConnections(socket string, count int) ([]*client, error) {
	var clients []*client
	for len(clients) < count {
		c, err := connect(socket)
		if err != nil {
			return clients, fmt.Errorf("connection %d: %w", len(clients)+1, err)
		}
		clients = append(clients, c)
	}
	return clients, nil
}

// sharedConnection makes one connection for all calls.
func sharedConnection(socket string, count int) ([]*client, error) {
	c, err := connect(socket)
	if err != nil {
		return nil, err
	}
	clients := make([]*client, count)
	for index := range clients {
		clients[index] = c
	}
	return clients, nil
}

// runParallel makes the calls at the same time. Each stores another comment, so that a reply to the
// wrong call is noticed.
func runParallel(
	socket, countArgument string, newClients func(socket string, count int) ([]*client, error),
) error {
	count, err := parseCount(countArgument)
	if err != nil {
		return err
	}
	clients, err := newClients(socket, count)
	defer func() {
		for _, c := range clients {
			c.close()
		}
	}()
	if err != nil {
		return err
	}
	session := newSession("parallel")
	if err := addAtOnce(clients, session); err != nil || count == 0 {
		return err
	}
	return runVerify(clients[0], session, count)
}

func addAtOnce(clients []*client, session string) error {
	start := make(chan struct{})
	errs := make(chan error)
	for index := range clients {
		go func(index int) {
			<-start
			errs <- addNumbered(clients[index], session, index)
		}(index)
	}
	close(start)

	var failures int
	var first error
	for range clients {
		if err := <-errs; err != nil {
			failures++
			if first == nil {
				first = err
			}
		}
	}
	if failures > 0 {
		return fmt.Errorf("%d of %d calls failed, for example: %w", failures, len(clients), first)
	}
	return nil
}

func addNumbered(c *client, session string, index int) error {
	request := numbered(session, index)
	reply, err := call(c.feedback.AddFeedback, request)
	if err != nil {
		return fmt.Errorf("expected a reply to call %d, got: %w", index, err)
	}
	t := &tester{client: c, name: fmt.Sprint("call ", index)}
	t.step(t.name, func() {
		t.expect("replayed", false, reply.Replayed)
		if reply.Feedback == nil {
			t.stop("feedback", feedbackv1.Feedback{Comment: request.Comment}, "none")
		}
		t.expectFeedback(request, reply.Feedback)
	})
	if len(t.failures) > 0 {
		return fmt.Errorf("%s", t.failures[0])
	}
	return nil
}
