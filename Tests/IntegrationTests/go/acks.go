package main

import (
	"fmt"
	"os"
	"strings"

	feedbackv1 "feedbackd/feedback/v1"
)

// runCheckAcks checks a session against the lines that load printed.
func runCheckAcks(socket string, arguments []string) error {
	session, file := arguments[0], arguments[1]
	acknowledged, err := readAcks(file)
	if err != nil {
		return err
	}
	c, err := connect(socket)
	if err != nil {
		return err
	}
	defer c.close()
	stored, err := listAll(c, &feedbackv1.ListFeedbacksRequest{SessionId: session, PageSize: 1000})
	if err != nil {
		return err
	}
	if err := checkStoredOnce(acknowledged, stored); err != nil {
		return err
	}
	fmt.Printf("ok, %d acknowledged, %d stored\n", len(acknowledged), len(stored))
	return nil
}

// readAcks returns feedback ids by request id.
func readAcks(file string) (map[string]string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	acknowledged := map[string]string{}
	lines := strings.Split(string(content), "\n")
	// After the last newline there is nothing, or a line whose writer was killed.
	for number, line := range lines[:len(lines)-1] {
		words := strings.Fields(line)
		if len(words) != 3 || words[0] != "ack" {
			return nil, fmt.Errorf("expected \"ack REQUEST_ID FEEDBACK_ID\" on line %d of %s, got %q",
				number+1, file, line)
		}
		requestID, feedbackID := words[1], words[2]
		if former, found := acknowledged[requestID]; found && former != feedbackID {
			return nil, fmt.Errorf("expected one feedback_id for %s, got %s and %s",
				requestID, former, feedbackID)
		}
		acknowledged[requestID] = feedbackID
	}
	return acknowledged, nil
}

func checkStoredOnce(acknowledged map[string]string, stored []*feedbackv1.Feedback) error {
	byID := map[string]*feedbackv1.Feedback{}
	byComment := map[string]*feedbackv1.Feedback{}
	for _, feedback := range stored {
		if former := byID[feedback.FeedbackId]; former != nil {
			return fmt.Errorf("expected feedback_id %s once, got %v and %v",
				feedback.FeedbackId, former, feedback)
		}
		byID[feedback.FeedbackId] = feedback
		// A request that was stored twice has two ids.
		former := byComment[feedback.Comment]
		if former != nil && strings.HasPrefix(feedback.Comment, loadComment) {
			return fmt.Errorf("expected %q once, got %v and %v", feedback.Comment, former, feedback)
		}
		byComment[feedback.Comment] = feedback
	}
	for requestID, feedbackID := range acknowledged {
		feedback := byID[feedbackID]
		if feedback == nil {
			return fmt.Errorf("expected the acknowledged feedback %s (of %s), got none among %d",
				feedbackID, requestID, len(stored))
		}
		loaded := strings.HasPrefix(feedback.Comment, loadComment)
		if loaded && feedback.Comment != loadComment+requestID {
			return fmt.Errorf("expected %s to be of %s, got %v", feedbackID, requestID, feedback)
		}
	}
	return nil
}
