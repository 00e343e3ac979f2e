package cef_test

import (
	"fmt"
	"time"

	"github.com/seed-6bcf82c5/auditlog/cef"
)

func ExampleEncoder() {
	var e cef.Encoder
	e.Begin(nil, &cef.Header{
		Time:     time.Date(2025, 6, 18, 21, 2, 36, 0, time.UTC),
		Host:     "api.example.com",
		Vendor:   "Example",
		Product:  "Billing",
		Version:  "2.1",
		ClassID:  "invoice",
		Name:     "Invoice deleted | undone",
		Severity: 4,
	})
	e.Time("rt", time.UnixMilli(1750280466889))
	e.String("suser", "alice")
	e.String("msg", "a=b\nsecond line")
	e.Int("cnt", 1)
	line, err := e.End()
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println(string(line))
	// Output:
	// 2025-06-18T21:02:36Z api.example.com CEF:0|Example|Billing|2.1|invoice|Invoice deleted \| undone|4|rt=1750280466889 suser=alice msg=a\=b\nsecond line cnt=1
}

// A sender whose host, vendor, product and versions stay the same has them
// escaped once.
func ExampleEncoder_BeginPrepared() {
	sender, err := cef.Prepare(&cef.Header{Host: "gw1", Vendor: "Example", Product: "Gateway", Version: "1.0"})
	if err != nil {
		fmt.Println(err)
	}
	var e cef.Encoder
	var buf []byte
	for _, user := range []string{"alice", "bob"} {
		e.BeginPrepared(buf[:0], &sender, time.Unix(0, 0), "login", "Login", 1)
		e.String("suser", user)
		if buf, err = e.End(); err != nil {
			fmt.Println(err)
		}
		fmt.Println(string(buf))
	}
	// Output:
	// 1970-01-01T00:00:00Z gw1 CEF:0|Example|Gateway|1.0|login|Login|1|suser=alice
	// 1970-01-01T00:00:00Z gw1 CEF:0|Example|Gateway|1.0|login|Login|1|suser=bob
}

func ExampleParse() {
	line := []byte(`Apr 14 05:39:08 konghq.com CEF:0|KongInc|Konnect|1.0|KongGateway|Ingress|1|request=/v2/portals?page=2 act=GET status=200`)
	r, err := cef.Parse(line, cef.Lenient)
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println(r.Vendor, r.Name, r.Host)
	for _, e := range r.Extensions {
		fmt.Printf("%s: %s\n", e.Key, e.Value)
	}
	for _, n := range r.Notes {
		fmt.Printf("tolerated in %s: %s\n", n.Key, n.Tolerated)
	}
	_, err = cef.Parse(line, cef.Strict)
	fmt.Println(err)
	// Output:
	// KongInc Ingress konghq.com
	// request: /v2/portals?page=2
	// act: GET
	// status: 200
	// tolerated in request: bare equals sign
	// byte 99: an equals sign that is neither escaped nor after a key
}

func ExampleScan() {
	line := []byte(`CEF:0|Example|Billing|2.1|invoice|Invoice deleted|4|suser=alice msg=a\=b`)
	err := cef.Scan(line, cef.Strict, func(f cef.Field) error {
		if f.Part == cef.PartExtension {
			fmt.Printf("%s: %s\n", f.Key, f.AppendValue(nil))
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// suser: alice
	// msg: a=b
}

func ExampleValidate() {
	r, err := cef.Parse([]byte(`CEF:0|Example|Billing|2.1|invoice|Invoice deleted|4|src=here cs1Label=Reason org_id=7`), cef.Lenient)
	if err != nil {
		fmt.Println(err)
	}
	for _, v := range cef.Validate(&r) {
		fmt.Println(v.Key+":", v.Reason)
	}
	// Output:
	// src: not of type IP address
	// cs1Label: a label without cs1
	// org_id: not in the CEF dictionary
}
