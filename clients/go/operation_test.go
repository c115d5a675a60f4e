package feedbackd

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc/codes"

	feedbackv1 "feedbackd/feedback/v1"
)

// receiver is a webhook that answers every request with the same status, and counts them.
type receiver struct {
	url      string
	status   atomic.Int32
	answered atomic.Int32
}

// startDelivering starts a daemon whose only destination, page, is a webhook that refuses; it is told
// of thumbs down and gives up after a second.
func startDelivering(t *testing.T) (*Client, *receiver) {
	t.Helper()
	r := &receiver{}
	r.status.Store(http.StatusBadRequest)
	server := httptest.NewServer(http.HandlerFunc(
		func(answer http.ResponseWriter, _ *http.Request) {
			answer.WriteHeader(int(r.status.Load()))
			r.answered.Add(1)
		}))
	t.Cleanup(server.Close)
	d := newDaemon(t)
	configuration := filepath.Join(filepath.Dir(d.socket), "feedbackd.yaml")
	hooks := "hooks: {order: [page], page: {kind: notification, on: [down], webhook_url: " +
		server.URL + ", give_up_after: 1}}"
	if err := os.WriteFile(configuration, []byte(hooks), 0o600); err != nil {
		t.Fatal(err)
	}
	d.options = []string{"--config", configuration}
	d.start()
	return d.client(), r
}

var mustBe = must[*feedbackv1.Destination]

func addDown(t *testing.T, client *Client, session string) *feedbackv1.Feedback {
	t.Helper()
	return mustAdd(t)(client.AddFeedback(ctx, &feedbackv1.AddFeedbackRequest{
		SessionId: session, Rating: feedbackv1.Rating_RATING_DOWN, Comment: "größe",
	})).Feedback
}

// deadLetters returns the dead letters by session when there are so many: deliveries go on at the
// same time.
func deadLetters(t *testing.T, client *Client, count int) []*feedbackv1.Delivery {
	t.Helper()
	var letters []*feedbackv1.Delivery
	eventually(t, "dead letters", func() bool {
		request := &feedbackv1.ListDeliveriesRequest{Destination: "page", WithContent: true}
		page := must[*feedbackv1.ListDeliveriesResponse](t)(client.ListDeliveries(ctx, request))
		letters = page.Deliveries
		return len(letters) == count && page.TotalSize == int64(count)
	})
	sort.Slice(letters, func(a, b int) bool { return letters[a].SessionId < letters[b].SessionId })
	return letters
}

func TestDeadLettersAreListedTriedAgainAndDropped(t *testing.T) {
	client, receiver := startDelivering(t)
	stored := addDown(t, client, "s")
	addDown(t, client, "t")
	letters := deadLetters(t, client, 2)
	expect(t, "destination", "page", letters[0].Destination)
	expect(t, "state", feedbackv1.DeliveryState_DELIVERY_STATE_DEAD, letters[0].State)
	expect(t, "feedback_id", stored.FeedbackId, letters[0].FeedbackId)
	expectMessage(t, "feedback", stored, letters[0].GetFeedback())
	expect(t, "has an error", true, strings.Contains(letters[0].LastError, "400"))
	expect(t, "session", "t", letters[1].SessionId)

	retry := func(all bool, ids ...string) int64 {
		return must[int64](t)(client.RetryDeliveries(ctx, &feedbackv1.RetryDeliveriesRequest{
			Destination: "page", DeliveryIds: ids, All: all,
		}))
	}
	first := letters[0].DeliveryId
	dropped := must[int64](t)(client.DropDeliveries(ctx, &feedbackv1.DropDeliveriesRequest{
		Destination: "page", DeliveryIds: []string{first},
	}))
	expect(t, "dropped", int64(1), dropped)
	expect(t, "retried, none is left of this id", int64(0), retry(false, first))
	expect(t, "left", "t", deadLetters(t, client, 1)[0].SessionId)
	receiver.status.Store(http.StatusOK)
	expect(t, "retried", int64(1), retry(true))
	deadLetters(t, client, 0)

	_, err := client.RetryDeliveries(ctx, &feedbackv1.RetryDeliveriesRequest{Destination: "page"})
	expectCode(t, codes.InvalidArgument, err)
	_, err = client.DropDeliveries(ctx, &feedbackv1.DropDeliveriesRequest{
		Destination: "page", DeliveryIds: []string{first}, All: true,
	})
	expectCode(t, codes.InvalidArgument, err)
}

func TestDestinationsArePausedResumedRewoundAndTested(t *testing.T) {
	client, receiver := startDelivering(t)
	refused := must[string](t)(client.TestDestination(ctx, "page"))
	expect(t, "refused", true, strings.Contains(refused, "400"))
	receiver.status.Store(http.StatusOK)
	expect(t, "taken", "", must[string](t)(client.TestDestination(ctx, "page")))
	expect(t, "answered", int32(2), receiver.answered.Load())

	expect(t, "paused", true, mustBe(t)(client.PauseDestination(ctx, "page")).Paused)
	addDown(t, client, "s")
	destinations := must[[]*feedbackv1.Destination](t)(client.ListDestinations(ctx))
	expect(t, "destinations", 1, len(destinations))
	expect(t, "behind", int64(1), destinations[0].BehindChanges)
	expect(t, "kind", "webhook", destinations[0].Kind)
	expect(t, "resumed", false, mustBe(t)(client.ResumeDestination(ctx, "page")).Paused)
	answered := func(count int32) {
		t.Helper()
		eventually(t, "answered", func() bool { return receiver.answered.Load() == count })
	}
	answered(3)

	status := must[*feedbackv1.GetStatusResponse](t)(client.GetStatus(ctx))
	expect(t, "has a version", true, status.Version != "")
	expect(t, "destination", "page", status.Destinations[0].Name)
	mustBe(t)(client.RewindDestinationToBeginning(ctx, "page"))
	answered(4)
	mustBe(t)(client.RewindDestination(ctx, "page", status.Position))
	addDown(t, client, "t")
	answered(5)

	_, err := client.RewindDestination(ctx, "page", "")
	expect(t, "field", "position", expectCode(t, codes.InvalidArgument, err).Violations[0].Field)
	_, err = client.PauseDestination(ctx, "nobody")
	expectCode(t, codes.NotFound, err)
}
