package client_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/client"
)

// FuzzAnswer gives the client any status and any body: it must not panic, and
// its errors must be one line of bounded length without the token.
func FuzzAnswer(f *testing.F) {
	for _, body := range []string{
		``, `null`, `{}`, `[]`, configured, `<html>`, token, "\xff\xfe\x00",
		`{"webhook_enabled":true,"webhook_status":"active","last_attempt_at":"0001-01-01T00:00:0Z"}`,
		`{"status":400,"title":"Bad Request","detail":"` + token + `","instance":"konnect:trace:1","type":"x","invalid_parameters":[{"field":"a","reason":"b","rule":"enum","choices":["c",["d"]]}]}`,
		`{"status":"400","detail":["x"],"invalid_parameters":[{"field":1,"minimum":1.5,"dependents":null},7,null]}`,
		`{"message":"no key","request_id":"1"}`,
		`{"data":[` + siemJSON + `,{"type":"authorization","ts":"2023-03-21T09:29:14Z"}],"meta":{"next":"/x?page[after]=` + token + `","page":{"next":"/x","size":1e9}}}`,
		jobJSON, boundJSON,
	} {
		for _, code := range []int{200, 302, 400, 503} {
			f.Add(code, []byte(body), "r1")
		}
	}
	f.Fuzz(func(t *testing.T, code int, body []byte, id string) {
		c := withTransport(t, func(*http.Request) (*http.Response, error) {
			return &http.Response{
				StatusCode: code,
				Header:     http.Header{"X-Request-Id": {id}},
				Body:       io.NopCloser(bytes.NewReader(body)),
			}, nil
		}, client.WithClock(newClock()))
		readStatus := func(ctx context.Context, c *client.Client) error {
			_, err := c.Webhook.Status(ctx)
			return err
		}
		calls := []func(context.Context, *client.Client) error{get, update, readStatus}
		for _, o := range append(ofOneVersion(), alikeInBoth(t.Context())...) {
			calls = append(calls, func(ctx context.Context, c *client.Client) error {
				_, err := o.call(ctx, c)
				return err
			})
		}
		for _, call := range calls {
			err := call(t.Context(), c)
			if err == nil {
				continue
			}
			text := err.Error()
			require.NotContains(t, text, token)
			require.True(t, utf8.ValidString(text))
			require.Less(t, utf8.RuneCountInString(text), 100_000)
			for _, r := range text {
				require.True(t, unicode.IsPrint(r), "%q in %q", r, text)
			}
			if answered, ok := errors.AsType[*client.APIError](err); ok {
				require.Equal(t, code, answered.StatusCode)
			}
		}
	})
}
