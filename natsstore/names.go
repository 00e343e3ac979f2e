package natsstore

import (
	"strconv"
	"strings"
)

// escape returns a name as one token of a subject and as part of a key: letters,
// digits, '-' and '_' as they are, each other byte as '=' and two hexadecimal digits.
func escape(name string) string {
	return string(appendEscaped(make([]byte, 0, len(name)+8), name))
}

func appendEscaped(dst []byte, name string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
			dst = append(dst, c)
		default:
			dst = append(dst, '=', digits[c>>4], digits[c&15])
		}
	}
	return dst
}

// unescape returns the name, or false if the token is no escaped one.
func unescape(token string) (string, bool) {
	if !strings.Contains(token, "=") {
		return token, token != ""
	}
	name := make([]byte, 0, len(token))
	for i := 0; i < len(token); i++ {
		if token[i] != '=' {
			name = append(name, token[i])
			continue
		}
		if i+3 > len(token) {
			return "", false
		}
		c, err := strconv.ParseUint(token[i+1:i+3], 16, 8)
		if err != nil {
			return "", false
		}
		name = append(name, byte(c))
		i += 2
	}
	return string(name), true
}

// empty stands for an empty part of a document's key: no escaped name has it.
const empty = "="

// documentKey returns a document's key in the bucket: its parts between slashes
// become tokens, so that a prefix that ends in a slash can be watched.
func documentKey(key string) string {
	parts := strings.Split(key, "/")
	for i, part := range parts {
		if parts[i] = escape(part); part == "" {
			parts[i] = empty
		}
	}
	return strings.Join(parts, ".")
}

// documentName is the reverse of documentKey.
func documentName(key string) (string, bool) {
	parts := strings.Split(key, ".")
	for i, part := range parts {
		if part == empty {
			parts[i] = ""
			continue
		}
		var ok bool
		if parts[i], ok = unescape(part); !ok {
			return "", false
		}
	}
	return strings.Join(parts, "/"), true
}

// documentFilter returns the narrowest filter of keys that begin with the prefix.
func documentFilter(prefix string) string {
	i := strings.LastIndexByte(prefix, '/')
	if i < 0 {
		return ">"
	}
	return documentKey(prefix[:i]) + ".>"
}
