package shipper_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/status"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// A patch changes what it sets, and nothing else; Get shows it.
func TestUpdate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := bare(t, newEndpoint(t, nil))
		ctx := t.Context()
		got, err := s.Get(ctx, hook)
		require.NoError(t, err)
		require.True(t, sameConfig(webhook.Config{}, got))

		began := time.Now().UTC()
		want := webhook.Config{
			Endpoint: "https://example.com" + path, Authorization: webhook.NewSecret(authorization),
			LogFormat: webhook.CEF, UpdatedAt: began,
		}
		got = s.update(webhook.Patch{Endpoint: webhook.Set(want.Endpoint), Authorization: webhook.Set(want.Authorization)})
		require.True(t, sameConfig(want, got), "%v", got)

		pass(time.Minute)
		want.LogFormat, want.UpdatedAt = webhook.CPS, began.Add(time.Minute)
		got = s.update(webhook.Patch{LogFormat: webhook.Set(webhook.CPS)})
		require.True(t, sameConfig(want, got), "%v", got)

		pass(time.Minute)
		got = s.update(webhook.Patch{LogFormat: webhook.Set(webhook.CPS), Enabled: webhook.Set(false)})
		require.True(t, sameConfig(want, got), "nothing changed: %v", got)
		got, err = s.Get(ctx, hook)
		require.NoError(t, err)
		require.True(t, sameConfig(want, got), "%v", got)
	})
}

// What is wrong with a patch is told by the field, and changes nothing.
func TestUpdateInvalid(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		patch  webhook.Patch
		fields []string
	}{
		{"nothing to enable", webhook.Patch{Enabled: webhook.Set(true)}, []string{"authorization", "endpoint"}},
		{"http", webhook.Patch{Endpoint: webhook.Set("http://example.com")}, []string{"endpoint"}},
		{"format", webhook.Patch{LogFormat: webhook.Set(webhook.LogFormat("xml"))}, []string{"log_format"}},
		{"private address", webhook.Patch{Endpoint: webhook.Set("https://10.0.0.1/x")}, []string{"endpoint"}},
		{"loopback", webhook.Patch{Endpoint: webhook.Set("https://[::1]:8443/x")}, []string{"endpoint"}},
		{"metadata", webhook.Patch{Endpoint: webhook.Set("https://169.254.169.254/latest")}, []string{"endpoint"}},
		{"mapped", webhook.Patch{Endpoint: webhook.Set("https://[::ffff:192.168.1.1]")}, []string{"endpoint"}},
		{"verification", webhook.Patch{SkipSSLVerification: webhook.Set(true)}, []string{"skip_ssl_verification"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := bare(t, newEndpoint(t, nil), func(cfg *shipper.Config) {
					cfg.Delivery.DialContext = nil // which would take the guard out
					cfg.ForbidSkipSSLVerification = true
				})
				_, err := s.Update(t.Context(), hook, tt.patch)
				var invalid *webhook.ValidationError
				require.ErrorAs(t, err, &invalid)
				var fields []string
				for _, p := range invalid.Parameters {
					fields = append(fields, p.Field)
				}
				slices.Sort(fields)
				require.Equal(t, tt.fields, fields)
				got, err := s.Get(t.Context(), hook)
				require.NoError(t, err)
				require.True(t, sameConfig(webhook.Config{}, got))
			})
		})
	}
}

// Whoever may change the endpoint cannot have the secret sent to themselves.
func TestRequireNewAuthorization(t *testing.T) {
	t.Parallel()
	other := webhook.Set(webhook.NewSecret("Bearer t0k-other"))
	tests := []struct {
		name  string
		patch webhook.Patch
		ok    bool
	}{
		{"another path", webhook.Patch{Endpoint: webhook.Set("https://example.com/other")}, true},
		{"the default port", webhook.Patch{Endpoint: webhook.Set("https://EXAMPLE.com:443/other")}, true},
		{"another host", webhook.Patch{Endpoint: webhook.Set("https://example.net" + path)}, false},
		{"another port", webhook.Patch{Endpoint: webhook.Set("https://example.com:8443" + path)}, false},
		{"a host within", webhook.Patch{Endpoint: webhook.Set("https://sub.example.com" + path)}, false},
		{"with authorization", webhook.Patch{Endpoint: webhook.Set("https://example.net"), Authorization: other}, true},
		{"something else", webhook.Patch{Enabled: webhook.Set(false)}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSetup(t, newEndpoint(t, nil), func(cfg *shipper.Config) { cfg.RequireNewAuthorization = true })
				_, err := s.Update(t.Context(), hook, tt.patch)
				if tt.ok {
					require.NoError(t, err)
					return
				}
				var invalid *webhook.ValidationError
				require.ErrorAs(t, err, &invalid)
				require.Equal(t, "authorization", invalid.Parameters[0].Field)
				got, err := s.Get(t.Context(), hook)
				require.NoError(t, err)
				require.Equal(t, "https://example.com"+path, got.Endpoint)
			})
		})
	}
	t.Run("before there is an endpoint", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := bare(t, newEndpoint(t, nil), func(cfg *shipper.Config) { cfg.RequireNewAuthorization = true })
			s.update(webhook.Patch{Authorization: other})
			_, err := s.Update(t.Context(), hook, webhook.Patch{Endpoint: webhook.Set("https://example.net")})
			var invalid *webhook.ValidationError
			require.ErrorAs(t, err, &invalid)
		})
	})
}

// Calls that change different fields at the same time lose none.
func TestConcurrentUpdates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, nil))
		for i := range 20 {
			endpoint := fmt.Sprintf("https://example.com/%d", i)
			secret := webhook.NewSecret(fmt.Sprintf("Bearer t0k-%d", i))
			format := []webhook.LogFormat{webhook.CEF, webhook.JSON, webhook.CPS}[i%3]
			var wg sync.WaitGroup
			for _, patch := range []webhook.Patch{
				{Endpoint: webhook.Set(endpoint)},
				{Authorization: webhook.Set(secret)},
				{Enabled: webhook.Set(i%2 == 0)},
				{LogFormat: webhook.Set(format)},
				{SkipSSLVerification: webhook.Set(i%2 == 1)},
			} {
				wg.Go(func() {
					if _, err := s.Update(t.Context(), hook, patch); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			got, err := s.Get(t.Context(), hook)
			require.NoError(t, err)
			want := webhook.Config{
				Endpoint: endpoint, Authorization: secret, Enabled: i%2 == 0, LogFormat: format,
				SkipSSLVerification: i%2 == 1, UpdatedAt: got.UpdatedAt,
			}
			require.True(t, sameConfig(want, got), "%v", got)
		}
	})
}

// Delete leaves no configuration and no status; events wait for another one.
func TestDelete(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, always(http503)))
		ctx := t.Context()
		s.record("1")
		pass(20 * time.Second)
		s.requireStatus(true, status.Inactive, http503)
		s.endpoint.set(nil)
		require.NoError(t, s.Delete(ctx, hook, events("removed")...))
		require.ErrorIs(t, s.Record(ctx, hook, events("2")...), shipper.ErrUnconfigured)
		got, err := s.Get(ctx, hook)
		require.NoError(t, err)
		require.True(t, sameConfig(webhook.Config{}, got))
		s.requireStatus(false, status.Unconfigured, 0)
		require.Empty(t, s.report().Attempts)
		pass(time.Hour)
		require.Empty(t, s.endpoint.names())
		require.NoError(t, s.Delete(ctx, hook, events("again")...), "there is nothing to delete")

		s.configure()
		s.requireStatus(true, status.Active, 0)
		require.Empty(t, s.report().Attempts)
		pass(time.Second)
		require.Equal(t, []string{"1", "removed"}, s.endpoint.names())
		s.requireStatus(true, status.Active, 200)
	})
}

// Delete takes effect at once: nothing is sent any more when it has returned.
func TestDeleteAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, nil))
		for range 50 {
			s.record("1")
			require.NoError(t, s.Delete(t.Context(), hook))
			sent := len(s.endpoint.received())
			require.ErrorIs(t, s.Record(t.Context(), hook, events("2")...), shipper.ErrUnconfigured)
			pass(2 * time.Second)
			require.Len(t, s.endpoint.received(), sent)
			s.configure()
			pass(2 * time.Second)
		}
	})
}

func TestWebhooks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := bare(t, newEndpoint(t, nil))
		ids := []string{"a", "a/b", "b", "ä", strings.Repeat("z", shipper.MaxID)}
		for _, id := range ids {
			_, err := s.Update(t.Context(), id, webhook.Patch{Endpoint: webhook.Set("https://example.com")})
			require.NoError(t, err)
		}
		slices.Sort(ids)
		var got []string
		for id, err := range s.Webhooks(t.Context()) {
			require.NoError(t, err)
			got = append(got, id)
		}
		require.Equal(t, ids, got)
		for id, err := range s.Webhooks(t.Context()) {
			require.NoError(t, err)
			require.Equal(t, ids[0], id)
			break
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("cause")
		cancel(cause)
		for _, err := range s.Webhooks(ctx) {
			require.ErrorIs(t, err, cause)
		}
	})
}

// One webhook's name that begins with another's sees nothing of it.
func TestIDsAreApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, refusing(400, "bad")))
		s.record("bad", "good")
		pass(2 * time.Second)
		require.Equal(t, []string{"bad"}, s.letters())
		for _, id := range []string{"h", "hoo", "hook/", "hook1", "hook/00000000000000000001-00000"} {
			for d, err := range s.DeadLetters(t.Context(), id) {
				t.Errorf("%q has %v, %v", id, d, err)
			}
			got, err := s.Get(t.Context(), id)
			require.NoError(t, err)
			require.False(t, got.Configured())
		}
	})
}

// Every method that takes an id refuses one that cannot be.
func TestIDs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := bare(t, newEndpoint(t, nil))
		for _, id := range []string{"", strings.Repeat("x", shipper.MaxID+1), "a\nb", "\xff", "a\x00"} {
			for name, err := range s.everyCall(t.Context(), id) {
				var wrong *store.NameError
				require.ErrorAs(t, err, &wrong, "%s(%q)", name, id)
				require.Equal(t, "webhook id", wrong.Field, name)
			}
		}
	})
}

// A call does nothing with a context that has ended.
func TestEndedContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, nil))
		cause := errors.New("cause")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		for name, err := range s.everyCall(ctx, hook) {
			require.ErrorIs(t, err, cause, name)
		}
		require.Zero(t, s.report().Unsent)
	})
}

// everyCall calls all methods that take an id.
func (s *setup) everyCall(ctx context.Context, id string) map[string]error {
	all := map[string]error{}
	_, all["Get"] = s.Get(ctx, id)
	_, all["Update"] = s.Update(ctx, id, webhook.Patch{Endpoint: webhook.Set("https://example.org")})
	all["Delete"] = s.Delete(ctx, id)
	_, all["Status"] = s.Status(ctx, id)
	_, all["Report"] = s.Report(ctx, id)
	_, all["Test"] = s.Test(ctx, id)
	all["Record"] = s.Record(ctx, id, events("1")...)
	all["RecordOnce"] = s.RecordOnce(ctx, id, "key", events("1")...)
	all["Drain"] = s.Drain(ctx, id)
	all["Redrive"] = s.Redrive(ctx, id, "letter")
	all["Purge"] = s.Purge(ctx, id, "letter")
	for _, err := range s.DeadLetters(ctx, id) {
		all["DeadLetters"] = err
	}
	for _, err := range s.Events(ctx, id, store.From{}) {
		all["Events"] = err
	}
	return all
}

// changes keeps what hooks are told of configurations.
type changes struct {
	mu  sync.Mutex
	all []string
}

func (c *changes) ConfigChanged(_ context.Context, id string, old, next webhook.Config) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, fmt.Sprintf("%s %t>%t %s>%s", id, old.Enabled, next.Enabled, old.LogFormat, next.LogFormat))
}

// The hook is told of changes, and of nothing that was none.
func TestConfigChangedHook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		told := &changes{}
		s := newSetup(t, newEndpoint(t, nil), func(cfg *shipper.Config) { cfg.Hooks = []shipper.Hook{told} })
		s.update(webhook.Patch{LogFormat: webhook.Set(webhook.JSON)})
		s.update(webhook.Patch{LogFormat: webhook.Set(webhook.JSON)})
		_, err := s.Update(t.Context(), hook, webhook.Patch{LogFormat: webhook.Set(webhook.LogFormat("xml"))})
		require.Error(t, err)
		require.NoError(t, s.Reseal(t.Context()))
		require.NoError(t, s.Delete(t.Context(), hook))
		require.NoError(t, s.Delete(t.Context(), hook))
		require.Equal(t, []string{"hook false>true >cef", "hook true>true cef>json", "hook true>false json>"}, told.all)
	})
}

// Events that an Update or a Delete cannot take change nothing.
func TestUpdateWithBadEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, nil))
		bad := append(events("1"), auditlog.Event{Attributes: []auditlog.Attribute{auditlog.String("a b", "")}})
		_, err := s.Update(t.Context(), hook, webhook.Patch{LogFormat: webhook.Set(webhook.JSON)}, bad...)
		var wrong *shipper.EventError
		require.ErrorAs(t, err, &wrong)
		require.Equal(t, 1, wrong.Index)
		require.ErrorAs(t, s.Delete(t.Context(), hook, bad...), &wrong)
		got, err := s.Get(t.Context(), hook)
		require.NoError(t, err)
		require.Equal(t, webhook.CEF, got.LogFormat)
		require.Zero(t, s.report().Unsent)
	})
}

// Tune has the last word on how a webhook is delivered to.
func TestTune(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, nil), func(cfg *shipper.Config) {
			cfg.Tune = func(id string, cfg *delivery.Config) {
				require.Equal(t, hook, id)
				cfg.Headers = map[string]webhook.Secret{"Authorization2": webhook.NewSecret("t0k-x")}
				cfg.Encoding = delivery.EncodingNone // which the endpoint does not take
			}
		})
		s.record("1")
		pass(2 * time.Second)
		s.requireStatus(true, status.Inactive, 418)
	})
}

func sameConfig(a, b webhook.Config) bool {
	return a.Endpoint == b.Endpoint && a.Authorization.Equal(b.Authorization) && a.Enabled == b.Enabled &&
		a.LogFormat == b.LogFormat && a.SkipSSLVerification == b.SkipSSLVerification && a.UpdatedAt.Equal(b.UpdatedAt)
}
