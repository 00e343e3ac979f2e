package benchmarks

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/cef"
)

const eventCount = 1 << 12

// appendNaively writes the same CEF line as the SDK where nothing needs
// escaping: plain appends without a look at the values. It is the floor that
// the other figures are measured against.
func appendNaively(b []byte, e *auditlog.Event) []byte {
	b = e.Time.AppendFormat(b, time.RFC3339)
	b = append(b, ' ')
	b = append(b, e.Host...)
	b = append(b, " CEF:0|"...)
	b = append(b, e.Vendor...)
	b = append(b, '|')
	b = append(b, e.Product...)
	b = append(b, '|')
	b = append(b, e.Version...)
	b = append(b, '|')
	b = append(b, e.ClassID...)
	b = append(b, '|')
	b = append(b, e.Name...)
	b = append(b, '|')
	b = append(b, e.Severity.String()...)
	b = append(b, '|')
	for i := range e.Attributes {
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(b, e.Attributes[i].Key...)
		b = append(b, '=')
		v := e.Attributes[i].Value
		if n, ok := v.Int64(); ok {
			b = strconv.AppendInt(b, n, 10)
		} else {
			b = append(b, v.String()...)
		}
	}
	return b
}

// printNaively is what a service does that has no encoder.
func printNaively(b *strings.Builder, e *auditlog.Event) {
	escape := strings.NewReplacer(`\`, `\\`, `=`, `\=`, "\n", `\n`, "\r", `\r`)
	fmt.Fprintf(b, "%s %s CEF:0|%s|%s|%s|%s|%s|%s|", e.Time.Format(time.RFC3339), e.Host, e.Vendor, e.Product, e.Version, e.ClassID, e.Name, e.Severity)
	for i, a := range e.Attributes {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(b, "%s=%s", a.Key, escape.Replace(a.Value.String()))
	}
}

// BenchmarkFormat encodes and parses 4 096 different events; the figures of one
// run are compared with plain-appends.
func BenchmarkFormat(b *testing.B) {
	all := events(eventCount)
	lines := map[auditlog.Format][][]byte{}
	for _, f := range []auditlog.Format{auditlog.CEF, auditlog.JSON} {
		for i := range all {
			line, err := f.Append(nil, &all[i])
			if err != nil {
				b.Fatal(err)
			}
			lines[f] = append(lines[f], line)
		}
	}
	buf := make([]byte, 0, 4096)
	run := func(name string, op func(i int)) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				op(i % eventCount)
			}
		})
	}
	check := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	run("encode/plain-appends", func(i int) { buf = appendNaively(buf[:0], &all[i]) })
	run("encode/cef", func(i int) {
		var err error
		buf, err = auditlog.CEF.Append(buf[:0], &all[i])
		check(err)
	})
	run("encode/json", func(i int) {
		var err error
		buf, err = auditlog.JSON.Append(buf[:0], &all[i])
		check(err)
	})
	run("encode/sprintf", func(i int) {
		var s strings.Builder
		printNaively(&s, &all[i])
	})
	size := 0
	run("parse/cef-visitor", func(i int) {
		check(cef.Scan(lines[auditlog.CEF][i], cef.Lenient, func(f cef.Field) error {
			size += len(f.Raw)
			return nil
		}))
	})
	run("parse/cef-event", func(i int) {
		_, err := auditlog.CEF.Parse(lines[auditlog.CEF][i])
		check(err)
	})
	run("parse/json-event", func(i int) {
		_, err := auditlog.JSON.Parse(lines[auditlog.JSON][i])
		check(err)
	})
}
