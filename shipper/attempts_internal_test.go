package shipper

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAttemptsStored(t *testing.T) {
	t.Parallel()
	p := newProgress("created")
	p.Attempts = []Attempt{
		{Time: time.Unix(1_750_000_000, 123).UTC(), Duration: time.Second, Code: 200, Events: 500, Bytes: 1 << 20, Batch: "id"},
		{Time: time.Unix(-1, 0).UTC(), Duration: -1, Reason: "a line\nbreak"},
	}
	got, err := parseProgress("id", p.encode())
	require.NoError(t, err)
	require.Equal(t, p, got)

	p.Attempts = p.Attempts[:1]
	whole := p.encode()
	head := len(whole) - len(appendAttempts(nil, p.Attempts))
	for cut := head + 1; cut < len(whole); cut++ {
		_, err := parseProgress("id", whole[:cut])
		require.ErrorContains(t, err, "delivery log is malformed", "%d bytes", cut)
	}
	_, err = parseProgress("id", []byte(`{"version":9}`))
	require.ErrorContains(t, err, "version 9")
	_, err = parseProgress("id", []byte(`{`))
	require.ErrorContains(t, err, "malformed")
}
