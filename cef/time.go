package cef

import (
	"strconv"
	"time"
)

// The date layouts of the CEF specification, for [Encoder.Date]. A field of
// type time holds one of them or milliseconds since the Unix epoch.
const (
	LayoutPlain         = "Jan 02 15:04:05"
	LayoutMilli         = "Jan 02 15:04:05.000"
	LayoutZone          = "Jan 02 15:04:05 MST"
	LayoutMilliZone     = "Jan 02 15:04:05.000 MST"
	LayoutYear          = "Jan 02 2006 15:04:05"
	LayoutYearMilli     = "Jan 02 2006 15:04:05.000"
	LayoutYearZone      = "Jan 02 2006 15:04:05 MST"
	LayoutYearMilliZone = "Jan 02 2006 15:04:05.000 MST"
)

var layouts = [...]string{
	LayoutPlain, LayoutMilli, LayoutZone, LayoutMilliZone,
	LayoutYear, LayoutYearMilli, LayoutYearZone, LayoutYearMilliZone,
}

// ParseTime reads the value of a time extension: milliseconds since the Unix
// epoch or one of the date layouts. A layout without a year gives the year 0,
// one without a zone UTC, as do the names UTC, GMT and Z. Other zone names are
// refused, because they mean different offsets in different places; an offset
// such as +0200 is not.
func ParseTime(value string) (time.Time, error) {
	if ms, err := strconv.ParseInt(value, 10, 64); err == nil {
		return time.UnixMilli(ms).UTC(), nil
	}
	for i := range layouts {
		t, err := time.Parse(layouts[i], value)
		if err != nil && len(layouts[i]) > 4 && layouts[i][len(layouts[i])-4:] == " MST" {
			base := layouts[i][:len(layouts[i])-3]
			if t, err = time.Parse(base+"-0700", value); err != nil {
				t, err = time.Parse(base+"Z07:00", value)
			}
			if err == nil {
				return t.UTC(), nil
			}
		}
		if err != nil {
			continue
		}
		if zone, offset := t.Zone(); zone != "UTC" && zone != "GMT" || offset != 0 {
			return time.Time{}, &FieldError{Field: "time", Reason: "the zone name " + strconv.Quote(clip(zone)) + " is ambiguous; write UTC or an offset"}
		}
		return t.UTC(), nil
	}
	return time.Time{}, &FieldError{Field: "time", Reason: strconv.Quote(clip(value)) + " is neither Unix milliseconds nor a CEF date"}
}

// writable reports whether t has a year that RFC 3339 can carry.
func writable(t time.Time) bool {
	const (
		year0     = -62167219200 // 0000-01-01T00:00:00Z
		year10000 = 253402300800
	)
	s := t.Unix()
	return s >= year0 && s < year10000
}

// appendTime appends t in UTC by RFC 3339.
func appendTime(dst []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(dst, time.RFC3339Nano)
}
