package webhook_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/webhook"
)

func TestEntryJSON(t *testing.T) {
	t.Parallel()
	at := time.Date(2023, 3, 21, 9, 29, 14, 520e6, time.UTC)
	for _, c := range []struct {
		name, json string
		entry      webhook.Entry
	}{
		{
			"authorization",
			`{"type":"authorization","ts":"2023-03-21T09:29:14.52Z","signature":"s","org_id":"o","principal_id":"p","actor_id":"","client_ip":"127.0.0.1","uri":"/v2","user_agent":"ua","trace_id":"7","portal_id":"d","service":"servicehub","resource":"krn:kong:x","action":"list","granted":true}`,
			webhook.Entry{
				Type: webhook.AuthorizationEntry, Time: at, Signature: "s", OrgID: webhook.Set("o"), PrincipalID: webhook.Set("p"),
				ActorID: webhook.Set(""), ClientIP: webhook.Set("127.0.0.1"), URI: webhook.Set("/v2"), UserAgent: webhook.Set("ua"), TraceID: webhook.Set("7"), PortalID: webhook.Set("d"),
				Service: "servicehub", Resource: "krn:kong:x", Action: "list", Granted: true,
			},
		},
		{
			"authorization, only what is required",
			`{"type":"authorization","ts":"2023-03-21T09:29:14.52Z","signature":"","org_id":"","principal_id":"","service":"","resource":"","action":"","granted":false}`,
			webhook.Entry{Type: webhook.AuthorizationEntry, Time: at, OrgID: webhook.Set(""), PrincipalID: webhook.Set("")},
		},
		{
			"gateway access",
			`{"type":"gateway_access","ts":"2023-03-21T09:29:14.52Z","signature":"s","org_id":"o","principal_id":"p","actor_id":"a","client_ip":"","uri":"/","user_agent":"","trace_id":"","method":"POST","query":"","status_code":201}`,
			webhook.Entry{
				Type: webhook.GatewayAccessEntry, Time: at, Signature: "s", OrgID: webhook.Set("o"), PrincipalID: webhook.Set("p"),
				ActorID: webhook.Set("a"), ClientIP: webhook.Set(""), URI: webhook.Set("/"), UserAgent: webhook.Set(""), TraceID: webhook.Set(""),
				Method: "POST", StatusCode: 201,
			},
		},
		{
			"authentication",
			`{"type":"authentication","ts":"2023-03-21T09:29:14.52Z","signature":"s","client_ip":"","uri":"","user_agent":"","trace_id":"18446744073709551615","authentication_type":"sso","outcome":"success","successful":true}`,
			webhook.Entry{
				Type: webhook.AuthenticationEntry, Time: at, Signature: "s", ClientIP: webhook.Set(""), URI: webhook.Set(""), UserAgent: webhook.Set(""),
				TraceID: webhook.Set("18446744073709551615"), AuthenticationType: "sso", Outcome: "success", Successful: true,
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			data, err := json.Marshal(c.entry)
			require.NoError(t, err)
			require.Equal(t, c.json, string(data))
			var back webhook.Entry
			require.NoError(t, json.Unmarshal(data, &back))
			require.Empty(t, cmp.Diff(c.entry, back))
		})
	}
}

// TestEntryRequiredMembers shows that members that the type requires are
// written even where nobody set them, and those it does not have never.
func TestEntryRequiredMembers(t *testing.T) {
	t.Parallel()
	common := []string{"type", "ts", "signature"}
	for kind, want := range map[webhook.EntryType][]string{
		webhook.AuthenticationEntry: append(common[:3:3], "client_ip", "uri", "user_agent", "trace_id", "authentication_type", "outcome", "successful"),
		webhook.AuthorizationEntry:  append(common[:3:3], "org_id", "principal_id", "actor_id", "service", "resource", "action", "granted"),
		webhook.GatewayAccessEntry: append(common[:3:3], "org_id", "principal_id", "actor_id", "client_ip", "uri", "user_agent", "trace_id",
			"method", "query", "status_code"),
	} {
		data, err := json.Marshal(webhook.Entry{Type: kind, ActorID: webhook.Set("a")})
		require.NoError(t, err)
		var members map[string]any
		require.NoError(t, json.Unmarshal(data, &members))
		var got []string
		for name := range members {
			got = append(got, name)
		}
		require.ElementsMatch(t, want, got, kind)
	}
}

func TestEntryUnmarshal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, json string
		want       webhook.Entry
	}{
		{"nothing", `{}`, webhook.Entry{}},
		{"absent, null and empty", `{"actor_id":null,"org_id":""}`, webhook.Entry{OrgID: webhook.Set("")}},
		{"a type of tomorrow, unknown members", `{"type":"billing","weight":{"kg":1},"action":"x"}`, webhook.Entry{Type: "billing", Action: "x"}},
		{"the documented zero time", `{"ts":"0001-01-01T00:00:0Z"}`, webhook.Entry{}},
		{
			"other types", `{"trace_id":9007199254740993123,"status_code":"201","granted":"true","successful":true,"query":{"a":1}}`,
			webhook.Entry{TraceID: webhook.Set("9007199254740993123"), StatusCode: 201, Granted: true, Successful: true, Query: `{"a":1}`},
		},
		{"no status", `{"status_code":"none"}`, webhook.Entry{}},
		{"names are compared exactly", `{"Action":"x","TYPE":"y"}`, webhook.Entry{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := webhook.Entry{Type: "before", Service: "x"}
			require.NoError(t, json.Unmarshal([]byte(c.json), &got))
			require.Empty(t, cmp.Diff(c.want, got))
		})
	}
	for _, bad := range []string{`[]`, `"x"`, `{"ts":"yesterday"}`, `{"ts":"9999-12-31T23:59:59-01:00"}`, `{"ts":"0000-01-01T00:00:00+01:00"}`} {
		got := webhook.Entry{Type: "before"}
		require.ErrorContains(t, json.Unmarshal([]byte(bad), &got), "webhook: ", bad)
		require.Equal(t, webhook.EntryType("before"), got.Type, "an error changes nothing")
	}
}

func FuzzEntry(f *testing.F) {
	f.Add([]byte(`{"type":"authorization","ts":"2023-03-21T09:29:14.52Z","granted":true,"trace_id":7,"actor_id":null}`))
	f.Add([]byte(`{"type":"gateway_access","status_code":"201","query":["x"]}`))
	f.Add([]byte(`{"type":"authentication","outcome":"\ud800"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var entry webhook.Entry
		if json.Unmarshal(data, &entry) != nil {
			return
		}
		again, err := json.Marshal(entry)
		require.NoError(t, err)
		var back webhook.Entry
		require.NoError(t, json.Unmarshal(again, &back))
		once, err := json.Marshal(back)
		require.NoError(t, err)
		require.Equal(t, string(again), string(once))
	})
}
