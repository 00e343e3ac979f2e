package konnectapi_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/konnectapi"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// stored returns the document of a destination.
func (s *setup) stored(id string) string {
	s.t.Helper()
	doc, err := s.store.Get(s.t.Context(), "destination/4/acme/"+id)
	require.NoError(s.t, err)
	return string(doc.Value)
}

// interleaved is a store that lets something happen before a write, of which
// the first has the number 1, and between the first read and its answer.
type interleaved struct {
	store.Documents
	mu     sync.Mutex
	writes int
	before map[int]func()
	fail   map[int]error

	read func()
	once sync.Once // for read

	reads, lists bool // whether they fail
}

func (d *interleaved) Get(ctx context.Context, key string) (store.Document, error) {
	if d.reads {
		return store.Document{}, errors.New("the disk is gone")
	}
	doc, err := d.Documents.Get(ctx, key)
	if d.read != nil {
		d.once.Do(d.read)
	}
	return doc, err
}

func (d *interleaved) List(ctx context.Context, prefix string) iter.Seq2[store.Document, error] {
	if d.lists {
		return func(yield func(store.Document, error) bool) { yield(store.Document{}, errors.New("the disk is gone")) }
	}
	return d.Documents.List(ctx, prefix)
}

func (d *interleaved) next() error {
	d.mu.Lock()
	d.writes++
	n := d.writes
	d.mu.Unlock()
	if f := d.before[n]; f != nil {
		f()
	}
	return d.fail[n]
}

func (d *interleaved) Put(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if err := d.next(); err != nil {
		return 0, err
	}
	return d.Documents.Put(ctx, key, value, revision)
}

func (d *interleaved) Delete(ctx context.Context, key string, revision uint64) error {
	if err := d.next(); err != nil {
		return err
	}
	return d.Documents.Delete(ctx, key, revision)
}

// beside returns a second Handler over the same, whose writes of destinations
// are interleaved.
func (s *setup) beside(d *interleaved) *setup {
	d.Documents = s.store
	other := *s
	other.shipper = s.shipper
	var err error
	other.Handler, err = konnectapi.New(konnectapi.Config{
		Shipper: s.shipper, Store: d, Authenticate: authenticate, Authorize: authorize, Portal: portal, Logger: s.logger(),
	})
	require.NoError(s.t, err)
	return &other
}

// Two processes that change a destination and who is bound to it at the same
// time, at each step of the one.
func TestInterleaved(t *testing.T) {
	t.Parallel()
	const other = "https://other.example.com"
	for step := 1; step <= 3; step++ {
		t.Run(fmt.Sprint("bound while it is deleted, before write ", step), func(t *testing.T) {
			t.Parallel()
			s := newSetup(t)
			id := s.create("one")
			s.ok(200, http.MethodPatch, webhookV2, configured)
			before := s.ok(200, http.MethodGet, webhookV2, "")
			deleted := 0
			b := s.beside(&interleaved{before: map[int]func(){step: func() {
				deleted = s.do(call{method: http.MethodDelete, path: destinationsV3 + "/" + id}).code
			}}})
			got := b.do(call{method: http.MethodPatch, path: webhookV3, body: bindTo(id, true)})
			switch {
			case step == 3: // there are two writes
				require.Zero(t, deleted)
				require.Equal(t, 200, got.code)
			case deleted == 204:
				require.Equal(t, 404, got.code)
				after := s.ok(200, http.MethodGet, webhookV2, "")
				after["updated_at"] = before["updated_at"]
				require.Equal(t, before, after)
				s.refused(404, http.MethodGet, webhookV3, "")
			default:
				require.Equal(t, 409, deleted)
				require.Equal(t, 200, got.code)
				s.ok(200, http.MethodGet, webhookV3, "")
			}
		})
		t.Run(fmt.Sprint("bound while it is changed, before write ", step), func(t *testing.T) {
			t.Parallel()
			s := newSetup(t)
			id := s.create("one")
			b := s.beside(&interleaved{before: map[int]func(){step: func() {
				s.ok(200, http.MethodPatch, destinationsV3+"/"+id, `{"endpoint":"`+other+`"}`)
			}}})
			b.ok(200, http.MethodPatch, webhookV3, bindTo(id, true))
			if step < 3 {
				require.Equal(t, other, s.ok(200, http.MethodGet, webhookV2, "")["endpoint"])
			}
		})
		t.Run(fmt.Sprint("changed twice, before write ", step), func(t *testing.T) {
			t.Parallel()
			s := newSetup(t)
			id := s.create("one")
			s.ok(200, http.MethodPatch, webhookV3, bindTo(id, true))
			b := s.beside(&interleaved{before: map[int]func(){step: func() {
				s.ok(200, http.MethodPatch, destinationsV3+"/"+id, `{"endpoint":"`+other+`","log_format":"cps"}`)
			}}})
			b.ok(200, http.MethodPatch, destinationsV3+"/"+id, `{"endpoint":"https://third.example.com"}`)
			want := s.ok(200, http.MethodGet, destinationsV3+"/"+id, "")
			got := s.ok(200, http.MethodGet, webhookV2, "")
			require.Equal(t, want["endpoint"], got["endpoint"])
			require.Equal(t, want["log_format"], got["log_format"])
			require.Equal(t, step < 3, want["log_format"] == "cps")
		})
		t.Run(fmt.Sprint("deleted while it is bound, before write ", step), func(t *testing.T) {
			t.Parallel()
			s := newSetup(t)
			id := s.create("one")
			b := s.beside(&interleaved{before: map[int]func(){step: func() {
				s.ok(200, http.MethodPatch, webhookV3, bindTo(id, true))
			}}})
			got := b.do(call{method: http.MethodDelete, path: destinationsV3 + "/" + id})
			if step == 1 {
				require.Equal(t, 409, got.code)
				require.Equal(t, id, s.ok(200, http.MethodGet, webhookV3, "")["audit_log_destination_id"])
			} else {
				require.Equal(t, 204, got.code)
			}
		})
		t.Run(fmt.Sprint("changed while it is deleted, before write ", step), func(t *testing.T) {
			t.Parallel()
			s := newSetup(t)
			id := s.create("one")
			b := s.beside(&interleaved{before: map[int]func(){step: func() {
				s.ok(204, http.MethodDelete, destinationsV3+"/"+id, "")
			}}})
			got := b.do(call{method: http.MethodPatch, path: destinationsV3 + "/" + id, body: `{"name":"two"}`})
			require.Equal(t, map[int]int{1: 404, 2: 200, 3: 200}[step], got.code)
		})
		t.Run(fmt.Sprint("changed in version 2 while it is changed, before write ", step), func(t *testing.T) {
			t.Parallel()
			s := newSetup(t)
			id := s.create("one")
			s.ok(200, http.MethodPatch, webhookV3, bindTo(id, true))
			b := s.beside(&interleaved{before: map[int]func(){step: func() {
				s.ok(200, http.MethodPatch, webhookV2, `{"endpoint":"`+other+`"}`)
			}}})
			b.ok(200, http.MethodPatch, destinationsV3+"/"+id, `{"endpoint":"https://third.example.com"}`)
			if step < 3 {
				require.Equal(t, other, s.ok(200, http.MethodGet, webhookV2, "")["endpoint"])
				s.refused(404, http.MethodGet, webhookV3, "")
			}
		})
	}
}

// A client that goes away while a destination is changed leaves no webhook behind
// that sends where it does not say.
func TestBoundWithoutTheClient(t *testing.T) {
	t.Parallel()
	const other = "https://other.example.com"
	s := newSetup(t)
	id := s.create("one")
	s.ok(200, http.MethodPatch, webhookV3, bindTo(id, true))
	s.ok(204, http.MethodDelete, webhookV3, "") // so that the destination names the webhook
	ctx, cancel := context.WithCancel(t.Context())
	b := s.beside(&interleaved{
		read:   func() { s.ok(200, http.MethodPatch, destinationsV3+"/"+id, `{"endpoint":"`+other+`"}`) },
		before: map[int]func(){1: cancel},
	})
	b.exchange(binding(id), httptest.NewRequestWithContext(ctx, http.MethodPatch, webhookV3, strings.NewReader(binding(id).body)))
	require.ErrorIs(t, ctx.Err(), context.Canceled)
	require.Equal(t, id, s.ok(200, http.MethodGet, webhookV3, "")["audit_log_destination_id"])
	require.Equal(t, other, s.ok(200, http.MethodGet, webhookV2, "")["endpoint"])
	s.refused(409, http.MethodDelete, destinationsV3+"/"+id, "")
}

// A destination that is deleted by somebody who has looked before the webhook was
// bound: the webhook gets back what it was.
func TestBoundToWhatIsGone(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]func(*setup){
		"unconfigured": func(*setup) {},
		"its own":      func(s *setup) { s.ok(200, http.MethodPatch, webhookV2, configured) },
		"another":      func(s *setup) { s.ok(200, http.MethodPatch, webhookV3, bindTo(s.create("other"), true)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t)
			id := s.create("one")
			s.ok(200, http.MethodPatch, webhookV3, bindTo(id, true))
			s.ok(204, http.MethodDelete, webhookV3, "") // so that the destination names the webhook
			before(s)
			view := func() [2]string {
				v2 := s.ok(200, http.MethodGet, webhookV2, "")
				delete(v2, "updated_at")
				return [2]string{fmt.Sprint(v2), withoutInstance(s.do(call{method: http.MethodGet, path: webhookV3}))}
			}
			want := view()
			b := s.beside(&interleaved{before: map[int]func(){1: func() {
				require.NotEqual(t, want, view())
				doc, err := s.store.Get(t.Context(), "destination/4/acme/"+id)
				require.NoError(t, err)
				require.NoError(t, s.store.Delete(t.Context(), doc.Key, doc.Revision))
			}}})
			b.refused(404, http.MethodPatch, webhookV3, bindTo(id, true))
			require.Equal(t, want, view())
		})
	}
	// What cannot be given back, or would get what is the destination's.
	for name, before := range map[string]string{
		"without an authorization": `{"endpoint":"https://own.example.com"}`,
		"forbidden since":          strings.Replace(configured, "{", `{"skip_ssl_verification":true,`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t)
			id := s.create("one")
			s.ok(200, http.MethodPatch, webhookV2, before)
			s.shipperConfig = func(cfg *shipper.Config) { cfg.ForbidSkipSSLVerification = true }
			s.start()
			b := s.beside(&interleaved{before: map[int]func(){2: func() {
				require.Equal(t, true, s.ok(200, http.MethodGet, webhookV3, "")["enabled"])
				doc, err := s.store.Get(t.Context(), "destination/4/acme/"+id)
				require.NoError(t, err)
				require.NoError(t, s.store.Delete(t.Context(), doc.Key, doc.Revision))
			}}})
			b.refused(404, http.MethodPatch, webhookV3, bindTo(id, true))
			s.refused(404, http.MethodGet, webhookV3, "")
			v2 := s.ok(200, http.MethodGet, webhookV2, "")
			require.Equal(t, false, v2["enabled"])
			require.Equal(t, endpointURL, v2["endpoint"], "no other endpoint gets the authorization")
			told := s.changes("acme")
			require.Equal(t, "admin update Authz.audit-log-webhook enabled", told[len(told)-1])
		})
	}
	t.Run("changed since", func(t *testing.T) {
		t.Parallel()
		s := newSetup(t)
		id := s.create("one")
		s.ok(200, http.MethodPatch, webhookV3, bindTo(id, true))
		s.ok(204, http.MethodDelete, webhookV3, "")
		b := s.beside(&interleaved{before: map[int]func(){1: func() {
			doc, err := s.store.Get(t.Context(), "destination/4/acme/"+id)
			require.NoError(t, err)
			require.NoError(t, s.store.Delete(t.Context(), doc.Key, doc.Revision))
			s.ok(200, http.MethodPatch, webhookV2, `{"endpoint":"https://other.example.com"}`)
		}}})
		b.refused(404, http.MethodPatch, webhookV3, bindTo(id, true))
		require.Equal(t, "https://other.example.com", s.ok(200, http.MethodGet, webhookV2, "")["endpoint"])
	})
}

// A process that ends in the middle of a change leaves it to the next one.
func TestUnfinishedChange(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	id := s.create("one")
	s.ok(200, http.MethodPatch, portalWebhook, bindTo(id, true))
	// The destination is written, then the Shipper takes no more.
	b := s.beside(&interleaved{fail: map[int]error{2: errors.New("the disk is gone")}})
	// A webhook that cannot be changed stands for the end of the process.
	_, err := s.shipper.Change(t.Context(), portalStream, func(shipper.Webhook) (shipper.Change, error) {
		return shipper.Change{Delete: true}, nil
	})
	require.NoError(t, err)
	b.refused(500, http.MethodPatch, destinationsV3+"/"+id, `{"endpoint":"https://other.example.com"}`)
	_, err = s.shipper.Change(t.Context(), portalStream, func(shipper.Webhook) (shipper.Change, error) {
		return shipper.Change{Label: webhook.Set(id), Patch: webhook.Patch{Endpoint: webhook.Set(endpointURL)}}, nil
	})
	require.NoError(t, err)
	s.start()
	w, err := s.shipper.Get(t.Context(), portalStream)
	require.NoError(t, err)
	require.Equal(t, "https://other.example.com", w.Endpoint)

	// Or to the next request that says the same.
	b = s.beside(&interleaved{fail: map[int]error{2: errors.New("the disk is gone")}})
	b.refused(500, http.MethodPatch, destinationsV3+"/"+id, `{"endpoint":"https://third.example.com"}`)
	_, err = s.shipper.Update(t.Context(), portalStream, webhook.Patch{Endpoint: webhook.Set(endpointURL)})
	require.NoError(t, err)
	s.ok(200, http.MethodPatch, destinationsV3+"/"+id, `{"endpoint":"https://third.example.com"}`)
	w, err = s.shipper.Get(t.Context(), portalStream)
	require.NoError(t, err)
	require.Equal(t, "https://third.example.com", w.Endpoint)
	require.NotContains(t, s.stored(id), "spreading")
}

// A webhook that cannot be changed keeps no other one of the destination from the
// change, and leaves the rest of it to the next start.
func TestChangePastAFailure(t *testing.T) {
	t.Parallel()
	const other = "https://other.example.com"
	s := newSetup(t)
	id := s.create("one")
	s.ok(200, http.MethodPatch, portalWebhook, bindTo(id, true))
	s.ok(200, http.MethodPatch, webhookV3, bindTo(id, true))
	const key = "webhook/" + portalStream
	good, err := s.store.Get(t.Context(), key)
	require.NoError(t, err)
	bad, err := s.store.Put(t.Context(), key, []byte("{}"), good.Revision)
	require.NoError(t, err)
	s.start() // nobody remembers the good one
	s.refused(500, http.MethodPatch, destinationsV3+"/"+id, `{"endpoint":"`+other+`"}`)
	require.Equal(t, other, s.ok(200, http.MethodGet, webhookV2, "")["endpoint"])

	_, err = s.store.Put(t.Context(), key, good.Value, bad)
	require.NoError(t, err)
	s.start()
	w, err := s.shipper.Get(t.Context(), portalStream)
	require.NoError(t, err)
	require.Equal(t, other, w.Endpoint)
	require.NotContains(t, s.stored(id), "spreading")
}

// What the store refuses is an error of the server, at each step, and none that
// tells the client why.
func TestStoreErrors(t *testing.T) {
	t.Parallel()
	bound := func(s *setup, id string) { s.ok(200, http.MethodPatch, webhookV3, bindTo(id, true)) }
	for _, test := range []struct {
		name         string
		reads, lists bool
		write        int
		closed       bool // the Shipper
		before       func(s *setup, id string)
		call         func(id string) call
		code         int
	}{
		{name: "create: list", lists: true, call: creating},
		{name: "create: write", write: 1, call: creating},
		{name: "list", lists: true, call: func(string) call { return call{method: http.MethodGet, path: destinationsV3} }},
		{name: "get", reads: true, call: func(id string) call { return call{method: http.MethodGet, path: destinationsV3 + "/" + id} }},
		{name: "update: read", reads: true, call: updating},
		{name: "update: write", write: 1, call: updating},
		{name: "update: last write", write: 2, call: updating},
		{name: "update: closed", closed: true, call: updating, code: 503},
		{name: "delete: read", reads: true, call: deleting},
		{name: "delete: write", write: 1, call: deleting},
		{name: "delete: closed", closed: true, before: bound, call: deleting, code: 503},
		{name: "bind: read", reads: true, call: binding},
		{name: "bind: write", write: 1, call: binding},
		{name: "bind: last write", write: 2, call: binding},
		{name: "bind: closed", closed: true, call: binding, code: 503},
		{name: "replay: closed", closed: true, code: 503, call: func(string) call {
			return call{method: http.MethodPut, path: "/v3/audit-log-replay-job", body: replayOf(time.Now(), time.Now())}
		}},
		{name: "delete a portal's: closed", closed: true, code: 503, call: func(string) call { return call{method: http.MethodDelete, path: portalWebhook} }},
		{name: "pull: closed", closed: true, code: 503, call: func(string) call { return call{method: http.MethodGet, path: logsPath} }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t)
			id := s.create("one")
			if test.before != nil {
				test.before(s, id)
			}
			faults := &interleaved{fail: map[int]error{test.write: errors.New("the disk is gone")}}
			b := s.beside(faults)
			faults.reads, faults.lists = test.reads, test.lists
			if test.closed {
				require.NoError(t, s.shipper.Close(context.Background()))
			}
			got := b.do(test.call(id))
			require.Equal(t, cmp.Or(test.code, 500), got.code, got.body)
			require.NotContains(t, got.body, "disk")
		})
	}
}

func creating(string) call {
	return call{method: http.MethodPost, path: destinationsV3, body: newDestination("two")}
}

func updating(id string) call {
	return call{method: http.MethodPatch, path: destinationsV3 + "/" + id, body: `{"name":"two"}`}
}

func deleting(id string) call {
	return call{method: http.MethodDelete, path: destinationsV3 + "/" + id}
}

func binding(id string) call {
	return call{method: http.MethodPatch, path: webhookV3, body: bindTo(id, true)}
}

// vanish removes a destination under the webhooks that are being bound to it.
func (s *setup) vanish(id string) {
	doc, err := s.store.Get(s.t.Context(), "destination/4/acme/"+id)
	require.NoError(s.t, err)
	require.NoError(s.t, s.store.Delete(s.t.Context(), doc.Key, doc.Revision))
}

// A webhook whose new destination and former one have both gone is bound to
// nothing.
func TestRestoreToWhatIsGone(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	old, id := s.create("old"), s.create("one")
	s.ok(200, http.MethodPatch, webhookV3, bindTo(old, true))
	b := s.beside(&interleaved{before: map[int]func(){2: func() {
		s.vanish(id)
		s.ok(204, http.MethodDelete, destinationsV3+"/"+old, "")
	}}})
	b.refused(404, http.MethodPatch, webhookV3, bindTo(id, true))
	s.refused(404, http.MethodGet, webhookV3, "")
	require.Equal(t, false, s.ok(200, http.MethodGet, webhookV2, "")["enabled"])
}

// One whose new destination has gone gets the former one as it is by now.
func TestRestoreToWhatWasChanged(t *testing.T) {
	t.Parallel()
	const other = "https://other.example.com"
	s := newSetup(t)
	old, id := s.create("old"), s.create("one")
	s.ok(200, http.MethodPatch, webhookV3, bindTo(old, true))
	b := s.beside(&interleaved{before: map[int]func(){2: func() {
		s.vanish(id)
		s.ok(200, http.MethodPatch, destinationsV3+"/"+old, `{"endpoint":"`+other+`"}`)
	}}})
	b.refused(404, http.MethodPatch, webhookV3, bindTo(id, true))
	require.Equal(t, old, s.ok(200, http.MethodGet, webhookV3, "")["audit_log_destination_id"])
	require.Equal(t, other, s.ok(200, http.MethodGet, webhookV2, "")["endpoint"])
	s.refused(409, http.MethodDelete, destinationsV3+"/"+old, "")
}

// What is given back is what was there last, not first.
func TestRestoreWhatWasLast(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	id := s.create("one")
	b := s.beside(&interleaved{before: map[int]func(){
		2: func() {
			s.ok(200, http.MethodPatch, destinationsV3+"/"+id, `{"name":"two"}`)
			s.ok(200, http.MethodPatch, webhookV2, configured)
		},
		3: func() { s.vanish(id) },
	}})
	b.refused(404, http.MethodPatch, webhookV3, bindTo(id, true))
	require.NotEqual(t, "unconfigured", s.ok(200, http.MethodGet, webhookV2, "")["endpoint"])
}

// What others have changed since is left alone.
func TestRestoreLeavesWhatOthersChanged(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	old, id := s.create("old"), s.create("one")
	s.ok(200, http.MethodPatch, webhookV3, bindTo(old, true))
	b := s.beside(&interleaved{before: map[int]func(){2: func() {
		s.vanish(id)
		s.ok(200, http.MethodPatch, webhookV3, bindTo(old, false))
	}}})
	b.refused(404, http.MethodPatch, webhookV3, bindTo(id, true))
	require.Equal(t, false, s.ok(200, http.MethodGet, webhookV3, "")["enabled"])
}

// So is a switch, while the webhook has the destination that then vanishes.
func TestRestoreLeavesSwitchedOff(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	old, id := s.create("old"), s.create("one")
	s.ok(200, http.MethodPatch, webhookV3, bindTo(old, true))
	b := s.beside(&interleaved{before: map[int]func(){2: func() {
		s.ok(200, http.MethodPatch, webhookV3, `{"enabled":false}`)
		s.vanish(id)
	}}})
	b.refused(404, http.MethodPatch, webhookV3, bindTo(id, true))
	got := s.ok(200, http.MethodGet, webhookV3, "")
	require.Equal(t, old, got["audit_log_destination_id"])
	require.Equal(t, false, got["enabled"])
}
