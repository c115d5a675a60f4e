package main

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	feedbackv1 "feedbackd/feedback/v1"
	healthv1 "feedbackd/grpc/health/v1"
)

func runErrors(t *tester) {
	t.step("values at their limits", t.addAtLimits)
	t.rejectInvalid("add: ", invalidAdds())
	t.rejectInvalid("list: ", invalidLists())
	t.step("page token with other filters", t.rejectForeignPageToken)
	t.rejectInvalid("metrics: ", invalidMetrics())
	t.rejectInvalid("metadata: ", invalidMetadata())
	t.rejectInvalid("invalid UTF-8: ", invalidUTF8())
	t.step("several fields at once", t.rejectSeveralFields)
	t.step("not found", t.provokeNotFound)
	t.step("unimplemented", t.provokeUnimplemented)
	t.step("undecodable message", t.provokeInternal)
	t.step("message over 4 MiB", t.provokeResourceExhausted)
}

// target is the session and the message of an invalid call: if the call is stored in spite of its
// fault, it is found there.
type target struct {
	session string
	message string
}

// invalidCall is a call with one fault.
type invalidCall struct {
	what  string
	field string
	call  func(t *tester, to target) error
}

// rejectInvalid makes each call in turn, and checks after each that the connection still works and
// nothing was stored.
func (t *tester) rejectInvalid(prefix string, calls []invalidCall) {
	for _, invalid := range calls {
		t.step(prefix+invalid.what, func() {
			to := target{newSession("invalid"), newSession("message")}
			t.expectViolation(invalid.call(t, to), invalid.field)
			t.expectNothingStored(to)
		})
	}
}

// expectViolation checks for INVALID_ARGUMENT that names the field, in words and in the details.
func (t *tester) expectViolation(err error, fields ...string) {
	t.expectCode("code", codes.InvalidArgument, err)
	message := status.Convert(err).Message()
	violations := t.violations(err)
	for _, field := range fields {
		if !strings.Contains(message, field) {
			t.fail("message", "a text that names "+field, message)
		}
		if _, found := violations[field]; !found {
			t.fail("google.rpc.BadRequest", "a violation of "+field, violations)
		}
	}
	if len(violations) > len(fields) {
		t.fail("google.rpc.BadRequest", "violations of just "+strings.Join(fields, ", "), violations)
	}
}

// violations returns the descriptions in the status's details, by field.
func (t *tester) violations(err error) map[string]string {
	found := map[string]string{}
	for _, detail := range status.Convert(err).Details() {
		request, ok := detail.(*errdetails.BadRequest)
		if !ok {
			// A detail that cannot be decoded is given as the error.
			t.fail("detail", "google.rpc.BadRequest", detail)
			continue
		}
		for _, violation := range request.FieldViolations {
			found[violation.Field] = violation.Description
			if violation.Description == "" {
				t.fail("description of "+violation.Field, "a text", "none")
			}
		}
	}
	return found
}

// expectNothingStored checks with normal calls, on the connection of the failed one, that nothing
// was stored.
func (t *tester) expectNothingStored(to target) {
	for _, request := range []*feedbackv1.ListFeedbacksRequest{
		{SessionId: to.session}, {MessageId: to.message},
	} {
		t.expect("list afterwards", &feedbackv1.ListFeedbacksResponse{},
			must(t, t.feedback.ListFeedbacks, request))
	}
	_, err := call(t.session.GetMetadata, &feedbackv1.GetMetadataRequest{SessionId: to.session})
	t.expectCode("get metadata afterwards", codes.NotFound, err)
}

// addAtLimits shows that the limits are not one too low. Lengths of ids are bytes, those of
// comments code points: neither UTF-16 units nor graphemes.
func (t *tester) addAtLimits() {
	id := func(purpose string) string {
		return padded(newSession(purpose), idBytesMax)
	}
	request := &feedbackv1.AddFeedbackRequest{
		SessionId:  id("limits"),
		Comment:    strings.Repeat("😀", commentCodePointsMax),
		RequestId:  id("request"),
		MessageId:  id("message"),
		AgentId:    id("agent"),
		Author:     &feedbackv1.Author{Id: id("author")},
		Attributes: map[string]string{},
	}
	for index := 0; index < tagsMax; index++ {
		request.Tags = append(request.Tags, padded(fmt.Sprint("tag-", index), tagBytesMax))
	}
	for index := 0; index < attributesMax; index++ {
		key := padded(fmt.Sprint("key-", index), attributeKeyBytesMax)
		request.Attributes[key] = strings.Repeat("v", attributeValueBytesMax)
	}
	added := []*feedbackv1.Feedback{t.add(request)}

	// The comment has half as many graphemes as code points.
	request.Comment = strings.Repeat("e\u0301", commentCodePointsMax/2)
	request.RequestId = ""
	added = append(added, t.add(request))
	t.expectList("stored", added, &feedbackv1.ListFeedbacksRequest{
		SessionId: request.SessionId, MessageId: request.MessageId, PageSize: 1000,
	})

	t.expectMetadata("metadata 16 levels deep", nested(metadataDepthMax),
		t.updateMetadata(id("deep"), nested(metadataDepthMax)))
}

func (t *tester) rejectForeignPageToken() {
	session := newSession("foreign-token")
	for count := 0; count < 2; count++ {
		t.add(&feedbackv1.AddFeedbackRequest{SessionId: session})
	}
	first := must(t, t.feedback.ListFeedbacks,
		&feedbackv1.ListFeedbacksRequest{SessionId: session, PageSize: 1})
	_, err := call(t.feedback.ListFeedbacks, &feedbackv1.ListFeedbacksRequest{
		SessionId:   session,
		PageSize:    1,
		PageToken:   first.NextPageToken,
		NewestFirst: true,
	})
	t.expectViolation(err, "page_token")
}

func (t *tester) rejectSeveralFields() {
	to := target{newSession("invalid"), newSession("message")}
	_, err := call(t.feedback.AddFeedback, &feedbackv1.AddFeedbackRequest{
		SessionId: to.session,
		MessageId: to.message,
		Comment:   strings.Repeat("x", commentCodePointsMax+1),
		AgentId:   strings.Repeat("x", idBytesMax+1),
	})
	t.expectViolation(err, "comment", "agent_id")
	t.expectNothingStored(to)
}

func (t *tester) provokeNotFound() {
	to := target{newSession("unknown"), newSession("message")}
	_, err := call(t.session.GetMetadata, &feedbackv1.GetMetadataRequest{SessionId: to.session})
	t.expectError("get metadata", codes.NotFound, "session", err)
	_, err = call(t.session.DeleteMetadata,
		&feedbackv1.DeleteMetadataRequest{SessionId: to.session, Keys: []string{"key"}})
	t.expectError("delete metadata", codes.NotFound, "session", err)
	_, err = call(t.health.Check, &healthv1.HealthCheckRequest{Service: "feedback.v1.Unknown"})
	t.expectError("health of an unknown service", codes.NotFound, "", err)
	t.expectNothingStored(to)
}

func (t *tester) provokeUnimplemented() {
	to := target{newSession("unimplemented"), newSession("message")}
	unknown := []struct{ service, method string }{
		{"feedback.v1.NoSuchService", "AddFeedback"},
		{"feedback.v1.FeedbackService", "NoSuchMethod"},
		{"feedback.v1.FeedbackService", "addfeedback"},
		{"FeedbackService", "AddFeedback"},
		{"feedback.v1.SessionService", "AddFeedback"},
		{"", ""},
	}
	for _, name := range unknown {
		err := t.callByName(name.service, name.method, &feedbackv1.AddFeedbackRequest{
			SessionId: to.session,
			MessageId: to.message,
		})
		t.expectError(name.service+"/"+name.method, codes.Unimplemented, "", err)
		t.expectNothingStored(to)
	}
}

func (t *tester) provokeInternal() {
	to := target{newSession("undecodable"), newSession("message")}
	payloads := map[string][]byte{
		"a field cut short":        append(stringField(1, to.session), 0x1a, 0x05, 'x'),
		"an endless varint":        append(stringField(1, to.session), 0xff, 0xff, 0xff),
		"wire type 7":              append(stringField(1, to.session), 0x1f),
		"field number 0":           append(stringField(1, to.session), 0x02, 0x00),
		"a length of 2^32 - 1":     append(stringField(1, to.session), 0x1a, 255, 255, 255, 255, 15),
		"an end without its begin": append(stringField(1, to.session), 0x1c),
	}
	for what, payload := range payloads {
		err := t.callByName("feedback.v1.FeedbackService", "AddFeedback", &rawMessage{payload})
		t.expectError(what, codes.Internal, "", err)
		t.expectNothingStored(to)
	}
}

func (t *tester) provokeResourceExhausted() {
	const messageBytesMax = 4 << 20
	to := target{newSession("too-large"), newSession("message")}
	err := t.callByName("feedback.v1.FeedbackService", "AddFeedback",
		&feedbackv1.AddFeedbackRequest{
			SessionId: to.session,
			MessageId: to.message,
			Comment:   strings.Repeat("x", messageBytesMax),
		})
	t.expectError("call", codes.ResourceExhausted, "", err)
	t.expectNothingStored(to)
}

func (t *tester) expectError(what string, code codes.Code, word string, err error) {
	t.expectCode(what, code, err)
	message := status.Convert(err).Message()
	if message == "" || !strings.Contains(message, word) {
		t.fail(what+": message", fmt.Sprintf("a text with %q", word), message)
	}
}

// callByName makes calls that the generated code would not make.
func (t *tester) callByName(service, method string, request any) error {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	return t.ttrpc.Call(ctx, service, method, request, &rawMessage{})
}
