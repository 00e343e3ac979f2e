package cef_test

import (
	"encoding/json"
	"errors"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/cef"
)

const konnectLine = `2025-06-18T21:02:36Z konghq.com CEF:0|KongInc|Konnect|1.0|konnect|Authz.control-planes|1|rt=1750280466889 src=127.0.0.6 action=list granted=true org_id=777db3e4-5cb7-4dd5-b51c-9878096a6999 principal_id=eb999f01-5976-4f4b-9fbc-dd5d514bd675 trace_id=3959872677347089807 user_agent=grpc-node-js/1.12.4 sig=KbLaBhQFnggT_8CyC95b777R1_fGvvLVDn7awjZK8eZLdGPrSvnS-sxJw63j930eKr-VTsQv8-TQTD_GVmAPAQ`

func TestRecordRoundTrip(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		konnectLine,
		"Apr 14 05:39:08 konghq.com CEF:0|KongInc|Konnect|1.0|konnect|Authz.x|1|rt=1 src= sig=x",
		"<134>1 2025-06-18T21:02:36.1200+02:00 h app - - CEF:1||||||Very-High|a=",
		"CEF:0||||||Unknown|",
	} {
		r, err := cef.Parse([]byte(line), cef.Strict)
		require.NoError(t, err)
		got, err := r.Append([]byte("before"))
		require.NoError(t, err)
		require.Equal(t, "before"+line, string(got))
	}
}

func TestEncoderAllocatesNothing(t *testing.T) {
	h := cef.Header{Time: time.Unix(1750280466, 0), Host: "h", Vendor: "v", Product: "p|", Version: "1", ClassID: "c", Name: "n"}
	p, err := cef.Prepare(&h)
	require.NoError(t, err)
	addr := netip.MustParseAddr("2001:db8::1")
	long := strings.Repeat("x", 100)
	buf := make([]byte, 0, 4096)
	extensions := func(e *cef.Encoder) {
		e.String("a", "x=y\n\xff\x00")
		e.String("a[0]", long)
		e.Int("b", 1750280466889)
		e.Bool("c", true)
		e.Time("d", h.Time)
		e.Date("e", h.Time, cef.LayoutYearMilliZone)
		e.Addr("f", addr)
	}
	var e cef.Encoder
	require.Zero(t, testing.AllocsPerRun(100, func() {
		e.Begin(buf, &h)
		extensions(&e)
		if _, err := e.End(); err != nil {
			t.Error(err)
		}
	}))
	require.Zero(t, testing.AllocsPerRun(100, func() {
		e.BeginPrepared(buf, &p, h.Time, "c", "n", cef.SeverityUnknown)
		extensions(&e)
		if _, err := e.End(); err != nil {
			t.Error(err)
		}
	}))
}

func TestScanAllocatesNothing(t *testing.T) {
	line := []byte(strings.Replace(konnectLine, "/1.12.4", `\=ä`, 1))
	value := make([]byte, 0, 1024)
	fields := 0
	require.Zero(t, testing.AllocsPerRun(100, func() {
		err := cef.Scan(line, cef.Lenient, func(f cef.Field) error {
			value = f.AppendValue(value[:0])
			fields++
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}))
	require.Equal(t, 101*(8+9), fields)
}

func TestEncoderIsReusable(t *testing.T) {
	t.Parallel()
	var e cef.Encoder
	h := cef.Header{Vendor: "v\x00"}
	e.Begin(nil, &h)
	e.String("bad key", "x")
	_, err := e.End()
	require.Error(t, err)
	e.Begin(nil, &h)
	e.String("a", "\x01")
	line, err := e.End()
	require.NoError(t, err)
	require.Equal(t, "CEF:0|v\uFFFD|||||0|a=\uFFFD", string(line))
	require.Equal(t, 2, e.Replaced())
}

func TestLineThatWasNotBegun(t *testing.T) {
	t.Parallel()
	var e cef.Encoder
	for _, extend := range []func(){
		func() {},
		func() { e.String("a", "b") },
		func() { e.Int("bad key", 1) },
		func() { e.Date("a", time.Time{}, cef.LayoutYear) },
	} {
		e.Begin([]byte(konnectLine), &cef.Header{})
		_, err := e.End()
		require.NoError(t, err)
		extend()
		line, err := e.End()
		require.EqualError(t, err, `field "header": is missing: the line was not begun`)
		require.Empty(t, line)
	}
}

func TestErrorsBelongToTheCaller(t *testing.T) {
	t.Parallel()
	for range 2 {
		_, err := cef.Prepare(&cef.Header{Host: "a b"})
		var field *cef.FieldError
		require.ErrorAs(t, err, &field)
		require.Contains(t, field.Reason, "a space")
		field.Reason = "changed"
	}
}

func TestEqualsSignsMakeNoRoom(t *testing.T) {
	t.Parallel()
	line := []byte("CEF:0|v|p|1|c|n|1|a=" + strings.Repeat("=", 1<<20))
	r, err := cef.Parse(line, cef.Lenient)
	require.NoError(t, err)
	require.LessOrEqual(t, cap(r.Extensions), 32)
}

func TestFirstErrorStays(t *testing.T) {
	t.Parallel()
	var e cef.Encoder
	e.Begin(nil, &cef.Header{})
	e.Addr("first", netip.Addr{})
	e.Date("second", time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), cef.LayoutYear)
	_, err := e.End()
	var field *cef.FieldError
	require.ErrorAs(t, err, &field)
	require.Equal(t, "first", field.Field)
	require.EqualError(t, err, `field "first": is the zero IP address`)
}

func TestTimesThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	for _, year := range []int{-1, 10000} {
		at := time.Date(year, 6, 1, 0, 0, 0, 0, time.UTC)
		var e cef.Encoder
		e.Begin(nil, &cef.Header{Time: at})
		_, err := e.End()
		require.EqualError(t, err, `field "time": is not within the years 0 to 9999`)
		e.BeginPrepared(nil, &cef.Prepared{}, at, "", "", 0)
		_, err = e.End()
		require.Error(t, err)
		e.Begin(nil, &cef.Header{})
		e.Date("rt", at, cef.LayoutYear)
		_, err = e.End()
		require.EqualError(t, err, `field "rt": is not within the years 0 to 9999`)
	}
	var e cef.Encoder
	e.Begin(nil, &cef.Header{Time: time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC)})
	line, err := e.End()
	require.NoError(t, err)
	require.Equal(t, "9999-12-31T23:59:59.999999999Z CEF:0||||||0|", string(line))
}

func TestPrepared(t *testing.T) {
	t.Parallel()
	h := cef.Header{
		Time: time.Unix(1, 0), Host: "h", CEFVersion: 1, Vendor: "v|", Product: "p\n", Version: "\x00",
		ClassID: "c\\", Name: "n|", Severity: cef.SeverityHigh,
	}
	p, err := cef.Prepare(&h)
	require.NoError(t, err)
	for name, at := range map[string]time.Time{"with time": h.Time, "without": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := h
			h.Time = at
			var plain, prepared cef.Encoder
			plain.Begin(nil, &h)
			plain.String("a", "b")
			want, err := plain.End()
			require.NoError(t, err)
			prepared.BeginPrepared(nil, &p, at, h.ClassID, h.Name, h.Severity)
			prepared.String("a", "b")
			got, err := prepared.End()
			require.NoError(t, err)
			require.Equal(t, string(want), string(got))
			require.Equal(t, plain.Replaced(), prepared.Replaced())
		})
	}
	var unprepared cef.Encoder
	unprepared.BeginPrepared(nil, &cef.Prepared{}, time.Time{}, "c", "n", 1)
	_, err = unprepared.End()
	require.EqualError(t, err, `field "header": was not prepared`)
	for field, bad := range map[string]cef.Header{"host": {Host: "a b"}, "cef_version": {CEFVersion: 1000}} {
		_, err := cef.Prepare(&bad)
		var e *cef.FieldError
		require.ErrorAs(t, err, &e)
		require.Equal(t, field, e.Field)
	}
	noHost, err := cef.Prepare(&cef.Header{})
	require.NoError(t, err)
	var e cef.Encoder
	e.BeginPrepared(nil, &noHost, time.Time{}, "", "", 0)
	line, err := e.End()
	require.NoError(t, err)
	require.Equal(t, "CEF:0||||||0|", string(line))
	e.BeginPrepared(nil, &noHost, time.Time{}, "", "", 99)
	_, err = e.End()
	require.Error(t, err)
}

func TestScanStopsAtTheVisitorsError(t *testing.T) {
	t.Parallel()
	stop := errors.New("stop")
	for part := cef.PartPrefix; part <= cef.PartExtension; part++ {
		var seen []cef.Part
		err := cef.Scan([]byte(konnectLine), cef.Strict, func(f cef.Field) error {
			seen = append(seen, f.Part)
			if f.Part == part {
				return stop
			}
			return nil
		})
		require.ErrorIs(t, err, stop)
		require.Len(t, seen, int(part)+1)
	}
}

func TestSyntaxErrorText(t *testing.T) {
	t.Parallel()
	_, err := cef.Parse([]byte("CEF:0|v|p|1|c|n|1|"+strings.Repeat("-", 100)+"=x"), cef.Lenient)
	require.EqualError(t, err, `byte 18: not an extension key: "`+strings.Repeat("-", 64)+`…"`)
}

func TestParseSeverity(t *testing.T) {
	t.Parallel()
	for s := cef.Severity(0); s.Valid(); s++ {
		got, err := cef.ParseSeverity(s.String())
		require.NoError(t, err)
		require.Equal(t, s, got)
	}
	require.Equal(t, "Very-High", cef.SeverityVeryHigh.String())
	require.Equal(t, "Severity(16)", cef.Severity(16).String())
	for text, want := range map[string]cef.Severity{"low": cef.SeverityLow, "05": 5, "VERY-HIGH": cef.SeverityVeryHigh} {
		got, err := cef.ParseSeverity(" " + text + " ")
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := cef.ParseSeverity("lowest")
	require.EqualError(t, err, `field "severity": "lowest" is not 0 to 10, Unknown, Low, Medium, High or Very-High`)
}

func TestParseTime(t *testing.T) {
	t.Parallel()
	at := time.Date(2025, 6, 18, 21, 1, 6, 889e6, time.UTC)
	for value, want := range map[string]time.Time{
		"1750280466889":                   at,
		"-1":                              time.UnixMilli(-1).UTC(),
		"Jun 18 2025 21:01:06.889 UTC":    at,
		"Jun 18 2025 21:01:06.889 GMT":    at,
		"Jun 18 2025 23:01:06.889 +0200":  at,
		"Jun 18 2025 23:01:06.889 +02:00": at,
		"Jun 18 2025 21:01:06.889 Z":      at,
		"Jun 18 2025 21:01:06":            at.Truncate(time.Second),
		"Jun 18 21:01:06.889":             time.Date(0, 6, 18, 21, 1, 6, 889e6, time.UTC),
		"Jun 18 21:01:06":                 time.Date(0, 6, 18, 21, 1, 6, 0, time.UTC),
	} {
		got, err := cef.ParseTime(value)
		require.NoError(t, err, value)
		require.Equal(t, want, got, value)
	}
	for _, value := range []string{"", "yesterday", "2025-06-18T21:01:06Z", "Jun 31 2025 21:01:06"} {
		_, err := cef.ParseTime(value)
		require.Error(t, err, value)
	}
	_, err := cef.ParseTime("Jun 18 2025 21:01:06.889 CST")
	require.ErrorContains(t, err, `"CST" is ambiguous`)
}

func TestTimestamp(t *testing.T) {
	t.Parallel()
	for prefix, want := range map[string]string{
		"":                                 "",
		"h ":                               "",
		"2025-06-18T21:02:36Z":             "2025-06-18T21:02:36Z",
		"2025-06-18T21:02:36Z h ":          "2025-06-18T21:02:36Z",
		"2025-06-18T23:02:36.120+02:00 h ": "2025-06-18T23:02:36.120+02:00",
		"<134>Apr  4 05:39:08 h app[1]: ":  "Apr  4 05:39:08",
		"<134":                             "",
		"<13456>Apr  4 05:39:08":           "",
	} {
		require.Equal(t, want, cef.Timestamp(prefix), prefix)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	require.Equal(t, "device event class ID", cef.PartClassID.String())
	require.Equal(t, "Part(9)", cef.Part(9).String())
	require.Equal(t, "bare equals sign, control character", (cef.BareEquals | cef.ControlCharacter).String())
	require.Equal(t, "MAC address", cef.TypeMAC.String())
	require.Equal(t, "unknown type", cef.DataType(99).String())
}

func TestDictionary(t *testing.T) {
	t.Parallel()
	all := cef.Dictionary()
	require.Len(t, all, 171)
	for _, want := range all {
		got, ok := cef.Lookup(want.Key)
		require.True(t, ok)
		require.Equal(t, want, got)
		require.True(t, cef.ValidKey(want.Key, true), want.Key)
	}
	for _, key := range []string{"", "zzz", "ACT", "org_id"} {
		_, ok := cef.Lookup(key)
		require.False(t, ok, key)
	}
	src, _ := cef.Lookup("src")
	require.Equal(t, cef.DictionaryEntry{Key: "src", FullName: "sourceAddress", Type: cef.TypeIP, SpecVersion: "0.1"}, src)
	all[0].Key = "changed"
	require.NotEqual(t, "changed", cef.Dictionary()[0].Key, "the caller got the dictionary itself")
}

func TestValidate(t *testing.T) {
	t.Parallel()
	type violation struct {
		Key  string
		Rule cef.Rule
	}
	for _, test := range []struct {
		name       string
		extensions []cef.Extension
		want       []violation
	}{
		{"all well", []cef.Extension{{"act", "list"}, {"rt", "1750280466889"}, {"src", "::1"}, {"cs1", "x"}, {"cs1Label", "y"}}, nil},
		{"unknown key", []cef.Extension{{"org_id", "x"}}, []violation{{"org_id", cef.RuleKnownKey}}},
		{"empty values", []cef.Extension{{"src", ""}, {"rt", ""}, {"spt", ""}}, nil},
		{"integer", []cef.Extension{{"spt", "80"}, {"dpt", "x"}, {"cnt", "3000000000"}}, []violation{{"dpt", cef.RuleType}, {"cnt", cef.RuleType}}},
		{"long", []cef.Extension{{"cn1", "3000000000"}, {"cn2", "1.5"}}, []violation{{"cn2", cef.RuleType}}},
		{"double", []cef.Extension{{"cfp1", "-1.5e+3"}, {"cfp2", "a"}, {"cfp3", "NaN"}, {"cfp4", "0x1p-2"}, {"slat", "1_0"}},
			[]violation{{"cfp2", cef.RuleType}, {"cfp3", cef.RuleType}, {"cfp4", cef.RuleType}, {"slat", cef.RuleType}}},
		{"time", []cef.Extension{{"rt", "Jun 18 2025 21:01:06"}, {"end", "then"}}, []violation{{"end", cef.RuleType}}},
		{"address", []cef.Extension{{"src", "192.0.2.1"}, {"dst", "host"}}, []violation{{"dst", cef.RuleType}}},
		{"IPv6 address", []cef.Extension{{"c6a1", "::1"}, {"c6a2", "192.0.2.1"}}, []violation{{"c6a2", cef.RuleType}}},
		{"MAC address", []cef.Extension{{"smac", "00:0D:60:AF:1B:61"}, {"dmac", "00-0d-60-af-1b:61"}, {"dvcmac", "000d60af1b61"}},
			[]violation{{"dmac", cef.RuleType}, {"dvcmac", cef.RuleType}}},
		{"MAC address of wrong digits", []cef.Extension{{"smac", "0g:0D:60:AF:1B:61"}}, []violation{{"smac", cef.RuleType}}},
		{"enumerations", []cef.Extension{{"deviceDirection", "1"}, {"type", "3"}}, nil},
		{"wrong direction", []cef.Extension{{"deviceDirection", "2"}}, []violation{{"deviceDirection", cef.RuleType}}},
		{"wrong event type", []cef.Extension{{"type", "4"}}, []violation{{"type", cef.RuleType}}},
		{"length in characters", []cef.Extension{{"act", strings.Repeat("ä", 63)}, {"app", strings.Repeat("x", 32)}}, []violation{{"app", cef.RuleMaxLength}}},
		{"label without its value", []cef.Extension{{"cs1Label", "x"}}, []violation{{"cs1Label", cef.RuleLabel}}},
		{"label before its value", []cef.Extension{{"cs1Label", "x"}, {"cs1", "y"}}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var got []violation
			for _, v := range cef.Validate(&cef.Record{Extensions: test.extensions}) {
				require.NotEmpty(t, v.Reason)
				got = append(got, violation{v.Key, v.Rule})
			}
			require.Empty(t, cmp.Diff(test.want, got))
		})
	}
}

// Were it quadratic, the test would not end.
func TestValidateIsLinear(t *testing.T) {
	t.Parallel()
	r := cef.Record{Extensions: make([]cef.Extension, 1<<20)}
	for i := range r.Extensions {
		r.Extensions[i].Key = "cs1Label"
	}
	require.Len(t, cef.Validate(&r), 1<<20)
}

// The package must stay loadable where little of the standard library is.
func TestImports(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=Imports,Deps", ".").Output()
	require.NoError(t, err)
	var pkg struct{ Imports, Deps []string }
	require.NoError(t, json.Unmarshal(out, &pkg))
	require.Equal(t, []string{"bytes", "net/netip", "strconv", "time", "unicode/utf8"}, pkg.Imports)
	for _, heavy := range []string{"fmt", "reflect", "net", "os", "encoding/json", "regexp", "log"} {
		require.False(t, slices.Contains(pkg.Deps, heavy), "depends on %s", heavy)
	}
	for _, dep := range pkg.Deps {
		require.NotContains(t, dep, ".", "depends on %s, which is not in the standard library", dep)
	}
}
