package main

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog"
)

const (
	cefLine  = `2025-06-18T21:02:36Z konghq.com CEF:0|KongInc|Konnect|1.0|konnect|Authz.x|1|rt=1 src= action=list granted=true org_id=o principal_id=p trace_id=7 user_agent=a\=b sig=s`
	jsonLine = `{"action":"list","cef_version":0,"event_class_id":"konnect","event_product":"Konnect","event_ts":"2025-06-18T21:02:36Z","event_vendor":"KongInc","event_version":"1.0","granted":true,"name":"Authz.x","org_id":"o","principal_id":"p","rt":1,"severity":1,"src":"","trace_id":"7","user_agent":"a=b","sig":"s"}`
	bareCEF  = `<13>Apr 14 05:39:08 fw CEF:0|Acme|Wall|9|17|Port scan|High|src=192.0.2.1 request=/a?b=c`
)

func TestConvert(t *testing.T) {
	t.Parallel()
	const warning = "warning: signatures (sig) are carried along, but may no longer verify, since signed lines were changed\n"
	for _, test := range []struct {
		name              string
		from, to          auditlog.Format
		strict            bool
		in, out, reported string
		bad               bool
	}{
		{"nothing", auditlog.CEF, auditlog.JSON, false, "", "", "", false},
		{"CEF to JSON", auditlog.CEF, auditlog.JSON, false, cefLine + "\n" + cefLine + "\r\n", jsonLine + "\n" + jsonLine + "\n", warning, false},
		{"JSON to CPS", auditlog.JSON, auditlog.CPS, true, jsonLine + "\n", `{"event":` + jsonLine + "}\n", warning, false},
		{"CPS to CEF, no line break at the end", auditlog.CPS, auditlog.CEF, false, `{"event":` + jsonLine + "}", cefLine + "\n", warning, false},
		{"another vendor, the same format", auditlog.CEF, auditlog.CEF, false, bareCEF + "\n", strings.Replace(bareCEF, "b=c", `b\=c`, 1) + "\n", "", false},
		{"a bad line does not stop the others", auditlog.CEF, auditlog.CEF, false, "rubbish\n\n" + cefLine + "\n" + jsonLine + "\n", cefLine + "\n",
			"line 1: byte 0: no \"CEF:\"\nline 2: empty\nline 4: byte 0: a line that begins with { is JSON\n", true},
		{"what only lenient reading takes", auditlog.CEF, auditlog.CEF, true, bareCEF + "\n", "", "line 1: byte 85: an equals sign that is neither escaped nor after a key\n", true},
		{"a signed line that stays as it is", auditlog.CEF, auditlog.CEF, false, cefLine + "\n", cefLine + "\n", "", false},
		{"a signed line that does not", auditlog.CEF, auditlog.CEF, false, strings.Replace(cefLine, `\=`, "=", 1) + "\n", cefLine + "\n", warning, false},
		{"what the other format cannot carry", auditlog.JSON, auditlog.CEF, false, strings.Replace(jsonLine, `"src"`, `"s-r-c"`, 1) + "\n", "",
			"line 1: field \"s-r-c\": cannot be an extension key\n", true},
		{"a line longer than any buffer", auditlog.CEF, auditlog.CEF, false, bareCEF + strings.Repeat("x", 1<<20), strings.Replace(bareCEF, "b=c", `b\=c`, 1) + strings.Repeat("x", 1<<20) + "\n", "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var out, reported strings.Builder
			c := converter{from: test.from, to: test.to, strict: test.strict, report: &reported}
			err := c.convert(&out, strings.NewReader(test.in))
			require.Equal(t, test.bad, errors.Is(err, errBadLines), "%v", err)
			require.Equal(t, test.bad, err != nil)
			require.Equal(t, test.out, out.String())
			require.Equal(t, test.reported, reported.String())
		})
	}
}

func TestConvertStopsAtErrorsOfTheStreams(t *testing.T) {
	t.Parallel()
	c := converter{from: auditlog.CEF, to: auditlog.CEF, report: io.Discard}
	broken := errors.New("broken")
	require.ErrorIs(t, c.convert(io.Discard, iotest.ErrReader(broken)), broken)
	r, w := io.Pipe()
	require.NoError(t, r.CloseWithError(broken))
	require.ErrorIs(t, c.convert(w, strings.NewReader(cefLine)), broken)
}
