package shipper

import (
	"context"
	"errors"
	"time"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// Webhook is what is stored of a webhook, the zero Webhook if nothing is.
type Webhook struct {
	Config webhook.Config

	// Label is a text that whoever manages the webhooks keeps with the
	// configuration, such as the id of what it was copied from: at most
	// MaxLabel bytes of UTF-8 without control characters. It is not secret, and
	// goes with the configuration when that is deleted.
	Label string
}

// MaxLabel is the length of the longest label, in bytes.
const MaxLabel = store.MaxName

// Change is what [Shipper.Change] does to a webhook. The zero Change does
// nothing.
type Change struct {
	// Patch and Label change what they set.
	Patch webhook.Patch
	Label webhook.Optional[string]

	// Delete removes the webhook instead, as [Shipper.Delete] does.
	Delete bool

	// Events are recorded in the webhook's stream before the change takes
	// effect, and also where nothing changes, as long as the webhook exists.
	Events []auditlog.Event
}

// Webhook returns what is stored of the webhook.
func (s *Shipper) Webhook(ctx context.Context, id string) (Webhook, error) {
	if err := s.begin(ctx, id); err != nil {
		return Webhook{}, err
	}
	st, err := s.configs.load(ctx, id)
	return st.public(), err
}

// Change is [Shipper.Update] for changes that depend on what is there: decide
// is given the webhook as it is, and nobody else changes it between that and
// the change. To that end decide may be called several times; of the events,
// those of its first decision are recorded. What it returns as an error, Change
// returns, and changes nothing. The result is the webhook as it then is.
//
// Errors are those of Update, and [*store.NameError] for a label.
func (s *Shipper) Change(ctx context.Context, id string, decide func(Webhook) (Change, error)) (Webhook, error) {
	if err := s.begin(ctx, id); err != nil {
		return Webhook{}, err
	}
	dedupID := delivery.NewID() // the events are recorded once, however often it takes
	told := false
	var seq uint64
	began := s.cfg.Clock.Now().UTC() // before the events: a switch must not skip them
	for {
		old, err := s.configs.load(ctx, id)
		unreadable := isKeyError(err)
		if err != nil && !unreadable {
			return Webhook{}, err
		}
		change, decided := decide(old.public())
		if unreadable && !change.Delete { // what cannot be read can be deleted still
			return Webhook{}, err
		}
		if decided != nil {
			return old.public(), decided
		}
		next, differs, err := s.changed(&old, &change, began)
		if err != nil || !differs && old.revision == 0 {
			return old.public(), err
		}
		if !told {
			seq, err = s.recordChange(ctx, id, dedupID, change.Events)
			told = seq > 0
		}
		if err == nil && seq > 0 && !next.skipBefore.Equal(old.skipBefore) {
			next.skipBefore, err = s.acceptedAt(ctx, id, seq) // clocks may differ
		}
		if err != nil || !differs {
			return old.public(), err
		}
		if change.Delete {
			err = s.configs.remove(ctx, id, old.revision)
		} else {
			switch { // one that was off already still sends what it had to
			case next.config.Enabled:
				next.drain = 0
			case old.config.Enabled:
				next.drain = seq
			}
			err = s.configs.put(ctx, id, next)
		}
		if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return old.public(), err
		}
		if next.change != old.change {
			s.takeEffect(ctx, id, old.config, next.config)
		}
		return next.public(), nil
	}
}

// acceptedAt returns when the store has accepted the block.
func (s *Shipper) acceptedAt(ctx context.Context, id string, seq uint64) (time.Time, error) {
	for e, err := range s.store.Read(ctx, id, store.From{Position: store.Position{Seq: seq}}) {
		return e.Time, err
	}
	return time.Time{}, nil // it has gone already: there is nothing before it
}

// public is what others are shown.
func (st *stored) public() Webhook { return Webhook{Config: st.config, Label: st.label} }

// changed returns the webhook after a change that began then, and whether it
// differs.
func (s *Shipper) changed(old *stored, change *Change, began time.Time) (next stored, differs bool, err error) {
	if change.Delete {
		return stored{}, old.revision != 0, nil
	}
	if err := s.checkPatch(change.Patch); err != nil {
		return stored{}, false, err
	}
	if next, err = s.apply(*old, change.Patch, began); err != nil {
		return stored{}, false, err
	}
	if same(&old.config, &next.config) { // another label disturbs nothing
		next = *old
	}
	if label, ok := change.Label.Get(); ok {
		next.label = label
	}
	if err := store.CheckPrefix("label", next.label); err != nil {
		return stored{}, false, err
	}
	return next, next.label != old.label || next.change != old.change, nil
}

// recordChange records the events that tell of a change, past all limits, and
// returns their sequence: 0 if there are none.
func (s *Shipper) recordChange(ctx context.Context, id, dedupID string, events []auditlog.Event) (uint64, error) {
	block, err := s.block(id, events)
	if err != nil || len(block) == 0 {
		return 0, err
	}
	began := s.cfg.Clock.Now()
	seq, err := s.store.Append(ctx, id, dedupID, block)
	if err == nil {
		s.recorded(ctx, id, len(block), blockBytes(block), began)
	}
	return seq, err
}

// Check tells what Update would refuse of a patch for a webhook that is
// configured so, without changing anything: for configurations that are kept
// elsewhere until a webhook gets them. Its errors are those of Update that
// concern the patch.
func (s *Shipper) Check(config webhook.Config, patch webhook.Patch) error {
	if err := s.checkPatch(patch); err != nil {
		return err
	}
	_, err := s.apply(stored{config: config}, patch, s.cfg.Clock.Now().UTC())
	return err
}

// Seal seals a value that belongs to the management of webhooks, such as an
// authorization that no webhook has yet, with the first of Config.Keys. [Shipper.Open]
// opens it for the same purpose only: name in it what the value is and whose.
// It returns ErrNoKey where Update would.
func (s *Shipper) Seal(purpose string, value []byte) ([]byte, error) {
	if s.configs.sealer == nil {
		return nil, ErrNoKey
	}
	return s.configs.sealer.seal(nil, value, purposeOf(purpose)), nil
}

// Open opens what Seal has sealed. Its error is a [*KeyError].
func (s *Shipper) Open(purpose string, value []byte) ([]byte, error) {
	return s.configs.open(value, purposeOf(purpose))
}

// purposeOf cannot be mistaken for a webhook's: their ids are not empty.
func purposeOf(purpose string) sealed { return sealed{field: purpose} }
