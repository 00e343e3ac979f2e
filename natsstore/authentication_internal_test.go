package natsstore

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"github.com/stretchr/testify/require"
)

// login is a way to authenticate.
type login struct {
	serve   func(*server.Options) // makes the server want it
	options []nats.Option         // with which a client may in
	wrong   []nats.Option         // with which it may not
	secrets []string              // that no text may show
}

// logins returns the ways to authenticate.
func logins(tb testing.TB) map[string]login {
	tb.Helper()
	seed, public := key(tb, nkeys.CreateUser)
	otherSeed, otherPublic := key(tb, nkeys.CreateUser)
	operatorMode, creds, otherCreds := operatorMode(tb)
	return map[string]login{
		"user and password": {
			func(o *server.Options) { o.Username, o.Password = "user-of-mine", sesame },
			[]nats.Option{nats.UserInfo("user-of-mine", sesame)},
			[]nats.Option{nats.UserInfo("user-of-mine", "wrong-"+sesame)},
			[]string{"user-of-mine", sesame},
		},
		"token": {
			func(o *server.Options) { o.Authorization = sesame },
			[]nats.Option{nats.Token(sesame)},
			[]nats.Option{nats.Token("wrong-" + sesame)},
			[]string{sesame},
		},
		"nkey": {
			func(o *server.Options) { o.Nkeys = []*server.NkeyUser{{Nkey: public}} },
			[]nats.Option{nkey(tb, seed)},
			[]nats.Option{nkey(tb, otherSeed)},
			[]string{seed, public, otherSeed, otherPublic},
		},
		"credentials file": {
			operatorMode,
			[]nats.Option{nats.UserCredentials(write(tb, creds))},
			[]nats.Option{nats.UserCredentials(write(tb, otherCreds))},
			[]string{creds, otherCreds, creds[30:60], otherCreds[30:60]},
		},
		"damaged credentials file": {
			operatorMode,
			[]nats.Option{nats.UserCredentials(write(tb, creds))},
			[]nats.Option{nats.UserCredentials(write(tb, sesame))},
			[]string{sesame},
		},
	}
}

// key makes a key pair.
func key(tb testing.TB, create func() (nkeys.KeyPair, error)) (seed, public string) {
	tb.Helper()
	pair, err := create()
	require.NoError(tb, err)
	secret, err := pair.Seed()
	require.NoError(tb, err)
	public, err = pair.PublicKey()
	require.NoError(tb, err)
	return string(secret), public
}

// write writes a file.
func write(tb testing.TB, text string) string {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), "file")
	require.NoError(tb, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// nkey is the option for a seed.
func nkey(tb testing.TB, seed string) nats.Option {
	tb.Helper()
	option, err := nats.NkeyOptionFromSeed(write(tb, seed))
	require.NoError(tb, err)
	return option
}

// operatorMode makes an operator and an account with JetStream, and returns
// what the server has to know, the credentials of a user and those of a user
// of an account that the server does not know.
func operatorMode(tb testing.TB) (serve func(*server.Options), creds, stranger string) {
	tb.Helper()
	operatorKey, err := nkeys.CreateOperator()
	require.NoError(tb, err)
	operatorPublic, err := operatorKey.PublicKey()
	require.NoError(tb, err)
	account := func() (public, claims, creds string) {
		pair, err := nkeys.CreateAccount()
		require.NoError(tb, err)
		public, err = pair.PublicKey()
		require.NoError(tb, err)
		c := jwt.NewAccountClaims(public)
		c.Limits.JetStreamLimits = jwt.JetStreamLimits{
			MemoryStorage: jwt.NoLimit, DiskStorage: jwt.NoLimit, Streams: jwt.NoLimit, Consumer: jwt.NoLimit, MaxAckPending: jwt.NoLimit,
		}
		claims, err = c.Encode(operatorKey)
		require.NoError(tb, err)
		seed, user := key(tb, nkeys.CreateUser)
		token, err := jwt.NewUserClaims(user).Encode(pair)
		require.NoError(tb, err)
		file, err := jwt.FormatUserConfig(token, []byte(seed))
		require.NoError(tb, err)
		return public, claims, string(file)
	}
	_, system := key(tb, nkeys.CreateAccount)
	systemClaims, err := jwt.NewAccountClaims(system).Encode(operatorKey)
	require.NoError(tb, err)
	public, claims, creds := account()
	_, _, stranger = account()
	resolver := &server.MemAccResolver{}
	require.NoError(tb, resolver.Store(system, systemClaims))
	require.NoError(tb, resolver.Store(public, claims))
	return func(o *server.Options) {
		o.TrustedOperators = []*jwt.OperatorClaims{jwt.NewOperatorClaims(operatorPublic)}
		o.SystemAccount, o.AccountResolver = system, resolver
	}, creds, stranger
}

func TestOpenAuthenticates(t *testing.T) {
	t.Parallel()
	for name, way := range logins(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config(t, serve(t, way.serve), 1)
			_, err := open(t.Context(), cfg)
			require.ErrorIs(t, err, nats.ErrAuthorization)
			require.EqualError(t, err, "natsstore: connecting: nats: Authorization Violation")
			cfg.Options = way.options
			passes(t, opened(t, cfg), "one")
		})
	}
}
