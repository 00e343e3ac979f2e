package shipper

import (
	"time"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// measureFor is for how long a backlog that was far from its limit is not asked
// for again. Only what other processes append meanwhile is unknown.
const measureFor = 10 * time.Second

// measure is a backlog as the store told it, and what this process has added
// since, at most.
type measure struct {
	backlog store.Backlog
	at      time.Time
	added   amount
}

// measures is the backlogs of the webhooks that were recorded for lately, and of
// all together under the empty id.
type measures struct {
	recent, older map[string]*measure
	since         time.Time // of recent
}

// get returns the measure, nil if there is none young enough.
func (m *measures) get(id string, now time.Time) *measure {
	if age := now.Sub(m.since); age < 0 || age >= measureFor {
		m.recent, m.older, m.since = map[string]*measure{}, m.recent, now
	}
	k := m.recent[id]
	if k == nil {
		k = m.older[id]
	}
	if k != nil {
		if age := now.Sub(k.at); age < 0 || age >= measureFor {
			return nil
		}
	}
	return k
}

// roomy tells that n more are within the limits for sure, without asking the
// store: twice what was added since would be.
func (a *admission) roomy(id string, n amount, limits *Limits, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := a.measures.get(id, now)
	if k == nil {
		return false
	}
	k.added.add(n, 1)
	oldest := k.at
	if k.backlog.Events > 0 {
		oldest = k.backlog.Oldest
	}
	return (limits.Events <= 0 || k.backlog.Events+2*k.added.events <= limits.Events) &&
		(limits.Bytes <= 0 || k.backlog.Bytes+2*k.added.bytes <= limits.Bytes) &&
		(limits.Age <= 0 || now.Sub(oldest) <= limits.Age)
}

// measured keeps what the store told, beside which so much was on its way.
func (a *admission) measured(id string, backlog store.Backlog, coming, n amount, now time.Time) {
	coming.add(n, 1)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.measures.get(id, now) // makes the map
	a.measures.recent[id] = &measure{backlog: backlog, at: now, added: coming}
}
