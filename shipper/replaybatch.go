package shipper

import (
	"context"
	"errors"
	"iter"

	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// count finds out what the job is about, and sets it running. It tells whether it
// came to that.
func (r *replay) count(ctx context.Context) (bool, error) {
	r.job.Status = webhook.JobPending
	if err := r.s.putReplay(ctx, r.id, r.job); err != nil {
		return false, err
	}
	r.job.Next, r.job.End, r.job.Total = store.Position{}, store.Position{}, 0
	for e, err := range r.s.store.Read(ctx, r.id, store.From{Time: r.job.StartAt}) {
		if errors.Is(err, store.ErrDamaged) {
			continue // what cannot be read is not sent
		}
		if err != nil {
			return false, err
		}
		if e.Time.After(r.job.EndAt) {
			break
		}
		if r.job.Total == 0 {
			r.job.Next = e.Position
		}
		r.job.Total++
		r.job.End = after(e.Position)
		if r.stopped() {
			return false, nil
		}
	}
	r.job.Status = webhook.JobRunning
	return true, r.s.putReplay(ctx, r.id, r.job)
}

// after is the place behind an event.
func after(p store.Position) store.Position { return store.Position{Seq: p.Seq, Index: p.Index + 1} }

// batch returns the job's next batch, which is frozen then: without events if
// there is none.
func (r *replay) batch(ctx context.Context) (store.Batch, error) {
	for {
		if len(r.job.Batches) == 0 {
			if err := r.advance(ctx, 0); err != nil || len(r.job.Batches) == 0 {
				return store.Batch{}, err
			}
		}
		first := r.job.Batches[0]
		n := 0
		for {
			more, err := r.read(ctx, n)
			if err != nil {
				return store.Batch{}, err
			}
			if !more || r.buffer[n].Position.Compare(first.End) >= 0 {
				break
			}
			n++
		}
		if n > 0 {
			return store.Batch{ID: first.ID, Events: r.buffer[:n]}, nil
		}
		// Retention, or damage, has taken all of it.
		if err := r.advance(ctx, 0); err != nil {
			return store.Batch{}, err
		}
	}
}

// advance passes over the first batch, if there is one, of which n events are
// in the buffer, and freezes the next one.
func (r *replay) advance(ctx context.Context, n int) error {
	if len(r.job.Batches) > 0 {
		r.job.Next = r.job.Batches[0].End
		r.job.Batches = r.job.Batches[1:]
		r.buffer = r.buffer[n:]
	}
	if len(r.job.Batches) == 0 {
		if err := r.cut(ctx); err != nil {
			return err
		}
	}
	return r.s.putReplay(ctx, r.id, r.job)
}

// cut makes the next batch, as long as the limits allow, if there is anything to
// send.
func (r *replay) cut(ctx context.Context) error {
	n, bytes := 0, 0
	for n < r.s.cfg.Batch.Events {
		more, err := r.read(ctx, n)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		size := len(r.buffer[n].Data)
		if n > 0 && bytes+size > r.s.cfg.Batch.Bytes {
			break
		}
		bytes += size
		n++
	}
	if n > 0 {
		r.job.Batches = []replayBatch{{ID: delivery.NewID(), End: after(r.buffer[n-1].Position)}}
	}
	return nil
}

// read makes sure that the buffer has an event n, and tells whether it does.
func (r *replay) read(ctx context.Context, n int) (bool, error) {
	if r.next == nil {
		r.next, r.stop = iter.Pull2(r.s.store.Read(ctx, r.id, store.From{Position: r.job.Next}))
	}
	for n >= len(r.buffer) {
		e, err, ok := r.next()
		switch {
		case errors.Is(err, store.ErrDamaged):
		case err != nil:
			return false, err
		case !ok || e.Position.Compare(r.job.End) >= 0:
			return false, nil
		default:
			r.buffer = append(r.buffer, e)
		}
	}
	return true, nil
}

// split replaces the first batch, of n events, by its halves.
func (r *replay) split(ctx context.Context, n int) error {
	half := r.buffer[(n-1)/2]
	first := replayBatch{ID: delivery.NewID(), End: after(half.Position)}
	second := replayBatch{ID: delivery.NewID(), End: r.job.Batches[0].End}
	r.job.Batches = append([]replayBatch{first, second}, r.job.Batches[1:]...)
	return r.s.putReplay(ctx, r.id, r.job)
}
