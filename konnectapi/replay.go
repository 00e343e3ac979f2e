package konnectapi

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const replayResource = "audit-log-replay-job"

// Requests for a replay job are limited for each webhook: so many at once, then
// one in each interval.
const (
	replayBurst    = 10
	replayInterval = 6 * time.Second
)

func (h *Handler) getReplay(c *call) (any, error) {
	r, err := h.cfg.Shipper.Replay(c.Context(), c.stream)
	return r.Job, err
}

func (h *Handler) putReplay(c *call) (any, error) {
	if wait := h.replays.wait(c.stream, h.cfg.Clock.Now()); wait > 0 {
		return nil, &failure{status: http.StatusTooManyRequests, retryAfter: wait}
	}
	body, err := c.body()
	if err != nil {
		return nil, err
	}
	start, end, err := webhook.DecodeReplay(body)
	if err != nil {
		return nil, err
	}
	events := h.event(c, "create", replayResource, []string{"start_at", "end_at"}, "")
	r, err := h.cfg.Shipper.StartReplay(c.Context(), c.stream, start, end, events...)
	if errors.Is(err, shipper.ErrReplayRunning) {
		return nil, replayRunning()
	}
	return r.Job, err
}

func replayRunning() error {
	return &failure{status: http.StatusConflict, title: "Resource Conflict", detail: "A replay job is currently running"}
}

// limits is how often something may be asked for, by the webhook.
type limits struct {
	mu    sync.Mutex
	byID  map[string]*rate.Limiter
	swept time.Time
}

// wait counts a request, and returns how long the client should wait before it
// asks again, 0 if the request is within the limit.
func (l *limits) wait(id string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.swept) >= replayInterval { // forget those that have nothing to say
		for other, limiter := range l.byID {
			if limiter.TokensAt(now) >= replayBurst {
				delete(l.byID, other)
			}
		}
		l.swept = now
	}
	limiter := l.byID[id]
	if limiter == nil {
		limiter = rate.NewLimiter(rate.Every(replayInterval), replayBurst)
		l.byID[id] = limiter
	}
	reservation := limiter.ReserveN(now, 1)
	wait := reservation.DelayFrom(now)
	if wait > 0 {
		reservation.CancelAt(now)
	}
	return wait
}
