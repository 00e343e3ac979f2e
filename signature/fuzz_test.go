package signature_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/cef"
	"github.com/seed-6bcf82c5/auditlog/signature"
)

// addLines adds the lines of the vectors to a corpus.
func addLines(f *testing.F) {
	f.Helper()
	for _, v := range vectors[verifyVector](f, "verify.jsonl") {
		f.Add(v.line(f))
	}
	for _, v := range vectors[signVector](f, "sign.jsonl") {
		f.Add(v.entry(f))
	}
}

// FuzzVerify: no line is valid but those whose payload was signed, wherever the
// signature stands in them. The corpus holds genuine signatures for it to move,
// and what else the fuzzer makes of them.
func FuzzVerify(f *testing.F) {
	addLines(f)
	signed := map[string]string{} // the id of the key by the payload
	for _, v := range vectors[verifyVector](f, "verify.jsonl") {
		if v.Outcome == signature.Valid {
			signed[v.Key+*v.Payload] = v.Key
		}
	}
	keys := published(f)
	f.Fuzz(func(t *testing.T, line []byte) {
		result := keys.Verify(line)
		if result.Outcome != signature.Valid {
			require.Error(t, result.Err)
			return
		}
		if signed[result.KeyID+string(result.Payload)] == "" {
			t.Errorf("forged: %q", line)
		}
	})
}

// FuzzSplit: Split agrees with a plain implementation of its rule, and changes
// nothing.
func FuzzSplit(f *testing.F) {
	addLines(f)
	f.Fuzz(func(t *testing.T, line []byte) {
		before := string(line)
		payload, made, err := signature.Split(line)
		require.Equal(t, before, string(line))
		wantPayload, wantMade, refused := reference(before)
		require.Equal(t, refused, err != nil, "%v", err)
		if err != nil {
			require.Nil(t, payload)
			require.Nil(t, made)
			return
		}
		require.Equal(t, wantPayload, string(payload))
		require.Equal(t, wantMade, made)
	})
}

// FuzzAppend: Split is the exact inverse of Append, which signs what is unsigned
// and nothing else.
func FuzzAppend(f *testing.F) {
	addLines(f)
	s, keys := signer(f, "first"), published(f)
	f.Fuzz(func(t *testing.T, entry []byte) {
		payload, made, refused := signature.Split(entry)
		line, err := s.Append(nil, entry)
		if err != nil {
			empty := refused == nil && len(bytes.Trim(payload, "{ \t}")) == 0
			terminated := bytes.HasSuffix(entry, []byte("\n"))
			require.True(t, refused != nil || made != nil || empty || terminated, "%v", err)
			require.Nil(t, line)
			return
		}
		require.NoError(t, refused)
		require.Nil(t, made)
		result := keys.Verify(line)
		require.Equal(t, signature.Valid, result.Outcome, "%v", result.Err)
		require.Equal(t, string(payload), string(result.Payload))

		// Without what was added the line is the entry again.
		cut := len(line) - len(entry)
		at := 0
		for at < len(entry) && line[at] == entry[at] {
			at++
		}
		require.Equal(t, string(entry), string(line[:at])+string(line[at+cut:]))

		_, err = s.Append(nil, line)
		require.Error(t, err, "signed twice")
		own := append(make([]byte, 0, 2*len(line)), entry...)
		own, err = s.Append(own[:0], own)
		require.NoError(t, err)
		require.Equal(t, string(line), string(own), "signed where it stands")
	})
}

// FuzzEvent: no event that our encoders write is refused by the signer, whatever
// is in it, and what was signed is the event.
func FuzzEvent(f *testing.F) {
	for _, value := range []string{"", "x sig=y", `","sig":"x`, `\`, `\\|`, "a\r\nb", "CEF:0|a|b|c|d|e|5| sig=", "\xff\u2028\x00", "}}", "ends in spaces  "} {
		f.Add("vendor", "name", "user_agent", value)
		f.Add(value, value, "event", value)
	}
	s, keys := signer(f, "first"), published(f)
	f.Fuzz(func(t *testing.T, vendor, name, key, value string) {
		if key == "sig" {
			return
		}
		e := auditlog.Event{Header: cef.Header{Vendor: vendor, Product: "P", Version: "1", ClassID: "c", Name: name, Severity: 5}}
		e.Attributes = []auditlog.Attribute{auditlog.String(key, value), auditlog.String("last", value)}
		for _, format := range []auditlog.Format{auditlog.CEF, auditlog.JSON, auditlog.CPS} {
			entry, err := format.Append(nil, &e)
			if err != nil {
				continue
			}
			line, err := s.Append(nil, entry)
			require.NoError(t, err, "%s", entry)
			result := keys.Verify(line)
			require.Equal(t, signature.Valid, result.Outcome)
			want, _, err := auditlog.Parse(entry)
			require.NoError(t, err)
			got, _, err := auditlog.Parse(result.Payload)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
	})
}

// FuzzParseKeySet: what is read as a key set reads the same when written.
func FuzzParseKeySet(f *testing.F) {
	for _, v := range vectors[keySetVector](f, "jwks.jsonl") {
		f.Add([]byte(v.JWKS))
	}
	f.Fuzz(func(t *testing.T, jwks []byte) {
		set, err := signature.ParseKeySet(jwks)
		if err != nil {
			require.Empty(t, set.IDs())
			return
		}
		require.LessOrEqual(t, len(set.IDs()), signature.MaxKeys)
		first, err := json.Marshal(set)
		require.NoError(t, err)
		set, err = signature.ParseKeySet(first)
		require.NoError(t, err)
		second, err := json.Marshal(set)
		require.NoError(t, err)
		require.Equal(t, string(first), string(second))
	})
}

// FuzzVerifyBatch: no batch is valid but those that were signed.
func FuzzVerifyBatch(f *testing.F) {
	signed := map[string]bool{}
	describe := func(id, at string, body []byte) string { return fmt.Sprintf("%q %q %q", id, at, body) }
	for _, v := range vectors[batchVector](f, "batch.jsonl") {
		id, at := v.Headers.Get(signature.HeaderID), v.Headers.Get(signature.HeaderTimestamp)
		f.Add(id, at, v.Headers.Get(signature.HeaderSignature), []byte(v.Body))
		if v.Outcome == signature.Valid {
			signed[describe(id, at, []byte(v.Body))] = true
		}
	}
	keys := published(f)
	now := time.Unix(1750280466, 0)
	f.Fuzz(func(t *testing.T, id, at, value string, body []byte) {
		header := http.Header{signature.HeaderID: {id}, signature.HeaderTimestamp: {at}, signature.HeaderSignature: {value}}
		if keys.VerifyBatch(header, body, now, signature.DefaultTolerance).Outcome == signature.Valid && !signed[describe(id, at, body)] {
			t.Errorf("forged: %q %q %q %q", id, at, value, body)
		}
	})
}
