package shipper

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/cef"
)

func storedEvents() []auditlog.Event {
	full := auditlog.Event{Attributes: []auditlog.Attribute{
		auditlog.String("s", "text"), auditlog.String("empty", ""), auditlog.Int("i", -1<<63), auditlog.Int("zero", 0),
		auditlog.Bool("t", true), auditlog.Bool("f", false), auditlog.Number("n", "1.50e9"),
	}}
	full.Header = cef.Header{
		Time: time.Unix(1_750_000_000, 123456789).UTC(), Host: "host", Prefix: "Apr 14 05:39:08 host ", CEFVersion: 1,
		Vendor: "v", Product: "p", Version: "1", ClassID: "c", Name: "n|\n", Severity: cef.SeverityUnknown,
	}
	early := auditlog.Event{}
	early.Time = time.Unix(-62135596800+1, 0).UTC()
	return []auditlog.Event{{}, full, early}
}

func TestEventStored(t *testing.T) {
	t.Parallel()
	for _, want := range storedEvents() {
		data := appendEvent(nil, &want)
		var got auditlog.Event
		require.NoError(t, parseEvent(&got, data, string(data)))
		if len(got.Attributes) == 0 {
			got.Attributes = want.Attributes
		}
		require.Empty(t, cmp.Diff(want, got))
		for cut := range data {
			require.Error(t, parseEvent(&got, data[:cut], string(data[:cut])), "%d bytes", cut)
		}
		longer := append(slices.Clone(data), 0)
		require.Error(t, parseEvent(&got, longer, string(longer)))
	}
	require.ErrorContains(t, parseEvent(new(auditlog.Event), []byte{2, 0, 0}, "\x02\x00\x00"), "version 2")
}

// No bytes make reading panic, and what can be read is written as it was.
func FuzzStoredEvent(f *testing.F) {
	for _, e := range storedEvents() {
		f.Add(appendEvent(nil, &e))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var e, again auditlog.Event
		if parseEvent(&e, data, string(data)) != nil {
			return
		}
		written := appendEvent(nil, &e)
		require.NoError(t, parseEvent(&again, written, string(written)))
		require.Empty(t, cmp.Diff(e, again))
	})
}
