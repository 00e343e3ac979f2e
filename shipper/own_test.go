package shipper_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// In JSON the severity of a gap event is a number, as that of all events, or a
// receiver that has taken it for one refuses the evidence.
func TestGapEventInJSON(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, nil))
		s.update(webhook.Patch{Enabled: webhook.Set(false), LogFormat: webhook.Set(webhook.JSON)})
		s.record("1", "2")
		pass(9 * 24 * time.Hour)
		s.update(webhook.Patch{Enabled: webhook.Set(true)})
		pass(time.Minute)
		require.Equal(t, []string{shipper.GapClass}, s.endpoint.names())
		line := s.endpoint.received()[0].lines[0]
		require.Contains(t, line, `"severity":10,`)
		require.Contains(t, line, `"cnt":2,`)
		require.Contains(t, line, `"reason":"expired"`)
	})
}
