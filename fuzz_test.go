package auditlog_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog"
)

// FuzzParse: no line makes a parser panic. What is taken for JSON is JSON, with
// the members that another parser finds; what was read strictly can be written
// and read again, and is the same.
func FuzzParse(f *testing.F) {
	for _, line := range konnectLines {
		f.Add([]byte(line))
		event, err := auditlog.CEF.Parse([]byte(line))
		require.NoError(f, err)
		for _, format := range []auditlog.Format{auditlog.JSON, auditlog.CPS} {
			other, err := format.Append(nil, &event)
			require.NoError(f, err)
			f.Add(other)
		}
	}
	f.Add([]byte(jsonOf(`"a":"\u00e4\ud83e\udd8d\ud800","b":-1.5e+10,"c":true,`)))
	f.Fuzz(func(t *testing.T, line []byte) {
		before := bytes.Clone(line)
		event, format, err := auditlog.Parse(line)
		require.Equal(t, before, line, "the line was changed")
		header, headerErr := format.ParseHeader(line)
		require.Equal(t, err, headerErr)
		require.Equal(t, event.Header, header)
		if err != nil {
			require.Empty(t, event)
			return
		}
		if format == auditlog.JSON {
			var members map[string]any
			decoder := json.NewDecoder(bytes.NewReader(line))
			decoder.UseNumber() // a float64 does not hold every number
			require.NoError(t, decoder.Decode(&members))
			for _, a := range event.Attributes {
				require.Contains(t, members, a.Key)
				if text, ok := members[a.Key].(string); ok {
					require.Equal(t, text, a.Value.String())
				}
			}
		}
		strict, err := format.ParseStrict(line)
		if err != nil {
			return
		}
		require.Empty(t, cmp.Diff(event, strict))
		again, err := format.Append(nil, &strict)
		if err != nil {
			return // a key twice, in CEF only
		}
		back, err := format.ParseStrict(again)
		require.NoError(t, err)
		if format != auditlog.CEF {
			require.True(t, json.Valid(again))
			for _, e := range []*auditlog.Event{&strict, &back} { // what JSON does not carry
				e.Host, e.Prefix = "", ""
				slices.SortFunc(e.Attributes, func(a, b auditlog.Attribute) int { return strings.Compare(a.Key, b.Key) })
			}
		}
		require.Empty(t, cmp.Diff(strict, back), "%s", again)
	})
}

// FuzzJSON: whatever the texts of an event are, its JSON is valid, has each of
// them as it was but for what is not UTF-8, and no other members.
func FuzzJSON(f *testing.F) {
	f.Add("name", "value", "rt", "\"", int64(1))
	f.Add("Ingress", "v", "success", "true", int64(1))
	f.Add("\x00\u2028", "\xff", "sig", "\\\",\"granted\":true,\"x\":\"", int64(-1))
	f.Fuzz(func(t *testing.T, name, v1, k2, v2 string, n int64) {
		event := bare(auditlog.String("user_agent", v1), auditlog.String(k2, v2), auditlog.Int("rt", n))
		event.Name = name
		line, err := auditlog.JSON.Append(nil, &event)
		if err != nil {
			require.Empty(t, line)
			return
		}
		var members map[string]any
		decoder := json.NewDecoder(bytes.NewReader(line))
		decoder.UseNumber()
		require.NoError(t, decoder.Decode(&members))
		require.Len(t, members, 7+3)
		valid := func(s string) string { return string([]rune(s)) }
		require.Equal(t, valid(v1), members["user_agent"])
		if got, ok := members[k2].(string); ok { // a true of Konnect's is no string
			require.Equal(t, valid(v2), got)
		} else {
			require.Equal(t, v2, fmt.Sprint(members[k2]))
		}
		require.Equal(t, valid(name), members["name"])
		require.NotContains(t, string(line), "\n")
		back, err := auditlog.JSON.Parse(line)
		require.NoError(t, err)
		if strict, err := auditlog.JSON.ParseStrict(line); err == nil { // a text may stand where Konnect has a number
			require.Empty(t, cmp.Diff(back, strict))
		} else {
			require.ErrorContains(t, err, "of another type")
		}
		again, err := auditlog.JSON.Append(nil, &back)
		require.NoError(t, err)
		require.Equal(t, string(line), string(again))
	})
}
