package main

import (
	"fmt"
	"strings"
	"sync"

	"github.com/sirupsen/logrus"
)

// strayReplies collects frames that the ttrpc library only logs: those on streams that wait for
// none, such as a second reply to one call.
type strayReplies struct {
	lock  sync.Mutex
	first string
	count int
}

// Levels returns the levels at which the library logs them.
func (s *strayReplies) Levels() []logrus.Level {
	return []logrus.Level{logrus.ErrorLevel}
}

// Fire ignores the other errors, which occur when a connection is closed during calls.
func (s *strayReplies) Fire(entry *logrus.Entry) error {
	if !strings.Contains(entry.Message, "unknown channel") {
		return nil
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.count == 0 {
		s.first = entry.Message
	}
	s.count++
	return nil
}

func (s *strayReplies) result() error {
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.count > 0 {
		return fmt.Errorf("expected one reply to each call, got %d more frames, first: %s",
			s.count, s.first)
	}
	return nil
}
