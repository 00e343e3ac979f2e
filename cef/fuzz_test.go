package cef_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/cef"
)

// normal is what the package comment says becomes of a value, put another way
// than the encoder does it.
func normal(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t', r == '\n', r == '\r':
			return r
		case r < ' ', r == 0x7F, r == 0x85, r == 0x2028, r == 0x2029:
			return 0xFFFD
		}
		return r // Map gives U+FFFD for each byte that is not UTF-8
	}, s)
}

func normalHeader(s string) string {
	return strings.NewReplacer("\r\n", " ", "\r", " ", "\n", " ").Replace(normal(s))
}

// FuzzParse: no input makes the reader panic, go over a line more than a fixed
// number of times, or accept strictly what it cannot write again.
func FuzzParse(f *testing.F) {
	for _, line := range []string{
		"2025-06-18T21:02:36Z konghq.com CEF:0|KongInc|Konnect|1.0|konnect|Authz.x|1|rt=1750280466889 src= sig=x",
		`<13>Apr 14 05:39:08 h CEF: 0|a\\|b\||c|d|e|very-high| a.b[0]=x\=y\n z=C:\x =`,
		"CEF:0|a|b|c|d|e|Unknown|a==== b=\\\\\\ c=\xff\x00",
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		for _, mode := range []cef.Mode{cef.Lenient, cef.Strict, cef.Lenient | cef.StrictKeys, cef.Strict | cef.StrictKeys} {
			before := bytes.Clone(line)
			r, err := cef.Parse(line, mode)
			require.Equal(t, before, line, "the line was changed")
			if err != nil {
				require.Empty(t, r)
				continue
			}
			if mode&cef.Strict != 0 {
				require.Empty(t, r.Notes)
				again, err := r.Append(nil)
				require.NoError(t, err)
				reread, err := cef.Parse(again, mode)
				require.NoError(t, err)
				require.Empty(t, cmp.Diff(r, reread))
			}
		}
		// Were anything quadratic, 64 KiB would take seconds, and fuzzing would stall.
		if len(line) > 0 {
			long := append([]byte("CEF:0|a|b|c|d|e|1|k="), bytes.Repeat(line, 1<<16/len(line))...)
			_ = cef.Scan(long, cef.Lenient, func(cef.Field) error { return nil })
		}
	})
}

// FuzzRoundTrip: what is written is read back as it was, after the
// normalisation that the package comment names, and written again the same.
func FuzzRoundTrip(f *testing.F) {
	f.Add("h", "KongInc", "Konnect", "1.0", "konnect", "Authz.x", uint8(1), "src", "127.0.0.6", "user_agent", "a=b\n", "sig", " x ")
	f.Add("", "a|b", "c\\", "\r\n", "\u2028", "\xff", uint8(15), "a.b", "\\", "k[0]", "=", "_", "\x00")
	f.Fuzz(func(t *testing.T, host, vendor, product, version, class, name string, severity uint8, k1, v1, k2, v2, k3, v3 string) {
		h := cef.Header{Host: host, Vendor: vendor, Product: product, Version: version, ClassID: class, Name: name, Severity: cef.Severity(severity)}
		given := cef.Record{Header: h, Extensions: []cef.Extension{{Key: k1, Value: v1}, {Key: k2, Value: v2}, {Key: k3, Value: v3}}}
		const before = "kept"
		line, err := given.Append([]byte(before))
		require.Equal(t, before, string(line[:len(before)]))
		if err != nil {
			require.Len(t, line, len(before))
			return
		}
		line = line[len(before):]
		require.False(t, bytes.ContainsAny(line, "\r\n\x00"), "a line break in %q", line)

		want := given
		want.Vendor, want.Product, want.Version = normalHeader(vendor), normalHeader(product), normalHeader(version)
		want.ClassID, want.Name = normalHeader(class), normalHeader(name)
		want.Extensions = []cef.Extension{{Key: k1, Value: normal(v1)}, {Key: k2, Value: normal(v2)}, {Key: k3, Value: strings.TrimRight(normal(v3), " ")}}
		got, err := cef.Parse(line, cef.Strict)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(want, got))
		again, err := got.Append(nil)
		require.NoError(t, err)
		require.Equal(t, string(line), string(again))

		lenient, err := cef.Parse(line, cef.Lenient)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(got, lenient), "lenient reads a correct line differently")
	})
}

// FuzzMalleability: whatever a value or a header field is, the line has the
// same fields in the same order, and all others keep their values. The line
// breaks and "CEF:" that a log server looks for stay where they are.
func FuzzMalleability(f *testing.F) {
	f.Add("x a=1|b", "y")
	f.Add("\nCEF:0|a|b|c|d|e|9|", "\\")
	f.Add(" sig=forged", "\\ sig=forged")
	f.Fuzz(func(t *testing.T, evil, evil2 string) {
		base := cef.Record{
			Header:     cef.Header{Host: "h", Vendor: "v", Product: "p", Version: "1", ClassID: "c", Name: "n", Severity: 1},
			Extensions: []cef.Extension{{Key: "a", Value: "1"}, {Key: "b", Value: "2"}, {Key: "sig", Value: "3"}},
		}
		for place := range 7 {
			given := base
			given.Extensions = append([]cef.Extension(nil), base.Extensions...)
			want := base
			want.Extensions = append([]cef.Extension(nil), base.Extensions...)
			switch place {
			case 0:
				given.Vendor, want.Vendor = evil, normalHeader(evil)
			case 1:
				given.Name, want.Name = evil, normalHeader(evil)
			case 2:
				given.ClassID, want.ClassID = evil, normalHeader(evil)
			default:
				i := (place - 3) % 3
				given.Extensions[i].Value, want.Extensions[i].Value = evil, normal(evil)
				if place == 6 {
					given.Extensions[1].Value, want.Extensions[1].Value = evil2, normal(evil2)
				}
			}
			last := &want.Extensions[2]
			last.Value = strings.TrimRight(last.Value, " ")
			line, err := given.Append(nil)
			require.NoError(t, err)
			got, err := cef.Parse(line, cef.Strict)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(want, got))
			require.Equal(t, 0, bytes.Count(line, []byte("\n"))+bytes.Count(line, []byte("\r")))
		}
	})
}

// Inputs that a careless reader goes over again and again. The test would not
// end if the time were not linear.
func TestScanIsLinear(t *testing.T) {
	t.Parallel()
	const size = 2 << 20
	for name, unit := range map[string]string{
		"equals signs":         "=",
		"backslashes":          `\`,
		"escaped equals signs": `\=`,
		"key characters":       "k",
		"keys without values":  "a= ",
		"spaces":               " ",
		"spaces and equals":    " =",
		"brackets":             "a[",
		"pipes":                "|",
		"braces":               "{ ",
		"CEF:":                 "CEF:",
		"invalid UTF-8":        "\xff",
		"backslash and key":    `\ k=`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			long := strings.Repeat(unit, size/len(unit))
			for _, line := range []string{long, long + "CEF:0|", "CEF:0|" + long, "CEF:0|a|b|c|d|e|1|" + long, "CEF:0|a|b|c|d|e|1|k=" + long + " z=1"} {
				_ = cef.Scan([]byte(line), cef.Lenient, func(cef.Field) error { return nil })
				_ = cef.Scan([]byte(line), cef.Strict, func(cef.Field) error { return nil })
			}
		})
	}
}
