package main

import (
	"fmt"
	"math"
	"strings"

	"github.com/gogo/protobuf/types"

	feedbackv1 "feedbackd/feedback/v1"
)

// The limits of feedback.v1.
const (
	idBytesMax             = 255
	commentCodePointsMax   = 10_000
	tagsMax                = 16
	tagBytesMax            = 64
	attributesMax          = 32
	attributeKeyBytesMax   = 64
	attributeValueBytesMax = 1024
	metadataBytesMax       = 64 << 10
	metadataDepthMax       = 16
	pageSizeMax            = 1000
)

func padded(text string, length int) string {
	return text + strings.Repeat("x", length-len(text))
}

func invalidAdds() []invalidCall {
	type request = feedbackv1.AddFeedbackRequest
	add := func(what, field string, spoil func(*request)) invalidCall {
		return invalidCall{what, field, func(t *tester, to target) error {
			r := &request{SessionId: to.session, MessageId: to.message}
			spoil(r)
			_, err := call(t.feedback.AddFeedback, r)
			return err
		}}
	}
	longID := strings.Repeat("i", idBytesMax+1)
	return []invalidCall{
		add("empty session id", "session_id", func(r *request) { r.SessionId = "" }),
		add("too long session id", "session_id", func(r *request) { r.SessionId = longID }),
		add("too long session id in bytes", "session_id",
			func(r *request) { r.SessionId = strings.Repeat("ß", idBytesMax/2+1) }),
		add("NUL in the session id", "session_id", func(r *request) { r.SessionId += "\x00a" }),
		add("unknown rating", "rating", func(r *request) { r.Rating = 3 }),
		add("negative rating", "rating", func(r *request) { r.Rating = -1 }),
		add("too long comment", "comment",
			func(r *request) { r.Comment = strings.Repeat("😀", commentCodePointsMax+1) }),
		add("too long comment of few graphemes", "comment",
			func(r *request) { r.Comment = strings.Repeat("e\u0301", commentCodePointsMax/2+1) }),
		add("NUL in the comment", "comment", func(r *request) { r.Comment = "a\x00b" }),
		add("too long request id", "request_id", func(r *request) { r.RequestId = longID }),
		add("NUL in the request id", "request_id", func(r *request) { r.RequestId = "\x00" }),
		add("too long message id", "message_id", func(r *request) { r.MessageId = longID }),
		add("too long agent id", "agent_id", func(r *request) { r.AgentId = longID }),
		add("too long author id", "author.id",
			func(r *request) { r.Author = &feedbackv1.Author{Id: longID} }),
		add("unknown author source", "author.source",
			func(r *request) { r.Author = &feedbackv1.Author{Source: 4} }),
		add("too many tags", "tags",
			func(r *request) { r.Tags = strings.Split(strings.Repeat("t", tagsMax+1), "") }),
		add("too long tag", "tags",
			func(r *request) { r.Tags = []string{"a", strings.Repeat("t", tagBytesMax+1)} }),
		add("empty tag", "tags", func(r *request) { r.Tags = []string{"a", ""} }),
		add("NUL in a tag", "tags", func(r *request) { r.Tags = []string{"a\x00"} }),
		add("too many attributes", "attributes",
			func(r *request) { r.Attributes = manyAttributes(attributesMax + 1) }),
		add("empty attribute key", "attributes.key",
			func(r *request) { r.Attributes = map[string]string{"": "v"} }),
		add("too long attribute key", "attributes.key", func(r *request) {
			r.Attributes = map[string]string{strings.Repeat("k", attributeKeyBytesMax+1): "v"}
		}),
		add("too long attribute value", "attributes.value", func(r *request) {
			r.Attributes = map[string]string{"k": strings.Repeat("v", attributeValueBytesMax+1)}
		}),
	}
}

func manyAttributes(count int) map[string]string {
	attributes := map[string]string{}
	for index := 0; index < count; index++ {
		attributes[fmt.Sprint("key-", index)] = "value"
	}
	return attributes
}

func invalidLists() []invalidCall {
	type request = feedbackv1.ListFeedbacksRequest
	list := func(what, field string, spoil func(*request)) invalidCall {
		return invalidCall{what, field, func(t *tester, to target) error {
			r := &request{SessionId: to.session, MessageId: to.message}
			spoil(r)
			_, err := call(t.feedback.ListFeedbacks, r)
			return err
		}}
	}
	return []invalidCall{
		list("page size 1001", "page_size", func(r *request) { r.PageSize = pageSizeMax + 1 }),
		list("page size -1", "page_size", func(r *request) { r.PageSize = -1 }),
		list("bad page token", "page_token", func(r *request) { r.PageToken = "no token" }),
		list("hexadecimal page token", "page_token",
			func(r *request) { r.PageToken = strings.Repeat("0", 48) }),
		list("very long page token", "page_token",
			func(r *request) { r.PageToken = strings.Repeat("ab", 100_000) }),
		list("unknown rating", "ratings", func(r *request) { r.Ratings = []feedbackv1.Rating{up, 7} }),
		list("too long session id", "session_id",
			func(r *request) { r.SessionId = strings.Repeat("i", idBytesMax+1) }),
		list("NUL in the message id", "message_id", func(r *request) { r.MessageId = "\x00" }),
		list("from before the year 1", "created_at_or_after",
			func(r *request) { r.CreatedAtOrAfter = &types.Timestamp{Seconds: math.MinInt64} }),
		list("until the year 10000", "created_before",
			func(r *request) { r.CreatedBefore = &types.Timestamp{Seconds: 253_402_300_800} }),
		list("until the end of time", "created_before",
			func(r *request) { r.CreatedBefore = &types.Timestamp{Seconds: math.MaxInt64} }),
	}
}

func invalidMetrics() []invalidCall {
	type request = feedbackv1.GetMetricsRequest
	metrics := func(what, field string, spoil func(*request)) invalidCall {
		return invalidCall{what, field, func(t *tester, to target) error {
			r := &request{SessionId: to.session}
			spoil(r)
			_, err := call(t.feedback.GetMetrics, r)
			return err
		}}
	}
	byMetadata := feedbackv1.GroupBy_GROUP_BY_METADATA
	return []invalidCall{
		metrics("unknown grouping", "group_by", func(r *request) { r.GroupBy = 99 }),
		metrics("no metadata key", "metadata_key", func(r *request) { r.GroupBy = byMetadata }),
		metrics("bad metadata key", "metadata_key",
			func(r *request) { r.GroupBy, r.MetadataKey = byMetadata, "$a" }),
		metrics("too long session id", "session_id",
			func(r *request) { r.SessionId = strings.Repeat("i", idBytesMax+1) }),
		metrics("until the end of time", "created_before",
			func(r *request) { r.CreatedBefore = &types.Timestamp{Seconds: math.MaxInt64} }),
	}
}

func invalidMetadata() []invalidCall {
	update := func(what string, metadata map[string]any) invalidCall {
		return invalidCall{what, "metadata", func(t *tester, to target) error {
			_, err := call(t.session.UpdateMetadata, &feedbackv1.UpdateMetadataRequest{
				SessionId: to.session,
				Metadata:  structOf(metadata),
			})
			return err
		}}
	}
	return []invalidCall{
		update("empty key", map[string]any{"": 1.0}),
		update("key with a dot", map[string]any{"a.b": 1.0}),
		update("key with a dollar sign", map[string]any{"$set": 1.0}),
		update("bad key further down", map[string]any{"a": []any{map[string]any{"$b": 1.0}}}),
		update("NUL in a key", map[string]any{"a\x00": 1.0}),
		update("NUL in a text", map[string]any{"a": "b\x00"}),
		update("no finite number", map[string]any{"a": math.NaN()}),
		update("17 levels", nested(metadataDepthMax+1)),
		update("over 64 KiB", map[string]any{"a": strings.Repeat("x", metadataBytesMax)}),
		{"update: empty session id", "session_id", func(t *tester, _ target) error {
			_, err := call(t.session.UpdateMetadata, &feedbackv1.UpdateMetadataRequest{
				Metadata: structOf(map[string]any{"a": 1.0}),
			})
			return err
		}},
		{"get: empty session id", "session_id", func(t *tester, _ target) error {
			_, err := call(t.session.GetMetadata, &feedbackv1.GetMetadataRequest{})
			return err
		}},
		{"delete: bad key", "keys", func(t *tester, to target) error {
			_, err := call(t.session.DeleteMetadata, &feedbackv1.DeleteMetadataRequest{
				SessionId: to.session, Keys: []string{"good", "not.good"},
			})
			return err
		}},
	}
}

// nested makes objects within objects, so many levels in all.
func nested(levels int) map[string]any {
	object := map[string]any{"leaf": true}
	for level := 1; level < levels; level++ {
		object = map[string]any{"inner": object}
	}
	return object
}

// invalidUTF8 builds its payloads by hand, because libraries refuse to send such strings.
func invalidUTF8() []invalidCall {
	const feedbackService = "feedback.v1.FeedbackService"
	raw := func(what, field, service, method string, spoil func(to target) []byte) invalidCall {
		return invalidCall{what, field, func(t *tester, to target) error {
			payload := append(stringField(1, to.session), spoil(to)...)
			return t.callByName(service, method, &rawMessage{payload})
		}}
	}
	add := func(what, field string, number int, content string) invalidCall {
		return raw(what, field, feedbackService, "AddFeedback", func(to target) []byte {
			return append(stringField(5, to.message), stringField(number, content)...)
		})
	}
	return []invalidCall{
		add("comment", "comment", 3, "caf\xe9"),
		add("comment, overlong NUL", "comment", 3, "\xc0\x80"),
		add("comment, surrogate", "comment", 3, "\xed\xa0\x80"),
		add("comment, above U+10FFFF", "comment", 3, "\xf4\x90\x80\x80"),
		add("comment, cut short", "comment", 3, "\xf0\x9f\x98"),
		add("session id", "session_id", 1, "\xff\xfe"),
		add("request id", "request_id", 4, "\x80"),
		add("author id", "author.id", 7, string(stringField(2, "\x80"))),
		add("tag", "tags", 8, "\x80"),
		add("attribute key", "attributes.key", 9, string(stringField(1, "\x80"))),
		add("attribute value", "attributes.value", 9,
			string(append(stringField(1, "key"), stringField(2, "\x80")...))),
		raw("page token", "page_token", feedbackService, "ListFeedbacks",
			func(target) []byte { return stringField(8, "\x80") }),
		raw("metadata key of metrics", "metadata_key", feedbackService, "GetMetrics",
			func(target) []byte { return stringField(5, "\x80") }),
		raw("metadata text", "metadata", "feedback.v1.SessionService", "UpdateMetadata",
			func(target) []byte {
				value := stringField(2, string(stringField(3, "\x80")))
				entry := append(stringField(1, "key"), value...)
				return stringField(2, string(stringField(1, string(entry))))
			}),
	}
}
