package signature_test

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/signature"
)

// signedBatch returns the headers of a batch.
func signedBatch(id string, at time.Time, value string) http.Header {
	h := http.Header{}
	h.Set(signature.HeaderID, id)
	h.Set(signature.HeaderTimestamp, strconv.FormatInt(at.Unix(), 10))
	h.Set(signature.HeaderSignature, value)
	return h
}

func TestSignBatch(t *testing.T) {
	t.Parallel()
	v := vectors[batchVector](t, "batch.jsonl")[0]
	at := time.Unix(v.Now, 999_999_999).In(time.FixedZone("", 3600))
	value, err := signer(t, "first").SignBatch(v.Headers.Get(signature.HeaderID), at, []byte(v.Body))
	require.NoError(t, err)
	require.Equal(t, v.Headers.Get(signature.HeaderSignature), value)
}

func TestSignBatchRefuses(t *testing.T) {
	t.Parallel()
	s := signer(t, "first")
	for _, id := range []string{"", "a.b", "a b", "a\n", `{"a`, "\u20ac", strings.Repeat("x", 257)} {
		_, err := s.SignBatch(id, time.Unix(1, 0), nil)
		require.EqualError(t, err, "signature: the batch id is not 1 to 256 letters, digits, - and _", "%q", id)
	}
	_, err := s.SignBatch("id", time.Unix(-1, 0), nil)
	require.EqualError(t, err, "signature: the time of the batch is not in seconds since 1970")
}

// Whoever gets a line logged as he likes, such as by a method of his own
// invention, has no signed batch: what is signed can be taken apart like one,
// but not with an id that a batch can have.
func TestSignedLinesAreNoSignedBatches(t *testing.T) {
	t.Parallel()
	const now = 1750280466
	const forged = cefHeader + "suser=root"
	for _, entry := range []string{
		`{"act":"x.1750280466.` + forged + `","b":1}`,
		`x y.1750280466.` + forged,
	} {
		line, err := signer(t, "first").Append(nil, []byte(entry))
		require.NoError(t, err)
		payload, made, err := signature.Split(line)
		require.NoError(t, err)
		id, rest, _ := strings.Cut(string(payload), ".")
		timestamp, body, _ := strings.Cut(rest, ".")
		require.Equal(t, "1750280466", timestamp)
		h := signedBatch(id, time.Unix(now, 0), "v1a,"+base64.StdEncoding.EncodeToString(made))
		result := published(t).VerifyBatch(h, []byte(body), time.Unix(now, 0), signature.DefaultTolerance)
		require.Equal(t, signature.Refused, result.Outcome)
	}
}
