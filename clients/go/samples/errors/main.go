// Errors shows what calls fail with, and how a program tells the reasons apart.
//
//	errors [SOCKET]
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"feedbackd"
	feedbackv1 "feedbackd/feedback/v1"

	"google.golang.org/grpc/codes"
)

func main() {
	log.SetFlags(0)
	socket := feedbackd.ConventionalSocket()
	if len(os.Args) > 1 {
		socket = os.Args[1]
	}
	client := feedbackd.NewClient(socket)
	defer client.Close()
	ctx := context.Background()

	// A field that breaks its rule: nothing is stored, and the error names the field.
	_, err := client.AddFeedback(ctx, &feedbackv1.AddFeedbackRequest{
		SessionId: "user-123",
		Comment:   strings.Repeat("x", 10_001),
	})
	var refusal *feedbackd.Error
	if !errors.As(err, &refusal) {
		log.Fatal("expected an *feedbackd.Error, got ", err)
	}
	for _, violation := range refusal.Violations {
		fmt.Printf("%v, %s %s\n", refusal.Code, violation.Field, violation.Description)
	}

	// A session that nobody has written to.
	if _, err = client.GetMetadata(ctx, "nobody"); feedbackd.CodeOf(err) == codes.NotFound {
		fmt.Println("no such session")
	}

	// The context's deadline counts, whoever notices first that it has passed.
	short, cancel := context.WithTimeout(ctx, time.Nanosecond)
	defer cancel()
	_, err = client.GetMetricsOfAllSessions(short, &feedbackv1.GetMetricsRequest{})
	if errors.Is(err, context.DeadlineExceeded) {
		fmt.Println("too late")
	}

	// No daemon: the call was tried five times within a second or two.
	away := feedbackd.NewClient(socket + ".away")
	defer away.Close()
	_, err = away.AddFeedback(ctx, &feedbackv1.AddFeedbackRequest{SessionId: "user-123"})
	if feedbackd.CodeOf(err) == codes.Unavailable {
		fmt.Println("the daemon is away: keep the feedback and its request_id, and try later")
	}
}
