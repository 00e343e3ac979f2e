package cef

// Classes of bytes in extension keys.
const (
	alnum   = 1 << iota // A-Z a-z 0-9: what the CEF specification allows
	under               // _: Konnect's own keys have it
	dot                 // . after the first character
	bracket             // [ and ] around an index after the first character
)

// keyClass is zero for a byte that no key holds.
var keyClass = func() (t [256]uint8) {
	for c := '0'; c <= '9'; c++ {
		t[c] = alnum
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c] = alnum
		t[c-'a'+'A'] = alnum
	}
	t['_'] = under
	t['.'] = dot
	t['['] = bracket
	t[']'] = bracket
	return t
}()

// ValidKey reports whether key can be an extension key. Strictly (by the CEF
// specification) that is one or more ASCII letters and digits. Otherwise an
// underscore is allowed anywhere, and a dot or an index such as [0] after the
// first character.
func ValidKey(key string, strict bool) bool {
	if key == "" {
		return false
	}
	var classes uint8
	for i := 0; i < len(key); i++ {
		c := keyClass[key[i]]
		if c == 0 {
			return false
		}
		classes |= c
	}
	if strict {
		return classes == alnum
	}
	return validShape([]byte(key), classes)
}

// validShape reports whether a key of the given classes has its dots and
// brackets where they may stand.
func validShape(key []byte, classes uint8) bool {
	if len(key) == 0 || keyClass[key[0]]&(dot|bracket) != 0 {
		return false
	}
	if classes&bracket == 0 {
		return true
	}
	for i := 0; i < len(key); i++ {
		if key[i] == ']' {
			return false
		}
		if key[i] != '[' {
			continue
		}
		digits := i + 1
		for i++; i < len(key) && key[i] >= '0' && key[i] <= '9'; i++ {
		}
		if i == digits || i == len(key) || key[i] != ']' {
			return false
		}
	}
	return true
}
