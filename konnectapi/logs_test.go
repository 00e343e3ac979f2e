package konnectapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const logsPath = "/v3/audit-logs"

// entries returns a page of the audit log.
func (a answer) entries(t testing.TB) webhook.EntryList {
	t.Helper()
	require.Equal(t, http.StatusOK, a.code, a.body)
	var list webhook.EntryList
	require.NoError(t, json.Unmarshal([]byte(a.body), &list))
	return list
}

// traces returns what distinguishes the entries of a page.
func (a answer) traces(t testing.TB) []string {
	t.Helper()
	var all []string
	for _, e := range a.entries(t).Data {
		id, _ := e.TraceID.Get()
		all = append(all, id)
	}
	return all
}

// pull returns a page of the audit log of tenant acme.
func (s *setup) pull(query string) answer {
	s.t.Helper()
	return s.do(call{method: http.MethodGet, path: logsPath + "?" + query})
}

// recording is a setup whose webhook is configured and switched off: its stream
// has one event then, that of the change.
func recording(t testing.TB) *setup {
	t.Helper()
	s := newSetup(t)
	s.ok(200, http.MethodPatch, webhookV2, `{"endpoint":"`+endpointURL+`"}`)
	return s
}

func (s *setup) record(events ...auditlog.Event) {
	s.t.Helper()
	require.NoError(s.t, s.shipper.Record(s.t.Context(), "acme", events...))
}

func access(trace string, at time.Time) auditlog.Event {
	return auditlog.Access{Time: at, TraceID: trace, Method: "GET", Status: 200}.Event()
}

func TestEntries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := recording(t)
		now := time.Now().UTC().Add(time.Second + 52*time.Millisecond)
		pass(time.Minute)
		str := func(v string) *string { return &v }
		vendors := auditlog.Event{}
		vendors.Vendor, vendors.Product, vendors.Version, vendors.ClassID, vendors.Name = "Acme", "Shop", "1", "order", "An order"
		odd := access("odd", now)
		odd.Attributes = []auditlog.Attribute{auditlog.String("rt", "9223372036854775807"), auditlog.String("status", "x"), auditlog.String("trace_id", "odd")}
		late := auditlog.Authentication{Type: "NEW", Outcome: "NEW"}.Event()
		late.Attributes = nil
		s.record(
			auditlog.Authentication{
				Time: now, Type: auditlog.AuthPAT, Outcome: auditlog.OutcomeTokenExpired, Source: "203.0.113.1", Request: "/v2/users",
				OrgID: "o", PortalID: str(acmePortal), PrincipalID: "p", TraceID: "1", UserAgent: "curl", Signature: str("c2ln"),
			}.Event(),
			auditlog.Authorization{
				Time: now, Service: "identity", Resource: "teams", Action: "list", Granted: true, Source: "203.0.113.2",
				OrgID: "o", PrincipalID: "p", ActorID: str("a"), TraceID: "2", UserAgent: "",
			}.Event(),
			auditlog.Access{
				Time: now, Source: "203.0.113.3", Request: "/v2/users", Method: "POST", Status: 201, OrgID: "o", PrincipalID: "p",
				UserAgent: "curl", TraceID: "3895213347334635099", Query: "a=b",
			}.Event(),
			vendors, odd, late,
		)
		got := s.pull("").entries(t)
		set := webhook.Set[string]
		recorded := time.Now().UTC()
		want := []webhook.Entry{
			{
				Type: webhook.AuthenticationEntry, Time: now, Signature: "c2ln", OrgID: set("o"), PrincipalID: set("p"), PortalID: set(acmePortal),
				ClientIP: set("203.0.113.1"), URI: set("/v2/users"), UserAgent: set("curl"), TraceID: set("1"),
				AuthenticationType: "pat", Outcome: "token_expired",
			},
			{
				Type: webhook.AuthorizationEntry, Time: now, OrgID: set("o"), PrincipalID: set("p"), ActorID: set("a"),
				ClientIP: set("203.0.113.2"), UserAgent: set(""), TraceID: set("2"),
				Service: "identity", Resource: "teams", Action: "list", Granted: true,
			},
			{
				Type: webhook.GatewayAccessEntry, Time: now, OrgID: set("o"), PrincipalID: set("p"), ActorID: set(""), ClientIP: set("203.0.113.3"),
				URI: set("/v2/users"), UserAgent: set("curl"), TraceID: set("3895213347334635099"),
				Method: "POST", Query: "a=b", StatusCode: 201,
			},
			{
				Type: webhook.GatewayAccessEntry, Time: now.Truncate(time.Second), OrgID: set(""), PrincipalID: set(""), ActorID: set(""),
				ClientIP: set(""), URI: set(""), UserAgent: set(""), TraceID: set("odd"),
			},
			{
				Type: webhook.AuthenticationEntry, Time: recorded, ClientIP: set(""), URI: set(""), UserAgent: set(""), TraceID: set(""),
				AuthenticationType: "invalid", Outcome: "invalid",
			},
		}
		if d := cmp.Diff(want, got.Data[1:]); d != "" { // the first tells of the set-up
			t.Fatal(d)
		}
		require.Equal(t, webhook.PageMeta{Size: 20}, got.Meta)

		for kind, n := range map[webhook.EntryType]int{webhook.AuthorizationEntry: 2, webhook.AuthenticationEntry: 2, webhook.GatewayAccessEntry: 2} {
			of := s.pull("filter[type]=" + string(kind)).entries(t).Data
			require.Len(t, of, n)
			for _, e := range of {
				require.Equal(t, kind, e.Type)
			}
		}
		require.Empty(t, s.do(call{method: http.MethodGet, path: logsPath, token: "other-admin"}).entries(t).Data)
	})
}

// Bounds are part of the range.
func TestEntriesByTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := recording(t)
		pass(8 * 24 * time.Hour)
		var times []time.Time
		for i := range 4 {
			times = append(times, time.Now().UTC())
			s.record(access(fmt.Sprint(i), time.Now()))
			pass(24 * time.Hour)
		}
		old := time.Now().AddDate(-1, 0, 0).UTC()
		s.record(access("backfilled", old))
		s.record(access("ahead", time.Now().Add(time.Minute)))
		s.record(access("late", times[1].Add(time.Second)))
		format := func(t time.Time) string { return url.QueryEscape(t.Format(time.RFC3339Nano)) }
		for _, test := range []struct {
			name, query string
			want        []string
		}{
			{"the last week", "", []string{"0", "1", "2", "3", "late"}},
			{"from", "filter[ts][gte]=" + format(times[1]), []string{"1", "2", "3", "late"}},
			{"after", "filter[ts][gte]=" + format(times[1].Add(1)), []string{"2", "3", "late"}},
			{"until", "filter[ts][lte]=" + format(times[2]), []string{"0", "1", "2"}},
			{"before", "filter[ts][lte]=" + format(times[2].Add(-1)), []string{"0", "1"}},
			{"one", "filter[ts][gte]=" + format(times[2]) + "&filter[ts][lte]=" + format(times[2]), []string{"2"}},
			{"another zone", "filter[ts][gte]=" + format(times[3].In(time.FixedZone("", 7200))), []string{"3"}},
			{"nothing", "filter[ts][gte]=" + format(times[2]) + "&filter[ts][lte]=" + format(times[1]), nil},
			{"last year", "filter[ts][gte]=" + format(old), []string{"0", "1", "2", "3", "backfilled", "late"}},
			{"the future", "filter[ts][lte]=" + format(times[3].Add(48*time.Hour)), []string{"0", "1", "2", "3", "ahead", "late"}},
		} {
			require.Equal(t, test.want, s.pull(test.query).traces(t), test.name)
		}
	})
}

func TestEntryPages(t *testing.T) {
	t.Parallel()
	for _, total := range []int{0, 1, 5, 12} {
		for _, size := range []int{1, 2, 5, 1000} {
			for _, query := range []string{"", "&filter[type]=gateway_access"} {
				t.Run(fmt.Sprint(total, " by ", size, query), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) { testEntryPages(t, total, size, query) })
				})
			}
		}
	}
}

func testEntryPages(t *testing.T, total, size int, query string) {
	s := recording(t)
	pass(time.Hour)
	began := url.QueryEscape(time.Now().UTC().Format(time.RFC3339))
	var all []string
	for i := range total {
		e := access(fmt.Sprint(i), time.Now())
		if i%3 == 1 {
			e = auditlog.Authorization{Time: time.Now(), TraceID: fmt.Sprint(i)}.Event()
		}
		if query == "" || i%3 != 1 {
			all = append(all, fmt.Sprint(i))
		}
		s.record(e)
		pass(time.Duration(i*i) * 10 * time.Minute)
	}
	var forward, back []string
	at := fmt.Sprintf("%s?page[size]=%d&filter[ts][gte]=%s%s", logsPath, size, began, query)
	last, pages := at, 0
	for ; at != ""; pages++ {
		got := s.do(call{method: http.MethodGet, path: at})
		forward = append(forward, got.traces(t)...)
		last, at = at, got.entries(t).Meta.Next
		if at != "" { // the list ends where it did when it began
			pass(time.Minute)
			s.record(access("later", time.Now()))
		}
	}
	require.Equal(t, all, forward)
	require.Equal(t, max(1, (len(all)+size-1)/size), pages)
	for at = last; at != ""; {
		got := s.do(call{method: http.MethodGet, path: at})
		back = append(got.traces(t), back...)
		at = got.entries(t).Meta.Previous
	}
	require.Equal(t, all, back)
}

// A page that nothing is before leads forward to what it was before.
func TestNothingBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := recording(t)
		pass(8 * 24 * time.Hour)
		s.record(access("1", time.Now()), access("2", time.Now()), access("3", time.Now()))
		second := s.do(call{method: http.MethodGet, path: s.pull("page[size]=1").entries(t).Meta.Next})
		first := s.do(call{method: http.MethodGet, path: second.entries(t).Meta.Previous})
		require.Equal(t, []string{"1"}, first.traces(t))
		require.Empty(t, first.entries(t).Meta.Previous)
		require.Equal(t, []string{"2"}, s.do(call{method: http.MethodGet, path: first.entries(t).Meta.Next}).traces(t))
	})
}

// A filter that begins long before everything leads back to the beginning of the
// list, and reads no more often for that than it must.
func TestBeforeFromTheBeginningOfTime(t *testing.T) {
	t.Parallel()
	for _, from := range []string{"0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "1708-01-01T00:00:00Z", "1969-12-31T23:59:59Z"} {
		t.Run(from, func(t *testing.T) {
			t.Parallel()
			s := recording(t)
			s.record(access("1", time.Now()), access("2", time.Now()))
			reads := &counted{Store: s.store}
			s.store = reads
			s.start()
			at := s.pull("page[size]=1&filter[ts][gte]=" + from)
			for range 2 { // the first event is that of the change
				at = s.do(call{method: http.MethodGet, path: at.entries(t).Meta.Next})
			}
			require.Equal(t, []string{"2"}, at.traces(t))
			reads.reset()
			for _, want := range []string{"1", ""} {
				at = s.do(call{method: http.MethodGet, path: at.entries(t).Meta.Previous})
				if list := at.entries(t); want == "" {
					require.Len(t, list.Data, 1)
					require.Empty(t, list.Meta.Previous)
				} else {
					require.Equal(t, []string{want}, at.traces(t))
				}
			}
			require.Less(t, reads.reset(), 20)
			require.False(t, reads.early.Load())
		})
	}
}

// counted is a store that counts how often events are read.
type counted struct {
	store.Store
	reads atomic.Int64
	early atomic.Bool // a read began before the epoch
}

func (c *counted) Read(ctx context.Context, stream string, from store.From) iter.Seq2[store.Event, error] {
	c.reads.Add(1)
	if from.Time.Before(time.Unix(0, 0)) {
		c.early.Store(true)
	}
	return c.Store.Read(ctx, stream, from)
}

// reset returns the count and begins anew.
func (c *counted) reset() int { return int(c.reads.Swap(0)) }

// Where few of many events are wanted a page may be short, or empty, and there
// is still one more, in both directions.
func TestSparseEntries(t *testing.T) {
	t.Parallel()
	s := recording(t)
	noise := slices.Repeat([]auditlog.Event{access("noise", time.Now())}, 9000)
	for i := range 3 {
		for range 3 {
			s.record(noise...)
		}
		s.record(auditlog.Authentication{Time: time.Now(), TraceID: fmt.Sprint(i)}.Event())
	}
	var forward, back []string
	at := logsPath + "?filter[type]=authentication&page[size]=2"
	last, pages, empty := "", 0, 0
	for ; at != ""; pages++ {
		got := s.do(call{method: http.MethodGet, path: at})
		forward = append(forward, got.traces(t)...)
		last, at = at, got.entries(t).Meta.Next
	}
	require.Equal(t, []string{"0", "1", "2"}, forward)
	require.Greater(t, pages, 1)
	for at = last; at != ""; {
		got := s.do(call{method: http.MethodGet, path: at})
		if len(got.traces(t)) == 0 && len(back) > 0 {
			empty++
			require.Equal(t, back[0], s.do(call{method: http.MethodGet, path: got.entries(t).Meta.Next}).traces(t)[0])
		}
		back = append(got.traces(t), back...)
		at = got.entries(t).Meta.Previous
	}
	require.Equal(t, []string{"0", "1", "2"}, back)
	require.Positive(t, empty)
}

func TestBadEntryQueries(t *testing.T) {
	t.Parallel()
	s := recording(t)
	s.record(access("1", time.Now()), access("2", time.Now()))
	next, err := url.Parse(s.pull("page[size]=1").entries(t).Meta.Next)
	require.NoError(t, err)
	cursor := next.Query().Get("page[after]")
	for _, test := range []struct{ query, field, rule string }{
		{"filter[ts][gte]=yesterday", "filter[ts][gte]", "is_date_time"},
		{"filter[ts][lte]=", "filter[ts][lte]", "is_date_time"},
		{"page[size]=1&filter[ts][gte]=2000-01-01T00:00:00Z&filter[ts][lte]=9999-12-31T23:59:59-10:00", "filter[ts][lte]", "is_date_time"},
		{"page[size]=1&filter[ts][gte]=0000-01-01T00:00:00%2B10:00", "filter[ts][gte]", "is_date_time"},
		{"filter[type]=t0k-x", "filter[type]", "enum"},
		{"filter[type]=", "filter[type]", "enum"},
		{"page[size]=1001", "page[size]", "max"},
		{"filter[name][eq]=x", "query", "unknown_property"},
		{"page[size]=1&filter[type]=authentication&page[after]=" + cursor, "page[after]", "invalid"},
		{"page[size]=1&filter[ts][lte]=2023-01-01T00:00:00Z&page[after]=" + cursor, "page[after]", "invalid"},
	} {
		t.Run(test.query, func(t *testing.T) {
			t.Parallel()
			p := s.refused(400, http.MethodGet, logsPath+"?"+test.query, "")
			require.Equal(t, test.field, p.InvalidParameters[0].Field)
			require.Equal(t, test.rule, p.InvalidParameters[0].Rule)
		})
	}
}

// Events that were sealed with a key that is gone are no empty list.
func TestEntriesWithoutTheKey(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	with := func(b byte) {
		s.shipperConfig = func(c *shipper.Config) {
			key, err := shipper.NewKey(bytes.Repeat([]byte{b}, shipper.KeyBytes))
			require.NoError(t, err)
			c.Keys, c.SealEvents = []shipper.Key{key}, true
		}
		s.start()
	}
	with(1)
	s.ok(200, http.MethodPatch, webhookV2, `{"endpoint":"`+endpointURL+`"}`)
	require.Len(t, s.pull("").entries(t).Data, 1)
	with(2)
	s.refused(500, http.MethodGet, logsPath, "")
}
