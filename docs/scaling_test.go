package docs_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/diskstore"
	"github.com/seed-6bcf82c5/auditlog/store/memstore"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const scaling = "scaling.md"

var shared = []string{"natsstore"}

func TestScalingMessages(t *testing.T) {
	t.Parallel()
	var got []message
	for _, cells := range open(t, scaling).section(t, "## Log messages").rows(t) {
		got = append(got, message{code(cells[1])[0], cells[0]})
	}
	slices.SortFunc(got, func(a, b message) int { return strings.Compare(a.text, b.text) })
	require.Empty(t, cmp.Diff(messages(t, shared), got, cmp.AllowUnexported(message{})))
}

func TestScalingSettings(t *testing.T) {
	t.Parallel()
	require.Empty(t, cmp.Diff(exported(t, shared, boundsIn), open(t, scaling).names(t, "## Settings")))
}

func TestScalingErrors(t *testing.T) {
	t.Parallel()
	for _, name := range exported(t, shared, errorsIn) {
		require.Contains(t, open(t, scaling), "`"+name+"`")
	}
}

// What is copied from store to store, as the guide has it, is a webhook there.
func TestMove(t *testing.T) {
	t.Parallel()
	key, err := shipper.NewKey(make([]byte, shipper.KeyBytes))
	require.NoError(t, err)
	from, err := diskstore.Open(diskstore.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	defer func() { require.NoError(t, from.Close()) }()
	before, err := shipper.New(shipper.Config{Store: from, Keys: []shipper.Key{key}})
	require.NoError(t, err)
	want, err := before.Update(t.Context(), tenant, webhook.Patch{
		Endpoint:      webhook.Set(endpoint),
		Authorization: webhook.Set(webhook.NewSecret(authorization)),
	})
	require.NoError(t, err)
	require.NoError(t, before.Close(t.Context()))

	to, err := memstore.Open(memstore.Config{})
	require.NoError(t, err)
	require.NoError(t, move(t, from, to))
	after, err := shipper.New(shipper.Config{Store: to, Keys: []shipper.Key{key}})
	require.NoError(t, err)
	got, err := after.Get(t.Context(), tenant)
	require.NoError(t, err)
	require.Equal(t, want.Endpoint, got.Endpoint)
	require.True(t, want.Authorization.Equal(got.Authorization))
	require.NoError(t, after.Close(t.Context()))
	require.NoError(t, to.Close())
}

func move(t *testing.T, from, to store.Store) error {
	t.Helper()
	for doc, err := range from.List(t.Context(), "") {
		if err != nil {
			return err
		}
		if _, err := to.Put(t.Context(), doc.Key, doc.Value, 0); err != nil {
			return err
		}
	}
	return nil
}
