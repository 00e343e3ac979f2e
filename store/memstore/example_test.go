package memstore_test

import (
	"context"
	"fmt"

	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/memstore"
)

// An event is read back without being claimed.
func Example() {
	events, err := memstore.Open(memstore.Config{})
	if err != nil {
		panic(err)
	}
	defer func() { _ = events.Close() }()

	ctx := context.Background()
	if _, err := events.Append(ctx, "my-webhook", "", store.Block{[]byte("login")}); err != nil {
		panic(err)
	}
	for event, err := range events.Read(ctx, "my-webhook", store.From{}) {
		fmt.Println(string(event.Data), err)
	}
	// Output: login <nil>
}
