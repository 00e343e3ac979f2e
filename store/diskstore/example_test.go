package diskstore_test

import (
	"context"
	"fmt"
	"os"

	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/diskstore"
)

// Two events are accepted, sent as one batch, and acknowledged.
func Example() {
	dir, err := os.MkdirTemp("", "audit")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	events, err := diskstore.Open(diskstore.Config{Dir: dir})
	if err != nil {
		panic(err)
	}
	defer func() { _ = events.Close() }()

	ctx := context.Background()
	if _, err := events.Append(ctx, "my-webhook", "", store.Block{[]byte("login"), []byte("logout")}); err != nil {
		panic(err)
	}
	claim, err := events.Claim(ctx)
	if err != nil {
		panic(err)
	}
	batch, err := claim.Batch(ctx, store.Limits{Events: 500, Bytes: 1_000_000})
	if err != nil {
		panic(err)
	}
	for _, event := range batch.Events {
		fmt.Printf("%s: %s\n", claim.Stream(), event.Data)
	}
	if err := claim.Ack(ctx, batch.ID, []byte("delivered"), store.Limits{}); err != nil {
		panic(err)
	}
	state, err := claim.State(ctx)
	fmt.Printf("%d left, status %s, %v\n", state.Events, state.Status, err)
	// Output:
	// my-webhook: login
	// my-webhook: logout
	// 0 left, status delivered, <nil>
}
