package feedbackd

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/containerd/ttrpc"
	"github.com/gogo/protobuf/jsonpb"
	"github.com/gogo/protobuf/proto"
	golangjsonpb "github.com/golang/protobuf/jsonpb"
	golangproto "github.com/golang/protobuf/proto"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// vector is one of Proto/vectors, whose README.md says what its parts are.
type vector struct {
	Name       string
	Kind       string
	Type       string
	Hex        string
	DecodeOnly bool `json:"decode_only"`
	Valid      *bool
	Code       string
	Field      string
	Meaning    json.RawMessage
}

// frameMeaning is that of a frame.
type frameMeaning struct {
	Length      uint32
	StreamID    uint32 `json:"stream_id"`
	FrameType   uint8  `json:"frame_type"`
	Flags       uint8
	Service     string
	Method      string
	TimeoutNano int64 `json:"timeout_nano"`
	Metadata    []*ttrpc.KeyValue
	PayloadType string `json:"payload_type"`
	Payload     json.RawMessage
	Status      json.RawMessage
}

func vectors(t *testing.T, choose func(vector) bool, check func(*testing.T, vector, []byte)) {
	t.Helper()
	text, err := os.ReadFile("../../Proto/vectors/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	chosen := 0
	for _, v := range all {
		if !choose(v) {
			continue
		}
		chosen++
		data, err := hex.DecodeString(v.Hex)
		if err != nil {
			t.Fatal(v.Name, ": ", err)
		}
		t.Run(v.Name, func(t *testing.T) { check(t, v, data) })
	}
	if chosen == 0 {
		t.Error("there are no such vectors")
	}
}

func (v vector) isValid() bool { return v.Valid == nil || *v.Valid }

func TestVectorsOfMessages(t *testing.T) {
	vectors(t, func(v vector) bool { return v.Kind == "message" && v.isValid() },
		func(t *testing.T, v vector, data []byte) {
			if v.Type == "google.rpc.Status" {
				checkStatus(t, data, v.Meaning)
				return
			}
			checkPayload(t, v.Type, data, v.Meaning, v.DecodeOnly)
		})
}

func TestVectorsOfFrames(t *testing.T) {
	vectors(t, func(v vector) bool { return v.Kind == "frame" && v.isValid() },
		func(t *testing.T, v vector, data []byte) {
			var want frameMeaning
			if err := json.Unmarshal(v.Meaning, &want); err != nil {
				t.Fatal(err)
			}
			expect(t, "length", want.Length, binary.BigEndian.Uint32(data))
			expect(t, "stream_id", want.StreamID, binary.BigEndian.Uint32(data[4:]))
			expect(t, "frame_type", want.FrameType, data[8])
			expect(t, "flags", want.Flags, data[9])
			data = data[frameHeaderBytes:]
			expect(t, "data", int(want.Length), len(data))
			if want.FrameType == 1 {
				checkRequestFrame(t, data, want)
			} else {
				checkResponseFrame(t, data, want)
			}
		})
}

func checkRequestFrame(t *testing.T, data []byte, want frameMeaning) {
	var request ttrpc.Request
	if err := proto.Unmarshal(data, &request); err != nil {
		t.Fatal(err)
	}
	checkPayload(t, want.PayloadType, request.Payload, want.Payload, false)
	if len(want.Metadata) == 0 {
		want.Metadata = nil
	}
	expected := ttrpc.Request{
		Service: want.Service, Method: want.Method, Payload: request.Payload,
		TimeoutNano: want.TimeoutNano, Metadata: want.Metadata,
	}
	expect(t, "request", expected, request)
	encoded, err := proto.Marshal(&expected)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "encoded", hex.EncodeToString(data), hex.EncodeToString(encoded))
}

func checkResponseFrame(t *testing.T, data []byte, want frameMeaning) {
	var response ttrpc.Response
	if err := proto.Unmarshal(data, &response); err != nil {
		t.Fatal(err)
	}
	expect(t, "has a status", want.Status != nil, response.Status != nil)
	if want.Status != nil {
		encoded, err := golangproto.Marshal(response.Status)
		if err != nil {
			t.Fatal(err)
		}
		checkStatus(t, encoded, want.Status)
	}
	if want.PayloadType != "" {
		checkPayload(t, want.PayloadType, response.Payload, want.Payload, false)
	} else {
		expect(t, "payload", 0, len(response.Payload))
	}
}

func checkPayload(
	t *testing.T, messageType string, data []byte, meaning json.RawMessage, decodeOnly bool,
) {
	t.Helper()
	registered := proto.MessageType(messageType)
	if registered == nil {
		t.Fatal("there is no message ", messageType)
	}
	got := reflect.New(registered.Elem()).Interface().(proto.Message)
	if err := proto.Unmarshal(data, got); err != nil {
		t.Fatal(err)
	}
	text, err := new(jsonpb.Marshaler).MarshalToString(got)
	if err != nil {
		t.Fatal(err)
	}
	expectJSON(t, meaning, text)
	if decodeOnly {
		return
	}
	want := reflect.New(registered.Elem()).Interface().(proto.Message)
	if err := jsonpb.Unmarshal(bytes.NewReader(meaning), want); err != nil {
		t.Fatal(err)
	}
	encoded, err := proto.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "encoded", hex.EncodeToString(data), hex.EncodeToString(encoded))
}

// checkStatus looks at the message, and at the error that a caller is given.
func checkStatus(t *testing.T, data []byte, meaning json.RawMessage) {
	t.Helper()
	var got spb.Status
	if err := golangproto.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	text, err := new(golangjsonpb.Marshaler).MarshalToString(&got)
	if err != nil {
		t.Fatal(err)
	}
	expectJSON(t, meaning, text)

	var want struct {
		Code    codes.Code
		Message string
		Details []struct{ FieldViolations []FieldViolation }
	}
	if err := json.Unmarshal(meaning, &want); err != nil {
		t.Fatal(err)
	}
	if want.Code == codes.OK {
		return
	}
	expected := &Error{Code: want.Code, Message: want.Message}
	for _, detail := range want.Details {
		expected.Violations = append(expected.Violations, detail.FieldViolations...)
	}
	expect(t, "error", expected, newError(status.ErrorProto(&got), nil))
}

func expectJSON(t *testing.T, want json.RawMessage, got string) {
	t.Helper()
	var wanted, gotten any
	if err := json.Unmarshal(want, &wanted); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(got), &gotten); err != nil {
		t.Fatal(err)
	}
	expect(t, "meaning", wanted, gotten)
}

func TestInvalidVectorsAreRefusedByTheDaemon(t *testing.T) {
	d := startDaemon(t)
	vectors(t, func(v vector) bool { return !v.isValid() },
		func(t *testing.T, v vector, data []byte) {
			frame := data
			if v.Kind == "message" {
				frame = callFrame(t, v.Type, data)
			}
			got := exchange(t, d.socket, frame)
			expect(t, "code", v.Code, codeName(got.Code))
			var fields []string
			if v.Field != "" {
				fields = []string{v.Field}
			}
			var violated []string
			for _, violation := range got.Violations {
				violated = append(violated, violation.Field)
			}
			expect(t, "fields", fields, violated)
		})
}

// callFrame is a call of the method with that request.
func callFrame(t *testing.T, requestType string, payload []byte) []byte {
	method := strings.TrimSuffix(strings.TrimPrefix(requestType, "feedback.v1."), "Request")
	service := feedbackService
	if strings.Contains(method, "Metadata") {
		service = sessionService
	} else if strings.HasSuffix(method, "Deliveries") {
		service = deliveryService
	}
	data, err := proto.Marshal(&ttrpc.Request{Service: service, Method: method, Payload: payload})
	if err != nil {
		t.Fatal(err)
	}
	frame := make([]byte, frameHeaderBytes, frameHeaderBytes+len(data))
	binary.BigEndian.PutUint32(frame, uint32(len(data)))
	frame[7], frame[8], frame[9] = 1, 1, 1
	return append(frame, data...)
}

// exchange sends a frame and reads the error that comes back on its stream.
func exchange(t *testing.T, socket string, frame []byte) *Error {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := conn.Write(frame); err != nil {
		t.Fatal(err)
	}
	header := make([]byte, frameHeaderBytes)
	if _, err := io.ReadFull(conn, header); err != nil {
		t.Fatal(err)
	}
	expect(t, "stream_id", hex.EncodeToString(frame[4:8]), hex.EncodeToString(header[4:8]))
	data := make([]byte, binary.BigEndian.Uint32(header))
	if _, err := io.ReadFull(conn, data); err != nil {
		t.Fatal(err)
	}
	var response ttrpc.Response
	if err := proto.Unmarshal(data, &response); err != nil {
		t.Fatal(err)
	}
	if response.Status == nil {
		t.Fatal("expected an error, got a reply")
	}
	return newError(status.ErrorProto(response.Status), nil)
}

// codeName is a code in the vectors' spelling, like INVALID_ARGUMENT.
func codeName(code codes.Code) string {
	var name strings.Builder
	for index, letter := range code.String() {
		if index > 0 && letter >= 'A' && letter <= 'Z' {
			name.WriteByte('_')
		}
		name.WriteRune(letter)
	}
	return strings.ToUpper(name.String())
}
