package feedbackd

import (
	"fmt"
	"math"

	"github.com/gogo/protobuf/types"
)

// Both directions between Go's values for JSON and protobuf's. The server checks depth, size and
// keys; here only recursion needs an end.
const metadataDepthMax = 100

// The largest whole number up to which a double has every one.
const wholeNumberMax = 1 << 53

func newStruct(object map[string]any) (*types.Struct, error) {
	return structAt(1, object)
}

func structAt(depth int, object map[string]any) (*types.Struct, error) {
	fields := make(map[string]*types.Value, len(object))
	for key, value := range object {
		field, err := valueAt(depth+1, value)
		if err != nil {
			return nil, err
		}
		fields[key] = field
	}
	return &types.Struct{Fields: fields}, nil
}

func valueAt(depth int, value any) (*types.Value, error) {
	if depth > metadataDepthMax {
		return nil, invalid("metadata", "is nested too deep")
	}
	switch value := value.(type) {
	case nil:
		return &types.Value{Kind: &types.Value_NullValue{}}, nil
	case bool:
		return &types.Value{Kind: &types.Value_BoolValue{BoolValue: value}}, nil
	case string:
		return &types.Value{Kind: &types.Value_StringValue{StringValue: value}}, nil
	case float64:
		return number(value), nil
	case float32:
		return number(float64(value)), nil
	case int:
		return whole(int64(value))
	case int32:
		return whole(int64(value))
	case int64:
		return whole(value)
	case uint:
		return wholeUnsigned(uint64(value))
	case uint32:
		return whole(int64(value))
	case uint64:
		return wholeUnsigned(value)
	case map[string]any:
		object, err := structAt(depth, value)
		return &types.Value{Kind: &types.Value_StructValue{StructValue: object}}, err
	case []any:
		list := &types.ListValue{Values: make([]*types.Value, len(value))}
		for index, element := range value {
			var err error
			if list.Values[index], err = valueAt(depth+1, element); err != nil {
				return nil, err
			}
		}
		return &types.Value{Kind: &types.Value_ListValue{ListValue: list}}, nil
	default:
		return nil, invalid("metadata", fmt.Sprintf(
			"must consist of nil, bool, numbers, string, []any and map[string]any, has a %T", value))
	}
}

func number(value float64) *types.Value {
	return &types.Value{Kind: &types.Value_NumberValue{NumberValue: value}}
}

// whole refuses a number that a double, as which metadata are sent, would round.
func whole(value int64) (*types.Value, error) {
	if value > wholeNumberMax || value < -wholeNumberMax {
		return nil, invalid("metadata", "whole numbers above 2^53 would be rounded: pass a string")
	}
	return number(float64(value)), nil
}

func wholeUnsigned(value uint64) (*types.Value, error) {
	if value > math.MaxInt64 {
		value = math.MaxInt64 // Beyond what is accepted, too.
	}
	return whole(int64(value))
}

func fromStruct(object *types.Struct) map[string]any {
	fields := make(map[string]any, len(object.GetFields()))
	for key, value := range object.GetFields() {
		fields[key] = fromValue(value)
	}
	return fields
}

// fromValue takes a value without a kind for null.
func fromValue(value *types.Value) any {
	switch kind := value.GetKind().(type) {
	case *types.Value_BoolValue:
		return kind.BoolValue
	case *types.Value_StringValue:
		return kind.StringValue
	case *types.Value_NumberValue:
		return kind.NumberValue
	case *types.Value_StructValue:
		return fromStruct(kind.StructValue)
	case *types.Value_ListValue:
		list := make([]any, len(kind.ListValue.GetValues()))
		for index, element := range kind.ListValue.GetValues() {
			list[index] = fromValue(element)
		}
		return list
	default:
		return nil
	}
}
