package signature_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"github.com/seed-6bcf82c5/auditlog/signature"
)

// A sender signs its lines and publishes its key. A receiver fetches the key and
// verifies what it gets.
func Example() {
	_, private, err := ed25519.GenerateKey(nil) // once; CreateKeyFile keeps it
	if err != nil {
		panic(err)
	}
	signer, err := signature.NewSigner(private)
	if err != nil {
		panic(err)
	}
	server := httptest.NewServer(signature.Handler(signer))
	defer server.Close()
	line, err := signer.Append(nil, []byte("example.com CEF:0|Example|Billing|2.1|invoice|Invoice deleted|4|suser=alice"))
	if err != nil {
		panic(err)
	}

	keys, err := signature.NewRemote(signature.RemoteConfig{URL: server.URL})
	if err != nil {
		panic(err)
	}
	result, err := signature.Verify(context.Background(), keys, line, time.Now())
	fmt.Println(result.Outcome, err)
	fmt.Printf("%s\n", result.Payload)
	// Output:
	// valid <nil>
	// example.com CEF:0|Example|Billing|2.1|invoice|Invoice deleted|4|suser=alice
}

// A key set that is at hand needs neither network nor context.
func ExampleParseKeySet() {
	keys, err := signature.ParseKeySet([]byte(`{"keys":[{"kty":"OKP","alg":"EdDSA","kid":"3f60bc4376c937154f3c004ebd180433ac0d03e6","crv":"Ed25519","x":"XWxGtApfcqmKI7p0OKnF5JSEWMVoLsytFXLEP7xZ_l8"}]}`))
	if err != nil {
		panic(err)
	}
	for _, line := range []string{
		`{"action":"read","rt":1682715129807}`,
		`{"action":"read","rt":1682715129807,"sig":"Jm73seSwAiacSBysDmgQ3D_R_1c39_T0Iuus9GqUEnAjCc-UnyKhFgS8jDx5UIl4J6PTCH5ouuPizwnjnMDECg"}`,
		`{"action":"read","rt":1682715129807,"sig":"Jm73"}`,
	} {
		result := keys.Verify([]byte(line))
		fmt.Printf("%s: %v\n", result.Outcome, result.Err)
	}
	// Output:
	// unsigned: there is no signature
	// invalid: no key verifies the signature
	// refused: byte 36: not "sig":"…" with 86 characters of base64url with zero spare bits
}

// The key stays in a file of its own.
func ExampleCreateKeyFile() {
	folder, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	name := filepath.Join(folder, "signing-key.pem")

	if _, err := signature.CreateKeyFile(name); err != nil { // once
		panic(err)
	}
	private, err := signature.ReadKeyFile(name)
	if err != nil {
		panic(err)
	}
	signer, err := signature.NewSigner(private)
	fmt.Println(len(signer.KeyID()), err)
	// Output: 43 <nil>
}

// A ring changes keys. The new one is published an hour before it signs, so that
// receivers know it by then.
func ExampleRing() {
	keys := make([]*signature.Signer, 2)
	for i := range keys {
		_, private, err := ed25519.GenerateKey(nil)
		if err != nil {
			panic(err)
		}
		if keys[i], err = signature.NewSigner(private); err != nil {
			panic(err)
		}
	}
	ring, err := signature.NewRing(signature.RingConfig{Signer: keys[0]})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /v2/audit-log-webhook/jwks.json", signature.Handler(ring))

	if err := ring.Rotate(keys[1], time.Now().Add(time.Hour)); err != nil {
		panic(err)
	}
	published, err := ring.Keys(context.Background(), time.Time{})
	fmt.Println(len(published.IDs()), "keys are published;", "the first one still signs:", ring.Signer() == keys[0], err)
	// Output: 2 keys are published; the first one still signs: true <nil>
}

// A batch carries a signature of its own, by the Standard Webhooks specification.
func ExampleSigner_SignBatch() {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		panic(err)
	}
	signer, err := signature.NewSigner(private)
	if err != nil {
		panic(err)
	}
	body := []byte("example.com CEF:0|Example|Billing|2.1|invoice|Invoice deleted|4|suser=alice")
	sent := time.Unix(1750280466, 0)
	value, err := signer.SignBatch("msg_1", sent, body)
	if err != nil {
		panic(err)
	}
	header := http.Header{}
	header.Set(signature.HeaderID, "msg_1")
	header.Set(signature.HeaderTimestamp, "1750280466")
	header.Set(signature.HeaderSignature, value)

	received := sent.Add(time.Second)
	result, err := signature.VerifyBatch(context.Background(), signer, header, body, received, signature.DefaultTolerance)
	fmt.Println(result.Outcome, err)
	result, err = signature.VerifyBatch(context.Background(), signer, header, body, received.Add(time.Hour), signature.DefaultTolerance)
	fmt.Println(result.Outcome, result.Err, err)
	// Output:
	// valid <nil>
	// refused the batch is too old <nil>
}
