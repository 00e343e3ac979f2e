package signature

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The headers of a signed batch, by the Standard Webhooks specification.
const (
	HeaderID        = "Webhook-Id"
	HeaderTimestamp = "Webhook-Timestamp"
	HeaderSignature = "Webhook-Signature"
)

// DefaultTolerance is the age, and by how much it may lie ahead, that the time
// of a batch is usually allowed.
const DefaultTolerance = 5 * time.Minute

const (
	maxID = 256 // in bytes

	version = "v1a" // Ed25519

	// Each costs a verification of the whole body by each key. A sender needs
	// two while it changes keys.
	maxBatchSignatures = 4
)

// batchEncoding is not that of lines.
var batchEncoding = base64.StdEncoding.Strict()

// SignBatch returns the value of the header Webhook-Signature for a batch: "v1a,"
// and, in base64, the signature of id.timestamp.body (Standard Webhooks). The id
// is that of the header Webhook-Id: 1 to 256 letters, digits, - and _; at is the
// time of the header Webhook-Timestamp, whose fractions of a second are dropped;
// the body is that before compression.
//
// Where lines are signed too, give batches a key of their own: what is signed for
// a batch of one line of CEF can pass as a line with the id and the time before
// it.
func (s *Signer) SignBatch(id string, at time.Time, body []byte) (string, error) {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	if err := checkBatch(id, timestamp); err != nil {
		return "", fmt.Errorf("signature: %w", err)
	}
	made, err := s.sign(batchMessage(id, timestamp, body))
	if err != nil {
		return "", fmt.Errorf("signature: %w", err)
	}
	return version + "," + batchEncoding.EncodeToString(made), nil
}

// VerifyBatch verifies a batch by its headers and its body after decompression.
// Its time may differ from now by the tolerance, see [DefaultTolerance].
//
// A batch is [Unsigned] if the header Webhook-Signature is absent or has no
// signature of the version v1a. It is [Refused] if the other two headers are not
// there exactly once or not of their form, if there are more than four
// signatures or one is not base64 of 64 bytes, or if the time differs by more.
func (s KeySet) VerifyBatch(header http.Header, body []byte, now time.Time, tolerance time.Duration) Result {
	signatures, err := batchSignatures(header)
	if err != nil {
		return Result{Outcome: Refused, Err: err}
	}
	if len(signatures) == 0 {
		return Result{Outcome: Unsigned, Err: errUnsigned, Payload: body}
	}
	ids, timestamps := header.Values(HeaderID), header.Values(HeaderTimestamp)
	if len(ids) != 1 || len(timestamps) != 1 {
		return Result{Outcome: Refused, Err: errors.New("not exactly one " + HeaderID + " and one " + HeaderTimestamp)}
	}
	if err := checkBatch(ids[0], timestamps[0]); err != nil {
		return Result{Outcome: Refused, Err: err}
	}
	if err := checkAge(timestamps[0], now, tolerance); err != nil {
		return Result{Outcome: Refused, Err: err}
	}
	message := batchMessage(ids[0], timestamps[0], body)
	for _, made := range signatures {
		if k, ok := s.find(message, made); ok {
			return Result{Outcome: Valid, KeyID: k.id, Payload: body}
		}
	}
	return Result{Outcome: Invalid, Err: errInvalid, Payload: body}
}

// batchMessage returns what is signed. Neither the id nor the timestamp has a
// full stop, so that it can be taken apart in one way only. Nor can the id begin
// an object or hold a time, so that no signed line of JSON, and none of CEF that
// begins with its time, is a signed batch as well, whatever somebody gets logged.
func batchMessage(id, timestamp string, body []byte) []byte {
	m := make([]byte, 0, len(id)+1+len(timestamp)+1+len(body))
	m = append(append(m, id...), '.')
	m = append(append(m, timestamp...), '.')
	return append(m, body...)
}

func checkBatch(id, timestamp string) error {
	if id == "" || len(id) > maxID || strings.ContainsFunc(id, notInID) {
		return errors.New("the batch id is not 1 to 256 letters, digits, - and _")
	}
	if n, err := strconv.ParseUint(timestamp, 10, 63); err != nil || strconv.FormatUint(n, 10) != timestamp {
		return errors.New("the time of the batch is not in seconds since 1970")
	}
	return nil
}

func notInID(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

func checkAge(timestamp string, now time.Time, tolerance time.Duration) error {
	seconds, _ := strconv.ParseInt(timestamp, 10, 64) // checked before
	switch age := now.Sub(time.Unix(seconds, 0)); {
	case age > tolerance:
		return errors.New("the batch is too old")
	case age < -tolerance:
		return errors.New("the batch is from the future")
	}
	return nil
}

// batchSignatures returns the signatures of our version in the header.
func batchSignatures(header http.Header) ([][]byte, error) {
	var signatures [][]byte
	for _, value := range header.Values(HeaderSignature) {
		for part := range strings.FieldsSeq(value) {
			text, ours := strings.CutPrefix(part, version+",")
			if !ours {
				continue
			}
			made, err := batchEncoding.DecodeString(text)
			if err != nil || len(made) != ed25519.SignatureSize {
				return nil, errors.New("a signature of the batch is not base64 of 64 bytes")
			}
			if len(signatures) == maxBatchSignatures {
				return nil, errors.New("the batch has more than four signatures")
			}
			signatures = append(signatures, made)
		}
	}
	return signatures, nil
}
