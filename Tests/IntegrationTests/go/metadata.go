package main

import (
	"fmt"

	"github.com/gogo/protobuf/types"
	"google.golang.org/grpc/codes"

	feedbackv1 "feedbackd/feedback/v1"
)

func runMetadata(t *tester) {
	t.step("metadata", t.changeMetadata)
	t.step("metadata of a session with feedback only", t.readEmptyMetadata)
}

func (t *tester) changeMetadata() {
	session := newSession("metadata")
	_, err := call(t.session.GetMetadata, &feedbackv1.GetMetadataRequest{SessionId: session})
	t.expectCode("get before the first update", codes.NotFound, err)

	first := map[string]any{
		"experiment": "prompt-länge",
		"enabled":    true,
		"weight":     0.25,
		"count":      -17.0,
		"nothing":    nil,
		"list":       []any{1.0, "zwei", false, nil, []any{}, map[string]any{}},
		"nested":     map[string]any{"a": map[string]any{"b": "c"}, "d": 1e300},
	}
	t.expectMetadata("update", first, t.updateMetadata(session, first))
	t.expectMetadata("get", first, t.getMetadata(session))

	// Top-level keys are replaced as a whole: nothing of the old "nested" stays.
	second := map[string]any{"nested": map[string]any{"new": 1.0}, "variant": "b", "enabled": nil}
	merged := map[string]any{
		"experiment": first["experiment"], "weight": first["weight"], "count": first["count"],
		"nothing": nil, "list": first["list"],
		"nested": second["nested"], "variant": "b", "enabled": nil,
	}
	t.expectMetadata("merge", merged, t.updateMetadata(session, second))
	t.expectMetadata("get after merge", merged, t.getMetadata(session))

	t.expectMetadata("merge of nothing", merged, t.updateMetadata(session, map[string]any{}))

	delete(merged, "nested")
	delete(merged, "nothing")
	t.expectMetadata("delete", merged, t.deleteMetadata(session, "nested", "nothing", "unknown"))
	t.expectMetadata("get after delete", merged, t.getMetadata(session))

	t.expectMetadata("delete of the rest", map[string]any{},
		t.deleteMetadata(session, "experiment", "enabled", "weight", "count", "list", "variant"))
	t.expectMetadata("get after delete of the rest", map[string]any{}, t.getMetadata(session))

	page := must(t, t.feedback.ListFeedbacks, &feedbackv1.ListFeedbacksRequest{SessionId: session})
	t.expect("list", &feedbackv1.ListFeedbacksResponse{}, page)
}

func (t *tester) readEmptyMetadata() {
	session := newSession("feedback-only")
	t.add(&feedbackv1.AddFeedbackRequest{SessionId: session})
	t.expectMetadata("get", map[string]any{}, t.getMetadata(session))
	t.expectMetadata("delete", map[string]any{}, t.deleteMetadata(session, "unknown"))
}

func (t *tester) updateMetadata(session string, metadata map[string]any) *types.Struct {
	return must(t, t.session.UpdateMetadata, &feedbackv1.UpdateMetadataRequest{
		SessionId: session,
		Metadata:  structOf(metadata),
	}).Metadata
}

func (t *tester) getMetadata(session string) *types.Struct {
	return must(t, t.session.GetMetadata,
		&feedbackv1.GetMetadataRequest{SessionId: session}).Metadata
}

func (t *tester) deleteMetadata(session string, keys ...string) *types.Struct {
	return must(t, t.session.DeleteMetadata,
		&feedbackv1.DeleteMetadataRequest{SessionId: session, Keys: keys}).Metadata
}

func (t *tester) expectMetadata(what string, want map[string]any, got *types.Struct) {
	if got == nil {
		t.fail(what, want, "no metadata field")
		return
	}
	t.expect(what, structOf(want), got)
}

func structOf(fields map[string]any) *types.Struct {
	result := &types.Struct{Fields: map[string]*types.Value{}}
	for key, value := range fields {
		result.Fields[key] = valueOf(value)
	}
	return result
}

// valueOf converts the values that encoding/json knows.
func valueOf(value any) *types.Value {
	switch value := value.(type) {
	case nil:
		return &types.Value{Kind: &types.Value_NullValue{}}
	case bool:
		return &types.Value{Kind: &types.Value_BoolValue{BoolValue: value}}
	case float64:
		return &types.Value{Kind: &types.Value_NumberValue{NumberValue: value}}
	case string:
		return &types.Value{Kind: &types.Value_StringValue{StringValue: value}}
	case []any:
		list := &types.ListValue{}
		for _, element := range value {
			list.Values = append(list.Values, valueOf(element))
		}
		return &types.Value{Kind: &types.Value_ListValue{ListValue: list}}
	case map[string]any:
		return &types.Value{Kind: &types.Value_StructValue{StructValue: structOf(value)}}
	default:
		panic(fmt.Sprintf("not a JSON value: %T", value))
	}
}
