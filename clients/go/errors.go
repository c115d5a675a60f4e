package feedbackd

import (
	"context"
	"errors"
	"fmt"

	"github.com/containerd/ttrpc"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Error is what every call fails with.
//
// errors.Is(err, context.DeadlineExceeded) and errors.Is(err, context.Canceled) are true for these
// codes, whether the caller or the server was the first to notice.
type Error struct {
	// Code is one of gRPC's.
	Code codes.Code
	// Message is for people. It says which field or limit is at fault and what would be accepted.
	Message string
	// Violations are the fields at fault, with codes.InvalidArgument.
	Violations []FieldViolation
}

// FieldViolation is a field that breaks its rule.
type FieldViolation struct {
	// Field is a path of the .proto file's names, like "author.id".
	Field string
	// Description says which rule is broken and what would be accepted.
	Description string
}

func (e *Error) Error() string {
	return fmt.Sprintf("feedbackd: %s: %s", e.Code, e.Message)
}

// Is makes errors of the codes DeadlineExceeded and Canceled equal to those of package context.
func (e *Error) Is(target error) bool {
	return e.Code == codes.DeadlineExceeded && target == context.DeadlineExceeded ||
		e.Code == codes.Canceled && target == context.Canceled
}

// CodeOf is the code of a call's outcome: codes.OK for nil, codes.Unknown for errors that do not
// come from this package.
func CodeOf(err error) codes.Code {
	if err == nil {
		return codes.OK
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return codes.Unknown
}

// invalid is the error of one field, like the server's.
func invalid(field, description string) *Error {
	return &Error{
		Code:       codes.InvalidArgument,
		Message:    field + ": " + description,
		Violations: []FieldViolation{{field, description}},
	}
}

func lost(err error) *Error {
	return &Error{
		Code: codes.Unavailable, Message: "the connection to the daemon was lost: " + err.Error(),
	}
}

func tooLarge(what string, size int) *Error {
	return &Error{
		Code:    codes.ResourceExhausted,
		Message: fmt.Sprintf("%s has %d bytes, at most %d are possible", what, size, frameBytesMax),
	}
}

func undecodable() *Error {
	return &Error{Code: codes.Internal, Message: "the server's reply cannot be decoded"}
}

// newError makes an Error of what the library says about a call on that connection. Its own
// deadlines and cancellations come as plain context errors, the server's answers as a status.
func newError(err error, conn *connection) *Error {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Code: codes.DeadlineExceeded, Message: "the deadline passed"}
	case errors.Is(err, context.Canceled):
		return &Error{Code: codes.Canceled, Message: "the call was cancelled"}
	}
	if answer, ok := status.FromError(err); ok {
		return &Error{answer.Code(), answer.Message(), violations(answer)}
	}
	// The library's error does not tell: a reply that cannot be decoded and an end within a reply
	// both come as io.ErrUnexpectedEOF.
	if failure := conn.failure(); failure != nil {
		return failure
	}
	if errors.Is(err, ttrpc.ErrClosed) {
		return &Error{Code: codes.Unavailable, Message: "the connection was closed"}
	}
	return undecodable()
}

func violations(answer *status.Status) []FieldViolation {
	var found []FieldViolation
	for _, detail := range answer.Details() {
		if request, ok := detail.(*errdetails.BadRequest); ok {
			for _, violation := range request.FieldViolations {
				found = append(found, FieldViolation{violation.Field, violation.Description})
			}
		}
	}
	return found
}
