package benchmarks

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/seed-6bcf82c5/auditlog"
)

// events returns n different events of the three kinds, of varying lengths, one
// in sixteen with something to escape. Few different ones would let the branch
// predictor learn them by heart.
func events(n int) []auditlog.Event {
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	id := func() string { return fmt.Sprintf("%016x-%08x", random.Uint64(), random.Uint32()) }
	sign := func() string { // as little compressible as a real one
		var b [64]byte
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		return base64.RawURLEncoding.EncodeToString(b[:])
	}
	agent := func() string {
		a := pick("grpc-node-js/1.12.4", "curl/8.0", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "terraform-provider-konnect/3.1 (linux; amd64)", "")
		if random.IntN(16) == 0 {
			a += ` a=b\c`
		}
		return a
	}
	all := make([]auditlog.Event, n)
	for i := range all {
		at := time.Unix(1750280466+int64(random.IntN(1e6)), int64(random.IntN(1e9))).UTC()
		ip := fmt.Sprintf("%d.%d.%d.%d", random.IntN(256), random.IntN(256), random.IntN(256), random.IntN(256))
		trace := fmt.Sprint(random.Uint64())
		signature := sign()
		switch random.IntN(3) {
		case 0:
			all[i] = auditlog.Authentication{
				Time: at, Type: auditlog.AuthenticationType(pick("BASIC", "PAT", "SSO")), Outcome: auditlog.Outcome(pick("SUCCESS", "INVALID_PASSWORD", "LOCKED")),
				Source: ip, Request: pick("/login", "/v2/session", "/"), Success: random.IntN(2) == 0, OrgID: id(), PrincipalID: id(), TraceID: trace, UserAgent: agent(), Signature: &signature,
			}.Event()
		case 1:
			all[i] = auditlog.Authorization{
				Time: at, Service: pick("konnect", "identity"), Resource: pick("control-planes", "organizations", "portals", "users"),
				Source: ip, Action: pick("list", "read", "delete"), Granted: random.IntN(4) != 0, OrgID: id(), PrincipalID: id(), TraceID: trace, UserAgent: agent(), Signature: &signature,
			}.Event()
		default:
			all[i] = auditlog.Access{
				Time: at, Source: ip, Request: "/v2/control-planes/" + id(), Method: pick("GET", "POST", "DELETE"), Status: 200 + 100*random.IntN(4), OrgID: id(), PrincipalID: id(),
				TraceID: trace, UserAgent: agent(), Query: pick("", "", "page%5Bsize%5D=10"), Signature: &signature,
			}.Event()
		}
	}
	return all
}
