package client_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/client"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// TestEvent holds the table of names: what a pulled entry is as a line.
func TestEvent(t *testing.T) {
	t.Parallel()
	const header = "2023-03-21T09:29:14Z konghq.com CEF:0|KongInc|Konnect|1.0|"
	const portal = "2023-03-21T09:29:14Z konghq.com CEF:0|KongInc|Dev-Portal|1.0|"
	for _, c := range []struct{ name, entry, want string }{
		{
			"authorization, every member",
			`{"type":"authorization","signature":"MEUC-x_","service":"servicehub","resource":"krn:kong:gateway:us:a","action":"read","granted":true,"org_id":"o","ts":"2023-03-21T09:29:14.52Z","principal_id":"p","actor_id":"a","client_ip":"127.0.0.1","uri":"/v2/api","user_agent":"ua","trace_id":"12345678901234567890","portal_id":"d"}`,
			portal + `servicehub|Authz.krn:kong:gateway:us:a|1|rt=1679390954520 src=127.0.0.1 action=read granted=true org_id=o portal_id=d principal_id=p actor_id=a trace_id=12345678901234567890 user_agent=ua request=/v2/api unverified_signature=MEUC-x_`,
		},
		{
			"authorization, only what is required, denied",
			`{"type":"authorization","signature":"","service":"s","resource":"r","action":"x","granted":false,"org_id":"o","ts":"2023-03-21T09:29:14Z","principal_id":"p"}`,
			header + `s|Authz.r|6|rt=1679390954000 src= action=x granted=false org_id=o principal_id=p trace_id= user_agent=`,
		},
		{
			"an actor that is empty is not none",
			`{"type":"authorization","service":"s","resource":"r","action":"x","granted":true,"org_id":"o","ts":"2023-03-21T09:29:14Z","principal_id":"p","actor_id":""}`,
			header + `s|Authz.r|1|rt=1679390954000 src= action=x granted=true org_id=o principal_id=p actor_id= trace_id= user_agent=`,
		},
		{
			"gateway access",
			`{"type":"gateway_access","ts":"2023-03-21T09:29:14.52Z","org_id":"o","principal_id":"p","actor_id":"a","client_ip":"::1","trace_id":"7","user_agent":"ua","method":"POST","uri":"/v2","query":"a=b","status_code":403,"signature":"s","portal_id":"d"}`,
			portal + `KongGateway|Ingress|6|rt=1679390954520 src=::1 request=/v2 act=POST status=403 org_id=o portal_id=d principal_id=p actor_id=a user_agent=ua trace_id=7 query=a\=b unverified_signature=s`,
		},
		{
			"authentication",
			`{"type":"authentication","successful":false,"principal_id":"p","signature":"s","org_id":"o","outcome":"invalid_password","authentication_type":"basic","ts":"2023-03-21T09:29:14.52Z","client_ip":"127.0.0.1","uri":"/login","user_agent":"ua","trace_id":"7"}`,
			header + `AUTHENTICATION_TYPE_BASIC|AUTHENTICATION_OUTCOME_INVALID_PASSWORD|1|rt=1679390954520 src=127.0.0.1 request=/login success=false org_id=o principal_id=p trace_id=7 user_agent=ua unverified_signature=s`,
		},
		{
			"authentication at a portal, nobody known",
			`{"type":"authentication","successful":true,"signature":"s","outcome":"success","authentication_type":"sso","ts":"2023-03-21T09:29:14Z","client_ip":"","uri":"","user_agent":"","trace_id":"","portal_id":"d"}`,
			portal + `AUTHENTICATION_TYPE_SSO|AUTHENTICATION_OUTCOME_SUCCESS|0|rt=1679390954000 src= request= success=true org_id= portal_id=d principal_id= trace_id= user_agent= unverified_signature=s`,
		},
		{
			"a type of tomorrow",
			`{"type":"billing","ts":"2023-03-21T09:29:14Z","org_id":"o","client_ip":"1.2.3.4","actor_id":"a","uri":"/","portal_id":"d","trace_id":"7","user_agent":"ua","principal_id":"p","signature":"s"}`,
			portal + `billing|billing|Unknown|rt=1679390954000 src=1.2.3.4 request=/ org_id=o portal_id=d principal_id=p actor_id=a trace_id=7 user_agent=ua unverified_signature=s`,
		},
		{"a type of tomorrow, bare", `{"type":"x","ts":"2023-03-21T09:29:14Z"}`, header + `x|x|Unknown|rt=1679390954000`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var entry webhook.Entry
			require.NoError(t, json.Unmarshal([]byte(c.entry), &entry))
			event := client.Event(entry)
			line, err := auditlog.CEF.Append(nil, &event)
			require.NoError(t, err)
			require.Equal(t, c.want, string(line))

			// Konnect's order holds on the way through the other formats.
			text, err := auditlog.CPS.Append(nil, &event)
			require.NoError(t, err)
			back, err := auditlog.CPS.Parse(text)
			require.NoError(t, err)
			if !strings.Contains(c.name, "tomorrow") { // which only the order of the alphabet is left of
				require.Empty(t, cmp.Diff(event, back))
			}
		})
	}
}

// TestEventReadsAsItsKind shows that a pulled event serves where a delivered
// one does.
func TestEventReadsAsItsKind(t *testing.T) {
	t.Parallel()
	event := client.Event(webhook.Entry{Type: webhook.AuthorizationEntry, Time: date(1), Service: "s", Resource: "r", Granted: true, Signature: "sig"})
	view, err := auditlog.AsAuthorization(&event)
	require.NoError(t, err)
	require.Equal(t, "r", view.Resource)
	require.True(t, view.Granted)
	require.Nil(t, view.Signature)
	require.Equal(t, []auditlog.Attribute{auditlog.String(client.UnverifiedSignatureKey, "sig")}, view.Extra)
}

// TestEventIsNeverSigned shows that no text in an entry makes a line look
// signed: where a verifier looks for the signature there is none.
func TestEventIsNeverSigned(t *testing.T) {
	t.Parallel()
	signature := strings.Repeat("A", 86)
	forged := webhook.Set("x sig=" + signature)
	for _, kind := range []webhook.EntryType{webhook.AuthenticationEntry, webhook.AuthorizationEntry, webhook.GatewayAccessEntry, "other"} {
		event := client.Event(webhook.Entry{
			Type: kind, Time: date(1), Signature: signature, OrgID: forged, PrincipalID: forged, ActorID: forged, ClientIP: forged, URI: forged, UserAgent: forged,
			TraceID: forged, PortalID: forged, Service: "|sig=" + signature, Resource: "x sig=" + signature, Action: " sig=" + signature,
			Method: " sig=" + signature, Query: `"sig":"` + signature + `"`, Outcome: " sig=" + signature, AuthenticationType: " sig=" + signature,
		})
		_, signed := event.Get(auditlog.SignatureKey)
		require.False(t, signed, kind)
		line, err := auditlog.CEF.Append(nil, &event)
		require.NoError(t, err)
		extensions := string(line[strings.LastIndex(string(line), "|rt="):])
		require.NotContains(t, extensions, " sig=", kind)
		object, err := auditlog.JSON.Append(nil, &event)
		require.NoError(t, err)
		var members map[string]any
		require.NoError(t, json.Unmarshal(object, &members))
		require.NotContains(t, members, "sig", kind)
		require.Equal(t, signature, members["unverified_signature"], kind)
	}
}
