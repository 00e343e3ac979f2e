package auditlog_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/cef"
)

// Lines of each kind as Konnect's documentation has them, with every optional
// attribute in one of them.
const (
	authorizationCEF = `2025-06-18T21:02:36Z konghq.com CEF:0|KongInc|Konnect|1.0|konnect|Authz.control-planes|1|rt=1750280466889 src=127.0.0.6 action=list granted=true org_id=777db3e4-5cb7-4dd5-b51c-9878096a6999 principal_id=eb999f01-5976-4f4b-9fbc-dd5d514bd675 trace_id=3959872677347089807 user_agent=grpc-node-js/1.12.4 sig=KbLaBhQFnggT_8CyC95b777R1_fGvvLVDn7awjZK8eZLdGPrSvnS-sxJw63j930eKr-VTsQv8-TQTD_GVmAPAQ`
	authorizationAll = `2025-06-18T21:02:36Z konghq.com CEF:0|KongInc|Konnect|1.0|konnect|Authz.x|6|rt=1 src= action=list granted=false org_id=o principal_id=p principal_name= actor_id= kong_initiated=true trace_id=t user_agent= sig=s`
	authentication   = `2025-06-18T21:02:36Z konghq.com CEF:0|KongInc|Dev-Portal|1.0|AUTHENTICATION_TYPE_BASIC|AUTHENTICATION_OUTCOME_INVALID_PASSWORD|1|rt=1750280466889 src=192.0.2.7 request=/login success=false org_id=o portal_id=q principal_id= trace_id=18446744073709551615 user_agent=Mozilla/5.0 (X11; Linux x86_64) a\=b`
	access           = `Apr 14 05:39:08 konghq.com CEF:0|KongInc|Konnect|1.0|KongGateway|Ingress|6|rt=1681450748000 src=192.0.2.7 request=/v2/portals act=GET status=403 org_id=o principal_id=p principal_name=Zoë user_agent=curl/8 kong_initiated=true trace_id=007 query=a\=b&c\=d`
)

var konnectLines = map[string]string{
	"authorization":                    authorizationCEF,
	"authorization, all attributes":    authorizationAll,
	"authentication of a portal":       authentication,
	"access with a syslog time":        access,
	"access, whole second":             strings.Replace(access, "Apr 14 05:39:08", "2023-04-14T05:39:08Z", 1),
	"time with an offset":              strings.Replace(access, "Apr 14 05:39:08", "2023-04-14T05:39:08+02:00", 1),
	"time with trailing zeros":         strings.Replace(access, "Apr 14 05:39:08", "2023-04-14T05:39:08.500Z", 1),
	"zero time":                        strings.Replace(access, "Apr 14 05:39:08", "0001-01-01T00:00:00Z", 1),
	"severity in words":                strings.Replace(authorizationCEF, "|1|rt", "|Very-High|rt", 1),
	"CEF version 1":                    strings.Replace(authorizationCEF, "CEF:0", "CEF:1", 1),
	"escapes":                          strings.Replace(authorizationCEF, "grpc-node-js", `\\a\=b\nc\rd"<&>`+"\t\u00a0🦍", 1),
	"first time of its zone":           strings.Replace(access, "Apr 14 05:39:08", "0000-01-01T00:00:00+10:00", 1),
	"last time of its zone":            strings.Replace(access, "Apr 14 05:39:08", "9999-12-31T23:59:59-10:00", 1),
	"custom attributes after the rest": strings.Replace(authorizationCEF, " sig=", " a_custom=1 z_custom=x y sig=", 1),
}

// The promise of the package comment.
func TestKonnectEventsSurviveEveryFormat(t *testing.T) {
	t.Parallel()
	for name, line := range konnectLines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			event, err := auditlog.CEF.ParseStrict([]byte(line))
			require.NoError(t, err)
			current := event
			for _, f := range []auditlog.Format{auditlog.JSON, auditlog.CPS, auditlog.JSON, auditlog.CEF} {
				text, err := f.Append(nil, &current)
				require.NoError(t, err)
				require.Equal(t, f, auditlog.Detect(text))
				current, err = f.ParseStrict(text)
				require.NoError(t, err, "%s", text)
				require.Empty(t, cmp.Diff(event, current), "%s", text)
			}
			back, err := auditlog.CEF.Append(nil, &current)
			require.NoError(t, err)
			require.Equal(t, line, string(back))
		})
	}
}

func TestJSONLine(t *testing.T) {
	t.Parallel()
	event, err := auditlog.CEF.Parse([]byte(authorizationCEF))
	require.NoError(t, err)
	const want = `{"action":"list","cef_version":0,"event_class_id":"konnect","event_product":"Konnect","event_ts":"2025-06-18T21:02:36Z","event_vendor":"KongInc","event_version":"1.0","granted":true,"name":"Authz.control-planes","org_id":"777db3e4-5cb7-4dd5-b51c-9878096a6999","principal_id":"eb999f01-5976-4f4b-9fbc-dd5d514bd675","rt":1750280466889,"severity":1,"src":"127.0.0.6","trace_id":"3959872677347089807","user_agent":"grpc-node-js/1.12.4","sig":"KbLaBhQFnggT_8CyC95b777R1_fGvvLVDn7awjZK8eZLdGPrSvnS-sxJw63j930eKr-VTsQv8-TQTD_GVmAPAQ"}`
	got, err := auditlog.JSON.Append([]byte("before "), &event)
	require.NoError(t, err)
	require.Equal(t, "before "+want, string(got))
	got, err = auditlog.CPS.Append([]byte("before "), &event)
	require.NoError(t, err)
	require.Equal(t, `before {"event":`+want+`}`, string(got))
}

// A line of Konnect's documentation, whose types differ from what the same
// documentation says of them.
func TestJSONOfTheWild(t *testing.T) {
	t.Parallel()
	const line = `{"action":"read","cef_version":"0","event_class_id":"identity","event_product":"Konnect","event_ts":"2023-04-28T20:52:09Z","event_vendor":"KongInc","event_version":"1.0","granted":true,"name":"Authz.identity-provider","org_id":"b065b594","principal_id":"87655c36","rt":"1682715129807","severity":"1","src":"127.0.0.6","trace_id":3895213347334635099,"user_agent":"grpc-go/1.54.0","sig":"Jm73"}`
	event, format, err := auditlog.Parse([]byte(line))
	require.NoError(t, err)
	require.Equal(t, auditlog.JSON, format)
	got, err := auditlog.CEF.Append(nil, &event)
	require.NoError(t, err)
	require.Equal(t, `2023-04-28T20:52:09Z konghq.com CEF:0|KongInc|Konnect|1.0|identity|Authz.identity-provider|1|rt=1682715129807 src=127.0.0.6 action=read granted=true org_id=b065b594 principal_id=87655c36 trace_id=3895213347334635099 user_agent=grpc-go/1.54.0 sig=Jm73`, string(got))
	got, err = auditlog.JSON.Append(nil, &event)
	require.NoError(t, err)
	require.Equal(t, strings.NewReplacer(`"cef_version":"0"`, `"cef_version":0`, `"1682715129807"`, `1682715129807`, `"severity":"1"`, `"severity":1`,
		`3895213347334635099`, `"3895213347334635099"`).Replace(line), string(got), "one type, always")

	_, err = auditlog.JSON.ParseStrict([]byte(line))
	var field *auditlog.FieldError
	require.ErrorAs(t, err, &field)
	require.Equal(t, "cef_version", field.Field)
}

// bare is the smallest event of another product.
func bare(attributes ...auditlog.Attribute) auditlog.Event {
	return auditlog.Event{Header: cef.Header{Vendor: "Example", Product: "Billing", Version: "2", ClassID: "c", Name: "n", Severity: 3}, Attributes: attributes}
}

func jsonOf(members string) string {
	return `{` + members + `"cef_version":0,"event_class_id":"c","event_product":"Billing","event_vendor":"Example","event_version":"2","name":"n","severity":3}`
}

func TestTypesOfOtherProducts(t *testing.T) {
	t.Parallel()
	const members = `"a":"x","b":-5,"c":true,"c2":1.50,"c3":18446744073709551616,"c4":-0,"c5":1e400,`
	event, err := auditlog.JSON.ParseStrict([]byte(jsonOf(members)))
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(bare(
		auditlog.String("a", "x"), auditlog.Int("b", -5), auditlog.Bool("c", true), auditlog.Number("c2", "1.50"),
		auditlog.Number("c3", "18446744073709551616"), auditlog.Number("c4", "-0"), auditlog.Number("c5", "1e400"),
	), event))
	got, err := auditlog.JSON.Append(nil, &event)
	require.NoError(t, err)
	require.Equal(t, jsonOf(members), string(got))
	got, err = auditlog.CEF.Append(nil, &event)
	require.NoError(t, err)
	require.Equal(t, "CEF:0|Example|Billing|2|c|n|3|a=x b=-5 c=true c2=1.50 c3=18446744073709551616 c4=-0 c5=1e400", string(got))
}

// What the package comment says that a format cannot carry.
func TestWhatFormatsCannotCarry(t *testing.T) {
	t.Parallel()
	through := func(f auditlog.Format, e auditlog.Event) auditlog.Event {
		line, err := f.Append(nil, &e)
		require.NoError(t, err)
		back, err := f.ParseStrict(line)
		require.NoError(t, err)
		return back
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC)
	given := bare(auditlog.Int("retries", 3), auditlog.Bool("dry", true), auditlog.Number("ratio", "0.5"), auditlog.Int("rt", 7), auditlog.String("end", "x  "))
	given.Time, given.Host = at, "api.example.com"

	inCEF := given
	inCEF.Attributes = []auditlog.Attribute{auditlog.String("retries", "3"), auditlog.String("dry", "true"), auditlog.String("ratio", "0.5"), auditlog.Int("rt", 7), auditlog.String("end", "x")}
	require.Empty(t, cmp.Diff(inCEF, through(auditlog.CEF, given)), "the types of custom attributes, the last trailing spaces")

	inJSON := given
	inJSON.Host = ""
	inJSON.Attributes = []auditlog.Attribute{auditlog.Bool("dry", true), auditlog.String("end", "x  "), auditlog.Number("ratio", "0.5"), auditlog.Int("retries", 3), auditlog.Int("rt", 7)}
	require.Empty(t, cmp.Diff(inJSON, through(auditlog.JSON, given)), "the host and the order")
	require.Empty(t, cmp.Diff(inJSON, through(auditlog.CPS, given)))

	konnect := given
	konnect.Vendor = auditlog.KonnectVendor
	require.Equal(t, auditlog.KonnectHost, through(auditlog.JSON, konnect).Host)

	prefixed := bare()
	prefixed.Prefix = "<134>Apr  4 05:39:08 h app[1]: "
	got := through(auditlog.JSON, prefixed)
	require.Equal(t, "Apr  4 05:39:08 ", got.Prefix)
	got = through(auditlog.CEF, prefixed)
	require.Equal(t, prefixed.Prefix, got.Prefix)
	prefixed.Prefix = "no time here "
	require.Empty(t, cmp.Diff(bare(), through(auditlog.JSON, prefixed)))

	controls := bare(auditlog.String("a", "\x00\x1b\x7f\u0085\u2028\n"))
	require.Empty(t, cmp.Diff(controls, through(auditlog.JSON, controls)), "JSON carries control characters")
	require.Equal(t, "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\n", through(auditlog.CEF, controls).Attributes[0].Value.String())
}

func TestJSONStrings(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"":                           `""`,
		`"\/`:                        `"\"\\/"`,
		"\x00\x08\x0c\n\r\t\x1f\x7f": `"\u0000\u0008\u000c\n\r\t\u001f\u007f"`,
		"<script>&'":                 `"<script>&'"`,
		"\u0085\u2028\u2029":         `"\u0085\u2028\u2029"`,
		"\u0080\u009fä日🦍\ufffd":      "\"\u0080\u009fä日🦍\ufffd\"",
		"a\xffb\xe2\x82":             "\"a\ufffdb\ufffd\ufffd\"",
		"0123456\"":                  `"0123456\""`,
		"01234567\"89":               `"01234567\"89"`,
	} {
		event := bare(auditlog.String("k", value))
		line, err := auditlog.JSON.Append(nil, &event)
		require.NoError(t, err)
		_, after, _ := strings.Cut(string(line), `"k":`)
		require.Equal(t, want, strings.Split(after, `,"name"`)[0])
		require.True(t, json.Valid(line))
		back, err := auditlog.JSON.Parse(line)
		require.NoError(t, err)
		require.Equal(t, strings.ToValidUTF8(strings.ReplaceAll(value, "\xe2\x82", "\ufffd\ufffd"), "\ufffd"), back.Attributes[0].Value.String())
	}
}

func TestManyCustomAttributes(t *testing.T) {
	t.Parallel()
	var event auditlog.Event
	for i := range 300 {
		event.Attributes = append(event.Attributes, auditlog.Int("k"+string(rune('a'+i%26))+strings.Repeat("x", i/26), int64(i)))
	}
	line, err := auditlog.JSON.Append(nil, &event)
	require.NoError(t, err)
	var members map[string]any
	require.NoError(t, json.Unmarshal(line, &members))
	require.Len(t, members, 300+7)
	back, err := auditlog.JSON.ParseStrict(line)
	require.NoError(t, err)
	require.Len(t, back.Attributes, 300)
	again, err := auditlog.JSON.Append(nil, &back)
	require.NoError(t, err)
	require.Equal(t, string(line), string(again))

	twice := bytes.Replace(line, []byte(`"kzxxx":`), []byte(`"ka":`), 1)
	_, err = auditlog.JSON.Parse(twice)
	require.ErrorContains(t, err, `"ka" stands twice`)
}

func TestAppendErrors(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		format auditlog.Format
		event  auditlog.Event
		field  string
	}{
		{"header name as key", auditlog.JSON, bare(auditlog.String("severity", "x")), "severity"},
		{"header name as key in CPS", auditlog.CPS, bare(auditlog.String("event_ts", "x")), "event_ts"},
		{"known key twice", auditlog.JSON, bare(auditlog.Int("rt", 1), auditlog.Int("rt", 2)), "rt"},
		{"custom key twice", auditlog.JSON, bare(auditlog.Int("x", 1), auditlog.Int("y", 1), auditlog.Int("x", 2)), "x"},
		{"not a number", auditlog.JSON, bare(auditlog.Number("a", "0x1")), "a"},
		{"not a number, known key", auditlog.JSON, bare(auditlog.Number("rt", "")), "rt"},
		{"not a number, last", auditlog.JSON, bare(auditlog.Number("zz", "01")), "zz"},
		{"severity", auditlog.JSON, auditlog.Event{Header: cef.Header{Severity: 50}}, "severity"},
		{"not a number, in CEF", auditlog.CEF, bare(auditlog.Number("a", "nope")), "a"},
		{"key that is not UTF-8", auditlog.JSON, bare(auditlog.String("\xff", "x")), "\xff"},
		{"CEF version", auditlog.JSON, auditlog.Event{Header: cef.Header{CEFVersion: 1000}}, "cef_version"},
		{"severity in CEF", auditlog.CEF, auditlog.Event{Header: cef.Header{Severity: 50}}, "severity"},
		{"time", auditlog.JSON, auditlog.Event{Header: cef.Header{Time: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}}, "time"},
		{"key that CEF cannot carry", auditlog.CEF, bare(auditlog.String("user-name", "x")), "user-name"},
		{"unknown format", "xml", bare(), "log_format"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := test.format.Append([]byte("before"), &test.event)
			var field *auditlog.FieldError
			require.ErrorAs(t, err, &field)
			require.Equal(t, test.field, field.Field)
			require.Equal(t, "before", string(got))
		})
	}
	header := bare(auditlog.String("name", "x"))
	line, err := auditlog.CEF.Append(nil, &header)
	require.NoError(t, err, "only JSON has the collision")
	require.Equal(t, "CEF:0|Example|Billing|2|c|n|3|name=x", string(line))
}

// konnects is jsonOf for an event of Konnect's.
func konnects(members string) string {
	return strings.Replace(jsonOf(members), `"Example"`, `"KongInc"`, 1)
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	valid := jsonOf("")
	for _, test := range []struct {
		name, line, want string
	}{
		{"empty", "", `byte 0: no "CEF:"`},
		{"brace", "{", "byte 1: not a string"},
		{"no member name", `{1:2}`, "byte 1: not a string"},
		{"no colon", `{"a" 1}`, "byte 5: want ':'"},
		{"no value", `{"a":`, "byte 5: the line ends before a value"},
		{"no value either", `{"a":}`, "byte 5: not a JSON value"},
		{"null in the header", strings.Replace(valid, `"n"`, `null`, 1), `the member "name" is an object, an array or null`},
		{"member twice, once null", jsonOf(`"a":null,"b":1,"a":2,`), `byte 16: the member "a" stands twice`},
		{"known member twice, once null", jsonOf(`"rt":null,"rt":2,`), `byte 11: the member "rt" stands twice`},
		{"long member name", `{"` + strings.Repeat("x", 100) + `":[]}`, strings.Repeat("x", 64) + `…" is an object`},
		{"array", jsonOf(`"a":[1],`), `byte 5: the member "a" is an object`},
		{"object", jsonOf(`"a":{},`), `byte 5: the member "a" is an object`},
		{"leading zero", jsonOf(`"a":01,`), "byte 5: not a JSON value"},
		{"plus", jsonOf(`"a":+1,`), "byte 5: not a JSON value"},
		{"no digit after the point", jsonOf(`"a":1.,`), "byte 5: not a JSON value"},
		{"no digit in the exponent", jsonOf(`"a":1e+,`), "byte 5: not a JSON value"},
		{"only a minus", jsonOf(`"a":-,`), "byte 5: not a JSON value"},
		{"something after a number", jsonOf(`"a":1x,`), "byte 6: want ','"},
		{"unknown literal", jsonOf(`"a":nil,`), "byte 5: not a JSON value"},
		{"open string", `{"a":"x`, "byte 7: the line ends in a string"},
		{"open string after an escape", `{"a":"\"`, "byte 8: the line ends in a string"},
		{"line break in a string", "{\"a\":\"x\ny\"}", "byte 7: a control character in a string"},
		{"unknown escape", `{"a":"\x"}`, "byte 6: not an escape sequence"},
		{"short escape", `{"a":"\u12"}`, "byte 6: not an escape sequence"},
		{"escape at the end", `{"a":"\`, "byte 7: the line ends in a string"},
		{"trailing comma", strings.Replace(valid, "}", ",}", 1), "byte 133: not a string"},
		{"two objects", valid + valid, "byte 133: something after the object"},
		{"member twice", jsonOf(`"a":1,"a":2,`), `byte 7: the member "a" stands twice`},
		{"member twice, one escaped", jsonOf(`"a":1,"\u0061":2,`), `byte 7: the member "a" stands twice`},
		{"header member twice", jsonOf(`"name":"x",`), `the member "name" stands twice`},
		{"missing header member", `{"event_vendor":"x"}`, `field "event_class_id": is missing`},
		{"no members", `{}`, `field "event_class_id": is missing`},
		{"severity", strings.Replace(valid, `"severity":3`, `"severity":11`, 1), `field "severity": "11" is not`},
		{"CEF version", strings.Replace(valid, `"cef_version":0`, `"cef_version":-1`, 1), `field "cef_version": is not within 0 to 999`},
		{"time", jsonOf(`"event_ts":"yesterday",`), `field "event_ts": "yesterday" is no time`},
		{"CPS without an end", `{"event":` + valid, "byte 142: want '}'"},
		{"CPS with a neighbour", `{"event":` + valid + `,"sig":"x"}`, "byte 142: want '}'"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			event, format, err := auditlog.Parse([]byte(test.line))
			require.ErrorContains(t, err, test.want)
			require.Empty(t, event)
			header, headerErr := format.ParseHeader([]byte(test.line))
			require.Equal(t, err, headerErr)
			require.Empty(t, header)
		})
	}
	for name, test := range map[string]struct {
		format     auditlog.Format
		line, want string
	}{
		"CPS without event":   {auditlog.CPS, valid, `byte 1: not "event"`},
		"CPS is no object":    {auditlog.CPS, "x", "byte 0: want '{'"},
		"CPS without a colon": {auditlog.CPS, `{"event"}`, "byte 8: want ':'"},
		"JSON is no object":   {auditlog.JSON, "[]", "byte 0: want '{'"},
		"unknown format":      {"", valid, `field "log_format": "" is not cef, json or cps`},
		"CEF as JSON":         {auditlog.JSON, authorizationCEF, "byte 0: want '{'"},
		"JSON as CEF":         {auditlog.CEF, valid, "byte 0: a line that begins with { is JSON"},
		"CPS as JSON":         {auditlog.JSON, `{"event":` + valid + `}`, `the member "event" is an object`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := test.format.Parse([]byte(test.line))
			require.ErrorContains(t, err, test.want)
			_, headerErr := test.format.ParseHeader([]byte(test.line))
			require.Equal(t, err, headerErr)
		})
	}
	for name, line := range map[string]string{
		"rt as a string":         konnects(`"rt":"1",`),
		"rt as text":             konnects(`"rt":"now",`),
		"rt as a fraction":       konnects(`"rt":1.5,`),
		"success as a number":    konnects(`"success":1,`),
		"trace_id as a number":   konnects(`"trace_id":1,`),
		"granted as a string":    konnects(`"granted":"true",`),
		"null":                   jsonOf(`"a":null,`),
		"half a surrogate pair":  jsonOf(`"a":"\ud800",`),
		"severity in lower case": strings.Replace(valid, `"severity":3`, `"severity":"low"`, 1),
		"severity as a string":   strings.Replace(valid, `"severity":3`, `"severity":"3"`, 1),
		"name as a boolean":      strings.Replace(valid, `"name":"n"`, `"name":true`, 1),
		"invalid UTF-8":          jsonOf("\"a\":\"\xff\","),
	} {
		t.Run(name+", strictly", func(t *testing.T) {
			t.Parallel()
			_, err := auditlog.JSON.Parse([]byte(line))
			require.NoError(t, err)
			_, err = auditlog.JSON.ParseStrict([]byte(line))
			require.Error(t, err)
		})
	}
}

// However many members there are, one that stands twice is found, wherever and
// however it is written.
func TestParseManyMembers(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 15, 16, 17, 63, 64, 65, 1000, 100_000} {
		var members strings.Builder
		for i := range n {
			_, _ = fmt.Fprintf(&members, `"k%d":%d,`, i, i)
			if i == n/2 {
				members.WriteString(`"\u00e4\"":null,`)
			}
		}
		line := jsonOf(members.String())
		event, err := auditlog.JSON.Parse([]byte(line))
		require.NoError(t, err)
		require.Len(t, event.Attributes, n)
		header, err := auditlog.JSON.ParseHeader([]byte(line))
		require.NoError(t, err)
		require.Equal(t, event.Header, header)
		for _, again := range []string{`"k0":0,`, fmt.Sprintf(`"k%d":0,`, n/2), fmt.Sprintf(`"k%d":0,`, n-1), `"\u006b0":0,`, `"ä\"":1,`} {
			_, err := auditlog.JSON.Parse([]byte(jsonOf(members.String() + again)))
			require.ErrorContains(t, err, fmt.Sprintf("byte %d: the member ", 1+members.Len()), "%d, %s", n, again)
			require.ErrorContains(t, err, "stands twice")
			_, headerErr := auditlog.JSON.ParseHeader([]byte(jsonOf(members.String() + again)))
			require.Equal(t, err, headerErr)
		}
	}
}

func TestParseTooLong(t *testing.T) {
	t.Parallel()
	if strconv.IntSize == 32 {
		t.Skip("no line is as long here")
	}
	length := uint64(1) << 31
	line := make([]byte, length)
	line[0] = '{'
	const want = "byte 2147483647: the line is longer than 2 GiB"
	_, err := auditlog.JSON.Parse(line)
	require.ErrorContains(t, err, want)
	_, err = auditlog.JSON.ParseHeader(line)
	require.ErrorContains(t, err, want)
}

func TestParseTolerates(t *testing.T) {
	t.Parallel()
	spaced := "\t{ \"a\" : \"\\u00e4\\ud83e\\udd8d\\ud800x\\/\\b\\f\" , " + jsonOf("")[1:] + " \r\n"
	event, err := auditlog.JSON.Parse([]byte(spaced))
	require.NoError(t, err)
	require.Equal(t, "ä🦍\ufffdx/\b\f", event.Attributes[0].Value.String())
	event, err = auditlog.CPS.Parse([]byte(" { \"event\" : " + jsonOf("") + " } \n"))
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(bare(), event))
	event, err = auditlog.JSON.ParseStrict([]byte(konnects(`"a":"\uFFFD",`)))
	require.NoError(t, err, "a replacement character is no surrogate")
	require.Equal(t, "\ufffd", event.Attributes[0].Value.String())
	event, err = auditlog.JSON.Parse([]byte(jsonOf(`"a":null,"rt":null,`)))
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(bare(), event), "null is absent")
	for _, kept := range []string{`"rt":"007"`, `"rt":1.5`, `"rt":"now"`, `"success":"yes"`, `"success":1`} {
		event, err := auditlog.JSON.Parse([]byte(konnects(kept + ",")))
		require.NoError(t, err)
		line, err := auditlog.JSON.Append(nil, &event)
		require.NoError(t, err)
		require.Contains(t, string(line), kept, "no digit is lost")
	}
}

// Whoever builds or reads an event of Konnect's kinds, its attributes have one
// type on the wire. Those of other products keep theirs.
func TestOneType(t *testing.T) {
	t.Parallel()
	attributes := []auditlog.Attribute{
		auditlog.String("granted", "true"), auditlog.String("rt", "5"), auditlog.String("status", "0x5"), auditlog.Int("trace_id", 7), auditlog.Bool("user_agent", true),
	}
	for _, test := range []struct {
		event auditlog.Event
		want  string
	}{
		{auditlog.Event{Header: cef.Header{Vendor: auditlog.KonnectVendor}, Attributes: attributes}, `"granted":true,"name":"","rt":5,"severity":0,"status":"0x5","trace_id":"7","user_agent":"true"}`},
		{auditlog.Event{Header: cef.Header{Name: "Authz.x"}, Attributes: attributes}, `"granted":true,"name":"Authz.x","rt":5,"severity":0,"status":"0x5","trace_id":"7","user_agent":"true"}`},
		{auditlog.Event{Header: cef.Header{Vendor: "Example"}, Attributes: attributes}, `"granted":"true","name":"","rt":"5","severity":0,"status":"0x5","trace_id":7,"user_agent":true}`},
	} {
		line, err := auditlog.JSON.Append(nil, &test.event)
		require.NoError(t, err)
		require.True(t, strings.HasSuffix(string(line), test.want), "%s", line)
	}
	other, err := auditlog.JSON.ParseStrict([]byte(jsonOf(`"action":7,"status":"200",`)))
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(bare(auditlog.Int("action", 7), auditlog.String("status", "200")), other))
}

// A relay that puts something before a line of JSON makes it no line of CEF, or
// whoever chooses a text in it would choose the event.
func TestParseJSONBehindSomething(t *testing.T) {
	t.Parallel()
	honest := auditlog.Authorization{
		Service: "konnect", Resource: "control-planes", Action: "delete",
		UserAgent: "CEF:0|KongInc|Konnect|1.0|konnect|Authz.x|1|rt=1 action=list granted=true principal_id=innocent user_agent=x",
	}.Event()
	for _, test := range []struct{ name, before string }{
		{"a byte order mark", "\ufeff"},
		{"a space", " "},
		{"a tab", "\t"},
		{"a control character", "\x00"},
		{"a byte that is no text", "\xff"},
		{"a header of RFC 5424", "<134>1 2025-06-18T21:02:36Z relay app - - - "},
		{"a header of RFC 3164", "Jun 18 21:02:36 relay app: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, format := range []auditlog.Format{auditlog.JSON, auditlog.CPS} {
				line, err := format.Append([]byte(test.before), &honest)
				require.NoError(t, err)
				event, _, err := auditlog.Parse(line)
				want := &auditlog.SyntaxError{Offset: len(test.before), Reason: `an object of JSON begins before "CEF:"`}
				require.Equal(t, want, err)
				require.Empty(t, event)
				_, err = auditlog.CEF.ParseStrict(line)
				require.Error(t, err)
			}
		})
	}
}

func TestDetect(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]auditlog.Format{
		"":                        auditlog.CEF,
		"CEF:0|":                  auditlog.CEF,
		" {":                      auditlog.CEF,
		"{":                       auditlog.JSON,
		`{"a":"CEF:0|"}`:          auditlog.JSON,
		`{"event":"x"}`:           auditlog.JSON,
		`{"event":{}}`:            auditlog.CPS,
		`{ "event" : {`:           auditlog.CPS,
		`{"events":{}}`:           auditlog.JSON,
		`{"event_ts":"x"}`:        auditlog.JSON,
		`{"a":1,"event":{}}`:      auditlog.JSON,
		"2025 h CEF:0|{\"event\"": auditlog.CEF,
	} {
		require.Equal(t, want, auditlog.Detect([]byte(line)), line)
	}
	require.True(t, auditlog.CPS.Valid())
	require.False(t, auditlog.Format("CEF").Valid())
}

func TestEncodersAllocateNothing(t *testing.T) {
	buf := make([]byte, 0, 8192)
	custom := bare(auditlog.String("z", "ä\n"), auditlog.Int("b", 1), auditlog.Bool("a", true), auditlog.Number("c", "1.5"))
	events := []auditlog.Event{custom}
	for _, line := range konnectLines {
		event, err := auditlog.CEF.Parse([]byte(line))
		require.NoError(t, err)
		events = append(events, event)
	}
	for _, f := range []auditlog.Format{auditlog.CEF, auditlog.JSON, auditlog.CPS} {
		for i := range events {
			if at := events[i].Prefix; at != "" && at[:3] != "Apr" && f != auditlog.CEF {
				continue // an odd time is parsed to tell that it is one, and time.Parse allocates
			}
			require.Zero(t, testing.AllocsPerRun(20, func() {
				if _, err := f.Append(buf, &events[i]); err != nil {
					t.Error(err)
				}
			}), "%s of %s", f, events[i].Name)
		}
	}
}

func TestValue(t *testing.T) {
	t.Parallel()
	require.Equal(t, auditlog.Int("k", 12), auditlog.Number("k", "12"))
	require.Equal(t, auditlog.Int("k", 1500), auditlog.Time("k", time.UnixMilli(1500)))
	for _, test := range []struct {
		attribute auditlog.Attribute
		kind      auditlog.ValueKind
		text      string
	}{
		{auditlog.String("k", "x"), auditlog.ValueString, "x"},
		{auditlog.Int("k", -1), auditlog.ValueInt, "-1"},
		{auditlog.Bool("k", false), auditlog.ValueBool, "false"},
		{auditlog.Number("k", "1.0"), auditlog.ValueNumber, "1.0"},
		{auditlog.Attribute{}, auditlog.ValueString, ""},
	} {
		require.Equal(t, test.kind, test.attribute.Value.Kind())
		require.Equal(t, test.text, test.attribute.Value.String())
	}
	_, ok := auditlog.String("k", "1").Value.Int64()
	require.False(t, ok)
	b, ok := auditlog.Bool("k", true).Value.Bool()
	require.True(t, b && ok)
	require.False(t, auditlog.Bool("k", true).Value.Equal(auditlog.Int("k", 1).Value))
	event := bare(auditlog.Int("a", 1), auditlog.Int("a", 2))
	v, ok := event.Get("a")
	require.True(t, ok)
	require.Equal(t, auditlog.Int("", 1).Value, v)
	_, ok = event.Get("b")
	require.False(t, ok)
}
