package shipper_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/diskstore"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// keyOf returns the key of 32 times the byte.
func keyOf(t testing.TB, b string) shipper.Key {
	key, err := shipper.NewKey([]byte(strings.Repeat(b, shipper.KeyBytes)))
	require.NoError(t, err)
	return key
}

// sealing gives the Shipper keys.
func sealing(keys ...shipper.Key) func(*shipper.Config) {
	return func(cfg *shipper.Config) { cfg.Keys = keys }
}

// disk returns a store in a directory.
func disk(t testing.TB, dir string) store.Store {
	st, err := diskstore.Open(diskstore.Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	return st
}

// sealedDoc is a webhook's document in the store.
type sealedDoc struct {
	doc     store.Document
	members map[string]any
}

func (s *setup) document(id string) sealedDoc {
	s.t.Helper()
	doc, err := s.store.Get(s.t.Context(), "webhook/"+id)
	require.NoError(s.t, err)
	d := sealedDoc{doc: doc}
	require.NoError(s.t, json.Unmarshal(doc.Value, &d.members))
	return d
}

// put stores what was changed of the document.
func (s *setup) put(d sealedDoc) {
	s.t.Helper()
	value, err := json.Marshal(d.members)
	require.NoError(s.t, err)
	_, err = s.store.Put(s.t.Context(), d.doc.Key, value, d.doc.Revision)
	require.NoError(s.t, err)
}

func TestNewKey(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 16, 31, 33, 64} {
		_, err := shipper.NewKey(make([]byte, n))
		require.EqualError(t, err, fmt.Sprintf("shipper: the key has %d bytes, not 32", n))
	}
	secret := []byte(strings.Repeat("k", 32))
	key, err := shipper.NewKey(secret)
	require.NoError(t, err)
	require.Regexp(t, "^[0-9a-f]{16}$", key.ID())
	require.Equal(t, key.ID(), keyOf(t, "k").ID())
	require.NotEqual(t, key.ID(), keyOf(t, "l").ID())
	clear(secret)
	require.Equal(t, key.ID(), keyOf(t, "k").ID())
}

// What is secret in a document is sealed, each value for its place: webhook,
// field and origin. Nothing opens in another.
func TestSealedValuesDoNotMove(t *testing.T) {
	t.Parallel()
	const endpoint, auth = "sealed_endpoint", "sealed_authorization"
	tests := []struct {
		name  string
		move  func(mine, other map[string]any)
		field string
	}{
		{"authorization of another webhook", func(m, o map[string]any) { m[auth] = o[auth] }, "authorization"},
		{"endpoint of another webhook", func(m, o map[string]any) { m[endpoint] = o[endpoint] }, "endpoint"},
		{"all of another webhook", func(m, o map[string]any) {
			m[endpoint], m[auth], m["origin"] = o[endpoint], o[auth], o["origin"]
		}, "endpoint"},
		{"endpoint as authorization", func(m, _ map[string]any) { m[auth] = m[endpoint] }, "authorization"},
		{"authorization as endpoint", func(m, _ map[string]any) { m[endpoint] = m[auth] }, "endpoint"},
		{"another origin", func(m, _ map[string]any) { m["origin"] = "https://attacker.example:443" }, "endpoint"},
		{"an endpoint in the clear", func(m, _ map[string]any) {
			delete(m, endpoint)
			m["endpoint"] = "https://attacker.example/"
		}, "endpoint"},
		{"an endpoint in the clear with its origin", func(m, _ map[string]any) {
			delete(m, endpoint)
			m["endpoint"], m["origin"] = "https://attacker.example/", "https://attacker.example:443"
		}, "authorization"},
		{"one bit", func(m, _ map[string]any) {
			text, _ := m[auth].(string)
			m[auth] = strings.ToLower(text[:60]) + text[60:]
		}, "authorization"},
		{"a stump", func(m, _ map[string]any) { m[auth] = "c3R1" }, "authorization"},
		{"nothing", func(m, _ map[string]any) { m[endpoint] = "" }, "endpoint"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSetup(t, newEndpoint(t, nil), sealing(keyOf(t, "k")))
				_, err := s.Update(t.Context(), "other", webhook.Patch{
					Endpoint:      webhook.Set("https://example.com/t0k-other"),
					Authorization: webhook.Set(webhook.NewSecret("Bearer t0k-other")),
				})
				require.NoError(t, err)
				d := s.document(hook)
				tt.move(d.members, s.document("other").members)
				s.put(d)

				_, err = s.Get(t.Context(), hook)
				s.requireKeyError(err, tt.field)
				_, err = s.Update(t.Context(), hook, webhook.Patch{Enabled: webhook.Set(false)})
				s.requireKeyError(err, tt.field)
				_, err = s.Test(t.Context(), hook)
				s.requireKeyError(err, tt.field)
				synctest.Wait() // for the watch
				s.record("1")
				pass(time.Hour)
				require.Empty(t, s.endpoint.received())
				require.EqualValues(t, 1, s.report().Unsent.Events)
				require.Contains(t, s.logs.String(), "cannot open the "+tt.field)
				require.NoError(t, s.Delete(t.Context(), hook))
				s.configure()
				pass(time.Second)
				require.Equal(t, []string{"1"}, s.endpoint.names())
			})
		})
	}
}

func (s *setup) requireKeyError(err error, field string) {
	s.t.Helper()
	var wrong *shipper.KeyError
	require.ErrorAs(s.t, err, &wrong)
	require.Equal(s.t, hook, wrong.Webhook)
	require.Equal(s.t, field, wrong.Field)
	require.NotEmpty(s.t, wrong.Reason)
	require.NotContains(s.t, err.Error(), secretMark)
}

// With another key nothing opens, and the error names the key that is needed;
// events are taken and wait. When the key is back, they go out.
func TestWrongKey(t *testing.T) {
	t.Parallel()
	right, wrong := "r", "w"
	synctest.Test(t, func(t *testing.T) {
		e, st := newEndpoint(t, nil), disk(t, t.TempDir())
		s := start(t, e, st, sealing(keyOf(t, right)))
		s.configure()
		s.stop()

		s = start(t, e, st, sealing(keyOf(t, wrong)))
		_, err := s.Get(t.Context(), hook)
		s.requireKeyError(err, "endpoint")
		var unopened *shipper.KeyError
		require.ErrorAs(t, err, &unopened)
		require.Equal(t, keyOf(t, right).ID(), unopened.KeyID)
		require.EqualError(t, err, `shipper: cannot open the endpoint of webhook "hook", sealed with key "`+
			unopened.KeyID+`": that key is not among those given`)
		s.record("1", "2")
		pass(time.Hour)
		s.requireStatus(true, "active", 0)
		s.stop()

		s = start(t, e, st) // a durable store without a key
		_, err = s.Get(t.Context(), hook)
		s.requireKeyError(err, "endpoint")
		require.ErrorContains(t, err, "no key was given")
		pass(time.Hour)
		s.stop()
		require.Empty(t, e.received())

		s = start(t, e, st, sealing(keyOf(t, wrong), keyOf(t, right)))
		pass(5 * time.Minute)
		require.Equal(t, []string{"1", "2"}, e.names())
		s.requireStatus(true, "active", 200)
	})
}

// Record refuses a webhook without an endpoint, also if its document cannot be
// opened.
func TestWrongKeyUnconfigured(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, st := newEndpoint(t, nil), memory(t)
		s := start(t, e, st, sealing(keyOf(t, "r")))
		s.update(webhook.Patch{Authorization: webhook.Set(webhook.NewSecret(authorization))})
		s.stop()
		s = start(t, e, st, sealing(keyOf(t, "w")))
		require.ErrorIs(t, s.Record(t.Context(), hook, events("1")...), shipper.ErrUnconfigured)
		s.requireStatus(false, "unconfigured", 0)
	})
}

// A store that is durable takes no authorization without a key; without one it
// takes the rest, and an endpoint as it is.
func TestNoKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := start(t, newEndpoint(t, nil), disk(t, t.TempDir()))
		_, err := s.Update(t.Context(), hook, webhook.Patch{Authorization: webhook.Set(webhook.NewSecret(authorization))})
		require.ErrorIs(t, err, shipper.ErrNoKey)
		_, err = s.store.Get(t.Context(), "webhook/"+hook)
		require.ErrorIs(t, err, store.ErrNotFound)
		s.update(webhook.Patch{Endpoint: webhook.Set("https://example.com/open")})
		require.Equal(t, "https://example.com/open", s.document(hook).members["endpoint"])
		got, err := s.Get(t.Context(), hook)
		require.NoError(t, err)
		require.Equal(t, "https://example.com/open", got.Endpoint)
	})
}

// In memory nothing outlives the process, nor does the key need to; it
// outlives a Shipper.
func TestMemoryNeedsNoKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, st := newEndpoint(t, nil), memory(t)
		s := start(t, e, st)
		s.configure()
		require.NotContains(t, string(s.document(hook).doc.Value), secretMark)
		s.record("1")
		s.stop()
		start(t, e, st)
		pass(time.Second)
		require.Equal(t, []string{"1"}, e.names())
	})
}

// Events are sealed by choice, and read by those who have the key.
func TestSealEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, st := newEndpoint(t, always(http503)), memory(t)
		old, latest := keyOf(t, "o"), keyOf(t, "n")
		s := start(t, e, st, sealing(old), func(cfg *shipper.Config) { cfg.SealEvents = true })
		s.configure()
		s.record("visible")
		for e, err := range st.Read(t.Context(), hook, store.From{}) {
			require.NoError(t, err)
			require.NotContains(t, string(e.Data), "visible")
		}
		require.Equal(t, []string{"visible"}, s.recorded())
		pass(20 * time.Second)
		s.stop()

		s = start(t, e, st, sealing(old)) // later ones are not sealed
		s.record("open")
		require.Equal(t, []string{"visible", "open"}, s.recorded())
		require.NoError(t, s.Reseal(t.Context()))
		s.stop()

		s = start(t, e, st, sealing(latest, old))
		require.NoError(t, s.Reseal(t.Context()))
		s.stop()

		e.set(nil)
		s = start(t, e, st, sealing(latest)) // too early: an event has the old one
		for r, err := range s.Events(t.Context(), hook, store.From{}) {
			s.requireKeyError(err, "event")
			require.NotZero(t, r.Position)
			break
		}
		pass(time.Hour)
		require.Empty(t, e.names())
		require.Contains(t, s.report().HeldReason, old.ID())
		s.requireStatus(true, "inactive", http503)
		require.EqualValues(t, 2, s.report().Unsent.Events)
		require.Empty(t, s.letters())
		s.stop()

		s = start(t, e, st, sealing(latest, old))
		pass(10 * time.Minute)
		require.Equal(t, []string{"visible", "open"}, e.names())
		require.Empty(t, s.letters())
	})
}

// A sealed event opens for its own webhook only.
func TestSealedEventsDoNotMove(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, nil), sealing(keyOf(t, "k")), func(cfg *shipper.Config) { cfg.SealEvents = true })
		require.NoError(t, s.Record(t.Context(), hook, events("1")...))
		for e, err := range s.store.Read(t.Context(), hook, store.From{}) {
			require.NoError(t, err)
			_, err = s.store.Append(t.Context(), "other", "", store.Block{e.Data})
			require.NoError(t, err)
		}
		for _, err := range s.Events(t.Context(), "other", store.From{}) {
			var wrong *shipper.KeyError
			require.ErrorAs(t, err, &wrong)
			require.Equal(t, "other", wrong.Webhook)
			require.Equal(t, "event", wrong.Field)
		}
	})
}

// recorded returns the names of the events that the store has.
func (s *setup) recorded() []string {
	s.t.Helper()
	var names []string
	for r, err := range s.Events(s.t.Context(), hook, store.From{}) {
		require.NoError(s.t, err)
		v, _ := r.Event.Get("n")
		names = append(names, v.String())
	}
	return names
}

// stop closes the Shipper, as before a restart.
func (s *setup) stop() {
	s.t.Helper()
	require.NoError(s.t, s.Close(context.Background()))
}

// A document of another version, or one that is none, is an error that quotes
// nothing.
func TestMalformedDocument(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, value, want string }{
		{"no JSON", `{"endpoint":"https://example.com/t0k-x`, `shipper: the configuration of webhook "hook" is malformed`},
		{"another type", `{"version":1,"endpoint":["t0k-x"]}`, `shipper: the configuration of webhook "hook" is malformed`},
		{"version", `{"version":2,"endpoint":"t0k-x"}`, `shipper: the configuration of webhook "hook" has version 2; this program reads 1`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := bare(t, newEndpoint(t, nil))
				_, err := s.store.Put(t.Context(), "webhook/"+hook, []byte(tt.value), 0)
				require.NoError(t, err)
				for name, err := range s.everyCall(t.Context(), hook) {
					switch name {
					case "Get", "Update", "Delete", "Status", "Report", "Test", "Record", "RecordOnce":
						require.EqualError(t, err, tt.want, name)
					}
				}
				require.EqualError(t, s.Reseal(t.Context()), tt.want)
			})
		})
	}
}
