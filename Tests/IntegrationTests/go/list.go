package main

import (
	"fmt"
	"time"

	"github.com/gogo/protobuf/types"

	feedbackv1 "feedbackd/feedback/v1"
)

const (
	up   = feedbackv1.Rating_RATING_UP
	down = feedbackv1.Rating_RATING_DOWN
	none = feedbackv1.Rating_RATING_UNSPECIFIED
)

func runList(t *tester) {
	t.step("list with filters", t.listWithFilters)
	t.step("list by pages", t.listByPages)
	t.step("default page size", t.listDefaultPageSize)
	t.step("list of every session", t.listEverySession)
}

// expectList checks a list as one page; it must fit one.
func (t *tester) expectList(
	what string, want []*feedbackv1.Feedback, request *feedbackv1.ListFeedbacksRequest,
) {
	t.expect(what,
		&feedbackv1.ListFeedbacksResponse{Feedbacks: want, TotalSize: int64(len(want))},
		must(t, t.feedback.ListFeedbacks, request))
}

// addVaried stores feedbacks that differ in all properties by which a list can be filtered.
func (t *tester) addVaried(session string) []*feedbackv1.Feedback {
	drafts := []struct {
		rating           feedbackv1.Rating
		comment, message string
	}{
		{up, "first", "m-1"}, {down, "", "m-1"}, {none, "third", ""}, {up, "", "m-2"},
		{down, "fifth", "m-2"}, {none, "", "m-1"}, {up, "seventh", ""},
	}
	var added []*feedbackv1.Feedback
	for _, draft := range drafts {
		added = append(added, t.add(&feedbackv1.AddFeedbackRequest{
			SessionId: session,
			Rating:    draft.rating,
			Comment:   draft.comment,
			MessageId: draft.message,
		}))
		// Spreads them over the milliseconds of created_at; nothing depends on how far.
		time.Sleep(3 * time.Millisecond)
	}
	return added
}

func (t *tester) listWithFilters() {
	session := newSession("filters")
	added := t.addVaried(session)
	from, until := added[2].CreatedAt, added[5].CreatedAt

	type request = feedbackv1.ListFeedbacksRequest
	filters := []struct {
		what    string
		request request
		matches func(*feedbackv1.Feedback) bool
	}{
		{"no filter", request{}, func(*feedbackv1.Feedback) bool { return true }},
		{"rating up", request{Ratings: []feedbackv1.Rating{up}}, withRating(up)},
		{"no rating", request{Ratings: []feedbackv1.Rating{none}}, withRating(none)},
		{"two ratings", request{Ratings: []feedbackv1.Rating{down, up}},
			func(f *feedbackv1.Feedback) bool { return f.Rating != none }},
		{"with comment", request{CommentFilter: hasComment(true)},
			func(f *feedbackv1.Feedback) bool { return f.Comment != "" }},
		{"without comment", request{CommentFilter: hasComment(false)},
			func(f *feedbackv1.Feedback) bool { return f.Comment == "" }},
		{"message", request{MessageId: "m-1"},
			func(f *feedbackv1.Feedback) bool { return f.MessageId == "m-1" }},
		{"unknown message", request{MessageId: "m-9"},
			func(*feedbackv1.Feedback) bool { return false }},
		{"from", request{CreatedAtOrAfter: from}, createdIn(from, nil)},
		{"until", request{CreatedBefore: until}, createdIn(nil, until)},
		{"from and until", request{CreatedAtOrAfter: from, CreatedBefore: until},
			createdIn(from, until)},
		{"empty span", request{CreatedAtOrAfter: from, CreatedBefore: from},
			func(*feedbackv1.Feedback) bool { return false }},
		{"all filters", request{
			Ratings: []feedbackv1.Rating{up, down}, CommentFilter: hasComment(true),
			MessageId: "m-2", CreatedAtOrAfter: from, CreatedBefore: until,
		}, func(f *feedbackv1.Feedback) bool {
			return f.Rating != none && f.Comment != "" && f.MessageId == "m-2" &&
				createdIn(from, until)(f)
		}},
	}
	for index := range filters {
		filter := &filters[index]
		filter.request.SessionId = session
		want := selected(added, filter.matches)
		t.expectList(filter.what, want, &filter.request)
		filter.request.NewestFirst = true
		t.expectList(filter.what+", newest first", reversed(want), &filter.request)
	}
}

func (t *tester) listByPages() {
	session := newSession("pages")
	added := t.addVaried(session)
	for pageSize := int32(1); pageSize <= int32(len(added))+1; pageSize++ {
		for _, newestFirst := range []bool{false, true} {
			want := added
			if newestFirst {
				want = reversed(added)
			}
			t.expectPages(want, &feedbackv1.ListFeedbacksRequest{
				SessionId:   session,
				PageSize:    pageSize,
				NewestFirst: newestFirst,
			})
		}
	}
	t.expectPages(selected(added, withRating(up)), &feedbackv1.ListFeedbacksRequest{
		SessionId: session,
		PageSize:  2,
		Ratings:   []feedbackv1.Rating{up},
	})
	t.changePageSize(session, added)
}

// expectPages checks every page by itself: its size, its content, and that the last has no token.
func (t *tester) expectPages(
	want []*feedbackv1.Feedback, request *feedbackv1.ListFeedbacksRequest,
) {
	size := int(request.PageSize)
	for start := 0; start < len(want); start += size {
		what := fmt.Sprintf("page of %d from %d, newest first %v", size, start, request.NewestFirst)
		page := must(t, t.feedback.ListFeedbacks, request)
		end := start + size
		if end >= len(want) {
			end = len(want)
			t.expect(what+": next_page_token", "", page.NextPageToken)
		} else if page.NextPageToken == "" {
			t.stop(what+": next_page_token", "a token", "none")
		}
		t.expect(what, &feedbackv1.ListFeedbacksResponse{
			Feedbacks:     want[start:end],
			NextPageToken: page.NextPageToken,
			TotalSize:     int64(len(want)),
		}, page)
		request.PageToken = page.NextPageToken
	}
}

// changePageSize continues with another page size: only the filters belong to the token.
func (t *tester) changePageSize(session string, added []*feedbackv1.Feedback) {
	request := &feedbackv1.ListFeedbacksRequest{SessionId: session, PageSize: 2}
	request.PageToken = must(t, t.feedback.ListFeedbacks, request).NextPageToken
	request.PageSize = 1000
	t.expect("rest after a page of 2", &feedbackv1.ListFeedbacksResponse{
		Feedbacks: added[2:],
		TotalSize: int64(len(added)),
	}, must(t, t.feedback.ListFeedbacks, request))
}

func (t *tester) listDefaultPageSize() {
	const count, pageSizeDefault = 105, 100
	session := newSession("default-page")
	var added []*feedbackv1.Feedback
	for index := 0; index < count; index++ {
		added = append(added, t.add(&feedbackv1.AddFeedbackRequest{
			SessionId: session,
			Comment:   fmt.Sprint("comment ", index),
		}))
	}
	first := must(t, t.feedback.ListFeedbacks, &feedbackv1.ListFeedbacksRequest{SessionId: session})
	t.expect("size of the first page", pageSizeDefault, len(first.Feedbacks))
	t.expectList("page of 1000", added,
		&feedbackv1.ListFeedbacksRequest{SessionId: session, PageSize: 1000})

	all, err := listAll(t.client, &feedbackv1.ListFeedbacksRequest{SessionId: session})
	if err != nil {
		t.stop("pages", "the list", err)
	}
	t.expect("all pages", &feedbackv1.ListFeedbacksResponse{Feedbacks: added},
		&feedbackv1.ListFeedbacksResponse{Feedbacks: all})
}

func (t *tester) listEverySession() {
	// Only the message_id excludes the feedback of others.
	message := newSession("message")
	var added []*feedbackv1.Feedback
	for _, purpose := range []string{"every-1", "every-2", "every-3"} {
		added = append(added, t.add(&feedbackv1.AddFeedbackRequest{
			SessionId: newSession(purpose),
			MessageId: message,
		}))
	}
	t.expectList("three sessions", added, &feedbackv1.ListFeedbacksRequest{MessageId: message})
	t.expectPages(reversed(added), &feedbackv1.ListFeedbacksRequest{
		MessageId:   message,
		PageSize:    2,
		NewestFirst: true,
	})
}

func hasComment(value bool) *feedbackv1.ListFeedbacksRequest_HasComment {
	return &feedbackv1.ListFeedbacksRequest_HasComment{HasComment: value}
}

func withRating(rating feedbackv1.Rating) func(*feedbackv1.Feedback) bool {
	return func(f *feedbackv1.Feedback) bool { return f.Rating == rating }
}

// createdIn compares the times of creation that the server returned, so that it is right even if
// several feedbacks were created in one millisecond.
func createdIn(from, until *types.Timestamp) func(*feedbackv1.Feedback) bool {
	return func(f *feedbackv1.Feedback) bool {
		return (from == nil || f.CreatedAt.Compare(from) >= 0) &&
			(until == nil || f.CreatedAt.Compare(until) < 0)
	}
}

func selected(
	feedbacks []*feedbackv1.Feedback, matches func(*feedbackv1.Feedback) bool,
) []*feedbackv1.Feedback {
	var result []*feedbackv1.Feedback
	for _, feedback := range feedbacks {
		if matches(feedback) {
			result = append(result, feedback)
		}
	}
	return result
}

func reversed(feedbacks []*feedbackv1.Feedback) []*feedbackv1.Feedback {
	result := make([]*feedbackv1.Feedback, len(feedbacks))
	for index, feedback := range feedbacks {
		result[len(feedbacks)-1-index] = feedback
	}
	return result
}
