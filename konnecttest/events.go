package konnecttest

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/seed-6bcf82c5/auditlog"
)

// Events returns n events as Konnect sends them, of all three kinds, of many
// shapes, some with characters that need escaping. The same seed gives the same
// events. None is signed. Their times ascend from start. Every event has a trace_id of its own,
// so that a test can tell whether each has arrived.
func Events(seed uint64, n int, start time.Time) []auditlog.Event {
	g := generator{rand.New(rand.NewPCG(seed, seed))}
	events := make([]auditlog.Event, n)
	at := start
	for i := range events {
		at = at.Add(time.Duration(g.IntN(2_000)) * time.Millisecond)
		// The number in the trace id's upper half keeps it unique.
		trace := fmt.Sprint(uint64(i+1)<<32 | uint64(g.Uint32()))
		events[i] = g.event(at, trace)
	}
	return events
}

type generator struct{ *rand.Rand }

func (g generator) event(at time.Time, trace string) auditlog.Event {
	switch k := g.IntN(10); {
	case k < 2:
		return g.authentication(at, trace)
	case k < 5:
		return g.authorization(at, trace)
	default:
		return g.access(at, trace)
	}
}

func (g generator) authentication(at time.Time, trace string) auditlog.Event {
	a := auditlog.Authentication{
		Time: at, ReceivedAt: at,
		Type:    pick(g, auditlog.AuthBasic, auditlog.AuthSSO, auditlog.AuthPAT, auditlog.AuthSPAT, auditlog.AuthGoogle),
		Outcome: pick(g, auditlog.OutcomeSuccess, auditlog.OutcomeSuccess, auditlog.OutcomeSuccess, auditlog.OutcomeInvalidPassword, auditlog.OutcomeTokenExpired, auditlog.OutcomeLocked),
		Source:  g.address(), Request: pick(g, "/kauth/api/v1/authenticate", "/v2/users/me", "/login"),
		OrgID: g.org(), PrincipalID: g.uuid(), TraceID: trace, UserAgent: g.userAgent(),
	}
	a.Success = a.Outcome == auditlog.OutcomeSuccess
	if g.IntN(4) == 0 {
		a.PortalID = new(g.uuid())
	}
	if g.IntN(3) == 0 {
		a.PrincipalName = new(g.name())
	}
	return a.Event()
}

func (g generator) authorization(at time.Time, trace string) auditlog.Event {
	a := auditlog.Authorization{
		Time: at, ReceivedAt: at,
		Service:  pick(g, "konnect", "identity", "portals", "vaults"),
		Resource: pick(g, "control-planes", "organizations", "identity-provider", "portals", "control-planes/"+g.uuid()+"/services"),
		Source:   fmt.Sprintf("127.0.0.%d", 1+g.IntN(9)), Action: pick(g, "list", "read", "create", "update", "delete"),
		Granted: g.IntN(5) != 0, OrgID: g.org(), PrincipalID: g.uuid(), KongInitiated: g.IntN(20) == 0,
		TraceID: trace, UserAgent: pick(g, "grpc-node-js/1.12.4", "grpc-go/1.54.0"),
	}
	switch g.IntN(4) {
	case 0:
		a.ActorID = new(g.uuid())
	case 1:
		a.ActorID = new("")
	}
	if g.IntN(4) == 0 {
		a.PrincipalName = new(g.name())
	}
	return a.Event()
}

func (g generator) access(at time.Time, trace string) auditlog.Event {
	a := auditlog.Access{
		Time: at, ReceivedAt: at, Source: g.address(),
		Request: pick(g, "/v2/control-planes", "/v2/control-planes/"+g.uuid()+"/core-entities/routes", "/v2/audit-log-webhook", "/v3/portals"),
		Method:  pick(g, "GET", "GET", "GET", "POST", "PATCH", "DELETE"),
		Status:  pick(g, 200, 200, 200, 201, 204, 400, 401, 403, 404, 500, 503),
		OrgID:   g.org(), PrincipalID: g.uuid(), UserAgent: g.userAgent(), TraceID: trace,
		Query: pick(g, "", "", "", "page[size]=100&page[number]=2", `filter[name][contains]=a\b`),
	}
	if g.IntN(4) == 0 {
		a.PrincipalName = new(g.name())
	}
	return a.Event()
}

func (g generator) address() string {
	if g.IntN(8) == 0 {
		return fmt.Sprintf("2001:db8::%x:%x", g.IntN(1<<16), 1+g.IntN(1<<16-1))
	}
	return fmt.Sprintf("%d.%d.%d.%d", 1+g.IntN(223), g.IntN(256), g.IntN(256), g.IntN(256))
}

func (g generator) userAgent() string {
	return pick(g,
		"curl/8.5.0", "", "terraform-provider-konnect/3.1.0 (linux; amd64)",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36",
		"Mozilla/5.0 (compatible; a=b|c)", "kongctl/0.3 \t(日本)",
	)
}

func (g generator) name() string {
	return pick(g, "alice@example.com", "Zoë Müller", "O'Brien, Tim", `EXAMPLE\svc-audit`, "terraform = ci")
}

// org is one of few: a webhook belongs to one organization or a handful.
func (g generator) org() string {
	return pick(g, "777db3e4-5cb7-4dd5-b51c-9878096a6999", "b065b594-6afc-4658-9101-5d9cf3f36b7b")
}

func (g generator) uuid() string {
	hi, lo := g.Uint64(), g.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", hi>>32, hi>>16&0xffff, hi&0xfff, lo>>48&0x3fff|0x8000, lo&0xffffffffffff)
}

func pick[T any](g generator, of ...T) T { return of[g.IntN(len(of))] }
