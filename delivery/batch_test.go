package delivery_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/delivery"
)

func TestBatchBodies(t *testing.T) {
	t.Parallel()

	tests := []struct {
		name, body string
		sent       string // empty: refused
		events     int
	}{
		{"one line", "one", "one", 1},
		{"several", "one\ntwo\nthree", "one\ntwo\nthree", 3},
		{"a line break after the last", "one\ntwo\n", "one\ntwo", 2},
		{"other line breaks are content", "one\r\ntwo\rthree", "one\r\ntwo\rthree", 2},
		{"empty", "", "", 0},
		{"a line break alone", "\n", "", 0},
		{"two line breaks after the last", "one\n\n", "", 0},
		{"an empty line first", "\none", "", 0},
		{"an empty line between", "one\n\ntwo", "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			receiver := newReceiver(t, status(200))
			body := []byte(tt.body)
			result, err := newDeliverer(t, receiver.config()).Deliver(t.Context(), delivery.Batch{Body: body})
			require.Equal(t, tt.body, string(body))
			if tt.sent == "" {
				require.False(t, failure(t, err, delivery.ReasonInvalid).Retryable)
				require.ErrorContains(t, err, "empty")
				require.Empty(t, receiver.received())
				require.Empty(t, result.Attempts)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.sent, receiver.received()[0].body(t))
			require.Equal(t, tt.events, result.Events)
			require.Equal(t, len(tt.sent), result.Bytes)
		})
	}
}

func TestBatchIDs(t *testing.T) {
	t.Parallel()

	receiver := newReceiver(t, status(200))
	deliverer := newDeliverer(t, receiver.config())
	for name, id := range map[string]string{
		"a space": "a b", "a line break": "a\r\nb", "not ASCII": "é", "delete": "\x7f", "too long": strings.Repeat("x", 257),
	} {
		result, err := deliverer.Deliver(t.Context(), delivery.Batch{ID: id, Body: batch.Body})
		failure(t, err, delivery.ReasonInvalid)
		require.Empty(t, result.BatchID, name)
		require.NotContains(t, err.Error(), id, name)
	}
	require.Empty(t, receiver.received())

	for _, id := range []string{"x", "!~", strings.Repeat("x", 256)} {
		result, err := deliverer.Deliver(t.Context(), delivery.Batch{ID: id, Body: batch.Body})
		require.NoError(t, err)
		require.Equal(t, id, result.BatchID)
	}

	seen := map[string]bool{}
	for range 100 {
		result, err := deliverer.Deliver(t.Context(), delivery.Batch{Body: batch.Body})
		require.NoError(t, err)
		seen[result.BatchID] = true
		// 26 characters of 32 are 130 bits, more than a random UUID has.
		require.Regexp(t, `^[A-Z2-7]{26}$`, result.BatchID)
	}
	require.Len(t, seen, 100)
	requests := receiver.received()
	require.True(t, seen[requests[len(requests)-1].header.Get("Webhook-Id")])
}

func lines(all ...string) [][]byte {
	var lines [][]byte
	for _, line := range all {
		lines = append(lines, []byte(line))
	}
	return lines
}

func TestBatches(t *testing.T) {
	t.Parallel()

	many := make([]string, 1001)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	mega := strings.Repeat("x", 999_999)
	tests := []struct {
		name   string
		lines  []string
		limits delivery.Limits
		want   []string // bodies, or "error: …"
	}{
		{"nothing", nil, delivery.Limits{}, nil},
		{"one", []string{"a"}, delivery.Limits{}, []string{"a"}},
		{"a few", []string{"a", "b", "c"}, delivery.Limits{}, []string{"a\nb\nc"}},
		{"by events", []string{"a", "b", "c"}, delivery.Limits{Events: 2}, []string{"a\nb", "c"}},
		{"by events, exactly", []string{"a", "b"}, delivery.Limits{Events: 2}, []string{"a\nb"}},
		{"by bytes", []string{"aa", "bb", "cc"}, delivery.Limits{Bytes: 7}, []string{"aa\nbb", "cc"}},
		{"by bytes, exactly", []string{"aa", "bb", "cc"}, delivery.Limits{Bytes: 8}, []string{"aa\nbb\ncc"}},
		{"too long a line", []string{"a", "bbbb", "c", "d"}, delivery.Limits{Bytes: 3}, []string{"a", "bbbb", "c\nd"}},
		{"500 by default", many, delivery.Limits{}, []string{
			strings.Join(many[:500], "\n"), strings.Join(many[500:1000], "\n"), "1000",
		}},
		{"1 000 000 bytes by default", []string{mega, "a", "b"}, delivery.Limits{}, []string{mega, "a\nb"}},
		{
			"bad lines",
			[]string{"a", "", "b\n", "c", "\rd", "e\r\nf"},
			delivery.Limits{},
			[]string{
				"error: delivery: line 1 is empty or has a line break in it",
				"error: delivery: line 2 is empty or has a line break in it",
				"error: delivery: line 4 is empty or has a line break in it",
				"error: delivery: line 5 is empty or has a line break in it",
				"a\nc",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			batches := delivery.Batches(slices.Values(lines(tt.lines...)), tt.limits)
			for range 2 { // ranging twice gives the same twice
				var got []string
				for b, err := range batches {
					if err != nil {
						require.Zero(t, b)
						got = append(got, "error: "+err.Error())
						continue
					}
					require.Len(t, b.ID, 26)
					got = append(got, string(b.Body))
				}
				require.Equal(t, tt.want, got)
			}
		})
	}
}

// Batches stops when its user does, keeps nothing of the lines, and shares no
// memory between batches.
func TestBatchesIsolation(t *testing.T) {
	t.Parallel()

	var line []byte
	taken := 0
	reuse := func(yield func([]byte) bool) {
		for _, s := range []string{"aa", "bb", "cc", "dd", "", "ff", "gg", "hh"} {
			line = append(line[:0], s...)
			taken++
			if !yield(line) {
				return
			}
		}
	}
	var kept []string
	var first delivery.Batch
	for b, err := range delivery.Batches(reuse, delivery.Limits{Events: 2}) {
		if err == nil {
			kept = append(kept, string(b.Body))
		}
		if err == nil && len(kept) == 1 {
			first = b
		}
		if len(kept) == 2 {
			break
		}
	}
	require.Equal(t, []string{"aa\nbb", "cc\ndd"}, kept)
	require.Equal(t, "aa\nbb", string(first.Body))
	require.Equal(t, 6, taken, "not one more than was needed")

	for _, err := range delivery.Batches(reuse, delivery.Limits{Events: 9}) {
		require.Error(t, err)
		break
	}
	require.Equal(t, 6+5, taken)
}
