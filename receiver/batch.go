package receiver

import (
	"slices"
	"time"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/signature"
)

// Batch is what one request brought. It, its lines and all their bytes last
// until HandOver returns; [Batch.Clone] returns one that lasts.
type Batch struct {
	// Sender is the name of the sender, Authorization the index of the
	// authorization that it showed in Sender.Authorizations.
	Sender        string
	Authorization int

	// ID is the Webhook-Id, empty if there is none, as from Konnect itself.
	ID string

	// Received is when the request came, Remote the address it came from.
	Received time.Time
	Remote   string

	// Outcome is what verifying the signature of the batch came to, empty if it
	// was not looked at.
	Outcome signature.Outcome

	// Lines are the events, in the order in which they were sent. There may be
	// none, where all lines were rejected.
	Lines []Line

	// Rejected are the lines that are not handed over, so that they can be
	// kept elsewhere.
	Rejected []Rejected
}

// Clone returns a copy that shares no memory with b.
func (b *Batch) Clone() Batch {
	size := 0
	for i := range b.Lines {
		size += len(b.Lines[i].Raw) + len(b.Lines[i].Payload)
	}
	for i := range b.Rejected {
		size += len(b.Rejected[i].Raw)
	}
	all := make([]byte, 0, size)
	keep := func(p []byte) []byte {
		if p == nil {
			return nil
		}
		all = append(all, p...)
		return all[len(all)-len(p) : len(all) : len(all)]
	}
	c := *b
	c.Lines = slices.Clone(b.Lines)
	c.Rejected = slices.Clone(b.Rejected)
	for i := range c.Lines {
		l := &c.Lines[i]
		same := len(l.Payload) > 0 && &l.Payload[0] == &l.Raw[0] && len(l.Payload) == len(l.Raw)
		l.Raw = keep(l.Raw)
		if same {
			l.Payload = l.Raw
		} else {
			l.Payload = keep(l.Payload)
		}
	}
	for i := range c.Rejected {
		c.Rejected[i].Raw = keep(c.Rejected[i].Raw)
	}
	return c
}

// Line is a line that holds an event.
type Line struct {
	// Number is the line's place in the batch, from 1, rejected and dropped
	// ones counted.
	Number int

	// Raw is the line as it was received, without its line break.
	Raw []byte

	// Payload is what the event is in. Where signatures are verified it is
	// what is signed, without the signature, and otherwise Raw.
	Payload []byte

	// Format is that of Payload.
	Format auditlog.Format

	// Outcome is what verifying came to, empty if signatures were not looked
	// at. KeyID is the id of the key that verified the line. Err says why the
	// outcome is not Valid; where it wraps signature.ErrNoFreshKeys, newer keys
	// than could be had might say otherwise.
	Outcome signature.Outcome
	KeyID   string
	Err     error
}

// Event parses the payload. It has been checked, so that there is no error in a
// HandOver. Each call parses anew: call it once, and only where an event is
// needed, since it costs about as much as all the rest of receiving.
func (l *Line) Event() (auditlog.Event, error) { return l.Format.Parse(l.Payload) }

// Rejected is a line that is not handed over.
type Rejected struct {
	Number int    // as in Line
	Raw    []byte // as in Line

	// Outcome is what verifying came to, empty if it came to nothing.
	Outcome signature.Outcome

	// Err says why: the error of auditlog.Parse or of verifying, or that the
	// line is empty or too long. It quotes no more of the line than the name of
	// a field, and that in printable characters.
	Err error
}
