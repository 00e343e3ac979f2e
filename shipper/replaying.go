package shipper

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const (
	// replayBatches is how many batches a job sends before it is another
	// webhook's turn: more than live events, since each turn has to find its
	// place in the store again.
	replayBatches = 64

	// replayRest is how long a job rests after each batch at most: as long as the
	// batch took. The processor, and the endpoint, are free for live events at
	// least half of the time, where they are what is scarce.
	replayRest = 10 * time.Millisecond

	// maxRefusals is how many events may be refused alone, one after the other,
	// before the endpoint is found to take nothing of the job.
	maxRefusals = 16
)

// replay works on the job of a webhook.
type replay struct {
	s     *Shipper
	claim store.Claim
	id    string
	job   *replayJob

	next   func() (store.Event, error, bool) // reads on; nil before the first read
	stop   func()                            // ends that
	buffer []store.Event                     // from job.Next on

	mu         sync.Mutex
	using      version
	latest     uint64 // revision of the configuration that was seen
	broken     error  // why nothing more is sent
	cancel     context.CancelCauseFunc
	attempting bool
}

var _ worker = (*replay)(nil)

// work sends batches of the job until it is another's turn.
func (r *replay) work(ctx context.Context) (store.Wait, error) {
	wait, err := r.find(ctx)
	if err != nil || r.job == nil {
		return wait, err
	}
	wait, err = r.run(ctx)
	if errors.Is(err, store.ErrConflict) { // it was replaced
		return store.Wait{}, nil
	}
	return wait, err
}

// find finds the webhook's job if it has not ended, whatever name there is, and
// otherwise acknowledges the name. A job is stored after its name: it returns how
// long to wait for one that is to come.
func (r *replay) find(ctx context.Context) (store.Wait, error) {
	for {
		batch, err := r.claim.Batch(ctx, store.Limits{Events: 1, Bytes: store.MaxName})
		if errors.Is(err, store.ErrNoEvents) {
			return store.Wait{}, r.clearGaps(ctx)
		}
		if err != nil {
			return store.Wait{}, err
		}
		job, err := r.s.loadReplay(ctx, r.id)
		if err != nil {
			return store.Wait{}, err
		}
		name := string(batch.Events[0].Data)
		if job.ID != "" && !job.Status.Ended() {
			r.job = job
			r.s.arrived(r.id)
			return store.Wait{}, nil
		}
		if job.ID != name && r.s.awaited(r.id, name) < recently {
			return store.Wait{After: retryStore}, nil
		}
		if err := r.claim.Ack(ctx, batch.ID, nil, store.Limits{}); err != nil {
			return store.Wait{}, err
		}
	}
}

// awaited returns for how long this process has waited for the webhook's job of the
// name. Clocks tell nothing of it: that of the store may be another.
func (s *Shipper) awaited(id, name string) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.awaiting[id]
	if !ok || a.name != name {
		a = awaiting{name, time.Now()}
		s.awaiting[id] = a
	}
	waited := time.Since(a.since)
	if waited >= recently {
		delete(s.awaiting, id)
	}
	return waited
}

// arrived tells awaited that the webhook's job is there.
func (s *Shipper) arrived(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.awaiting, id)
}

// awaiting is the name of a job that is not stored yet.
type awaiting struct {
	name  string
	since time.Time
}

// clearGaps forgets that the name of a job has outlived the retention: so has
// all that the job was about.
func (r *replay) clearGaps(ctx context.Context) error {
	state, err := r.claim.State(ctx)
	for _, gap := range state.Gaps {
		err = errors.Join(err, r.claim.ClearGap(ctx, gap.ID))
	}
	if err != nil || len(state.Gaps) == 0 {
		return err
	}
	job, err := r.s.loadReplay(ctx, r.id)
	if err != nil || job.Status.Ended() || job.Status == webhook.JobUnconfigured {
		return err
	}
	job.Status, job.Reason = webhook.JobFailed, "the job has outlived the retention time"
	return r.s.putReplay(ctx, r.id, job)
}

func (r *replay) run(ctx context.Context) (store.Wait, error) {
	st, err := r.s.configs.get(ctx, r.id)
	if isKeyError(err) {
		return r.hold(ctx, &st, err.Error())
	}
	if err != nil {
		return store.Wait{}, err
	}
	if !r.use(&st) { // it was changed just now
		return store.Wait{}, nil
	}
	if !st.config.Enabled {
		return store.Wait{}, r.end(ctx, webhook.JobFailed, "the webhook was switched off")
	}
	if f := r.job.Failing; f != nil && f.Change != st.change {
		r.job.Failing = nil
	}
	if f := r.job.Failing; f != nil { // it may have been woken for something else
		if left := f.Until.Sub(r.s.cfg.Clock.Now()); left > 0 && left <= f.Interval { // more, if the clock was set back
			return store.Wait{After: left}, nil
		}
	}
	if r.job.Status != webhook.JobRunning {
		if counted, err := r.count(ctx); err != nil || !counted {
			return store.Wait{}, err
		}
	}
	d, err := r.s.deliverers.get(ctx, r.claim.Stream(), r.id, &st)
	if err != nil {
		return r.hold(ctx, &st, err.Error())
	}
	d.probing.Store(r.job.Failing != nil)
	defer func() {
		if r.stop != nil {
			r.stop()
		}
	}()
	for range replayBatches {
		if r.stopped() {
			break
		}
		batch, err := r.batch(ctx)
		if err != nil {
			return store.Wait{}, err
		}
		if len(batch.Events) == 0 {
			return store.Wait{}, r.finished(ctx)
		}
		began := r.s.cfg.Clock.Now()
		result, err := r.deliver(ctx, &st, d, batch)
		stop, err := r.settle(context.WithoutCancel(ctx), &st, d, batch, result, err)
		if err != nil || stop != nil {
			return orNone(stop), err
		}
		if took := r.s.cfg.Clock.Now().Sub(began); took > 0 {
			_ = r.s.cfg.Clock.Sleep(ctx, min(took, replayRest)) // the next step sees why it ended early
		}
	}
	return store.Wait{}, nil
}

func orNone(wait *store.Wait) store.Wait {
	if wait == nil {
		return store.Wait{}
	}
	return *wait
}

// deliver sends the batch.
func (r *replay) deliver(ctx context.Context, st *stored, d *deliverer, batch store.Batch) (delivery.Result, error) {
	ctx, cancel := context.WithCancelCause(context.WithValue(ctx, flightKey{}, r))
	defer cancel(nil)
	r.mu.Lock()
	r.cancel = cancel
	broken := r.broken
	r.mu.Unlock()
	if broken != nil {
		return delivery.Result{}, broken
	}
	return r.s.send(ctx, r.id, st, d, batch)
}

// settle does what the outcome asks for. It returns a wait if the job is to stop.
func (r *replay) settle(ctx context.Context, st *stored, d *deliverer, batch store.Batch, result delivery.Result, err error) (*store.Wait, error) {
	failure, _ := errors.AsType[*delivery.Error](err)
	unsendable, _ := errors.AsType[*unsendableError](err)
	refused := failure != nil && failure.Reason == delivery.ReasonRefused && blamesEvents(result.LastStatus())
	n, job := len(batch.Events), r.job
	switch {
	case err == nil:
		d.probing.Store(false)
		job.Sent += int64(n)
		job.InARow, job.Failing, job.Reason = 0, nil, ""
		r.s.totals.replayed.Add(int64(n))
		return nil, r.advance(ctx, n)
	case brokenOff(err, failure):
		return &store.Wait{}, nil
	case errors.Is(err, errTooLarge), (refused || unsendable != nil) && n > 1:
		return nil, r.split(ctx, n)
	case unsendable != nil:
		job.Refused++
		return nil, r.advance(ctx, n)
	case !refused:
		reason := err.Error() // a key is missing
		if failure != nil {
			reason = reasonOf(failure)
		}
		wait, err := r.hold(ctx, st, reason)
		return &wait, err
	}
	d.probing.Store(false)
	job.Refused++
	job.InARow++
	job.Failing, job.Reason = nil, reasonOf(failure)
	if job.InARow >= maxRefusals {
		return &store.Wait{}, r.end(ctx, webhook.JobFailed, job.Reason)
	}
	return nil, r.advance(ctx, n)
}

// hold lets the job wait until its next probe, or fail.
func (r *replay) hold(ctx context.Context, st *stored, reason string) (store.Wait, error) {
	now := r.s.cfg.Clock.Now().UTC()
	f := r.job.Failing
	if f == nil {
		f = &replayHold{Since: now, Interval: r.s.cfg.ProbeFirst, Change: st.change}
	} else {
		f.Interval = min(2*f.Interval, r.s.cfg.ProbeMax)
	}
	left := f.Since.Add(r.s.cfg.ReplayPatience).Sub(now)
	if left <= 0 {
		return store.Wait{}, r.end(ctx, webhook.JobFailed, reason)
	}
	wait := min(f.Interval, left)
	f.Until = now.Add(wait)
	r.job.Failing, r.job.Reason = f, reason
	return store.Wait{After: wait}, r.s.putReplay(ctx, r.id, r.job)
}

// finished ends the job when all of it was sent, or refused.
func (r *replay) finished(ctx context.Context) error {
	if r.job.InARow > 0 && r.job.Sent == 0 {
		return r.end(ctx, webhook.JobFailed, r.job.Reason)
	}
	return r.end(ctx, webhook.JobCompleted, "")
}

// end ends the job. At its next turn find acknowledges it.
func (r *replay) end(ctx context.Context, status webhook.JobStatus, reason string) error {
	job := r.job
	job.Status, job.Reason, job.Batches, job.Failing = status, reason, nil, nil
	if err := r.s.putReplay(ctx, r.id, job); err != nil {
		return err
	}
	r.s.cfg.Logger.InfoContext(ctx, "a replay job has ended", "webhook", r.id, "status", status, "reason", reason,
		"sent", job.Sent, "refused", job.Refused, "total", job.Total)
	return nil
}

// use notes the configuration in use, and tells whether it is the latest.
func (r *replay) use(st *stored) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.using = version{st.revision, st.change}
	return st.revision >= r.latest
}

// older implements worker.
func (r *replay) older(revision uint64, change string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.latest = max(r.latest, revision)
	return r.using.revision != 0 && r.using.revision < revision && r.using.change != change
}

// interrupt implements worker.
func (r *replay) interrupt(cause error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.broken = cause
	if r.cancel != nil {
		r.cancel(cause)
	}
}

// finish implements worker.
func (r *replay) finish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.broken = ErrClosed
	if r.cancel != nil && !r.attempting {
		r.cancel(ErrClosed)
	}
}

// stopped tells whether nothing more is to be begun.
func (r *replay) stopped() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.broken != nil || r.s.closing.Err() != nil
}

func (r *replay) attemptStarted() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.attempting = true
}

func (r *replay) attemptFinished(ctx context.Context, result delivery.Result) {
	r.s.totals.attempt(result.Last())
	r.mu.Lock()
	r.attempting = false
	if r.broken != nil {
		r.cancel(r.broken)
	}
	r.mu.Unlock()
	for _, h := range r.s.hooks.attempt {
		h.AttemptFinished(ctx, r.id, result)
	}
}
