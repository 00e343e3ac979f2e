package cef

import (
	"net/netip"
	"strconv"
	"unicode/utf8"
)

// Rule is what [Validate] found an extension to break.
type Rule uint8

// The rules of the CEF dictionary.
const (
	RuleKnownKey  Rule = iota + 1 // the key stands in the dictionary
	RuleType                      // the value has the key's type
	RuleMaxLength                 // the value is not longer than the key allows
	RuleLabel                     // a label such as cs1Label comes with its value, cs1
)

// Violation is one breach of the CEF dictionary.
type Violation struct {
	Key    string
	Rule   Rule
	Reason string // for a person; it does not repeat the value
}

// Validate holds the extensions of r against the CEF dictionary and returns
// what breaks its rules, in the order of the extensions. Most products, Konnect
// among them, have keys of their own, so a violation is advice and no error:
// readers take such lines. An empty value breaks no rule of type.
func Validate(r *Record) []Violation {
	var found []Violation
	var present map[string]bool // made for the first label
	for i := range r.Extensions {
		key, value := r.Extensions[i].Key, r.Extensions[i].Value
		entry, ok := Lookup(key)
		if !ok {
			found = append(found, Violation{key, RuleKnownKey, "not in the CEF dictionary"})
			continue
		}
		if value != "" && !entry.Type.holds(value) {
			found = append(found, Violation{key, RuleType, "not of type " + entry.Type.String()})
		}
		if n := utf8.RuneCountInString(value); entry.MaxLength > 0 && n > entry.MaxLength {
			found = append(found, Violation{key, RuleMaxLength,
				strconv.Itoa(n) + " characters, at most " + strconv.Itoa(entry.MaxLength) + " are allowed"})
		}
		const label = "Label"
		if n := len(key) - len(label); n > 0 && key[n:] == label {
			if present == nil {
				present = r.keys()
			}
			if !present[key[:n]] {
				found = append(found, Violation{key, RuleLabel, "a label without " + key[:n]})
			}
		}
	}
	return found
}

func (r *Record) keys() map[string]bool {
	keys := make(map[string]bool, len(r.Extensions))
	for i := range r.Extensions {
		keys[r.Extensions[i].Key] = true
	}
	return keys
}

func (t DataType) holds(value string) bool {
	var err error
	switch t {
	case TypeInteger:
		_, err = strconv.ParseInt(value, 10, 32)
	case TypeLong:
		_, err = strconv.ParseInt(value, 10, 64)
	case TypeDouble:
		return isDecimal(value)
	case TypeDateTime:
		_, err = ParseTime(value)
	case TypeIP:
		_, err = netip.ParseAddr(value)
	case TypeIPv6:
		addr, bad := netip.ParseAddr(value)
		return bad == nil && addr.Is6()
	case TypeMAC:
		return isMAC(value)
	case TypeDirection:
		return value == "0" || value == "1"
	case TypeEventType:
		return len(value) == 1 && value[0] >= '0' && value[0] <= '3'
	}
	return err == nil
}

// isDecimal excludes what else ParseFloat reads: hexadecimal numbers, infinity.
func isDecimal(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c < '0' || c > '9') && c != '.' && c != '-' && c != '+' && lower(c) != 'e' {
			return false
		}
	}
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}

func isMAC(s string) bool {
	if len(s) != len("00:00:00:00:00:00") {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := lower(s[i])
		if i%3 == 2 {
			if c != s[2] || c != ':' && c != '-' {
				return false
			}
		} else if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f') {
			return false
		}
	}
	return true
}
