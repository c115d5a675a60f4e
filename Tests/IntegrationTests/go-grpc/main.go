// Go-grpc-client calls every method of feedbackd with gRPC's Go library, and checks the replies.
//
// It exits with 0 when all was as the API promises. Otherwise it prints what was expected and what
// came, and exits with 1.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/golang/protobuf/proto"
	structpb "github.com/golang/protobuf/ptypes/struct"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	feedbackv1 "feedbackd/feedback/v1"
)

// No call takes that long; it only turns a server that never answers into a failure.
const callTimeout = 30 * time.Second

// The store is empty at the start, so that the session needs no unique name.
const session = "go-grpc"

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go-grpc-client SOCKET")
		os.Exit(64)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintf(os.Stderr, "go-grpc-client: %v\n", err)
		os.Exit(1)
	}
}

func run(socket string) error {
	conn, err := grpc.Dial("unix:"+socket, grpc.WithInsecure())
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()

	feedback := feedbackv1.NewFeedbackServiceClient(conn)
	added, err := add(ctx, feedback)
	if err != nil {
		return err
	}
	if err := list(ctx, feedback, added); err != nil {
		return err
	}
	if err := measure(ctx, feedback); err != nil {
		return err
	}
	if err := changeMetadata(ctx, feedbackv1.NewSessionServiceClient(conn)); err != nil {
		return err
	}
	return receiveAnError(ctx, feedback)
}

func add(
	ctx context.Context, client feedbackv1.FeedbackServiceClient,
) (*feedbackv1.Feedback, error) {
	request := &feedbackv1.AddFeedbackRequest{
		SessionId:  session,
		Rating:     feedbackv1.Rating_RATING_UP,
		Comment:    "Kürzer, bitte 👩‍👩‍👧",
		RequestId:  "request-1",
		MessageId:  "message-1",
		AgentId:    "agent-1",
		Author:     &feedbackv1.Author{Source: feedbackv1.AuthorSource_AUTHOR_SOURCE_HUMAN, Id: "me"},
		Tags:       []string{"tone", "length"},
		Attributes: map[string]string{"locale": "de-AT"},
	}
	reply, err := client.AddFeedback(ctx, request)
	if err != nil {
		return nil, err
	}
	feedback := &feedbackv1.Feedback{
		FeedbackId: reply.GetFeedback().GetFeedbackId(),
		SessionId:  request.SessionId,
		Rating:     request.Rating,
		Comment:    request.Comment,
		CreatedAt:  reply.GetFeedback().GetCreatedAt(),
		UpdatedAt:  reply.GetFeedback().GetCreatedAt(),
		MessageId:  request.MessageId,
		AgentId:    request.AgentId,
		Author:     request.Author,
		Tags:       request.Tags,
		Attributes: request.Attributes,
	}
	want := &feedbackv1.AddFeedbackResponse{Feedback: feedback}
	if err := expect("add", want, reply, nil); err != nil {
		return nil, err
	}
	again, err := client.AddFeedback(ctx, request)
	want.Replayed = true
	return feedback, expect("add again", want, again, err)
}

func list(
	ctx context.Context, client feedbackv1.FeedbackServiceClient, added *feedbackv1.Feedback,
) error {
	reply, err := client.ListFeedbacks(ctx, &feedbackv1.ListFeedbacksRequest{
		SessionId:     session,
		Ratings:       []feedbackv1.Rating{feedbackv1.Rating_RATING_UP},
		CommentFilter: &feedbackv1.ListFeedbacksRequest_HasComment{HasComment: true},
	})
	return expect("list", &feedbackv1.ListFeedbacksResponse{
		Feedbacks: []*feedbackv1.Feedback{added},
		TotalSize: 1,
	}, reply, err)
}

func measure(ctx context.Context, client feedbackv1.FeedbackServiceClient) error {
	reply, err := client.GetMetrics(ctx, &feedbackv1.GetMetricsRequest{
		SessionId: session,
		GroupBy:   feedbackv1.GroupBy_GROUP_BY_SESSION,
	})
	metrics := &feedbackv1.Metrics{
		Total: 1, Positive: 1, AverageCommentLength: 19, SatisfactionRate: 100, ApprovalRate: 100,
	}
	return expect("metrics", &feedbackv1.GetMetricsResponse{
		Metrics: metrics,
		Groups:  []*feedbackv1.MetricsGroup{{Key: session, Metrics: metrics}},
	}, reply, err)
}

func changeMetadata(ctx context.Context, client feedbackv1.SessionServiceClient) error {
	weight := &structpb.Value{Kind: &structpb.Value_NumberValue{NumberValue: 0.25}}
	variant := &structpb.Value{Kind: &structpb.Value_StringValue{StringValue: "b"}}
	both := &structpb.Struct{
		Fields: map[string]*structpb.Value{"weight": weight, "variant": variant},
	}
	one := &structpb.Struct{Fields: map[string]*structpb.Value{"weight": weight}}

	updated, err := client.UpdateMetadata(ctx,
		&feedbackv1.UpdateMetadataRequest{SessionId: session, Metadata: both})
	if err := expect("update", both, updated.GetMetadata(), err); err != nil {
		return err
	}
	got, err := client.GetMetadata(ctx, &feedbackv1.GetMetadataRequest{SessionId: session})
	if err := expect("get", both, got.GetMetadata(), err); err != nil {
		return err
	}
	deleted, err := client.DeleteMetadata(ctx,
		&feedbackv1.DeleteMetadataRequest{SessionId: session, Keys: []string{"variant"}})
	return expect("delete", one, deleted.GetMetadata(), err)
}

func receiveAnError(ctx context.Context, client feedbackv1.FeedbackServiceClient) error {
	_, err := client.AddFeedback(ctx, &feedbackv1.AddFeedbackRequest{})
	got := status.Convert(err)
	if got.Code() != codes.InvalidArgument || !strings.Contains(got.Message(), "session_id") {
		return fmt.Errorf("expected InvalidArgument for session_id, got: %w", err)
	}
	for _, detail := range got.Details() {
		request, ok := detail.(*errdetails.BadRequest)
		if ok && request.FieldViolations[0].Field == "session_id" {
			return nil
		}
	}
	return fmt.Errorf("expected a violation of session_id, got %v", got.Details())
}

func expect(what string, want, got proto.Message, err error) error {
	if err != nil {
		return fmt.Errorf("%s: expected a reply, got: %w", what, err)
	}
	if !proto.Equal(want, got) {
		return fmt.Errorf("%s: expected %v, got %v", what, want, got)
	}
	return nil
}
