package auditlog_test

import (
	"fmt"
	"time"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/cef"
)

var now = time.Date(2025, 6, 18, 21, 2, 36, 889e6, time.UTC)

// An event of one of Konnect's kinds.
func ExampleAuthorization() {
	event := auditlog.Authorization{
		Time:        now,
		Service:     "konnect",
		Resource:    "control-planes",
		Source:      "192.0.2.7",
		Action:      "delete",
		Granted:     false,
		OrgID:       "777db3e4",
		PrincipalID: "eb999f01",
		TraceID:     "3959872677347089807",
		UserAgent:   "curl/8.0",
	}.Event()
	for _, format := range []auditlog.Format{auditlog.CEF, auditlog.JSON} {
		line, err := format.Append(nil, &event)
		if err != nil {
			fmt.Println(err)
		}
		fmt.Println(string(line))
	}
	// Output:
	// 2025-06-18T21:02:36Z konghq.com CEF:0|KongInc|Konnect|1.0|konnect|Authz.control-planes|6|rt=1750280556889 src=192.0.2.7 action=delete granted=false org_id=777db3e4 principal_id=eb999f01 trace_id=3959872677347089807 user_agent=curl/8.0
	// {"action":"delete","cef_version":0,"event_class_id":"konnect","event_product":"Konnect","event_ts":"2025-06-18T21:02:36Z","event_vendor":"KongInc","event_version":"1.0","granted":false,"name":"Authz.control-planes","org_id":"777db3e4","principal_id":"eb999f01","rt":1750280556889,"severity":6,"src":"192.0.2.7","trace_id":"3959872677347089807","user_agent":"curl/8.0"}
}

// An event of one's own product.
func ExampleFormat_Append() {
	event := auditlog.Event{
		Header: cef.Header{
			Time: now, Host: "billing.example.com",
			Vendor: "Example", Product: "Billing", Version: "2.1",
			ClassID: "invoice", Name: "Invoice deleted", Severity: cef.SeverityHigh,
		},
		Attributes: []auditlog.Attribute{
			auditlog.Time("rt", now),
			auditlog.String("suser", "alice"),
			auditlog.String("externalId", "018f-77"),
			auditlog.Int("cnt", 3),
		},
	}
	line, err := auditlog.CEF.Append(nil, &event)
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println(string(line))
	// Output:
	// 2025-06-18T21:02:36.889Z billing.example.com CEF:0|Example|Billing|2.1|invoice|Invoice deleted|High|rt=1750280556889 suser=alice externalId=018f-77 cnt=3
}

func ExampleParse() {
	event, format, err := auditlog.Parse([]byte(`2023-04-28T20:52:09Z konghq.com CEF:0|KongInc|Konnect|1.0|KongGateway|Ingress|10|rt=1682715129807 src=192.0.2.7 request=/v2/portals act=GET status=500 org_id=o principal_id=p user_agent=curl trace_id=3895213347334635099 query=`))
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println(format, event.Kind(), event.Severity)
	access, err := auditlog.AsAccess(&event)
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println(access.Method, access.Request, access.Status)
	// Output:
	// cef access 10
	// GET /v2/portals 500
}
