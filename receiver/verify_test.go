package receiver_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/receiver"
	"github.com/seed-6bcf82c5/auditlog/signature"
)

// newSigner returns a signer whose key is made of n.
func newSigner(t testing.TB, n byte) *signature.Signer {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = n
	s, err := signature.NewSigner(ed25519.NewKeyFromSeed(seed))
	require.NoError(t, err)
	return s
}

func keySet(t testing.TB) signature.Source { return newSigner(t, 1) }

func signed(t testing.TB, s *signature.Signer, line string) string {
	b, err := s.Append(nil, []byte(line))
	require.NoError(t, err)
	return string(b)
}

func TestVerification(t *testing.T) {
	t.Parallel()
	ours, other := newSigner(t, 1), newSigner(t, 2)
	inner := jsonLine
	type want struct {
		outcome signature.Outcome
		payload string // of a line that is handed over
		format  auditlog.Format
		err     string
	}
	for _, test := range []struct {
		name     string
		line     string
		annotate want
		require  string // why it is rejected, empty if it is not
	}{
		{"valid CEF", signed(t, ours, cefLine), want{signature.Valid, cefLine, auditlog.CEF, ""}, ""},
		{"valid JSON", signed(t, ours, jsonLine), want{signature.Valid, jsonLine, auditlog.JSON, ""}, ""},
		{"valid CPS, of which the inner object is signed", signed(t, ours, cpsLine), want{signature.Valid, inner, auditlog.JSON, ""}, ""},
		{"invalid", signed(t, other, cefLine), want{signature.Invalid, cefLine, auditlog.CEF, "no key verifies the signature"}, "no key verifies the signature"},
		{"changed", strings.Replace(signed(t, ours, jsonLine), `"granted":true`, `"granted":false`, 1),
			want{signature.Invalid, strings.Replace(jsonLine, `"granted":true`, `"granted":false`, 1), auditlog.JSON, "no key verifies the signature"}, "no key verifies the signature"},
		{"unsigned CEF", cefLine, want{signature.Unsigned, cefLine, auditlog.CEF, "there is no signature"}, "there is no signature"},
		{"unsigned CPS", cpsLine, want{signature.Unsigned, inner, auditlog.JSON, "there is no signature"}, "there is no signature"},
		{"refused", cefLine + " sig=short", want{outcome: signature.Refused}, "byte 167: sig is not 86 characters of base64url with zero spare bits"},
		{"not an event", "rubbish", want{outcome: signature.Refused}, `byte 0: no "CEF:"`},
		{"signed, but not an event", signed(t, ours, `{"a":1}`), want{outcome: signature.Valid}, `field "event_class_id": is missing`},
		{"empty", "", want{}, "the line is empty"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			from := sender()
			from.Keys = ours
			for _, mode := range []receiver.Verification{receiver.VerifyOff, receiver.VerifyAnnotate, receiver.VerifyRequire} {
				h, taken, _ := setup(t, receiver.Config{Senders: []receiver.Sender{from}, Verify: mode})
				require.Equal(t, 200, post(h, test.line+"\n"+signed(t, ours, cefOther)).StatusCode)
				batch := taken.taken()[0]
				good := batch.Lines[len(batch.Lines)-1]
				require.Equal(t, 2, good.Number, "the other line is never harmed")
				if mode == receiver.VerifyOff {
					require.Empty(t, good.Outcome)
					require.Equal(t, string(good.Raw), string(good.Payload))
					continue
				}
				require.Equal(t, signature.Valid, good.Outcome)
				require.Equal(t, ours.KeyID(), good.KeyID)
				require.NoError(t, good.Err)

				if rejected := test.annotate.payload == "" || mode == receiver.VerifyRequire && test.require != ""; rejected {
					require.Len(t, batch.Lines, 1)
					require.Len(t, batch.Rejected, 1)
					require.Equal(t, test.annotate.outcome, batch.Rejected[0].Outcome)
					require.EqualError(t, batch.Rejected[0].Err, test.require)
					continue
				}
				require.Empty(t, batch.Rejected)
				got := batch.Lines[0]
				require.Empty(t, cmp.Diff(
					want{test.annotate.outcome, test.annotate.payload, test.annotate.format, test.annotate.err},
					want{got.Outcome, string(got.Payload), got.Format, errText(got.Err)}, cmp.AllowUnexported(want{})))
				event, err := got.Event()
				require.NoError(t, err)
				_, has := event.Get(auditlog.SignatureKey)
				require.False(t, has, "attributes are those of the signed bytes")
			}
		})
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// A sender's key vouches for the lines of that sender, a product's for those of
// that product, and for no others.
func TestKeysAreBound(t *testing.T) {
	t.Parallel()
	one, two, konnect, portal, kong := newSigner(t, 1), newSigner(t, 2), newSigner(t, 3), newSigner(t, 4), newSigner(t, 5)
	const (
		cefKonnect = "CEF:0|KongInc|Konnect|1.0|a|b|1|"
		cefPortal  = "CEF:0|KongInc|Dev-Portal|1.0|a|b|1|k=v"
		cefKong    = "CEF:0|KongInc|Mesh|1.0|a|b|1|k=v"
		cefQuoted  = `CEF:0|Kong\|Inc|Konnect|1.0|a|b|1|k=v`
	)
	jsonPortal := strings.Replace(jsonLine, `"event_product":"Konnect"`, `"event_product":"Dev-Portal"`, 1)
	relay := receiver.Sender{Name: "relay", Authorizations: sender().Authorizations, Keys: one, Products: []receiver.Product{
		{Vendor: "KongInc", Keys: kong},
		{Vendor: "KongInc", Product: "Konnect", Keys: konnect},
		{Vendor: "KongInc", Product: "Dev-Portal", Keys: portal},
	}}
	strict := relay
	strict.Keys = nil
	for _, test := range []struct {
		name   string
		sender receiver.Sender
		line   string
		right  *signature.Signer // nil: there is none
		reason string            // for all others
	}{
		{"Konnect's CEF", relay, cefKonnect, konnect, "no key verifies the signature"},
		{"Konnect's JSON", relay, jsonLine, konnect, "no key verifies the signature"},
		{"Konnect's CPS", relay, cpsLine, konnect, "no key verifies the signature"},
		{"the portal's CEF", relay, cefPortal, portal, "no key verifies the signature"},
		{"the portal's JSON", relay, jsonPortal, portal, "no key verifies the signature"},
		{"another product of the vendor", relay, cefKong, kong, "no key verifies the signature"},
		{"another vendor", relay, cefOther, one, "no key verifies the signature"},
		{"another vendor of a similar name", relay, cefQuoted, one, "no key verifies the signature"},
		{"another vendor, for which there are none", strict, cefOther, nil, "there are no keys for this vendor and product"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, signer := range []*signature.Signer{one, two, konnect, portal, kong} {
				h, taken, _ := setup(t, receiver.Config{Senders: []receiver.Sender{test.sender}, Verify: receiver.VerifyRequire})
				post(h, signed(t, signer, test.line))
				if signer == test.right {
					require.Len(t, taken.taken()[0].Lines, 1)
					require.Equal(t, signer.KeyID(), taken.taken()[0].Lines[0].KeyID)
				} else {
					require.EqualError(t, taken.taken()[0].Rejected[0].Err, test.reason)
					require.Equal(t, signature.Invalid, taken.taken()[0].Rejected[0].Outcome)
				}
			}
		})
	}
	t.Run("lines that are refused or no events", func(t *testing.T) {
		t.Parallel()
		h, _, told := setup(t, receiver.Config{Senders: []receiver.Sender{relay}, Verify: receiver.VerifyAnnotate})
		require.Equal(t, 200, post(h, cefKonnect+"sig=x\n"+`{"a":1}`+"\n"+"CEF:0|a|b|c|d|e|99|k=v").StatusCode)
		require.Equal(t, []string{
			" line 1: byte 32: sig follows the header without a space",
			` line 2: field "event_class_id": is missing`,
			" line 3: byte 16: the severity is not 0 to 10, Unknown, Low, Medium, High or Very-High",
		}, told.rejected)
	})
	t.Run("the keys of another sender", func(t *testing.T) {
		t.Parallel()
		first, second := sender(), receiver.Sender{Name: "two", Authorizations: secrets("Bearer two"), Keys: two}
		first.Keys = one
		h, taken, _ := setup(t, receiver.Config{Senders: []receiver.Sender{first, second}, Verify: receiver.VerifyRequire})
		post(h, signed(t, two, cefOther))
		require.Len(t, taken.taken()[0].Rejected, 1)
	})
}

// Many lines are verified by many goroutines, and stay in order.
func TestVerifyManyLines(t *testing.T) {
	t.Parallel()
	ours, other := newSigner(t, 1), newSigner(t, 2)
	from := sender()
	from.Keys = ours
	h, taken, _ := setup(t, receiver.Config{Senders: []receiver.Sender{from}, Verify: receiver.VerifyRequire})
	var lines []string
	for n := range 300 {
		by := ours
		if n%10 == 0 {
			by = other
		}
		lines = append(lines, signed(t, by, line(n)))
	}
	require.Equal(t, 200, post(h, strings.Join(lines, "\n")).StatusCode)
	batch := taken.taken()[0]
	require.Len(t, batch.Rejected, 30)
	require.Len(t, batch.Lines, 270)
	for _, l := range batch.Lines {
		require.Equal(t, lines[l.Number-1], string(l.Raw))
		require.Equal(t, line(l.Number-1), string(l.Payload))
	}
}

// keysElsewhere is a Source that may be down.
type keysElsewhere struct {
	old, fresh signature.Source
	down       atomic.Bool
	asked      atomic.Int64
}

func (k *keysElsewhere) Keys(ctx context.Context, since time.Time) (signature.KeySet, error) {
	if since.IsZero() {
		return k.old.Keys(ctx, since)
	}
	k.asked.Add(1)
	if k.down.Load() {
		keys, _ := k.old.Keys(ctx, since)
		return keys, fmt.Errorf("%w: %w", signature.ErrNoFreshKeys, errTest)
	}
	return k.fresh.Keys(ctx, since)
}

// While the host of a sender's keys is down, lines by known keys are verified as
// ever; those that newer keys may verify are put off where that is required.
func TestKeysThatCannotBeHad(t *testing.T) {
	t.Parallel()
	before, after := newSigner(t, 1), newSigner(t, 2)
	from := sender()
	keys := &keysElsewhere{old: before, fresh: after}
	keys.down.Store(true)
	from.Keys = keys
	h, taken, told := setup(t, receiver.Config{Senders: []receiver.Sender{from}, Verify: receiver.VerifyRequire})

	require.Equal(t, 200, post(h, signed(t, before, line(1))+"\n"+line(2)).StatusCode, "unsigned lines need no keys")
	require.Len(t, taken.lines(), 1)
	require.Zero(t, keys.asked.Load())

	batch := signed(t, before, line(3)) + "\n" + signed(t, after, line(4))
	answer := post(h, batch, "Webhook-Id", "a")
	require.Equal(t, 503, answer.StatusCode)
	require.Equal(t, "keys to verify signatures with cannot be had now", text(t, answer))
	require.ErrorIs(t, told.last(t).Err, signature.ErrNoFreshKeys)
	require.Len(t, taken.taken(), 1)
	keys.down.Store(false)
	require.Equal(t, 200, post(h, batch, "Webhook-Id", "a").StatusCode)
	require.Len(t, taken.taken()[1].Lines, 2)

	keys.down.Store(true)
	h, taken, _ = setup(t, receiver.Config{Senders: []receiver.Sender{from}, Verify: receiver.VerifyAnnotate})
	require.Equal(t, 200, post(h, signed(t, after, line(5))).StatusCode)
	got := taken.taken()[0].Lines[0]
	require.Equal(t, signature.Invalid, got.Outcome)
	require.ErrorIs(t, got.Err, signature.ErrNoFreshKeys)
}

// An unknown key is asked for once for a batch, not for each line.
func TestKeysAreFetchedOnce(t *testing.T) {
	t.Parallel()
	var fetches atomic.Int64
	jwks := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fetches.Add(1)
		signature.Handler(newSigner(t, 1)).ServeHTTP(w, r)
	}))
	t.Cleanup(jwks.Close)
	remote, err := signature.NewRemote(signature.RemoteConfig{URL: jwks.URL})
	require.NoError(t, err)
	from := sender()
	from.Keys = remote
	h, taken, _ := setup(t, receiver.Config{Senders: []receiver.Sender{from}, Verify: receiver.VerifyRequire})
	var lines []string
	for n := range 50 {
		lines = append(lines, signed(t, newSigner(t, 9), line(n)))
	}
	require.Equal(t, 200, post(h, strings.Join(lines, "\n")).StatusCode)
	require.Equal(t, int64(1), fetches.Load())
	require.Len(t, taken.taken()[0].Rejected, len(lines))
}

func TestSignedBatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ours, other := newSigner(t, 1), newSigner(t, 2)
		const body = cefLine + "\n" + cefOther
		header := func(s *signature.Signer, id string, at time.Time) []string {
			made, err := s.SignBatch(id, at, []byte(body))
			require.NoError(t, err)
			return []string{signature.HeaderID, id, signature.HeaderTimestamp, fmt.Sprint(at.Unix()), signature.HeaderSignature, made}
		}
		now := time.Now()
		for n, test := range []struct {
			name    string
			header  []string
			zipped  bool
			outcome signature.Outcome
			require int
			reason  string
		}{
			{"valid", header(ours, "a", now), false, signature.Valid, 200, ""},
			{"valid, compressed", header(ours, "b", now), true, signature.Valid, 200, ""},
			{"as old as may be", header(ours, "c", now.Add(-5*time.Minute)), false, signature.Valid, 200, ""},
			{"too old", header(ours, "d", now.Add(-5*time.Minute-time.Second)), false, signature.Refused, 403, "the signature of the batch is refused"},
			{"from the future", header(ours, "e", now.Add(5*time.Minute+time.Second)), false, signature.Refused, 403, "the signature of the batch is refused"},
			{"by another key", header(other, "f", now), false, signature.Invalid, 403, "the signature of the batch is invalid"},
			{"under another id", append([]string{signature.HeaderID, "x"}, header(ours, "g", now)[2:]...), false, signature.Invalid, 403, "the signature of the batch is invalid"},
			{"none", []string{signature.HeaderID, "h"}, false, signature.Unsigned, 403, "the signature of the batch is unsigned"},
		} {
			for _, mode := range []receiver.Verification{receiver.VerifyOff, receiver.VerifyAnnotate, receiver.VerifyRequire} {
				from := sender()
				from.Keys = ours
				h, taken, _ := setup(t, receiver.Config{Senders: []receiver.Sender{from}, VerifyBatches: mode})
				sent := body
				if test.zipped {
					sent = zip(t, sent)
				}
				answer := post(h, sent, test.header...)
				if mode == receiver.VerifyRequire && test.require != 200 {
					require.Equal(t, test.require, answer.StatusCode, test.name)
					require.Equal(t, test.reason, text(t, answer), test.name)
					require.Empty(t, taken.taken(), test.name)
					continue
				}
				require.Equal(t, 200, answer.StatusCode, test.name)
				want := test.outcome
				if mode == receiver.VerifyOff {
					want = ""
				}
				require.Equal(t, want, taken.taken()[0].Outcome, n)
			}
		}
	})
}

func TestSignedBatchWhileKeysCannotBeHad(t *testing.T) {
	t.Parallel()
	after := newSigner(t, 2)
	keys := &keysElsewhere{old: newSigner(t, 1), fresh: after}
	keys.down.Store(true)
	now := time.Now()
	made, err := after.SignBatch("a", now, []byte(cefLine))
	require.NoError(t, err)
	header := []string{signature.HeaderID, "a", signature.HeaderTimestamp, fmt.Sprint(now.Unix()), signature.HeaderSignature, made}
	from := sender()
	from.Keys = keys

	h, _, told := setup(t, receiver.Config{Senders: []receiver.Sender{from}, VerifyBatches: receiver.VerifyRequire})
	require.Equal(t, 503, post(h, cefLine, header...).StatusCode)
	require.ErrorIs(t, told.last(t).Err, signature.ErrNoFreshKeys)
	keys.down.Store(false)
	require.Equal(t, 200, post(h, cefLine, header...).StatusCode)

	keys.down.Store(true)
	h, taken, _ := setup(t, receiver.Config{Senders: []receiver.Sender{from}, VerifyBatches: receiver.VerifyAnnotate})
	require.Equal(t, 200, post(h, cefLine, header...).StatusCode)
	require.Equal(t, signature.Invalid, taken.taken()[0].Outcome)
}

// A batch that was captured cannot be sent again: within the tolerance it is a
// duplicate, and later it is too old.
func TestReplayedBatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ours := newSigner(t, 1)
		from := sender()
		from.Keys = ours
		h, taken, told := setup(t, receiver.Config{Senders: []receiver.Sender{from}, VerifyBatches: receiver.VerifyRequire})
		made, err := ours.SignBatch("a", time.Now(), []byte(cefLine))
		require.NoError(t, err)
		header := []string{signature.HeaderID, "a", signature.HeaderTimestamp, fmt.Sprint(time.Now().Unix()), signature.HeaderSignature, made}
		require.Equal(t, 200, post(h, cefLine, header...).StatusCode)
		require.Equal(t, 200, post(h, cefLine, header...).StatusCode)
		require.True(t, told.last(t).Duplicate)
		header[1] = "b"
		require.Equal(t, 403, post(h, cefLine, header...).StatusCode, "under a new id")
		header[1] = "a"
		pass(time.Hour)
		require.Equal(t, 403, post(h, cefLine, header...).StatusCode)
		require.Len(t, taken.taken(), 1)
	})
}
