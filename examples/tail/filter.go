package main

import (
	"errors"
	"path"
	"strconv"
	"strings"

	"github.com/seed-6bcf82c5/auditlog"
)

// filters are the conditions that an event must meet, all of them.
type filters []filter

type filter struct{ key, pattern string }

// String implements flag.Value.
func (f *filters) String() string { return "" }

// Set implements flag.Value.
func (f *filters) Set(text string) error {
	key, pattern, ok := strings.Cut(text, "=")
	if !ok || key == "" {
		return errors.New("it is key=pattern")
	}
	if _, err := path.Match(pattern, ""); err != nil {
		return errors.New("the pattern is malformed")
	}
	*f = append(*f, filter{key, pattern})
	return nil
}

// match tells whether the event meets the conditions. An attribute that it does
// not have meets none.
func (f filters) match(e *auditlog.Event) bool {
	for _, condition := range f {
		value, ok := field(e, condition.key)
		// Patterns of package path stop at slashes, which say nothing here.
		value, pattern := strings.ReplaceAll(value, "/", "\x00"), strings.ReplaceAll(condition.pattern, "/", "\x00")
		if matched, _ := path.Match(pattern, value); !ok || !matched {
			return false
		}
	}
	return true
}

// field returns a field of the header, by its name in JSON, or an attribute.
func field(e *auditlog.Event, key string) (string, bool) {
	switch key {
	case "event_vendor":
		return e.Vendor, true
	case "event_product":
		return e.Product, true
	case "event_class_id":
		return e.ClassID, true
	case "name":
		return e.Name, true
	case "severity":
		return e.Severity.String(), true
	case "cef_version":
		return strconv.Itoa(e.CEFVersion), true
	}
	value, ok := e.Get(key)
	return value.String(), ok
}
