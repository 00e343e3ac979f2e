package shipper_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/diskstore"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// inStream returns the names of the events in the stream of a webhook.
func (s *setup) inStream(id string) []string {
	s.t.Helper()
	var names []string
	for r, err := range s.Events(s.t.Context(), id, store.From{}) {
		require.NoError(s.t, err)
		v, _ := r.Event.Get("n")
		names = append(names, v.String())
	}
	return names
}

// change changes a webhook without regard to what it is.
func (s *setup) change(id string, c shipper.Change) (shipper.Webhook, error) {
	return s.Change(s.t.Context(), id, func(shipper.Webhook) (shipper.Change, error) { return c, nil })
}

func TestChange(t *testing.T) {
	t.Parallel()
	errNo := errors.New("no")
	const other = "other"
	patch := webhook.Patch{LogFormat: webhook.Set(webhook.JSON)}
	for _, test := range []struct {
		name   string
		id     string // hook if empty
		change shipper.Change
		err    error
		reason string // in the error
		format webhook.LogFormat
		label  string
		events []string // in the stream
	}{
		{name: "nothing", format: webhook.CEF},
		{name: "patch", change: shipper.Change{Patch: patch, Events: events("e")}, format: webhook.JSON, events: []string{"e"}},
		{name: "label", change: shipper.Change{Label: webhook.Set("x"), Events: events("e")}, format: webhook.CEF, label: "x", events: []string{"e"}},
		{name: "events alone", change: shipper.Change{Events: events("e", "f")}, format: webhook.CEF, events: []string{"e", "f"}},
		{name: "delete", change: shipper.Change{Delete: true, Patch: patch, Events: events("e")}, events: []string{"e"}},
		{name: "refused by the caller", change: shipper.Change{Patch: patch, Events: events("e")}, err: errNo, format: webhook.CEF},
		{
			name:   "refused",
			change: shipper.Change{Patch: webhook.Patch{Endpoint: webhook.Set("http://example.com")}, Events: events("e")},
			reason: "endpoint: must be an https URL", format: webhook.CEF,
		},
		{name: "long label", change: shipper.Change{Label: webhook.Set(strings.Repeat("x", shipper.MaxLabel+1))}, reason: "label", format: webhook.CEF},
		{name: "label with a line break", change: shipper.Change{Label: webhook.Set("a\nb")}, reason: "label", format: webhook.CEF},
		{name: "unknown, nothing", id: other},
		{name: "unknown, events alone", id: other, change: shipper.Change{Events: events("e")}},
		{name: "unknown, delete", id: other, change: shipper.Change{Delete: true, Events: events("e")}},
		{name: "unknown, patch", id: other, change: shipper.Change{Patch: patch, Events: events("e")}, format: webhook.JSON, events: []string{"e"}},
		{name: "no id", id: strings.Repeat("x", shipper.MaxID+1), reason: "webhook id"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t, newEndpoint(t, nil))
			id := test.id
			if id == "" {
				id = hook
			}
			got, err := s.Change(t.Context(), id, func(old shipper.Webhook) (shipper.Change, error) {
				require.Equal(t, id == hook, old.Config.Configured())
				return test.change, test.err
			})
			switch {
			case test.err != nil:
				require.ErrorIs(t, err, test.err)
			case test.reason != "":
				require.ErrorContains(t, err, test.reason)
			default:
				require.NoError(t, err)
			}
			if len(id) > shipper.MaxID {
				return
			}
			require.Equal(t, test.format, got.Config.LogFormat)
			require.Equal(t, test.label, got.Label)
			require.Equal(t, test.events, s.inStream(id))
			stored, err := s.Webhook(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, got.Label, stored.Label)
			require.Equal(t, got.Config.LogFormat, stored.Config.LogFormat)
		})
	}
}

// Changes that depend on what is there lose nothing of each other, and their
// events are recorded once, however often they are decided.
func TestChangeConcurrently(t *testing.T) {
	t.Parallel()
	s := newSetup(t, newEndpoint(t, nil))
	const n = 8
	var changes sync.WaitGroup
	for range n {
		changes.Go(func() {
			_, err := s.Change(context.Background(), hook, func(old shipper.Webhook) (shipper.Change, error) {
				return shipper.Change{Label: webhook.Set(old.Label + "x"), Events: events("e")}, nil
			})
			require.NoError(t, err)
		})
	}
	changes.Wait()
	got, err := s.Webhook(t.Context(), hook)
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("x", n), got.Label)
	require.Len(t, s.inStream(hook), n)
}

// The events of a change that switches the webhook off go out first.
func TestChangeDrains(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, nil))
		_, err := s.change(hook, shipper.Change{
			Patch: webhook.Patch{Enabled: webhook.Set(false)}, Label: webhook.Set("x"), Events: events("off"),
		})
		require.NoError(t, err)
		s.record("later")
		pass(time.Minute)
		require.Equal(t, []string{"off"}, s.endpoint.names())
	})
}

func TestCheck(t *testing.T) {
	t.Parallel()
	whole := webhook.Patch{Endpoint: webhook.Set("https://example.com/a"), Authorization: webhook.Set(webhook.NewSecret(authorization))}
	config := webhook.Config{Endpoint: "https://example.com/a", Authorization: webhook.NewSecret(authorization)}
	with := func(change func(*webhook.Patch)) webhook.Patch {
		p := whole
		change(&p)
		return p
	}
	for _, test := range []struct {
		name   string
		config webhook.Config
		patch  webhook.Patch
		want   string // the error's field and reason
	}{
		{name: "good", patch: whole},
		{name: "no URL", patch: with(func(p *webhook.Patch) { p.Endpoint = webhook.Set("x") }), want: "endpoint: must be a valid URL"},
		{name: "skip", patch: with(func(p *webhook.Patch) { p.SkipSSLVerification = webhook.Set(true) }), want: "skip_ssl_verification: is not allowed here"},
		{name: "same host", config: config, patch: webhook.Patch{Endpoint: webhook.Set("https://example.com/b")}},
		{name: "another host", config: config, patch: webhook.Patch{Endpoint: webhook.Set("https://example.org/b")}, want: "authorization: must be given again"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t, newEndpoint(t, nil), func(c *shipper.Config) {
				c.ForbidSkipSSLVerification, c.RequireNewAuthorization = true, true
			})
			err := s.Check(test.config, test.patch)
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			var invalid *webhook.ValidationError
			require.ErrorAs(t, err, &invalid)
			require.ErrorContains(t, err, test.want)
		})
	}
}

func TestSealAndOpen(t *testing.T) {
	t.Parallel()
	s := newSetup(t, newEndpoint(t, nil))
	sealed, err := s.Seal("a", []byte(authorization))
	require.NoError(t, err)
	require.NotContains(t, string(sealed), secretMark)
	value, err := s.Open("a", sealed)
	require.NoError(t, err)
	require.Equal(t, authorization, string(value))

	var wrong *shipper.KeyError
	_, err = s.Open("b", sealed)
	require.ErrorAs(t, err, &wrong)
	require.NotContains(t, err.Error(), secretMark)
	_, err = s.Open("a", bytes.ToUpper(sealed))
	require.ErrorAs(t, err, &wrong)
}

func TestSealWithoutKey(t *testing.T) {
	t.Parallel()
	st, err := diskstore.Open(diskstore.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	s := start(t, newEndpoint(t, nil), st)
	_, err = s.Seal("a", []byte("x"))
	require.ErrorIs(t, err, shipper.ErrNoKey)
	_, err = s.Open("a", []byte("x"))
	var wrong *shipper.KeyError
	require.ErrorAs(t, err, &wrong)
}
