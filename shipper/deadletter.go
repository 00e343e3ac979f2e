package shipper

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/store"
)

// DeadLetter is an event that was set aside: it was refused alone, with a status
// that may be about the event (400, 413, 422), and the endpoint, configured as
// it was, took another event afterwards. Or it could not be encoded.
type DeadLetter struct {
	ID       string // for Redrive and Purge
	Recorded time.Time
	Refused  time.Time // first
	Code     int       // the HTTP status of the last refusal; 0 if it was never sent
	Reason   string    // with the beginning of the answer
	Batch    string    // the Webhook-Id that it was refused under

	// Event is the event, unless Err tells why it cannot be read.
	Event auditlog.Event
	Err   error
}

// letter is how a dead letter is stored: this as JSON, a line break, then the
// event as it was stored.
type letter struct {
	Version  int       `json:"version"`
	Recorded time.Time `json:"recorded"`
	Refused  time.Time `json:"refused"`
	Code     int       `json:"code,omitzero"`
	Reason   string    `json:"reason"`
	Batch    string    `json:"batch"`
}

const letterVersion = 1

// deadLetters is what the keys of all dead letters begin with.
const deadLetters = "dead/"

// deadPrefix is what the keys of the webhook's dead letters begin with. The
// length keeps the prefix of one id from being that of another.
func deadPrefix(id string) string { return deadLetters + strconv.Itoa(len(id)) + "/" + id + "/" }

func letterID(at store.Position) string { return fmt.Sprintf("%020d-%05d", at.Seq, at.Index) }

// bury makes a dead letter of a suspect and acknowledges its batch. An
// interrupted one is done again.
func (w *session) bury(ctx context.Context, x *suspect) error {
	e, err := w.s.eventAt(ctx, w.id, x.Position)
	if errors.Is(err, errUnreadable) {
		// It stays frozen: the store makes a gap of it when it is to be sent again.
		w.s.cfg.Logger.ErrorContext(ctx, "an event that was refused cannot be read any more", "webhook", w.id, "error", err)
		return nil
	}
	if err != nil {
		return err
	}
	head, err := json.Marshal(letter{
		Version: letterVersion, Recorded: e.Time.UTC(), Refused: x.Refused, Code: x.Code, Reason: x.Reason, Batch: x.Batch,
	})
	if err != nil {
		return err
	}
	value := append(append(head, '\n'), e.Data...)
	_, err = w.s.store.Put(ctx, deadPrefix(w.id)+letterID(x.Position), value, 0)
	if err != nil && !errors.Is(err, store.ErrConflict) { // it is there already
		return err
	}
	err = w.claim.Ack(ctx, x.Batch, nil, store.Limits{})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	w.s.totals.deadLettered.Add(1)
	w.s.admission.freed()
	w.s.cfg.Logger.WarnContext(ctx, "an event was set aside as a dead letter", "webhook", w.id,
		"dead_letter", letterID(x.Position), "code", x.Code, "reason", x.Reason)
	for _, h := range w.s.hooks.dead {
		h.DeadLettered(ctx, w.id, letterID(x.Position), x.Reason)
	}
	return nil
}

var errUnreadable = errors.New("it cannot be read any more")

// eventAt returns the event at the position. It returns errUnreadable if the
// store has lost it.
func (s *Shipper) eventAt(ctx context.Context, id string, at store.Position) (store.Event, error) {
	for e, err := range s.store.Read(ctx, id, store.From{Position: at}) {
		if err != nil && !errors.Is(err, store.ErrDamaged) {
			return store.Event{}, err
		}
		if err == nil && e.Position == at {
			return e, nil
		}
		break
	}
	return store.Event{}, fmt.Errorf("shipper: the event at %s of webhook %q: %w", letterID(at), id, errUnreadable)
}

// DeadLetters yields the webhook's dead letters, the oldest event first.
func (s *Shipper) DeadLetters(ctx context.Context, id string) iter.Seq2[DeadLetter, error] {
	return func(yield func(DeadLetter, error) bool) {
		if err := s.begin(ctx, id); err != nil {
			yield(DeadLetter{}, err)
			return
		}
		for doc, err := range s.store.List(ctx, deadPrefix(id)) {
			if err != nil {
				yield(DeadLetter{}, err)
				return
			}
			l, data, err := parseLetter(doc.Value)
			if err != nil {
				err = fmt.Errorf("shipper: dead letter %q of webhook %q: %w", strings.TrimPrefix(doc.Key, deadPrefix(id)), id, err)
			}
			d := DeadLetter{
				ID: strings.TrimPrefix(doc.Key, deadPrefix(id)), Recorded: l.Recorded, Refused: l.Refused,
				Code: l.Code, Reason: l.Reason, Batch: l.Batch, Err: err,
			}
			if err == nil {
				d.Err = s.readEvent(&d.Event, id, data)
			}
			if !yield(d, nil) {
				return
			}
		}
	}
}

func parseLetter(value []byte) (letter, []byte, error) {
	head, data, _ := bytes.Cut(value, []byte("\n"))
	var l letter
	if err := json.Unmarshal(head, &l); err != nil {
		return letter{}, nil, errors.New("it is malformed")
	}
	if l.Version != letterVersion {
		return letter{}, nil, fmt.Errorf("it has version %d; this program reads %d", l.Version, letterVersion)
	}
	return l, data, nil
}

// Redrive puts a dead letter at the end of what waits for its webhook, to be
// sent once more, after something was repaired. It returns ErrNotFound if there
// is no such dead letter.
func (s *Shipper) Redrive(ctx context.Context, id, letter string) error {
	doc, err := s.letter(ctx, id, letter)
	if err != nil {
		return err
	}
	_, data, err := parseLetter(doc.Value)
	if err != nil {
		return fmt.Errorf("shipper: dead letter %q of webhook %q: %w", letter, id, err)
	}
	key := ownKeys + "redrive/" + letter + " " + strconv.FormatUint(doc.Revision, 10)
	if _, err := s.store.Append(ctx, id, key, store.Block{data}); err != nil {
		return err
	}
	return s.purge(ctx, doc)
}

// Purge deletes a dead letter: its event is gone for good, once retention has
// removed it from the store. It returns ErrNotFound if there is no such dead
// letter.
func (s *Shipper) Purge(ctx context.Context, id, letter string) error {
	doc, err := s.letter(ctx, id, letter)
	if err != nil {
		return err
	}
	s.cfg.Logger.InfoContext(ctx, "a dead letter was purged", "webhook", id, "dead_letter", letter)
	return s.purge(ctx, doc)
}

func (s *Shipper) letter(ctx context.Context, id, letter string) (store.Document, error) {
	if err := s.begin(ctx, id); err != nil {
		return store.Document{}, err
	}
	doc, err := s.store.Get(ctx, deadPrefix(id)+letter)
	if err != nil {
		return store.Document{}, fmt.Errorf("shipper: dead letter %.40q of webhook %q: %w", letter, id, err)
	}
	return doc, nil
}

func (s *Shipper) purge(ctx context.Context, doc store.Document) error {
	err := s.store.Delete(ctx, doc.Key, doc.Revision)
	if errors.Is(err, store.ErrNotFound) { // somebody else did
		return nil
	}
	return err
}
