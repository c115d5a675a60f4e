// Grpc calls the same socket with gRPC's own library and stubs, without package feedbackd.
//
//	grpc SOCKET
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	feedbackv1 "feedbackd/feedback/v1"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: grpc SOCKET")
	}
	conn, err := grpc.Dial("unix:"+os.Args[1], grpc.WithInsecure())
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	client := feedbackv1.NewFeedbackServiceClient(conn)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	// With a request_id, a call that ended with UNAVAILABLE can be repeated: nothing is stored twice.
	request := &feedbackv1.AddFeedbackRequest{
		SessionId: "user-123",
		Rating:    feedbackv1.Rating_RATING_UP,
		Comment:   "Very helpful response!",
		RequestId: "answer-1-by-anna",
	}
	added, err := client.AddFeedback(ctx, request)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%v: %s\n", added.Feedback.Rating, added.Feedback.Comment)

	_, err = client.AddFeedback(ctx, &feedbackv1.AddFeedbackRequest{})
	for _, detail := range status.Convert(err).Details() {
		if refusal, ok := detail.(*errdetails.BadRequest); ok {
			violation := refusal.FieldViolations[0]
			fmt.Printf("%v, %s %s\n", status.Code(err), violation.Field, violation.Description)
		}
	}
}
