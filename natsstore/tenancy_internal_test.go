package natsstore

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// Stores with different names share nothing, however alike names and subjects
// are.
func TestNamesApart(t *testing.T) {
	t.Parallel()
	servers := single(t)
	base := config(t, servers, 1)
	var stores []*natsStore
	for _, name := range []string{"", "-a", "-b"} {
		cfg := base
		cfg.Name += name
		cfg.Subject = "audit.of." + cfg.Name + ".v1_0"
		t.Cleanup(func() { remove(withoutContext{t}, cfg) })
		stores = append(stores, opened(t, cfg))
	}
	for i, s := range stores {
		text := fmt.Sprint("of store ", i)
		_, err := s.Append(t.Context(), "shared", "id", store.Block{[]byte(text)})
		require.NoError(t, err)
		_, err = s.Put(t.Context(), "shared", []byte(text), 0)
		require.NoError(t, err)
	}
	for i, s := range stores {
		text := fmt.Sprint("of store ", i)
		doc, err := s.Get(t.Context(), "shared")
		require.NoError(t, err)
		require.Equal(t, text, string(doc.Value))
		total, err := s.Total(t.Context())
		require.NoError(t, err)
		require.Equal(t, int64(1), total.Events)
		c := claimed(t, s, "shared")
		b, err := c.Batch(t.Context(), all)
		require.NoError(t, err)
		require.Equal(t, []string{text}, texts(b))
		require.NoError(t, c.Ack(t.Context(), b.ID, nil, store.Limits{}))
		require.NoError(t, c.Release(t.Context(), store.Wait{}))
	}
	require.NoError(t, stores[0].DeleteStream(t.Context(), "shared"))
	for _, err := range stores[0].Read(t.Context(), "shared", store.From{}) {
		require.NoError(t, err)
		require.Fail(t, "it is deleted")
	}
	for e, err := range stores[1].Read(t.Context(), "shared", store.From{}) {
		require.NoError(t, err)
		require.Equal(t, "of store 1", string(e.Data))
	}
}

// A store can live in the JetStream of another place, to which the server at
// hand is a leaf node.
func TestDomain(t *testing.T) {
	t.Parallel()
	hub := serve(t, func(o *server.Options) {
		o.JetStreamDomain = "hub"
		o.LeafNode.Host, o.LeafNode.Port = "127.0.0.1", server.RANDOM_PORT
	})
	varz, err := hub.Server(0).Varz(nil)
	require.NoError(t, err)
	for name, domain := range map[string]string{"without JetStream": "", "with its own": "leaf"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			leaf := serve(t, func(o *server.Options) {
				text := fmt.Sprintf(`leafnodes { remotes [ { url: "nats-leaf://127.0.0.1:%d" } ] }`, varz.LeafNode.Port)
				require.NoError(t, o.ProcessConfigString(text))
				o.JetStream, o.JetStreamDomain = domain != "", domain
				o.ServerName = "leaf-" + domain // the hub closes the other of two of one name
			})
			require.Eventually(t, func() bool { return leaf.Server(0).NumLeafNodes() == 1 }, 10*time.Second, time.Millisecond)
			cfg := config(t, leaf, 1)
			cfg.Domain = "hub"
			s := opened(t, cfg)
			useAll(t, s, "one")

			// It is there, and only there.
			inHub := cfg
			inHub.URL, inHub.Domain = hub.URL(), ""
			require.Len(t, survey(t, operator(t, inHub), cfg.Name).Streams, 4)
			if domain != "" {
				require.Empty(t, survey(t, operator(t, cfg), cfg.Name).Streams)
			}
		})
	}
}

// Nobody answers for a domain that is not there.
func TestNoDomain(t *testing.T) {
	t.Parallel()
	cfg := config(t, single(t), 1)
	cfg.Domain, cfg.Lease = "elsewhere", time.Second
	_, err := open(t.Context(), cfg)
	require.ErrorIs(t, err, store.ErrUnavailable)
	require.ErrorContains(t, err, "natsstore: stream "+cfg.Name+"-events: ")
}

// accounts makes a server with an account that has JetStream, and one that
// imports what a store named "audit" needs of it under another prefix.
func accounts(o *server.Options, exports, imports string) error {
	return o.ProcessConfigString(strings.NewReplacer("EXPORTS", exports, "IMPORTS", imports).Replace(`
accounts {
	KEEPER {
		jetstream: enabled
		users: [ { user: keeper, password: keeper } ]
		exports: [ EXPORTS ]
	}
	SERVICE {
		users: [ { user: service, password: service } ]
		imports: [ IMPORTS ]
	}
}`))
}

// A store can live in the JetStream of another account, with the exports and
// imports that the documentation of the package names.
func TestAPIPrefix(t *testing.T) {
	t.Parallel()
	servers := serve(t, func(o *server.Options) {
		require.NoError(t, accounts(o, `
			{ service: "$JS.API.>", response_type: stream }
			{ service: "$KV.>" }
			{ service: "audit.>" }
			{ service: "$JS.ACK.>" }
			{ service: "$JS.FC.>" }
			{ stream: "_AUDIT.>" }
		`, `
			{ service: { account: KEEPER, subject: "$JS.API.>" }, to: "JS.audit.API.>" }
			{ service: { account: KEEPER, subject: "$KV.>" }, to: "JS.audit.API.$KV.>" }
			{ service: { account: KEEPER, subject: "audit.>" } }
			{ service: { account: KEEPER, subject: "$JS.ACK.>" } }
			{ service: { account: KEEPER, subject: "$JS.FC.>" } }
			{ stream: { account: KEEPER, subject: "_AUDIT.>" } }
		`))
	})
	cfg := config(t, servers, 1)
	cfg.Name, cfg.Subject, cfg.APIPrefix = "audit", "audit", "JS.audit.API"
	cfg.Options = []nats.Option{nats.UserInfo("service", "service"), nats.CustomInboxPrefix("_AUDIT")}
	s := opened(t, cfg)
	useAll(t, s, "one")
	cfg.Options = []nats.Option{nats.UserInfo("keeper", "keeper")}
	require.Len(t, survey(t, operator(t, cfg), cfg.Name).Streams, 4)
}
