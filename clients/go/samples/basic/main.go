// Basic stores feedback on two answers, lists it, measures it, and keeps which variant of a prompt
// the session saw.
//
//	basic [SOCKET]
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"feedbackd"
	feedbackv1 "feedbackd/feedback/v1"
)

func main() {
	log.SetFlags(0)
	socket := feedbackd.ConventionalSocket()
	if len(os.Args) > 1 {
		socket = os.Args[1]
	}
	client := feedbackd.NewClient(socket)
	defer client.Close()
	if err := run(context.Background(), client); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, client *feedbackd.Client) error {
	for _, request := range []*feedbackv1.AddFeedbackRequest{
		{
			SessionId: "user-123",
			Rating:    feedbackv1.Rating_RATING_UP,
			Comment:   "Very helpful response!",
		},
		{
			SessionId: "user-123",
			Rating:    feedbackv1.Rating_RATING_DOWN,
			Comment:   "Too slow 🐌",
			MessageId: "message-2",
			Tags:      []string{"latency"},
		},
	} {
		if _, err := client.AddFeedback(ctx, request); err != nil {
			return err
		}
	}

	feedbacks := client.ListFeedbacks(ctx, &feedbackv1.ListFeedbacksRequest{SessionId: "user-123"})
	for feedbacks.Next() {
		feedback := feedbacks.Feedback()
		fmt.Printf("%v: %s\n", feedback.Rating, feedback.Comment)
	}
	if err := feedbacks.Err(); err != nil {
		return err
	}

	report, err := client.GetMetrics(ctx, &feedbackv1.GetMetricsRequest{SessionId: "user-123"})
	if err != nil {
		return err
	}
	fmt.Printf("%d of %d are up, %.0f %%\n",
		report.Metrics.Positive, report.Metrics.Total, report.Metrics.SatisfactionRate)

	metadata, err := client.UpdateMetadata(ctx, "user-123", map[string]any{"variant": "B"})
	if err != nil {
		return err
	}
	fmt.Println("variant", metadata["variant"])
	return nil
}
