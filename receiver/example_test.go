package receiver_test

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/receiver"
	"github.com/seed-6bcf82c5/auditlog/signature"
	"github.com/seed-6bcf82c5/auditlog/store/memstore"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const (
	exampleLine   = "CEF:0|Example|Billing|2.1|invoice|Invoice deleted|4|suser=alice"
	exampleSecret = "Bearer example-token"
)

// sendTo posts a body as a sender does, and prints the status of the answer.
func sendTo(handler http.Handler, body string) {
	request := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/", strings.NewReader(body))
	request.Header.Set("Authorization", exampleSecret)
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	fmt.Println("answer", answer.Code)
}

// A receiver at a port of its own, and a batch delivered to it.
func Example() {
	handler, err := receiver.New(receiver.Config{
		Senders: []receiver.Sender{{
			Name:           "billing",
			Authorizations: []webhook.Secret{webhook.NewSecret(exampleSecret)},
		}},
		HandOver: func(_ context.Context, batch receiver.Batch) error {
			for i := range batch.Lines {
				event, err := batch.Lines[i].Event()
				if err != nil {
					return err
				}
				user, _ := event.Get("suser")
				fmt.Printf("%s: %s by %s\n", batch.Sender, event.Name, user)
			}
			return nil // only now the sender is told of success
		},
	})
	if err != nil {
		panic(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	server, err := receiver.Listen(ctx, receiver.ServerConfig{Addr: "127.0.0.1:0", Handler: handler, SelfSigned: true})
	if err != nil {
		panic(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx) }()

	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(server.Authority())
	sender, err := delivery.New(delivery.Config{Endpoint: server.URL(), Authorization: webhook.NewSecret(exampleSecret), RootCAs: roots})
	if err != nil {
		panic(err)
	}
	defer sender.Close()
	result, err := sender.Deliver(ctx, delivery.Batch{Body: []byte(exampleLine)})
	fmt.Println(result.Events, "event:", result.Last(), err)
	stop()
	fmt.Println("served:", <-served)
	// Output:
	// billing: Invoice deleted by alice
	// 1 event: 200 OK <nil>
	// served: <nil>
}

// Bad lines do not cost the good ones, and a repeated batch is not handed over
// twice.
func ExampleNew() {
	handler, err := receiver.New(receiver.Config{
		Senders: []receiver.Sender{{Authorizations: []webhook.Secret{webhook.NewSecret(exampleSecret)}}},
		HandOver: func(_ context.Context, batch receiver.Batch) error {
			fmt.Println("lines:", len(batch.Lines))
			for _, line := range batch.Rejected {
				fmt.Printf("line %d: %v\n", line.Number, line.Err)
			}
			return nil
		},
	})
	if err != nil {
		panic(err)
	}
	const body = exampleLine + "\nrubbish\n"
	sendTo(handler, body)
	sendTo(handler, body)
	stats := handler.Stats()
	fmt.Println("batches:", stats.Batches, "duplicates:", stats.Duplicates, "rejected:", stats.Rejected)
	// Output:
	// lines: 1
	// line 2: byte 0: no "CEF:"
	// answer 200
	// answer 200
	// batches: 1 duplicates: 1 rejected: 1
}

// Only lines with a genuine signature are taken. The keys are fetched with
// signature.NewRemote elsewhere.
func ExampleVerification() {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		panic(err)
	}
	keys, err := signature.NewKeySet(public)
	if err != nil {
		panic(err)
	}
	handler, err := receiver.New(receiver.Config{
		Senders: []receiver.Sender{{
			Authorizations: []webhook.Secret{webhook.NewSecret(exampleSecret)},
			Keys:           keys,
		}},
		Verify: receiver.VerifyRequire,
		HandOver: func(_ context.Context, batch receiver.Batch) error {
			for _, line := range batch.Lines {
				fmt.Printf("line %d: %s\n", line.Number, line.Outcome)
			}
			for _, line := range batch.Rejected {
				fmt.Printf("line %d: %s, rejected\n", line.Number, line.Outcome)
			}
			return nil
		},
	})
	if err != nil {
		panic(err)
	}
	signer, err := signature.NewSigner(private)
	if err != nil {
		panic(err)
	}
	signed, err := signer.Append(nil, []byte(exampleLine))
	if err != nil {
		panic(err)
	}
	sendTo(handler, string(signed)+"\n"+exampleLine+"\n"+strings.Replace(string(signed), "alice", "bob", 1))
	// Output:
	// line 1: valid
	// line 2: unsigned, rejected
	// line 3: invalid, rejected
	// answer 200
}

// Events go to a file for each day, as JSON that tells where they come from.
// They are on disk before the sender is told of success.
func ExampleOpenFile() {
	dir, err := os.MkdirTemp("", "audit")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file, err := receiver.OpenFile(receiver.FileConfig{
		Path:     filepath.Join(dir, "audit.jsonl"),
		Period:   24 * time.Hour,
		Compress: true,
		Keep:     90,
	})
	if err != nil {
		panic(err)
	}
	handler, err := receiver.New(receiver.Config{
		Senders:  []receiver.Sender{{Name: "billing", Authorizations: []webhook.Secret{webhook.NewSecret(exampleSecret)}}},
		HandOver: file.HandOver,
	})
	if err != nil {
		panic(err)
	}
	sendTo(handler, exampleLine)
	if err := file.Close(); err != nil {
		panic(err)
	}
	written, err := os.ReadFile(filepath.Join(dir, "audit.jsonl"))
	if err != nil {
		panic(err)
	}
	_, withoutTime, _ := strings.Cut(string(written), ",")
	fmt.Print(withoutTime)
	// Output:
	// answer 200
	// "sender":"billing","number":1,"line":"CEF:0|Example|Billing|2.1|invoice|Invoice deleted|4|suser=alice"}
}

// What was handed over is known again after a restart. The store is that of
// package diskstore elsewhere.
func ExampleOpenWindow() {
	documents, err := memstore.Open(memstore.Config{})
	if err != nil {
		panic(err)
	}
	defer func() { _ = documents.Close() }()
	for restart := range 2 {
		window, err := receiver.OpenWindow(context.Background(), documents, "receiver/", receiver.WindowConfig{})
		if err != nil {
			panic(err)
		}
		handler, err := receiver.New(receiver.Config{
			Senders: []receiver.Sender{{Authorizations: []webhook.Secret{webhook.NewSecret(exampleSecret)}}},
			Window:  window,
			HandOver: func(context.Context, receiver.Batch) error {
				fmt.Println("handed over in run", restart+1)
				return nil
			},
		})
		if err != nil {
			panic(err)
		}
		sendTo(handler, exampleLine)
	}
	// Output:
	// handed over in run 1
	// answer 200
	// answer 200
}
