package main

import (
	"fmt"
	"strings"
	"sync"

	"github.com/sirupsen/logrus"
)

// strayReplies collects what the ttrpc library only logs: frames on streams that wait for none,
// like a second reply to one call.
type strayReplies struct {
	lock  sync.Mutex
	first string
	count int
}

// Levels is where the library logs them.
func (s *strayReplies) Levels() []logrus.Level {
	return []logrus.Level{logrus.ErrorLevel}
}

// Fire passes over the other errors: they come when a connection is closed under calls.
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
