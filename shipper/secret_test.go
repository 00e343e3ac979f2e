package shipper_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store/diskstore"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// forbidden is what must not appear: the token and the endpoint's path, and what
// they look like in other clothes.
func forbidden() []string {
	var all []string
	for _, secret := range []string{token, path, "t0k-other"} {
		encoded := base64.StdEncoding.EncodeToString([]byte(secret))
		all = append(all, secret, strings.TrimRight(encoded, "=")[:len(secret)], hex.EncodeToString([]byte(secret)), strings.ToUpper(secret))
	}
	return all
}

// Secrets are in no file of the store, no log, no error, and nothing printed,
// whatever becomes of deliveries.
func TestSecretsAppearNowhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var told []any // everything that the Shipper gave us
	synctest.Test(t, func(t *testing.T) {
		key, err := shipper.NewKey([]byte("0123456789abcdef0123456789abcdef"))
		require.NoError(t, err)
		st, err := diskstore.Open(diskstore.Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		defer func() { require.NoError(t, st.Close()) }()
		e := newEndpoint(t, nil)
		cfg := shipper.Config{Store: st, Keys: []shipper.Key{key}, SealEvents: true}
		s := start(t, e, st, func(c *shipper.Config) { c.Keys, c.SealEvents = cfg.Keys, cfg.SealEvents })
		s.configure()
		tell := func(values ...any) { told = append(told, values...) }
		tell(cfg, &cfg, key, s.Shipper, struct{ Config shipper.Config }{cfg})

		for _, code := range []int{http.StatusInternalServerError, http.StatusUnauthorized, http.StatusBadRequest, 0, http.StatusOK} {
			e.set(always(code))
			s.record(fmt.Sprint(code), token)
			pass(time.Minute)
			tell(s.report())
			result, err := s.Test(t.Context(), hook)
			tell(result, err)
		}
		e.set(refusing(http.StatusBadRequest, "bad"))
		s.record("good", "bad", "good")
		pass(10 * time.Minute)
		_, err = s.Update(t.Context(), hook, webhook.Patch{Authorization: webhook.Set(webhook.NewSecret("Bearer t0k-other\n"))})
		require.Error(t, err)
		tell(err)
		s.update(webhook.Patch{Authorization: webhook.Set(webhook.NewSecret("Bearer t0k-other"))})
		config, err := s.Get(t.Context(), hook)
		require.NoError(t, err)
		require.Equal(t, "Bearer t0k-other", config.Authorization.Reveal())
		tell(config.Authorization, s.Redrive(t.Context(), hook, "none"), s.Purge(t.Context(), hook, "none"))
		figures, err := s.Snapshot(t.Context())
		tell(figures, err)
		for d, err := range s.DeadLetters(t.Context(), hook) {
			tell(d.ID, d.Reason, err)
		}
		require.NotEmpty(t, s.letters())

		other, err := shipper.NewKey([]byte("another 32 bytes of another key!"))
		require.NoError(t, err)
		require.NoError(t, s.Close(t.Context()))
		wrong := start(t, e, st, func(c *shipper.Config) { c.Keys = []shipper.Key{other} })
		_, err = wrong.Get(t.Context(), hook)
		var sealed *shipper.KeyError
		require.ErrorAs(t, err, &sealed)
		require.Equal(t, key.ID(), sealed.KeyID)
		tell(err)
	})
	for _, value := range told {
		texts := []string{fmt.Sprint(value), fmt.Sprintf("%+v", value), fmt.Sprintf("%#v", value), fmt.Sprintf("%q", value)}
		if document, err := json.Marshal(value); err == nil {
			texts = append(texts, string(document))
		} else {
			texts = append(texts, err.Error())
		}
		var log logs
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "value", value)
		for _, text := range append(texts, log.String()) {
			for _, secret := range forbidden() {
				require.NotContains(t, text, secret, "%T", value)
			}
		}
	}
	files := 0
	require.NoError(t, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		content, err := os.ReadFile(name)
		for _, secret := range forbidden() {
			if strings.Contains(string(content), secret) {
				err = errors.Join(err, fmt.Errorf("%s has %q", name, secret))
			}
		}
		return err
	}))
	require.GreaterOrEqual(t, files, 2)
}
