package receiver

import "sync/atomic"

// Stats counts what a [Handler] has done since it was made.
type Stats struct {
	Requests int64 // all that were answered, or would have been
	Refused  int64 // with a status of 400 to 499, but not for their lines alone
	PutOff   int64 // with 503

	Batches    int64 // handed over
	Duplicates int64 // batches dropped, since they were handed over before
	Conflicts  int64 // batches under a Webhook-Id that stood for another body

	Lines          int64 // handed over
	Rejected       int64 // lines
	DuplicateLines int64 // dropped

	WireBytes int64 // of bodies as they were sent
	Bytes     int64 // of bodies, decompressed

	WindowErrors int64 // requests for which the Window failed
}

// Stats returns the counts as they are now. Each is exact, but they are not
// read at one moment.
func (h *Handler) Stats() Stats {
	c := &h.stats
	return Stats{
		Requests:       c.requests.Load(),
		Refused:        c.refused.Load(),
		PutOff:         c.putOff.Load(),
		Batches:        c.batches.Load(),
		Duplicates:     c.duplicates.Load(),
		Conflicts:      c.conflicts.Load(),
		Lines:          c.lines.Load(),
		Rejected:       c.rejected.Load(),
		DuplicateLines: c.duplicateLines.Load(),
		WireBytes:      c.wireBytes.Load(),
		Bytes:          c.bytes.Load(),
		WindowErrors:   c.windowErrors.Load(),
	}
}

type counters struct {
	requests, refused, putOff       atomic.Int64
	batches, duplicates, conflicts  atomic.Int64
	lines, rejected, duplicateLines atomic.Int64
	wireBytes, bytes, windowErrors  atomic.Int64
}

func (c *counters) add(r *Result) {
	c.requests.Add(1)
	switch {
	case r.HandedOver:
		c.batches.Add(1)
	case r.Duplicate:
		c.duplicates.Add(1)
	case r.Status >= 500:
		c.putOff.Add(1)
	default:
		c.refused.Add(1)
	}
	if r.Conflict {
		c.conflicts.Add(1)
	}
	if r.WindowErr != nil {
		c.windowErrors.Add(1)
	}
	c.lines.Add(int64(r.Lines))
	c.rejected.Add(int64(r.Rejected))
	c.duplicateLines.Add(int64(r.DuplicateLines))
	c.wireBytes.Add(r.WireBytes)
	c.bytes.Add(r.Bytes)
}
