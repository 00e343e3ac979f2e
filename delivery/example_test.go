package delivery_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"

	"github.com/klauspost/compress/gzip"

	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// exampleSIEM stands for the receiver: it prints what it gets and answers with
// the status.
func exampleSIEM(status int) (server *httptest.Server, cas *x509.CertPool) {
	server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, err := gzip.NewReader(r.Body); err == nil {
			text, _ := io.ReadAll(body)
			fmt.Printf("%s %s\n%s\n", r.Header.Get("Webhook-Id"), r.Header.Get("Authorization"), text)
		}
		w.WriteHeader(status)
	}))
	cas = x509.NewCertPool()
	cas.AddCert(server.Certificate())
	return server, cas
}

func ExampleDeliverer_Deliver() {
	siem, cas := exampleSIEM(http.StatusAccepted)
	defer siem.Close()

	deliverer, err := delivery.New(delivery.Config{
		Endpoint:      siem.URL + "/services/collector/raw",
		Authorization: webhook.NewSecret("Splunk example-token"),
		RootCAs:       cas,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer deliverer.Close()

	result, err := deliverer.Deliver(context.Background(), delivery.Batch{
		ID:   "batch-1",
		Body: []byte("CEF:0|KongInc|Konnect|1.0|KongGateway|Ingress|1|act=GET\nCEF:0|KongInc|Konnect|1.0|KongGateway|Ingress|1|act=PUT"),
	})
	fmt.Println(result.Events, "events,", len(result.Attempts), "attempt, status", result.LastStatus(), err)
	// Output:
	// batch-1 Splunk example-token
	// CEF:0|KongInc|Konnect|1.0|KongGateway|Ingress|1|act=GET
	// CEF:0|KongInc|Konnect|1.0|KongGateway|Ingress|1|act=PUT
	// 2 events, 1 attempt, status 202 <nil>
}

func ExampleError() {
	siem, cas := exampleSIEM(http.StatusForbidden)
	defer siem.Close()

	deliverer, err := delivery.New(delivery.Config{Endpoint: siem.URL, RootCAs: cas, Encoding: delivery.EncodingNone})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer deliverer.Close()

	_, err = deliverer.Deliver(context.Background(), delivery.Batch{Body: []byte("an event")})
	if failed, ok := errors.AsType[*delivery.Error](err); ok {
		fmt.Println(failed.Reason, failed.Result.Last(), "retryable:", failed.Retryable)
	}
	// Output: refused 403 Forbidden retryable: false
}

func ExampleNew() {
	_, err := delivery.New(delivery.Config{Endpoint: "http://siem.example/logs"})
	fmt.Println(err)
	// Output: delivery: Endpoint: must be an absolute https URL
}

func ExampleBatches() {
	lines := [][]byte{[]byte("one"), []byte("two"), []byte("three"), []byte("fo\nur"), []byte("five")}
	for batch, err := range delivery.Batches(slices.Values(lines), delivery.Limits{Events: 2}) {
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Printf("%q\n", batch.Body) // or Deliver it
	}
	// Output:
	// "one\ntwo"
	// delivery: line 3 is empty or has a line break in it
	// "three\nfive"
}
