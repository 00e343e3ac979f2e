package webhook_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const credential = "Bearer s3cr3t-value"

// holders returns values that hold the credential, in many nestings.
func holders() map[string]any {
	secret := webhook.NewSecret(credential)
	config := webhook.Config{Endpoint: "https://example.com", Authorization: secret}
	patch := webhook.Patch{Authorization: webhook.Set(secret)}
	destination := webhook.Destination{Endpoint: "https://example.com", Authorization: secret}
	destinationPatch := webhook.DestinationPatch{Authorization: webhook.Set(secret)}
	type hidden struct {
		secret      webhook.Secret
		config      webhook.Config
		patch       *webhook.Patch
		byName      map[string]webhook.Secret
		destination webhook.Destination
	}
	return map[string]any{
		"secret":             secret,
		"pointer":            &secret,
		"optional":           webhook.Set(secret),
		"config":             config,
		"config pointer":     &config,
		"patch":              patch,
		"patch pointer":      &patch,
		"destination":        destination,
		"destination list":   webhook.DestinationList{Data: []webhook.Destination{destination}},
		"destination patch":  destinationPatch,
		"slice":              []webhook.Secret{secret},
		"map":                map[string]any{"a": secret, "b": config, "c": patch},
		"exported fields":    struct{ Secret, Other any }{secret, patch},
		"unexported fields":  hidden{secret, config, &patch, map[string]webhook.Secret{"a": secret}, destination},
		"unexported, nested": struct{ in *hidden }{&hidden{secret: secret}},
	}
}

func requireNoCredential(t *testing.T, text string) {
	t.Helper()
	for _, leak := range []string{
		credential, "s3cr3t-value",
		fmt.Sprintf("%x", credential), fmt.Sprintf("%X", credential), fmt.Sprintf("%d", []byte(credential)),
	} {
		require.NotContains(t, text, leak)
	}
}

func TestSecretIsNeverPrinted(t *testing.T) {
	t.Parallel()
	for name, holder := range holders() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for verb := ' '; verb <= '~'; verb++ {
				for _, flags := range []string{"", "+", "#", "-", " ", "0", "+#", "8.3"} {
					requireNoCredential(t, fmt.Sprintf("%"+flags+string(verb), holder))
				}
			}
			requireNoCredential(t, fmt.Sprint(holder))
			requireNoCredential(t, fmt.Errorf("wrapped: %v", holder).Error())
		})
	}
}

func TestSecretIsNeverLogged(t *testing.T) {
	t.Parallel()
	for name, holder := range holders() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
				log := slog.New(handler)
				log.Info("a", "holder", holder)
				log.With("holder", holder).WithGroup("g").Info("b", slog.Group("h", "holder", holder))
			}
			requireNoCredential(t, out.String())
		})
	}
}

func TestSecretIsNeverMarshalled(t *testing.T) {
	t.Parallel()
	for name, holder := range holders() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, err := json.Marshal(holder)
			requireNoCredential(t, string(data))
			if err != nil {
				requireNoCredential(t, err.Error())
			}
		})
	}
	secret := webhook.NewSecret(credential)
	_, err := json.Marshal(secret)
	require.ErrorContains(t, err, "never marshalled")
	_, err = json.Marshal(webhook.Patch{Authorization: webhook.Set(secret)})
	require.ErrorContains(t, err, "never marshalled")
	_, err = json.Marshal(webhook.DestinationPatch{Authorization: webhook.Set(secret)})
	require.ErrorContains(t, err, "never marshalled")
	_, err = json.Marshal(map[string]any{"a": &secret})
	require.ErrorContains(t, err, "never marshalled")
	_, err = xml.Marshal(secret)
	require.ErrorContains(t, err, "never marshalled")
}

func TestSecretFormat(t *testing.T) {
	t.Parallel()
	require.Equal(t, "[redacted]", fmt.Sprint(webhook.NewSecret(credential)))
	require.Empty(t, fmt.Sprint(webhook.NewSecret("")))
	require.Equal(t, "[redacted]", webhook.NewSecret(credential).LogValue().String())
	require.Empty(t, webhook.Secret{}.LogValue().String())
}

func TestSecret(t *testing.T) {
	t.Parallel()
	var zero webhook.Secret
	full := webhook.NewSecret(credential)

	require.Equal(t, credential, full.Reveal())
	require.False(t, full.IsZero())
	require.Empty(t, zero.Reveal())
	require.True(t, zero.IsZero())
	require.True(t, webhook.NewSecret("").IsZero())

	require.True(t, full.Equal(webhook.NewSecret(strings.Clone(credential))))
	require.True(t, zero.Equal(webhook.NewSecret("")))
	require.False(t, full.Equal(zero))
	require.False(t, full.Equal(webhook.NewSecret(strings.ToUpper(credential))))
	require.Empty(t, cmp.Diff(full, webhook.NewSecret(credential)))
	require.NotEmpty(t, cmp.Diff(full, webhook.NewSecret("other")))
}

func TestSecretUnmarshal(t *testing.T) {
	t.Parallel()
	var config struct{ Token webhook.Secret }
	require.NoError(t, json.Unmarshal([]byte(`{"Token":"Bearer s3cr3t-value"}`), &config))
	require.Equal(t, credential, config.Token.Reveal())

	err := json.Unmarshal([]byte(`{"Token":["Bearer s3cr3t-value"]}`), &config)
	require.Error(t, err)
	requireNoCredential(t, err.Error())
}
