package natsstore

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// documentVersion is that of a stream's document. A later version reads this
// one.
const documentVersion = 1

// document is what is kept of a stream besides its events: a value in the bucket
// of states. It is JSON, a line feed, and the status. Copies share slices, which
// therefore are replaced, never changed.
type document struct {
	Version int `json:"version"`

	// Claim is the id of the claim that wrote it last, Token the sequence of
	// the token by which that one holds the stream. Whoever gets a token writes
	// both before anything else, and so fences the holder before.
	Claim string `json:"claim,omitempty"`
	Token uint64 `json:"token,omitempty"`

	// Waiting tells that the claim was given back, while its token waits to be
	// handed out again.
	Waiting bool `json:"waiting,omitempty"`

	Next   store.Position `json:"next,omitzero"`
	Frozen []frozen       `json:"frozen,omitempty"`
	Gaps   []store.Gap    `json:"gaps,omitempty"`

	HasStatus bool   `json:"has_status,omitempty"`
	Status    []byte `json:"-"`
}

// frozen is a frozen batch.
type frozen struct {
	store.Frozen
	Time time.Time `json:"time"` // of its first event

	// What of it is still there: retention may have taken a part.
	LeftEvents int `json:"left_events"`
	LeftBytes  int `json:"left_bytes"`
}

func (d document) encode() []byte {
	d.Version = documentVersion
	d.HasStatus = d.Status != nil
	data, err := json.Marshal(d)
	if err != nil {
		panic(err) // cannot be: it holds numbers, strings and times of four-digit years
	}
	return append(append(data, '\n'), d.Status...)
}

func decodeDocument(data []byte) (document, error) {
	head, status, ok := bytes.Cut(data, []byte{'\n'})
	if !ok {
		return document{}, errors.New("the document of a stream has no second line")
	}
	var d document
	if err := json.Unmarshal(head, &d); err != nil {
		return document{}, fmt.Errorf("the document of a stream: %w", err)
	}
	if d.Version != documentVersion {
		return document{}, fmt.Errorf("the document of a stream has version %d; this program reads %d", d.Version, documentVersion)
	}
	if d.HasStatus {
		d.Status = append([]byte{}, status...)
	}
	return d, nil
}

// held tells whether a claim holds the stream by the token, as far as the
// document knows.
func (d *document) held(token uint64) bool { return d.Token == token && !d.Waiting }

// batch returns the index of the frozen batch.
func (d *document) batch(id string) (int, error) {
	i := slices.IndexFunc(d.Frozen, func(f frozen) bool { return f.ID == id && !f.Acked })
	if i < 0 {
		return 0, fmt.Errorf("frozen batch: %w", store.ErrNotFound)
	}
	return i, nil
}

// end is where the next batch begins: behind the frozen ones.
func (d *document) end() store.Position {
	if n := len(d.Frozen); n > 0 {
		return d.Frozen[n-1].End
	}
	return d.Next
}

// extend moves that end over what makes no batch.
func (d *document) extend(to store.Position) {
	if n := len(d.Frozen); n > 0 {
		d.Frozen = slices.Clone(d.Frozen)
		d.Frozen[n-1].End = to
	} else {
		d.Next = to
	}
}

// ack marks the batch and moves over all that are marked.
func (d *document) ack(i int) {
	d.Frozen = slices.Clone(d.Frozen)
	d.Frozen[i].Acked = true
	for len(d.Frozen) > 0 && d.Frozen[0].Acked {
		d.Next = d.Frozen[0].End
		d.Frozen = d.Frozen[1:]
	}
}

// gap adds to the gap of that reason. It gets a new id, for an event may have
// been made of the old one.
func (d *document) gap(reason store.Reason, events, bytes int64, first, last time.Time) {
	if events <= 0 {
		return
	}
	g := store.Gap{Reason: reason, First: first, Last: last}
	var others []store.Gap
	for _, old := range d.Gaps {
		if old.Reason != reason {
			others = append(others, old)
			continue
		}
		g = old
		if first.Before(g.First) {
			g.First = first
		}
		if last.After(g.Last) {
			g.Last = last
		}
	}
	g.ID = newID()
	g.Events += events
	g.Bytes += bytes
	others = append(others, g)
	d.Gaps = others
}

// state returns the public view, in which the backlog is only what is frozen.
func (d *document) state() store.State {
	s := store.State{Next: d.Next, Status: slices.Clone(d.Status), Gaps: slices.Clone(d.Gaps)}
	for _, f := range d.Frozen {
		s.Frozen = append(s.Frozen, f.Frozen)
		if f.Acked {
			continue
		}
		if s.Events == 0 {
			s.Oldest = f.Time
		}
		s.Events += int64(f.LeftEvents)
		s.Bytes += int64(f.LeftBytes)
	}
	return s
}

// work tells whether the document alone is reason to claim the stream.
func (d *document) work() bool {
	return len(d.Gaps) > 0 || slices.ContainsFunc(d.Frozen, func(f frozen) bool { return !f.Acked })
}

// newID returns 130 random bits.
func newID() string { return rand.Text() }
