package auditlog_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/cef"
)

var (
	lineTime    = time.Date(2025, 6, 18, 21, 2, 36, 0, time.UTC)
	receiptTime = time.UnixMilli(1750280466889).UTC()
)

func TestAuthenticationView(t *testing.T) {
	t.Parallel()
	full := auditlog.Authentication{
		Time: lineTime, ReceivedAt: receiptTime, Type: auditlog.AuthBasic, Outcome: auditlog.OutcomeLocked,
		Source: "192.0.2.7", Request: "/login", OrgID: "o", PortalID: new("q"), PrincipalID: "p", PrincipalName: new(""),
		TraceID: "t", UserAgent: "u", Signature: new("s"), Extra: []auditlog.Attribute{auditlog.String("x", "y")},
	}
	small := auditlog.Authentication{Time: lineTime, ReceivedAt: receiptTime, Type: auditlog.AuthPAT, Outcome: auditlog.OutcomeSuccess, Success: true}
	for want, view := range map[string]auditlog.Authentication{
		"2025-06-18T21:02:36Z konghq.com CEF:0|KongInc|Dev-Portal|1.0|AUTHENTICATION_TYPE_BASIC|AUTHENTICATION_OUTCOME_LOCKED|6|rt=1750280466889 src=192.0.2.7 request=/login success=false org_id=o portal_id=q principal_id=p principal_name= trace_id=t user_agent=u x=y sig=s": full,
		"2025-06-18T21:02:36Z konghq.com CEF:0|KongInc|Konnect|1.0|AUTHENTICATION_TYPE_PAT|AUTHENTICATION_OUTCOME_SUCCESS|0|rt=1750280466889 src= request= success=true org_id= principal_id= trace_id= user_agent=":                                                               small,
	} {
		event := view.Event()
		require.Equal(t, auditlog.KindAuthentication, event.Kind())
		line, err := auditlog.CEF.Append(nil, &event)
		require.NoError(t, err)
		require.Equal(t, want, string(line))
		for _, f := range []auditlog.Format{auditlog.CEF, auditlog.JSON, auditlog.CPS} {
			line, err := f.Append(nil, &event)
			require.NoError(t, err)
			back, err := f.ParseStrict(line)
			require.NoError(t, err)
			got, err := auditlog.AsAuthentication(&back)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(view, got))
		}
	}
}

func TestAuthenticationSeverity(t *testing.T) {
	t.Parallel()
	for outcome, want := range map[auditlog.Outcome]cef.Severity{
		auditlog.OutcomeSuccess: 0, auditlog.OutcomeNotFound: 1, auditlog.OutcomeInvalidPassword: 1, auditlog.OutcomeTokenExpired: 1,
		auditlog.OutcomeLocked: 6, auditlog.OutcomeDisabled: 6, auditlog.OutcomeInvalid: 7, "SOMETHING_NEW": 7,
	} {
		require.Equal(t, want, auditlog.Authentication{Outcome: outcome}.Event().Severity, outcome)
	}
}

func TestAuthorizationView(t *testing.T) {
	t.Parallel()
	full := auditlog.Authorization{
		Time: lineTime, ReceivedAt: receiptTime, Service: "konnect", Resource: "control-planes", Source: "127.0.0.6", Action: "list", Granted: true,
		OrgID: "o", PrincipalID: "p", PrincipalName: new("n"), ActorID: new(""), KongInitiated: true, TraceID: "t", UserAgent: "u",
		Signature: new("s"), Extra: []auditlog.Attribute{auditlog.String("x", "y"), auditlog.String("z", "y")},
	}
	small := auditlog.Authorization{Time: lineTime, ReceivedAt: receiptTime}
	for want, view := range map[string]auditlog.Authorization{
		"2025-06-18T21:02:36Z konghq.com CEF:0|KongInc|Konnect|1.0|konnect|Authz.control-planes|1|rt=1750280466889 src=127.0.0.6 action=list granted=true org_id=o principal_id=p principal_name=n actor_id= kong_initiated=true trace_id=t user_agent=u x=y z=y sig=s": full,
		"2025-06-18T21:02:36Z konghq.com CEF:0|KongInc|Konnect|1.0||Authz.|6|rt=1750280466889 src= action= granted=false org_id= principal_id= trace_id= user_agent=":                                                                                                   small,
	} {
		event := view.Event()
		require.Equal(t, auditlog.KindAuthorization, event.Kind())
		line, err := auditlog.CEF.Append(nil, &event)
		require.NoError(t, err)
		require.Equal(t, want, string(line))
		for _, f := range []auditlog.Format{auditlog.CEF, auditlog.JSON, auditlog.CPS} {
			line, err := f.Append(nil, &event)
			require.NoError(t, err)
			back, err := f.ParseStrict(line)
			require.NoError(t, err)
			got, err := auditlog.AsAuthorization(&back)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(view, got))
		}
	}
}

func TestAccessView(t *testing.T) {
	t.Parallel()
	full := auditlog.Access{
		Time: lineTime, ReceivedAt: receiptTime, Source: "192.0.2.7", Request: "/v2/portals", Method: "GET", Status: 403, OrgID: "o",
		PrincipalID: "p", PrincipalName: new("n"), UserAgent: "u", KongInitiated: true, TraceID: "t", Query: "a=b", Signature: new("s"),
		Extra: []auditlog.Attribute{auditlog.String("x", "y")},
	}
	small := auditlog.Access{Time: lineTime, ReceivedAt: receiptTime, Status: 200}
	for want, view := range map[string]auditlog.Access{
		`2025-06-18T21:02:36Z konghq.com CEF:0|KongInc|Konnect|1.0|KongGateway|Ingress|6|rt=1750280466889 src=192.0.2.7 request=/v2/portals act=GET status=403 org_id=o principal_id=p principal_name=n user_agent=u kong_initiated=true trace_id=t query=a\=b x=y sig=s`: full,
		`2025-06-18T21:02:36Z konghq.com CEF:0|KongInc|Konnect|1.0|KongGateway|Ingress|1|rt=1750280466889 src= request= act= status=200 org_id= principal_id= user_agent= trace_id= query=`:                                                                               small,
	} {
		event := view.Event()
		require.Equal(t, auditlog.KindAccess, event.Kind())
		line, err := auditlog.CEF.Append(nil, &event)
		require.NoError(t, err)
		require.Equal(t, want, string(line))
		for _, f := range []auditlog.Format{auditlog.CEF, auditlog.JSON, auditlog.CPS} {
			line, err := f.Append(nil, &event)
			require.NoError(t, err)
			back, err := f.ParseStrict(line)
			require.NoError(t, err)
			got, err := auditlog.AsAccess(&back)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(view, got))
		}
	}
}

func TestAccessSeverity(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]cef.Severity{0: 1, 200: 1, 302: 1, 400: 1, 401: 6, 403: 6, 404: 1, 500: 10, 501: 1, 502: 1, 503: 1} {
		require.Equal(t, want, auditlog.Access{Status: status}.Event().Severity, status)
	}
}

func TestReceiptTimeDefaultsToTime(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.FixedZone("x", 3600))
	for _, event := range []auditlog.Event{
		auditlog.Access{Time: at}.Event(), auditlog.Authorization{Time: at}.Event(), auditlog.Authentication{Time: at}.Event(),
	} {
		rt, ok := event.Get("rt")
		require.True(t, ok)
		require.Equal(t, auditlog.Int("", at.UnixMilli()).Value, rt)
		require.Equal(t, time.Date(2026, 1, 2, 2, 4, 5, 0, time.UTC), event.Time)
	}
}

func TestViewErrors(t *testing.T) {
	t.Parallel()
	without := func(e auditlog.Event, key string, instead ...auditlog.Attribute) auditlog.Event {
		kept := instead
		for _, a := range e.Attributes {
			if a.Key != key {
				kept = append(kept, a)
			}
		}
		e.Attributes = kept
		return e
	}
	renamed := func(e auditlog.Event, classID string) auditlog.Event {
		e.ClassID = classID
		return e
	}
	login, check, request := auditlog.Authentication{}.Event(), auditlog.Authorization{}.Event(), auditlog.Access{}.Event()
	read := map[auditlog.Kind]func(*auditlog.Event) error{
		auditlog.KindAuthentication: func(e *auditlog.Event) error { _, err := auditlog.AsAuthentication(e); return err },
		auditlog.KindAuthorization:  func(e *auditlog.Event) error { _, err := auditlog.AsAuthorization(e); return err },
		auditlog.KindAccess:         func(e *auditlog.Event) error { _, err := auditlog.AsAccess(e); return err },
	}
	for kind, events := range map[auditlog.Kind]auditlog.Event{auditlog.KindAuthentication: login, auditlog.KindAuthorization: check, auditlog.KindAccess: request} {
		for _, a := range events.Attributes {
			event := without(events, a.Key)
			require.EqualError(t, read[kind](&event), `field "`+a.Key+`": is missing`)
		}
		other := bare()
		require.ErrorContains(t, read[kind](&other), `field "name": is that of an event of kind other, not `+kind.String())
	}
	for _, test := range []struct {
		kind  auditlog.Kind
		event auditlog.Event
		want  string
	}{
		{auditlog.KindAuthentication, without(login, "rt", auditlog.String("rt", "now")), `field "rt": is not an integer`},
		{auditlog.KindAuthentication, without(login, "success", auditlog.Int("success", 1)), `field "success": is not true or false`},
		{auditlog.KindAuthentication, renamed(login, "BASIC"), `field "event_class_id": does not begin with AUTHENTICATION_TYPE_`},
		{auditlog.KindAuthorization, without(check, "", auditlog.String("kong_initiated", "maybe")), `field "kong_initiated": is not true or false`},
		{auditlog.KindAccess, without(request, "status", auditlog.Int("status", 1<<40)), `field "status": is not an HTTP status`},
	} {
		require.EqualError(t, read[test.kind](&test.event), test.want)
	}
	lenient := without(request, "status", auditlog.String("status", "404"))
	got, err := auditlog.AsAccess(&lenient)
	require.NoError(t, err)
	require.Equal(t, 404, got.Status)
}
