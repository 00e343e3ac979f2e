package cef

// Strings are looked at eight bytes at a time. They are read where they come
// from, not from the buffer they have just been copied to: a load that spans
// several recent stores has to wait for all of them.

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// load8 returns the eight bytes of s from i on, the first one lowest. The
// compiler makes it a single load.
func load8(s string, i int) uint64 {
	w := s[i : i+8]
	return uint64(w[0]) | uint64(w[1])<<8 | uint64(w[2])<<16 | uint64(w[3])<<24 |
		uint64(w[4])<<32 | uint64(w[5])<<40 | uint64(w[6])<<48 | uint64(w[7])<<56
}

func load4(s string, i int) uint64 {
	w := s[i : i+4]
	return uint64(w[0]) | uint64(w[1])<<8 | uint64(w[2])<<16 | uint64(w[3])<<24
}

// short returns a word of the bytes of s, of which there are less than eight,
// some of them twice, and of harmless letters.
func short(s string) uint64 {
	n := len(s)
	if n >= 4 {
		return load4(s, 0) | load4(s, n-4)<<32
	}
	w := uint64(ones * 'a')
	for i := 0; i < n; i++ {
		w = w<<8 | uint64(s[i])
	}
	return w
}

// special returns a word that is not zero if w holds a byte that cannot stand
// as it is: a C0 control, DEL, a byte above ASCII, x or y (each repeated in
// every byte).
//
// The subtractions borrow from the next byte only where they found something,
// so a word of harmless bytes always gives zero.
func special(w, x, y uint64) uint64 {
	return (w | (w - ones*' ') | (w + ones) | ((w ^ x) - ones) | ((w ^ y) - ones)) & highs
}

// plain reports whether s can stand as it is.
func plain(s string, x, y uint64) bool {
	n := len(s)
	if n < 8 {
		return special(short(s), x, y) == 0
	}
	found := special(load8(s, n-8), x, y) // overlaps the word before it
	for i := 0; i < n-8; i += 8 {
		found |= special(load8(s, i), x, y)
	}
	return found == 0
}

// plainKey reports whether s holds nothing but ASCII letters, digits and
// underscores.
func plainKey(s string) bool {
	n := len(s)
	if n < 8 {
		return word(short(s)) == highs
	}
	all := word(load8(s, n-8))
	for i := 0; i < n-8; i += 8 {
		all &= word(load8(s, i))
	}
	return all == highs
}

// word returns a word in which the high bit of each byte is set where w has an
// ASCII letter, digit or underscore.
func word(w uint64) uint64 {
	low := w &^ highs
	lower := low | ones*0x20
	letter := (lower + ones*(0x80-'a')) &^ (lower + ones*(0x7f-'z'))
	digit := (low + ones*(0x80-'0')) &^ (low + ones*(0x7f-'9'))
	underscore := highs - (low ^ ones*'_')
	return (letter | digit | underscore) &^ w & highs
}
