package client_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/client"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const (
	firstID = "00000000-0000-0000-0000-000000000001"
	otherID = "00000000-0000-0000-0000-0000000000ff"

	creation  = `POST /audit-log-destinations {"name":"SIEM","endpoint":"https://example.com/audit-logs","log_format":"cef","skip_ssl_verification":false,"authorization":"…"}`
	deletion  = `DELETE /audit-log-destinations/` + firstID
	unbinding = `DELETE /audit-log-webhook`
	disabling = `PATCH /audit-log-webhook {"enabled":false}`
)

func binding(id, enabled string) string {
	return `PATCH /audit-log-webhook {"audit_log_destination_id":"` + id + `","enabled":` + enabled + `}`
}

// existing is the destination as it stands before a set-up.
func existing(change func(*webhook.Destination)) webhook.Destination {
	d := wanted()
	d.ID, d.LogFormat, d.Authorization = otherID, webhook.CEF, webhook.NewSecret("old")
	if change != nil {
		change(&d)
	}
	return d
}

func TestSetUp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		before func(*organization)
		id     string // of the destination in use then
		calls  []string
	}{
		{"from nothing", nil, firstID, []string{creation, binding(firstID, "true")}},
		{
			"a destination of that name", func(o *organization) { o.destinations = []webhook.Destination{existing(nil)} },
			otherID, []string{`PATCH /audit-log-destinations/` + otherID + ` {"authorization":"…"}`, binding(otherID, "true")},
		},
		{
			"destinations of other names", func(o *organization) {
				o.destinations = []webhook.Destination{existing(func(d *webhook.Destination) { d.Name = "SIEM 2" }), existing(func(d *webhook.Destination) { d.Name = "siem" })}
			},
			firstID, []string{creation, binding(firstID, "true")},
		},
		{
			"done already", func(o *organization) {
				o.destinations = []webhook.Destination{existing(nil)}
				o.region = &webhook.Binding{DestinationID: otherID, Enabled: true}
			},
			otherID, []string{`PATCH /audit-log-destinations/` + otherID + ` {"authorization":"…"}`, binding(otherID, "true")},
		},
		{
			"bound to another destination", func(o *organization) { o.region = &webhook.Binding{DestinationID: otherID} },
			firstID, []string{creation, binding(firstID, "true")},
		},
		{
			"a webhook without destination", func(o *organization) { o.region = &webhook.Binding{} },
			firstID, []string{creation, binding(firstID, "true")},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := newOrganization(t)
			if c.before != nil {
				c.before(o)
			}
			got, err := o.client.Binding.SetUp(t.Context(), wanted())
			require.NoError(t, err)
			require.Equal(t, c.id, got.ID)
			require.Equal(t, "SIEM", got.Name)
			require.Equal(t, c.calls, o.calls)
			require.Equal(t, &webhook.Binding{DestinationID: c.id, Enabled: true}, o.region)
			for _, d := range o.destinations {
				if d.ID == c.id && d.Name == "SIEM" {
					require.Equal(t, authorization, d.Authorization.Reveal())
				}
			}
		})
	}
}

func TestSetUpOfAPortal(t *testing.T) {
	t.Parallel()
	o := newOrganization(t)
	o.endpoint = "https://example.com/of-the-region" // which is none of the portal's business
	p, err := o.client.Portal(portalID)
	require.NoError(t, err)
	got, err := p.Binding.SetUp(t.Context(), wanted())
	require.NoError(t, err)
	require.Equal(t, &webhook.Binding{DestinationID: got.ID, Enabled: true}, o.portal)
	require.Nil(t, o.region)

	require.NoError(t, p.Binding.TearDown(t.Context(), "SIEM"))
	require.Nil(t, o.portal)
	require.Empty(t, o.destinations)
}

// TestSetUpWithoutAuthorization shows that a destination that is there needs
// none, and keeps what it has.
func TestSetUpWithoutAuthorization(t *testing.T) {
	t.Parallel()
	o := newOrganization(t)
	o.destinations = []webhook.Destination{existing(nil)}
	want := wanted()
	want.Authorization = webhook.Secret{}
	_, err := o.client.Binding.SetUp(t.Context(), want)
	require.NoError(t, err)
	require.Equal(t, []string{binding(otherID, "true")}, o.calls)
	require.Equal(t, "old", o.destinations[0].Authorization.Reveal())
}

// TestSetUpRefuses shows what SetUp leaves alone.
func TestSetUpRefuses(t *testing.T) {
	t.Parallel()
	const differs = "client: there is a destination of that name with another endpoint, format or certificate check"
	with := func(change func(*webhook.Destination)) func(*organization) {
		return func(o *organization) { o.destinations = []webhook.Destination{existing(change)} }
	}
	for _, c := range []struct {
		name   string
		before func(*organization)
		want   string
	}{
		{"another endpoint", with(func(d *webhook.Destination) { d.Endpoint += "/" }), differs},
		{"another format", with(func(d *webhook.Destination) { d.LogFormat = webhook.JSON }), differs},
		{"another certificate check", with(func(d *webhook.Destination) { d.SkipSSLVerification = true }), differs},
		{
			"two of that name", func(o *organization) { o.destinations = []webhook.Destination{existing(nil), existing(nil)} },
			"client: several destinations have that name",
		},
		{
			"an endpoint of its own", func(o *organization) { o.endpoint = "https://example.com/inline" },
			"client: the webhook has an endpoint of its own, which binding it to a destination would replace for good: delete it first",
		},
		{"no answer about the webhook", failing("GET /audit-log-webhook", 403), "403 Forbidden"},
		{"no answer about its endpoint", failing("GET /v2/audit-log-webhook", 403), "403 Forbidden"},
		{"no answer about destinations", failing("GET /audit-log-destinations", 403), "403 Forbidden"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := newOrganization(t)
			c.before(o)
			got, err := o.client.Binding.SetUp(t.Context(), wanted())
			require.ErrorContains(t, err, c.want)
			require.Empty(t, cmp.Diff(webhook.Destination{}, got))
			require.Empty(t, o.calls)
		})
	}
	o := newOrganization(t)
	_, err := o.client.Binding.SetUp(t.Context(), webhook.Destination{Name: " "})
	require.ErrorContains(t, err, "no name")
}

// TestSetUpWithVersion3Only shows that a server need not have version 2.
func TestSetUpWithVersion3Only(t *testing.T) {
	t.Parallel()
	o := newOrganization(t)
	failing("GET /v2/audit-log-webhook", 404)(o)
	_, err := o.client.Binding.SetUp(t.Context(), wanted())
	require.NoError(t, err)
}

// failing makes the calls that begin so fail, without being carried out.
func failing(prefix string, code int) func(*organization) {
	return func(o *organization) {
		o.fault = func(call string, w http.ResponseWriter) bool {
			if strings.HasPrefix(call, prefix) {
				w.WriteHeader(code)
				return false
			}
			return true
		}
	}
}

// lost makes the first call that begins so lose its answer, after or before it
// is carried out.
func lost(prefix string, carriedOut bool) func(*organization) {
	return func(o *organization) {
		done := false
		o.fault = func(call string, w http.ResponseWriter) bool {
			if done || !strings.HasPrefix(call, prefix) {
				return true
			}
			done = true
			w.WriteHeader(http.StatusBadGateway)
			return carriedOut
		}
	}
}

func TestSetUpIsUndone(t *testing.T) {
	t.Parallel()
	const patch = "PATCH /audit-log-webhook"
	bound := func(o *organization) { o.region = &webhook.Binding{DestinationID: otherID, Enabled: true} }
	for _, c := range []struct {
		name   string
		before []func(*organization)
		want   error
		calls  []string
	}{
		{"creation refused", []func(*organization){failing("POST", 400)}, client.ErrBadRequest, []string{creation}},
		{"creation lost, not made", []func(*organization){lost("POST", false)}, client.ErrServer, []string{creation}},
		{"creation lost, but made", []func(*organization){lost("POST", true)}, client.ErrServer, []string{creation, deletion}},
		{"binding refused", []func(*organization){failing(patch, 403)}, client.ErrForbidden, []string{creation, binding(firstID, "true"), deletion}},
		{
			"binding lost, not made", []func(*organization){lost(patch, false)}, client.ErrServer,
			[]string{creation, binding(firstID, "true"), unbinding, deletion},
		},
		{
			"binding lost, but made", []func(*organization){lost(patch, true)}, client.ErrServer,
			[]string{creation, binding(firstID, "true"), unbinding, deletion},
		},
		{
			"binding lost, and it was bound before", []func(*organization){bound, lost(patch, true)}, client.ErrServer,
			[]string{creation, binding(firstID, "true"), binding(otherID, "true"), deletion},
		},
		{
			"binding lost, and it was bound before, switched off",
			[]func(*organization){func(o *organization) { o.region = &webhook.Binding{DestinationID: otherID} }, lost(patch, true)}, client.ErrServer,
			[]string{creation, binding(firstID, "true"), binding(otherID, "false"), deletion},
		},
		{
			"the destination seems to be in use", []func(*organization){lost(patch, true), func(o *organization) { o.inUse = 3 }}, client.ErrServer,
			[]string{creation, binding(firstID, "true"), unbinding, deletion, deletion, deletion, deletion},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := newOrganization(t)
			for _, before := range c.before {
				before(o)
			}
			region := o.region
			got, err := o.client.Binding.SetUp(t.Context(), wanted())
			require.ErrorIs(t, err, c.want)
			require.NotContains(t, err.Error(), "undone")
			require.Empty(t, cmp.Diff(webhook.Destination{}, got))
			require.Equal(t, c.calls, o.calls)
			require.Empty(t, o.destinations)
			require.Equal(t, region, o.region)
		})
	}
}

// TestSetUpLeavesWhatItDidNotMake shows that a destination that was there
// before survives the undoing, and one of somebody else.
func TestSetUpLeavesWhatItDidNotMake(t *testing.T) {
	t.Parallel()
	o := newOrganization(t)
	o.destinations = []webhook.Destination{existing(nil)}
	failing("PATCH /audit-log-webhook", 400)(o)
	_, err := o.client.Binding.SetUp(t.Context(), wanted())
	require.ErrorIs(t, err, client.ErrBadRequest)
	require.Len(t, o.destinations, 1)

	o = newOrganization(t)
	failing("PATCH /audit-log-destinations", 400)(o)
	o.destinations = []webhook.Destination{existing(nil)}
	_, err = o.client.Binding.SetUp(t.Context(), wanted())
	require.ErrorIs(t, err, client.ErrBadRequest)
	require.Len(t, o.calls, 1)

	o = newOrganization(t)
	o.fault = func(call string, w http.ResponseWriter) bool {
		if strings.HasPrefix(call, "POST") { // somebody else is faster, with another endpoint
			o.destinations = []webhook.Destination{existing(func(d *webhook.Destination) { d.Endpoint = "https://example.org" })}
			w.WriteHeader(http.StatusInternalServerError)
			return false
		}
		return true
	}
	_, err = o.client.Binding.SetUp(t.Context(), wanted())
	require.ErrorIs(t, err, client.ErrServer)
	require.Len(t, o.destinations, 1)
}

// TestSetUpIsUndoneAfterItsContext cancels the set-up in each of its steps.
func TestSetUpIsUndoneAfterItsContext(t *testing.T) {
	t.Parallel()
	stopping := errors.New("the service is stopping")
	for _, c := range []struct {
		during string
		calls  []string
	}{
		{"GET /audit-log-webhook", nil},
		{"GET /audit-log-destinations", nil},
		{"POST", []string{creation, deletion}},
		{"PATCH", []string{creation, binding(firstID, "true"), unbinding, deletion}},
	} {
		t.Run(c.during, func(t *testing.T) {
			t.Parallel()
			o := newOrganization(t)
			ctx, cancel := context.WithCancelCause(t.Context())
			arrived := make(chan struct{})
			o.fault = func(call string, _ http.ResponseWriter) bool {
				if strings.HasPrefix(call, c.during) && ctx.Err() == nil {
					cancel(stopping)
					close(arrived)
				}
				return true // carried out all the same
			}
			_, err := o.client.Binding.SetUp(ctx, wanted())
			<-arrived
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorIs(t, err, stopping)
			o.mu.Lock() // for the handler that nobody waits for
			defer o.mu.Unlock()
			require.Equal(t, c.calls, o.calls)
			require.Empty(t, o.destinations)
			require.Nil(t, o.region)
		})
	}
}

func TestSetUpCannotBeUndone(t *testing.T) {
	t.Parallel()
	o := newOrganization(t)
	o.fault = func(call string, w http.ResponseWriter) bool {
		switch {
		case strings.HasPrefix(call, "PATCH"):
			w.WriteHeader(http.StatusForbidden)
			return false
		case strings.HasPrefix(call, "DELETE"):
			w.WriteHeader(http.StatusUnauthorized)
			return false
		}
		return true
	}
	_, err := o.client.Binding.SetUp(t.Context(), wanted())
	require.ErrorIs(t, err, client.ErrForbidden)
	require.ErrorIs(t, err, client.ErrUnauthorized)
	require.EqualError(t, err, "client: PATCH /v3/audit-log-webhook: 403 Forbidden; and the set-up could not be undone: "+
		"client: DELETE /v3/audit-log-destinations/"+firstID+": 401 Unauthorized")

	// A further one goes on from there.
	o.fault = func(string, http.ResponseWriter) bool { return true }
	got, err := o.client.Binding.SetUp(t.Context(), wanted())
	require.NoError(t, err)
	require.Equal(t, firstID, got.ID)
	require.Len(t, o.destinations, 1)
}

// TestUndoingIsBounded lets the server hang once the set-up has failed.
func TestUndoingIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := withTransport(t, func(r *http.Request) (*http.Response, error) {
			switch r.Method {
			case http.MethodDelete:
				<-r.Context().Done()
				return nil, r.Context().Err()
			case http.MethodPost:
				return response(201, `{"id":"`+firstID+`"}`), nil
			case http.MethodPatch:
				return response(403, ``), nil
			}
			return response(200, `{"data":[],"meta":{"next":null}}`), nil
		}, client.WithHTTPClient(nil))
		start := time.Now()
		_, err := c.Binding.SetUp(t.Context(), wanted())
		require.ErrorIs(t, err, client.ErrForbidden)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 30*time.Second, time.Since(start))
	})
}

func TestTearDown(t *testing.T) {
	t.Parallel()
	set := func(o *organization) {
		o.destinations = []webhook.Destination{existing(func(d *webhook.Destination) { d.ID = firstID })}
		o.region = &webhook.Binding{DestinationID: firstID, Enabled: true}
	}
	for _, c := range []struct {
		name   string
		before []func(*organization)
		calls  []string
		waits  []float64
	}{
		{"all of it", []func(*organization){set}, []string{disabling, unbinding, deletion}, nil},
		{"nothing there", nil, nil, nil},
		{"not bound any more", []func(*organization){set, func(o *organization) { o.region = nil }}, []string{deletion}, nil},
		{
			"bound to another", []func(*organization){set, func(o *organization) { o.region = &webhook.Binding{DestinationID: otherID, Enabled: true} }},
			[]string{deletion}, nil,
		},
		{
			"in use for a while", []func(*organization){set, func(o *organization) { o.inUse = 7 }},
			[]string{disabling, unbinding, deletion, deletion, deletion, deletion, deletion, deletion, deletion, deletion},
			[]float64{.25, .5, 1, 2, 4, 5, 5},
		},
		{"gone in between", []func(*organization){set, failing("DELETE", 404)}, []string{disabling, unbinding, deletion}, nil},
		{"gone from the start of it", []func(*organization){set, failing("PATCH", 404)}, []string{disabling, unbinding, deletion}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := newOrganization(t)
			for _, before := range c.before {
				before(o)
			}
			require.NoError(t, o.client.Binding.TearDown(t.Context(), "SIEM"))
			require.Equal(t, c.calls, o.calls)
			require.Equal(t, c.waits, o.clock.seconds())
		})
	}
}

func TestTearDownErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fails string
		calls int
	}{
		{"list", "GET /audit-log-destinations", 0},
		{"webhook", "GET /audit-log-webhook", 0},
		{"switching off", "PATCH", 1},
		{"unbinding", "DELETE /audit-log-webhook", 2},
		{"deletion", "DELETE /audit-log-destinations", 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := newOrganization(t)
			_, err := o.client.Binding.SetUp(t.Context(), wanted())
			require.NoError(t, err)
			o.calls = nil
			failing(c.fails, 403)(o)
			require.ErrorIs(t, o.client.Binding.TearDown(t.Context(), "SIEM"), client.ErrForbidden)
			require.Len(t, o.calls, c.calls)

			o.fault = func(string, http.ResponseWriter) bool { return true }
			require.NoError(t, o.client.Binding.TearDown(t.Context(), "SIEM"), "it can be repeated")
			require.Nil(t, o.region)
			require.Empty(t, o.destinations)
		})
	}
}

// TestTearDownInUse shows that the wait for a destination has an end.
func TestTearDownInUse(t *testing.T) {
	t.Parallel()
	o := newOrganization(t)
	o.destinations, o.inUse = []webhook.Destination{existing(nil)}, 1000
	err := o.client.Binding.TearDown(t.Context(), "SIEM")
	require.ErrorIs(t, err, client.ErrConflict)
	require.ErrorContains(t, err, "destination is in use")
	var all float64
	for _, wait := range o.clock.seconds() {
		all += wait
	}
	require.InDelta(t, 62, all, 1)

	ctx, cancel := context.WithCancel(t.Context())
	o.fault = func(call string, _ http.ResponseWriter) bool {
		if strings.HasPrefix(call, "DELETE") {
			time.AfterFunc(0, cancel)
		}
		return true
	}
	err = o.client.Binding.TearDown(ctx, "SIEM")
	require.ErrorIs(t, err, context.Canceled)
}
