package natsstore

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// No text shows a credential: no error of Open, no log, not the configuration.
func TestSecrets(t *testing.T) {
	t.Parallel()
	const afterLoss = "other credentials after a loss"
	for name, way := range logins(t) {
		for situation, try := range map[string]func(t *testing.T, cfg Config, way login) error{
			"wrong credentials": func(t *testing.T, cfg Config, way login) error {
				t.Helper()
				cfg.URL, cfg.Options = serve(t, way.serve).URL(), way.wrong
				_, err := open(t.Context(), cfg)
				return err
			},
			"nobody listens": func(t *testing.T, cfg Config, way login) error {
				t.Helper()
				cfg.URL, cfg.Options = nowhere(t), way.options
				_, err := open(t.Context(), cfg)
				return err
			},
			"no trust": func(t *testing.T, cfg Config, way login) error {
				t.Helper()
				servers := serve(t, func(o *server.Options) {
					way.serve(o)
					newAuthority(t).secure(t, o)
				})
				cfg.URL, cfg.Options = servers.URL(), way.options
				_, err := open(t.Context(), cfg)
				return err
			},
			afterLoss: func(t *testing.T, cfg Config, way login) error {
				t.Helper()
				return locksOut(t, cfg, way)
			},
		} {
			t.Run(name+", "+situation, func(t *testing.T) {
				t.Parallel()
				var l logs
				cfg := config(t, single(t), 1)
				cfg.Options, cfg.Logger = way.options, l.logger()
				err := try(t, cfg, way)
				require.Error(t, err)
				if situation == afterLoss {
					require.Contains(t, l.String(), "the connection to NATS is lost")
				}
				text := fmt.Sprintf("%v %+v %#v %s %+v", err, err, err, l.String(), cfg)
				for _, secret := range way.secrets {
					require.NotContains(t, text, secret)
				}
			})
		}
	}
}

// locksOut restarts the server under a store so that it does not let it in any
// more, then so that it does again: the store finds its way back.
func locksOut(t *testing.T, cfg Config, way login) error {
	t.Helper()
	var options *server.Options
	servers := serve(t, func(o *server.Options) {
		way.serve(o)
		options = o
	})
	cfg.URL = servers.URL()
	cfg.Options = append(cfg.Options, nats.ReconnectWait(10*time.Millisecond), nats.ReconnectJitter(0, 0))
	s := opened(t, cfg)
	before := *options
	servers.StopOne(0)
	options.Username, options.Password, options.Authorization, options.Nkeys = "another", "password", "", nil
	options.TrustedOperators, options.SystemAccount, options.AccountResolver = nil, "", nil
	require.NoError(t, servers.StartOne(0))
	require.Eventually(t, func() bool { // it goes on after the same answer twice
		varz, err := servers.Server(0).Varz(nil)
		return err == nil && varz.TotalConnections > 4
	}, 30*time.Second, 10*time.Millisecond)
	require.False(t, s.conn.IsConnected())
	_, err := s.Append(t.Context(), "one", "", store.Block{[]byte("event")})
	require.ErrorIs(t, err, store.ErrUnavailable)
	servers.StopOne(0)
	*options = before
	require.NoError(t, servers.StartOne(0))
	require.Eventually(t, s.conn.IsConnected, 30*time.Second, 10*time.Millisecond)
	passes(t, s, "one")
	return err
}
