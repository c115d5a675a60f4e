package feedbackd

import (
	"context"

	"google.golang.org/grpc/codes"

	feedbackv1 "feedbackd/feedback/v1"
)

// The methods below are for whoever runs the daemon: its own user, root and the users of its setting
// admin_uid. They fail with codes.PermissionDenied for others, and with codes.NotFound for a
// destination that is not there.

// GetStatus returns how the daemon, its store and its destinations are.
func (c *Client) GetStatus(ctx context.Context) (*feedbackv1.GetStatusResponse, error) {
	request, reply := &feedbackv1.GetStatusRequest{}, &feedbackv1.GetStatusResponse{}
	if err := c.call(ctx, adminService, "GetStatus", request, reply); err != nil {
		return nil, err
	}
	return reply, nil
}

// ListDestinations returns all destinations of changes, in the order of the daemon's configuration.
func (c *Client) ListDestinations(ctx context.Context) ([]*feedbackv1.Destination, error) {
	request := &feedbackv1.ListDestinationsRequest{}
	reply := &feedbackv1.ListDestinationsResponse{}
	if err := c.call(ctx, deliveryService, "ListDestinations", request, reply); err != nil {
		return nil, err
	}
	return reply.Destinations, nil
}

// PauseDestination delivers nothing more to a destination until it is resumed, also after a new start
// of the daemon.
func (c *Client) PauseDestination(
	ctx context.Context, name string,
) (*feedbackv1.Destination, error) {
	request := &feedbackv1.PauseDestinationRequest{Name: name}
	reply := &feedbackv1.PauseDestinationResponse{}
	err := c.call(ctx, deliveryService, "PauseDestination", request, reply)
	return destination(reply.Destination, err)
}

// ResumeDestination delivers to a paused destination again.
func (c *Client) ResumeDestination(
	ctx context.Context, name string,
) (*feedbackv1.Destination, error) {
	request := &feedbackv1.ResumeDestinationRequest{Name: name}
	reply := &feedbackv1.ResumeDestinationResponse{}
	err := c.call(ctx, deliveryService, "ResumeDestination", request, reply)
	return destination(reply.Destination, err)
}

// RewindDestination delivers again what came after the position. It fails with codes.InvalidArgument
// for an empty one, which to the server means everything: see RewindDestinationToBeginning. It fails
// with codes.OutOfRange for a position that is of another store, or of changes that are no longer kept.
func (c *Client) RewindDestination(
	ctx context.Context, name, position string,
) (*feedbackv1.Destination, error) {
	if position == "" {
		return nil, invalid("position", "must not be empty")
	}
	return c.rewind(ctx, name, position)
}

// RewindDestinationToBeginning delivers again everything that is there.
func (c *Client) RewindDestinationToBeginning(
	ctx context.Context, name string,
) (*feedbackv1.Destination, error) {
	return c.rewind(ctx, name, "")
}

func (c *Client) rewind(
	ctx context.Context, name, position string,
) (*feedbackv1.Destination, error) {
	request := &feedbackv1.RewindDestinationRequest{Name: name, Position: position}
	reply := &feedbackv1.RewindDestinationResponse{}
	err := c.call(ctx, deliveryService, "RewindDestination", request, reply)
	return destination(reply.Destination, err)
}

// TestDestination sends a test message, and returns why the destination refused it; empty if it took
// it.
func (c *Client) TestDestination(ctx context.Context, name string) (string, error) {
	request := &feedbackv1.TestDestinationRequest{Name: name}
	reply := &feedbackv1.TestDestinationResponse{}
	if err := c.call(ctx, deliveryService, "TestDestination", request, reply); err != nil {
		return "", err
	}
	return reply.Error, nil
}

// ListDeliveries returns one page of the dead letters, or of the deliveries that wait for another
// attempt; the next page is that of the request with its NextPageToken. Without a Destination it is
// about all.
func (c *Client) ListDeliveries(
	ctx context.Context, request *feedbackv1.ListDeliveriesRequest,
) (*feedbackv1.ListDeliveriesResponse, error) {
	reply := &feedbackv1.ListDeliveriesResponse{}
	if err := c.call(ctx, deliveryService, "ListDeliveries", request, reply); err != nil {
		return nil, err
	}
	return reply, nil
}

// RetryDeliveries makes deliveries due at once, dead letters too, and returns how many: those of the
// request's ids, or All dead letters of the destination. One of both must be given.
func (c *Client) RetryDeliveries(
	ctx context.Context, request *feedbackv1.RetryDeliveriesRequest,
) (int64, error) {
	reply := &feedbackv1.RetryDeliveriesResponse{}
	if err := c.call(ctx, deliveryService, "RetryDeliveries", request, reply); err != nil {
		return 0, err
	}
	return reply.Retried, nil
}

// DropDeliveries gives deliveries up for ever, and returns how many; the feedback itself stays. Which
// ones is said as to RetryDeliveries.
func (c *Client) DropDeliveries(
	ctx context.Context, request *feedbackv1.DropDeliveriesRequest,
) (int64, error) {
	reply := &feedbackv1.DropDeliveriesResponse{}
	if err := c.call(ctx, deliveryService, "DropDeliveries", request, reply); err != nil {
		return 0, err
	}
	return reply.Dropped, nil
}

func destination(
	answered *feedbackv1.Destination, err error,
) (*feedbackv1.Destination, error) {
	if err == nil && answered == nil {
		err = &Error{Code: codes.Internal, Message: "the server's reply has no destination"}
	}
	return answered, err
}
