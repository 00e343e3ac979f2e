package delivery_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/delivery"
)

// signer signs as the function says.
type signer func(id string, at time.Time, body []byte) (string, error)

func (s signer) SignBatch(id string, at time.Time, body []byte) (string, error) {
	return s(id, at, body)
}

// Each attempt has a signature of its own, over the time that is sent with it.
func TestSigner(t *testing.T) {
	t.Parallel()

	receiver := newReceiver(t, status(500, 200))
	cfg := receiver.config()
	cfg.Clock = newFakeClock()
	cfg.Signer = signer(func(id string, at time.Time, body []byte) (string, error) {
		return fmt.Sprintf("v1a,%s.%d.%d", id, at.Unix(), len(body)), nil
	})
	_, err := newDeliverer(t, cfg).Deliver(t.Context(), batch)
	require.NoError(t, err)
	all := receiver.received()
	require.Len(t, all, 2)
	for _, r := range all {
		want := fmt.Sprintf("v1a,%s.%s.%d", batch.ID, r.header.Get("Webhook-Timestamp"), len(batch.Body))
		require.Equal(t, want, r.header.Get("Webhook-Signature"))
	}
	require.NotEqual(t, all[0].header.Get("Webhook-Timestamp"), all[1].header.Get("Webhook-Timestamp"))
}

// Nothing goes out unsigned: the attempt fails, and the next one tries again.
func TestSignerFails(t *testing.T) {
	t.Parallel()

	for name, sign := range map[string]func() (string, error){
		"error":     func() (string, error) { return "", errors.New("no key, says " + authorization) },
		"no header": func() (string, error) { return "v1a,\r\nInjected: " + token, nil },
		"empty":     func() (string, error) { return "", nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			receiver := newReceiver(t, status(200))
			cfg := receiver.config()
			cfg.Clock = newFakeClock()
			n := 0
			cfg.Signer = signer(func(string, time.Time, []byte) (string, error) {
				if n++; n < 3 {
					return sign()
				}
				return "v1a,good", nil
			})
			result, err := newDeliverer(t, cfg).Deliver(t.Context(), batch)
			require.NoError(t, err)
			require.Len(t, result.Attempts, 3)
			require.ErrorContains(t, result.Attempts[0].Err, "cannot be signed")
			require.NotContains(t, fmt.Sprintf("%+v", result), secretMark)
			require.Len(t, receiver.received(), 1)

			n = -10
			_, err = newDeliverer(t, cfg).Deliver(t.Context(), batch)
			failure(t, err, delivery.ReasonExhausted)
		})
	}
}
