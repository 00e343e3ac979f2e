package signature_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/signature"
)

// vectors reads a file of testdata, which README.md there describes.
func vectors[T any](t testing.TB, file string) []T {
	t.Helper()
	data, err := os.ReadFile("testdata/" + file)
	require.NoError(t, err)
	var all []T
	for line := range bytes.Lines(data) {
		decoder := json.NewDecoder(bytes.NewReader(line))
		decoder.DisallowUnknownFields()
		var v T
		require.NoError(t, decoder.Decode(&v), "%s", line)
		all = append(all, v)
	}
	return all
}

// testKey is a key made for the vectors.
type testKey struct {
	Name, Private, X, KID string
	Published             bool
}

func (k testKey) private(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	seed, err := hex.DecodeString(k.Private)
	require.NoError(t, err)
	return ed25519.NewKeyFromSeed(seed)
}

func (k testKey) signer(t testing.TB) *signature.Signer {
	t.Helper()
	s, err := signature.NewSigner(k.private(t))
	require.NoError(t, err)
	return s
}

// signer returns the signer of the first, second or unpublished key.
func signer(t testing.TB, name string) *signature.Signer {
	t.Helper()
	for _, k := range vectors[testKey](t, "keys.jsonl") {
		if k.Name == name {
			return k.signer(t)
		}
	}
	t.Fatal("no key " + name)
	return nil
}

// published returns the set of the keys that are published.
func published(t testing.TB) signature.KeySet {
	t.Helper()
	set, err := signature.NewKeySet(signer(t, "first").Public(), signer(t, "second").Public())
	require.NoError(t, err)
	return set
}

type verifyVector struct {
	Name, Rule string
	Line       *string
	LineHex    string `json:"line_hex"`
	Outcome    signature.Outcome
	Payload    *string
	Key        string
}

func (v verifyVector) line(t testing.TB) []byte {
	t.Helper()
	if v.Line != nil {
		return []byte(*v.Line)
	}
	line, err := hex.DecodeString(v.LineHex)
	require.NoError(t, err)
	return line
}

func TestKeyVectors(t *testing.T) {
	t.Parallel()
	for _, k := range vectors[testKey](t, "keys.jsonl") {
		s := k.signer(t)
		require.Equal(t, k.X, base64.RawURLEncoding.EncodeToString(s.Public()))
		require.Equal(t, k.KID, s.KeyID())
		require.Equal(t, k.KID, signature.KeyID(s.Public()))
	}
}

func TestVerifyVectors(t *testing.T) {
	t.Parallel()
	keys := published(t)
	for _, v := range vectors[verifyVector](t, "verify.jsonl") {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			line := v.line(t)
			received := bytes.Clone(line)
			result := keys.Verify(line)
			require.Equal(t, v.Outcome, result.Outcome, "%v", result.Err)
			require.Equal(t, v.Key, result.KeyID)
			require.Equal(t, received, line, "the line was changed")
			require.Equal(t, v.Outcome == signature.Valid, result.Err == nil)
			if v.Payload != nil {
				require.Equal(t, *v.Payload, string(result.Payload))
			} else {
				require.Nil(t, result.Payload)
			}

			payload, made, err := signature.Split(line)
			require.Equal(t, result.Payload, payload)
			switch v.Outcome {
			case signature.Refused:
				var refusal *signature.SyntaxError
				require.ErrorAs(t, err, &refusal)
				require.Equal(t, result.Err, err)
				require.GreaterOrEqual(t, refusal.Offset, 0)
				require.LessOrEqual(t, refusal.Offset, len(line))
				require.Nil(t, made)
			case signature.Unsigned:
				require.NoError(t, err)
				require.Nil(t, made)
			default:
				require.NoError(t, err)
				require.Len(t, made, ed25519.SignatureSize)
			}
		})
	}
}

// Every rule has vectors, the general ones in each format.
func TestEveryRuleHasVectors(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("testdata/README.md")
	require.NoError(t, err)
	_, rules, _ := strings.Cut(string(readme), "## Rules")
	counts := map[string]map[string]int{} // by rule and format
	for _, v := range vectors[verifyVector](t, "verify.jsonl") {
		if counts[v.Rule] == nil {
			counts[v.Rule] = map[string]int{}
		}
		format, _, _ := strings.Cut(v.Name, ":")
		counts[v.Rule][format]++
	}
	for rule, byFormat := range counts {
		require.Contains(t, rules, "| `"+rule+"` |", "the rule is not described")
		kind, _, _ := strings.Cut(rule, "-")
		formats := map[string][]string{"cef": {"CEF"}, "json": {"JSON", "CPS"}, "cps": {"CPS"}}[kind]
		if formats == nil {
			formats = []string{"CEF", "JSON", "CPS"}
		}
		if rule == "json-end" { // what stands after an object within is a matter of cps-exact
			formats = []string{"JSON"}
		}
		for _, format := range formats {
			require.Positive(t, byFormat[format], "%s: %s", rule, format)
		}
	}
	for line := range strings.Lines(rules) {
		if rule, ok := strings.CutPrefix(line, "| `"); ok {
			rule, _, _ = strings.Cut(rule, "`")
			require.NotEmpty(t, counts[rule], "no vector for %s", rule)
		}
	}
}

type signVector struct {
	Name, Key string
	Entry     *string
	EntryHex  string `json:"entry_hex"`
	Line      string
	Refused   bool
}

func (v signVector) entry(t testing.TB) []byte {
	t.Helper()
	if v.Entry != nil {
		return []byte(*v.Entry)
	}
	entry, err := hex.DecodeString(v.EntryHex)
	require.NoError(t, err)
	return entry
}

func TestSignVectors(t *testing.T) {
	t.Parallel()
	byID := map[string]*signature.Signer{}
	for _, k := range vectors[testKey](t, "keys.jsonl") {
		byID[k.KID] = k.signer(t)
	}
	for _, v := range vectors[signVector](t, "sign.jsonl") {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			s, entry := byID[v.Key], v.entry(t)
			require.NotNil(t, s)
			line, err := s.Append([]byte("before "), entry)
			require.Equal(t, v.entry(t), entry, "the entry was changed")
			if v.Refused {
				require.Error(t, err)
				require.Equal(t, "before ", string(line))
				return
			}
			require.NoError(t, err)
			require.Equal(t, "before "+v.Line, string(line))
			require.Equal(t, signature.Valid, published(t).Verify([]byte(v.Line)).Outcome)
		})
	}
}

type keySetVector struct {
	Name, Rule, JWKS string
	KIDs             []string
	Refused          bool
}

func TestKeySetVectors(t *testing.T) {
	t.Parallel()
	for _, v := range vectors[keySetVector](t, "jwks.jsonl") {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			set, err := signature.ParseKeySet([]byte(v.JWKS))
			if v.Refused {
				require.Error(t, err)
				require.Empty(t, set.IDs())
				return
			}
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(v.KIDs, set.IDs()))
			again, err := json.Marshal(set)
			require.NoError(t, err)
			set, err = signature.ParseKeySet(again)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(v.KIDs, set.IDs()))
		})
	}
}

type batchVector struct {
	Name      string
	Headers   http.Header
	Body      string
	Now       int64
	Tolerance int64
	Outcome   signature.Outcome
	Key       string
}

func (v batchVector) verify(keys signature.KeySet) signature.Result {
	return keys.VerifyBatch(v.Headers, []byte(v.Body), time.Unix(v.Now, 0), time.Duration(v.Tolerance)*time.Second)
}

func TestBatchVectors(t *testing.T) {
	t.Parallel()
	keys := published(t)
	for _, v := range vectors[batchVector](t, "batch.jsonl") {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			result := v.verify(keys)
			require.Equal(t, v.Outcome, result.Outcome, "%v", result.Err)
			require.Equal(t, v.Key, result.KeyID)
			require.Equal(t, v.Outcome == signature.Valid, result.Err == nil)
			if v.Outcome == signature.Refused {
				require.Nil(t, result.Payload)
			} else {
				require.Equal(t, v.Body, string(result.Payload))
			}
		})
	}
}
