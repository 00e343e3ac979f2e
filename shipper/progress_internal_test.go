package shipper

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/store"
)

// However much an endpoint says about each of very many refusals, the status
// can be stored, and is read again as it was.
func TestProgressFits(t *testing.T) {
	t.Parallel()
	for name, snippet := range map[string]string{
		"markup":      strings.Repeat("<&>", 85),
		"quotes":      strings.Repeat(`"\`, 128),
		"wide":        strings.Repeat("\U0001f600", 256),
		"separators":  strings.Repeat("\u2028\u2029", 128),
		"not UTF-8":   strings.Repeat("\xff", 256),
		"a long list": strings.Repeat("name.example, ", 10000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := time.Date(2026, 1, 2, 3, 4, 5, 678901234, time.UTC)
			w := &session{s: &Shipper{}}
			w.progress = newProgress(delivery.NewID())
			st := &stored{change: delivery.NewID()}
			for i := range 2 * maxSuspects {
				o := &outcome{
					f: &flight{batch: store.Batch{ID: delivery.NewID(), Events: []store.Event{
						{Position: store.Position{Seq: 1<<60 + uint64(i), Index: 9999}},
					}}},
					result: delivery.Result{BatchID: delivery.NewID(), Attempts: []delivery.Attempt{
						{Time: now, Duration: time.Hour, Status: 422, Snippet: snippet},
					}},
				}
				w.progress.attempt(o.result)
				w.suspect(st, o)
			}
			require.Len(t, w.progress.Suspects, maxSuspects)
			require.Len(t, w.progress.Attempts, MaxAttempts)
			w.progress.Hold = &hold{Since: now, Until: now, Interval: time.Hour, Change: st.change, Reason: clip(snippet, maxReason)}
			w.progress.Skipped = now

			data := w.encoded()
			require.Less(t, len(data), store.MaxDocument)
			got, err := parseProgress("id", data)
			require.NoError(t, err)
			if utf8.ValidString(snippet) {
				require.Empty(t, cmp.Diff(w.progress, got, cmpopts.IgnoreUnexported(suspect{})))
			}
		})
	}
}

// Trials double with the suspects, within bounds, and there is always one for an
// event that is none.
func TestTrials(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]int{0: 2, 1: 2, 2: 2, 3: 3, 64: 64, 128: 128, 129: 128, 990: 10, 999: 2, 1000: 2, maxSuspects: 2} {
		p := progress{Suspects: make([]suspect, n)}
		require.True(t, p.try())
		require.Equal(t, want, p.Trials, n)
		require.False(t, p.try())
	}
}

func TestClip(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		n          int
		want       string
	}{
		{"short", "abc", 3, "abc"},
		{"long", "abcd", 3, "abc…"},
		{"inside a character", "aあb", 3, "a…"},
		{"before a character", "aあb", 4, "aあ…"},
		{"no UTF-8", "\x80\x80\x80", 2, "…"},
		{"empty", "", 0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, clip(tt.text, tt.n))
		})
	}
}

// A stored status of another version, or one that is none, is an error that
// names the webhook.
func TestParseProgressErrors(t *testing.T) {
	t.Parallel()
	for _, data := range []string{"", "\n", "{", `{"version":2}`, "{\"version\":1}\n\x80", `{"version":1,"status":7}`} {
		_, err := parseProgress("the-id", []byte(data))
		require.ErrorContains(t, err, `webhook "the-id"`, data)
	}
	p, err := parseProgress("the-id", nil)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(newProgress(""), p))
}
