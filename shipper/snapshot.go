package shipper

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/seed-6bcf82c5/auditlog/delivery"
)

// Snapshot is the Shipper's figures at a moment. Counts begin when the Shipper
// is made; what waits is that of the store.
type Snapshot struct {
	Time time.Time // of the snapshot, by Config.Clock

	Queued  Backlog // of all webhooks; a replay job under way counts as an event
	Serving int     // webhooks that are being served
	Held    int     // webhooks whose endpoints take nothing, as far as this process has tried them
	Blocked int64   // calls of Record that wait for room

	Recorded       int64 // events
	RecordedBytes  int64
	Delivered      int64 // events
	DeliveredBytes int64 // before compression
	DeadLettered   int64 // events
	Lost           int64 // events, told by gap events
	Skipped        int64 // events, by Config.ResumeFromNow
	Replayed       int64 // events, by replay jobs

	// Attempts by what became of them.
	Attempts Attempts
}

// Attempts counts attempts by class.
type Attempts struct {
	OK          int64 // 2xx
	TooMany     int64 // 429
	ClientError int64 // other 4xx
	ServerError int64 // 5xx
	Other       int64 // 1xx and 3xx
	NoAnswer    int64
}

// totals is the counts of a Snapshot.
type totals struct {
	recordedEvents, recordedBytes, delivered, deliveredBytes atomic.Int64
	deadLettered, lost, skipped, replayed, blocked           atomic.Int64
	ok, tooMany, clientError, serverError, other, noAnswer   atomic.Int64
}

func (t *totals) recorded(events, bytes int) {
	t.recordedEvents.Add(int64(events))
	t.recordedBytes.Add(int64(bytes))
}

func (t *totals) attempt(a delivery.Attempt) {
	const tooMany = 429
	switch code := a.Status; {
	case code == 0:
		t.noAnswer.Add(1)
	case a.OK():
		t.ok.Add(1)
	case code == tooMany:
		t.tooMany.Add(1)
	case code >= 500:
		t.serverError.Add(1)
	case code >= 400:
		t.clientError.Add(1)
	default:
		t.other.Add(1)
	}
}

// Snapshot returns the Shipper's figures.
func (s *Shipper) Snapshot(ctx context.Context) (Snapshot, error) {
	queued, err := s.store.Total(ctx)
	if err != nil {
		return Snapshot{}, err
	}
	s.mu.Lock()
	serving := len(s.active)
	s.mu.Unlock()
	t := &s.totals
	return Snapshot{
		Time:   s.cfg.Clock.Now(),
		Queued: queued, Serving: serving, Held: s.countHeld(), Blocked: t.blocked.Load(),
		Recorded: t.recordedEvents.Load(), RecordedBytes: t.recordedBytes.Load(),
		Delivered: t.delivered.Load(), DeliveredBytes: t.deliveredBytes.Load(),
		DeadLettered: t.deadLettered.Load(), Lost: t.lost.Load(), Skipped: t.skipped.Load(), Replayed: t.replayed.Load(),
		Attempts: Attempts{
			OK: t.ok.Load(), TooMany: t.tooMany.Load(), ClientError: t.clientError.Load(),
			ServerError: t.serverError.Load(), Other: t.other.Load(), NoAnswer: t.noAnswer.Load(),
		},
	}, nil
}
