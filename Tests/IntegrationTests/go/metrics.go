package main

import (
	"sort"
	"time"
	"unicode/utf8"

	"github.com/gogo/protobuf/types"

	feedbackv1 "feedbackd/feedback/v1"
)

func runMetrics(t *tester) {
	t.step("metrics", t.measureSession)
	t.step("metrics by session", t.groupBySession)
	t.step("metrics by metadata", t.groupByMetadata)
	t.step("metrics by hour and day", t.groupByTime)
}

// measured computes metrics from feedbacks, as the API defines them.
func measured(feedbacks []*feedbackv1.Feedback) *feedbackv1.Metrics {
	m := &feedbackv1.Metrics{}
	length := 0
	for _, feedback := range feedbacks {
		m.Total++
		switch feedback.Rating {
		case up:
			m.Positive++
		case down:
			m.Negative++
		default:
			m.Neutral++
		}
		length += utf8.RuneCountInString(feedback.Comment)
	}
	if m.Total > 0 {
		m.AverageCommentLength = float64(length) / float64(m.Total)
		m.SatisfactionRate = 100 * float64(m.Positive) / float64(m.Total)
	}
	if rated := m.Positive + m.Negative; rated > 0 {
		m.ApprovalRate = 100 * float64(m.Positive) / float64(rated)
	}
	return m
}

func (t *tester) expectMetrics(what string, want, got *feedbackv1.Metrics) {
	if got == nil {
		t.stop(what, want, "none")
	}
	t.expect(what+": total", want.Total, got.Total)
	t.expect(what+": positive", want.Positive, got.Positive)
	t.expect(what+": negative", want.Negative, got.Negative)
	t.expect(what+": neutral", want.Neutral, got.Neutral)
	t.expectNear(what+": average_comment_length",
		want.AverageCommentLength, got.AverageCommentLength)
	t.expectNear(what+": satisfaction_rate", want.SatisfactionRate, got.SatisfactionRate)
	t.expectNear(what+": approval_rate", want.ApprovalRate, got.ApprovalRate)
}

// expectGroups checks a session's groups: all of them, in the order of their keys.
func (t *tester) expectGroups(
	what string, want map[string][]*feedbackv1.Feedback, got []*feedbackv1.MetricsGroup,
) {
	var keys []string
	for key := range want {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	var gotKeys []string
	for _, group := range got {
		gotKeys = append(gotKeys, group.Key)
		t.expectMetrics(what+": group "+group.Key, measured(want[group.Key]), group.Metrics)
	}
	t.expect(what+": keys", keys, gotKeys)
}

// addRated stores feedbacks whose rates are no round numbers and whose comments have more bytes
// than code points, and more code points than graphemes.
func (t *tester) addRated(session string) []*feedbackv1.Feedback {
	drafts := []struct {
		rating  feedbackv1.Rating
		comment string
	}{
		{up, "good"}, {up, "größer 👩‍👩‍👧"}, {down, "e\u0301e\u0301"}, {none, "so so"},
		{up, ""}, {down, "no"}, {none, ""},
	}
	var added []*feedbackv1.Feedback
	for _, draft := range drafts {
		added = append(added, t.add(&feedbackv1.AddFeedbackRequest{
			SessionId: session,
			Rating:    draft.rating,
			Comment:   draft.comment,
		}))
		// The pause spreads the feedbacks over milliseconds of created_at, as in addVaried.
		time.Sleep(2 * time.Millisecond)
	}
	return added
}

func (t *tester) measureSession() {
	session := newSession("metrics")
	added := t.addRated(session)
	from, until := added[1].CreatedAt, added[5].CreatedAt
	spans := []struct {
		what        string
		from, until *types.Timestamp
	}{
		{"always", nil, nil}, {"from", from, nil}, {"until", nil, until},
		{"from and until", from, until}, {"empty span", from, from},
	}
	for _, span := range spans {
		reply := must(t, t.feedback.GetMetrics, &feedbackv1.GetMetricsRequest{
			SessionId:        session,
			CreatedAtOrAfter: span.from,
			CreatedBefore:    span.until,
		})
		want := measured(selected(added, createdIn(span.from, span.until)))
		t.expectMetrics(span.what, want, reply.Metrics)
		t.expect(span.what+": groups", 0, len(reply.Groups))
	}
}

func (t *tester) groupBySession() {
	first, second := newSession("by-session-1"), newSession("by-session-2")
	inFirst, inSecond := t.addRated(first), t.addVaried(second)

	reply := must(t, t.feedback.GetMetrics, &feedbackv1.GetMetricsRequest{
		SessionId: first,
		GroupBy:   feedbackv1.GroupBy_GROUP_BY_SESSION,
	})
	t.expectMetrics("one session", measured(inFirst), reply.Metrics)
	t.expectGroups("one session",
		map[string][]*feedbackv1.Feedback{first: inFirst}, reply.Groups)

	groups := t.measureEverySession(&feedbackv1.GetMetricsRequest{
		CreatedAtOrAfter: inFirst[0].CreatedAt,
		GroupBy:          feedbackv1.GroupBy_GROUP_BY_SESSION,
	})
	t.expectMetrics("every session: first", measured(inFirst), groups[first])
	t.expectMetrics("every session: second", measured(inSecond), groups[second])
}

// measureEverySession asks across sessions. Others may store at the same time: what can be said of
// the whole is that it is the sum of its parts, and that they are in order.
func (t *tester) measureEverySession(
	request *feedbackv1.GetMetricsRequest,
) map[string]*feedbackv1.Metrics {
	reply := must(t, t.feedback.GetMetrics, request)
	if reply.Metrics == nil {
		t.stop("metrics", "metrics", "none")
	}
	groups := map[string]*feedbackv1.Metrics{}
	var total, positive, negative, neutral int64
	former := ""
	for index, group := range reply.Groups {
		if group.Metrics == nil || group.Metrics.Total == 0 {
			t.stop("group "+group.Key, "metrics of some feedback", group.Metrics)
		}
		if index > 0 && group.Key <= former {
			t.fail("key after "+former, "a greater one", group.Key)
		}
		former = group.Key
		groups[group.Key] = group.Metrics
		total += group.Metrics.Total
		positive += group.Metrics.Positive
		negative += group.Metrics.Negative
		neutral += group.Metrics.Neutral
	}
	t.expect("sum of the groups' total", reply.Metrics.Total, total)
	t.expect("sum of the groups' positive", reply.Metrics.Positive, positive)
	t.expect("sum of the groups' negative", reply.Metrics.Negative, negative)
	t.expect("sum of the groups' neutral", reply.Metrics.Neutral, neutral)
	return groups
}

// groupByMetadata has two sessions with the same value, and one for each kind of JSON value. The
// key is of this run only, so that no other session has it.
func (t *tester) groupByMetadata() {
	key := "variant-" + randomSuffix()
	values := []struct {
		group string
		value any
	}{
		{"a", "a"}, {"a", "a"}, {"ä 1", "ä 1"}, {"3", 3.0}, {"0.5", 0.5}, {"true", true},
		{"null", nil}, {`[1,"z"]`, []any{1.0, "z"}},
		{`{"b":1,"c":{"d":false}}`, map[string]any{"c": map[string]any{"d": false}, "b": 1.0}},
	}
	want := map[string][]*feedbackv1.Feedback{}
	var from *types.Timestamp
	for _, entry := range values {
		session := newSession("by-metadata")
		t.updateMetadata(session, map[string]any{key: entry.value})
		added := t.addRated(session)
		want[entry.group] = append(want[entry.group], added...)
		if from == nil {
			from = added[0].CreatedAt
		}
		reply := must(t, t.feedback.GetMetrics, &feedbackv1.GetMetricsRequest{
			SessionId:   session,
			GroupBy:     feedbackv1.GroupBy_GROUP_BY_METADATA,
			MetadataKey: key,
		})
		t.expectMetrics("one session", measured(added), reply.Metrics)
		t.expectGroups("one session",
			map[string][]*feedbackv1.Feedback{entry.group: added}, reply.Groups)
	}
	without := newSession("by-metadata-without")
	outside := t.addRated(without)

	groups := t.measureEverySession(&feedbackv1.GetMetricsRequest{
		CreatedAtOrAfter: from,
		GroupBy:          feedbackv1.GroupBy_GROUP_BY_METADATA,
		MetadataKey:      key,
	})
	for group, feedbacks := range want {
		t.expectMetrics("every session: group "+group, measured(feedbacks), groups[group])
	}
	if rest := groups[""]; rest == nil || rest.Total < int64(len(outside)) {
		t.fail("group of sessions without the key", "at least their own feedback", rest)
	}
}

func (t *tester) groupByTime() {
	session := newSession("by-time")
	added := t.addRated(session)
	groupings := map[feedbackv1.GroupBy]string{
		feedbackv1.GroupBy_GROUP_BY_HOUR: "2006-01-02T15:00:00Z",
		feedbackv1.GroupBy_GROUP_BY_DAY:  "2006-01-02",
	}
	for grouping, layout := range groupings {
		want := map[string][]*feedbackv1.Feedback{}
		for _, feedback := range added {
			key := time.Unix(feedback.CreatedAt.Seconds, 0).UTC().Format(layout)
			want[key] = append(want[key], feedback)
		}
		reply := must(t, t.feedback.GetMetrics,
			&feedbackv1.GetMetricsRequest{SessionId: session, GroupBy: grouping})
		t.expectMetrics(grouping.String(), measured(added), reply.Metrics)
		t.expectGroups(grouping.String(), want, reply.Groups)
	}
}
