package natsstore

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/store"
)

func TestConfigDefaults(t *testing.T) {
	t.Parallel()
	cfg := Config{URL: "nats://example.com"}
	require.NoError(t, cfg.complete())
	require.Empty(t, cmp.Diff(Config{
		URL: "nats://example.com", Name: "auditlog", Subject: "auditlog",
		Retention: 168 * time.Hour, Lease: time.Minute, DedupWindow: store.DedupWindow + time.Minute,
		Sweep: time.Minute, Window: 64, Logger: slog.Default(),
	}, cfg, cmpopts.EquateComparable(&slog.Logger{})))
}

// What was set stays, up to the ends of what is allowed.
func TestConfigKeepsWhatIsSet(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	for name, want := range map[string]Config{
		"least": {
			URL: "x", Name: "a", Subject: "b", Retention: time.Minute, Lease: 2 * time.Second,
			DedupWindow: store.DedupWindow, Sweep: time.Second, Window: 1, Logger: log,
		},
		"most": {
			URL: "nats://a:1,tls://b:2", Domain: strings.Repeat("d", 32), Name: strings.Repeat("N", 32),
			Subject: strings.Repeat("s.", 63) + "_-", Replicas: 5, MaxBytes: 1 << 62, SyncAlways: true,
			Retention: 1 << 62, Lease: 1 << 62, DedupWindow: 1 << 62, Sweep: 1 << 62, Window: 4096, Logger: log,
		},
		"prefix": {
			URL: "x", APIPrefix: "JS.$x.API", Name: "a", Subject: "b", Retention: time.Minute, Lease: 2 * time.Second,
			DedupWindow: store.DedupWindow, Sweep: time.Second, Window: 1, Logger: log,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := want
			require.NoError(t, cfg.complete())
			require.Empty(t, cmp.Diff(want, cfg, cmpopts.EquateComparable(&slog.Logger{})))
		})
	}
}

func TestConfigSubjectFollowsName(t *testing.T) {
	t.Parallel()
	cfg := Config{URL: "x", Name: "eu", APIPrefix: "JS.eu."}
	require.NoError(t, cfg.complete())
	require.Equal(t, "eu", cfg.Subject)
	require.Equal(t, "JS.eu", cfg.APIPrefix)
}

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		cfg  Config
		want string
	}{
		"no URL":               {Config{}, "URL is empty"},
		"both":                 {Config{Domain: "a", APIPrefix: "b"}, "Domain and APIPrefix are both set"},
		"domain":               {Config{Domain: "a.b"}, `Domain "a.b" is not 1 to 32 letters, digits, '-' or '_'`},
		"long domain":          {Config{Domain: strings.Repeat("a", 33)}, `Domain "` + strings.Repeat("a", 33) + `" is not 1 to 32 letters, digits, '-' or '_'`},
		"prefix":               {Config{APIPrefix: "a..b"}, `APIPrefix "a..b" is no subject`},
		"prefix with wildcard": {Config{APIPrefix: "a.>"}, `APIPrefix "a.>" is no subject`},
		"only dots":            {Config{APIPrefix: ".."}, `APIPrefix "." is no subject`},
		"name":                 {Config{Name: "a b", Subject: "s"}, `Name "a b" is not 1 to 32 letters, digits, '-' or '_'`},
		"name with line feed":  {Config{Name: "a\n", Subject: "s"}, `Name "a\n" is not 1 to 32 letters, digits, '-' or '_'`},
		"long name":            {Config{Name: strings.Repeat("a", 33)}, `Name "` + strings.Repeat("a", 33) + `" is not 1 to 32 letters, digits, '-' or '_'`},
		"subject":              {Config{Subject: "a.*"}, `Subject "a.*" is not tokens of letters, digits, '-' and '_' with dots between, at most 128 bytes`},
		"subject ends in dot":  {Config{Subject: "a."}, `Subject "a." is not tokens of letters, digits, '-' and '_' with dots between, at most 128 bytes`},
		"system's subject":     {Config{Subject: "$JS.API"}, `Subject "$JS.API" is not tokens of letters, digits, '-' and '_' with dots between, at most 128 bytes`},
		"long subject":         {Config{Subject: strings.Repeat("a", 129)}, `Subject "` + strings.Repeat("a", 129) + `" is not tokens of letters, digits, '-' and '_' with dots between, at most 128 bytes`},
		"few replicas":         {Config{Replicas: -1}, "Replicas is -1, not 0 to 5"},
		"many replicas":        {Config{Replicas: 6}, "Replicas is 6, not 0 to 5"},
		"bytes":                {Config{MaxBytes: -1}, "MaxBytes is -1, less than 0"},
		"retention":            {Config{Retention: time.Minute - 1}, "Retention is 59.999999999s, less than a minute"},
		"lease":                {Config{Lease: 2*time.Second - 1}, "Lease is 1.999999999s, less than two seconds"},
		"window of duplicates": {Config{DedupWindow: store.DedupWindow - 1}, "DedupWindow is 1m59.999999999s, less than 2m0s"},
		"sweep":                {Config{Sweep: time.Second - 1}, "Sweep is 999.999999ms, less than a second"},
		"small window":         {Config{Window: -1}, "Window is -1, not 1 to 4096"},
		"large window":         {Config{Window: 4097}, "Window is 4097, not 1 to 4096"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name != "no URL" {
				test.cfg.URL = "nats://127.0.0.1:1"
			}
			_, err := Open(t.Context(), test.cfg)
			require.EqualError(t, err, "natsstore: "+test.want)
		})
	}
}

// All errors are told, each with its field.
func TestConfigErrorsAtOnce(t *testing.T) {
	t.Parallel()
	cfg := Config{
		URL: "nats://a@b", Domain: ".", APIPrefix: "..", Name: ".", Subject: ".", Replicas: -1, MaxBytes: -1,
		Retention: -1, Lease: -1, DedupWindow: -1, Sweep: -1, Window: -1,
	}
	err := cfg.complete()
	for _, field := range []string{
		"URL", "Domain and APIPrefix", "Domain ", "APIPrefix ", "Name", "Subject", "Replicas", "MaxBytes",
		"Retention", "Lease", "DedupWindow", "Sweep", "Window",
	} {
		require.ErrorContains(t, err, "natsstore: "+field)
	}
}

// Addresses with credentials are refused without a word of them.
func TestConfigCredentialsInURL(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{
		"password":             "nats://user-of-mine:" + sesame + "@127.0.0.1:1",
		"token":                "nats://" + sesame + "@127.0.0.1:1",
		"no scheme":            sesame + "@127.0.0.1:1",
		"second of several":    "nats://127.0.0.1:1, nats://user-of-mine:" + sesame + "@127.0.0.1:2",
		"comma in a password":  "nats://user-of-mine:" + sesame + ",more@127.0.0.1:1",
		"no escape":            "nats://user-of-mine:%zz" + sesame + "@127.0.0.1:1",
		"no port":              "nats://user-of-mine:" + sesame + "@127.0.0.1:port",
		"password without end": "nats://user-of-mine:" + sesame + "/@127.0.0.1",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Open(t.Context(), Config{URL: url})
			require.EqualError(t, err, "natsstore: URL holds credentials; give them as an option such as nats.UserInfo")
			require.NotContains(t, fmt.Sprintf("%+v %#v", err, err), sesame)
		})
	}
}

// sesame stands for every secret.
const sesame = "open-sesame-8472"
