package natsstore

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/store"
)

func TestNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"a-Z_09":    "a-Z_09",
		"a.b":       "a=2Eb",
		"*":         "=2A",
		">":         "=3E",
		"a b":       "a=20b",
		"=":         "=3D",
		"ü":         "=C3=BC",
		"$replay/x": "=24replay=2Fx",
	} {
		require.Equal(t, want, escape(name))
	}
	for key, want := range map[string]string{
		"webhook/eu-1": "webhook.eu-1",
		"/":            "=.=",
		"a//b.c":       "a.=.b=2Ec",
		"":             "=",
	} {
		require.Equal(t, want, documentKey(key))
	}
	for prefix, want := range map[string]string{
		"": ">", "web": ">", "webhook/": "webhook.>", "a/b/c": "a.b.>", "/": "=.>",
	} {
		require.Equal(t, want, documentFilter(prefix))
	}
	for _, bad := range []string{"", "=", "=4", "=GG", "a=4"} {
		_, ok := unescape(bad)
		require.False(t, ok, bad)
	}
	_, ok := documentName("a..b")
	require.False(t, ok)
}

func FuzzNames(f *testing.F) {
	for _, name := range []string{"a", "../x", "a/b//c", "=", "ü.*>", strings.Repeat("€", 85)} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		token := escape(name)
		require.False(t, strings.ContainsAny(token, ".*> \t\r\n$"), token)
		if name != "" {
			back, ok := unescape(token)
			require.True(t, ok)
			require.Equal(t, name, back)
		}
		key := documentKey(name)
		back, ok := documentName(key)
		require.True(t, ok)
		require.Equal(t, name, back)
		for part := range strings.SplitSeq(key, ".") {
			require.NotEmpty(t, part)
		}
		_, _ = unescape(name)
		_, _ = documentName(name)
	})
}

func TestBlocks(t *testing.T) {
	t.Parallel()
	block := store.Block{[]byte("a"), []byte(strings.Repeat("b", 1000)), {0}}
	data := encodeBlock(block, 1002)
	require.LessOrEqual(t, len(data), encodedSize(block, 1002))
	events, err := decodeBlock(data)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff([][]byte(block), events))
	for want, bad := range map[string][]byte{
		"does not begin":           {},
		"begin with the byte":      []byte("x"),
		"no number of events":      {blockVersion, 0},
		"1 to 10000":               {blockVersion, 0xff, 0xff, 0x7f},
		"the length of event 1":    {blockVersion, 2, 1},
		"is no number":             {blockVersion, 1, 0, 'x'},
		"together, but there are":  {blockVersion, 1, 2, 'x'},
		"1 bytes together":         {blockVersion, 1, 1, 'x', 'y'},
		"length of event 0 is no ": {blockVersion, 1, 0xff},
	} {
		_, err := decodeBlock(bad)
		require.ErrorContains(t, err, want)
	}
}

func FuzzBlocks(f *testing.F) {
	f.Add(encodeBlock(store.Block{[]byte("a"), []byte("bc")}, 3))
	f.Add([]byte{blockVersion, 1, 2, 'x'})
	f.Fuzz(func(t *testing.T, data []byte) {
		items := appendItems(nil, &jetstream.RawStreamMsg{Data: data, Sequence: 7})
		require.NotEmpty(t, items)
		require.True(t, items[len(items)-1].last)
		if items[0].damaged != nil {
			require.ErrorIs(t, items[0].damaged, store.ErrDamaged)
			return
		}
		size := 0
		var block store.Block
		for _, it := range items {
			size += len(it.Data)
			block = append(block, it.Data)
		}
		again, err := decodeBlock(encodeBlock(block, size))
		require.NoError(t, err)
		require.Empty(t, cmp.Diff([][]byte(block), again))
	})
}

func TestDocumentsOfStreams(t *testing.T) {
	t.Parallel()
	d := document{
		Claim: "id", Token: 3, Until: time.Unix(5, 0).UTC(), Next: store.Position{Seq: 4, Index: 1},
		Frozen: []frozen{{Frozen: store.Frozen{ID: "b", Events: 2}, LeftEvents: 1}},
		Gaps:   []store.Gap{{ID: "g", Reason: store.Expired}},
		Status: []byte("a\nb"),
	}
	back, err := decodeDocument(d.encode())
	require.NoError(t, err)
	d.Version, d.HasStatus = documentVersion, true
	require.Empty(t, cmp.Diff(d, back))
	for _, status := range [][]byte{nil, {}} {
		back, err = decodeDocument(document{Status: status}.encode())
		require.NoError(t, err)
		require.Equal(t, status == nil, back.Status == nil)
	}
	for want, bad := range map[string]string{
		"no second line": "{}",
		"unexpected end": "{\n",
		"has version 2":  "{\"version\":2}\n",
	} {
		_, err := decodeDocument([]byte(bad))
		require.ErrorContains(t, err, want)
	}
}
