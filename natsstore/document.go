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

	// Until is when the token is to be handed out again, of a claim that was given
	// back for later; zero of one that was not.
	Until time.Time `json:"until,omitzero"`

	// Server is the process of the server that had the events up to the document's
	// end when they were last looked at; empty if that is not known.
	Server string `json:"server,omitempty"`

	Next store.Position `json:"next,omitzero"`
	Last time.Time      `json:"last,omitzero"` // of the event before Next

	// Rewound is what Next was set to when events were lost: what is just before it
	// need not be of the stream then.
	Rewound store.Position `json:"rewound,omitzero"`

	Frozen []frozen    `json:"frozen,omitempty"`
	Gaps   []store.Gap `json:"gaps,omitempty"`

	HasStatus bool   `json:"has_status,omitempty"`
	Status    []byte `json:"-"`
}

// frozen is a frozen batch.
type frozen struct {
	store.Frozen
	Time time.Time `json:"time"` // of its first event
	Last time.Time `json:"last"` // and of its last, or of what is damaged behind that

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
func (d *document) held(token uint64) bool { return token > 0 && d.Token == token && d.Until.IsZero() }

// waits tells whether the stream waits for the token, for longer than clocks can
// be apart.
func (d *document) waits(token uint64, slack time.Duration) bool {
	return d.Token == token && time.Now().Add(slack).Before(d.Until)
}

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

// extend moves that end over what makes no batch, to an event of that time.
func (d *document) extend(to store.Position, last time.Time) {
	if n := len(d.Frozen); n > 0 {
		d.Frozen = slices.Clone(d.Frozen)
		d.Frozen[n-1].End, d.Frozen[n-1].Last = to, last
	} else {
		d.Next, d.Last = to, last
	}
}

// before returns where the last message before that end is, and its time, which is
// zero if there was none.
func (d *document) before() (seq uint64, last time.Time) {
	end := d.end()
	last = d.Last
	if n := len(d.Frozen); n > 0 {
		last = d.Frozen[n-1].Last
	}
	if end.Index > 0 {
		return end.Seq, last
	}
	return end.Seq - 1, last
}

// ack marks the batch and moves over all that are marked.
func (d *document) ack(i int) {
	d.Frozen = slices.Clone(d.Frozen)
	d.Frozen[i].Acked = true
	for len(d.Frozen) > 0 && d.Frozen[0].Acked {
		d.Next, d.Last = d.Frozen[0].End, d.Frozen[0].Last
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
