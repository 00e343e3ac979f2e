package auditlog

import "hash/maphash"

// keySet is the keys of an object, to find one that stands twice. A line may have
// a hundred thousand: it holds little more than where they are in the text.
type keySet struct {
	few  [16]place
	n    int
	many []int32 // a hash table with an empty place in two: offsets + 1, or 0
	seed maphash.Seed
}

// place is a key and the offset of its quotation mark.
type place struct {
	key string
	at  int
}

// repeated adds the key, which is at the offset in text, and reports whether it was
// there.
func (s *keySet) repeated(text, key string, at int) bool {
	if s.many != nil {
		return s.insert(text, key, at)
	}
	for i := range s.few[:s.n] {
		if s.few[i].key == key {
			return true
		}
	}
	if s.n < len(s.few) {
		s.few[s.n] = place{key, at}
		s.n++
		return false
	}
	s.seed = maphash.MakeSeed()
	s.many = make([]int32, 8*len(s.few))
	s.n = 0
	for _, f := range s.few {
		s.insert(text, f.key, f.at)
	}
	return s.insert(text, key, at)
}

// insert is repeated for the table.
func (s *keySet) insert(text, key string, at int) bool {
	if 2*s.n >= len(s.many) {
		s.grow(text)
	}
	i := s.slot(text, key)
	if s.many[i] != 0 {
		return true
	}
	s.many[i] = int32(at) + 1
	s.n++
	return false
}

// slot returns the place of the key in the table, an empty one if it is not there.
func (s *keySet) slot(text, key string) int {
	last := len(s.many) - 1 // the length is a power of two
	i := int(maphash.String(s.seed, key)) & last
	for s.many[i] != 0 && keyAt(text, s.many[i]) != key {
		i = (i + 1) & last
	}
	return i
}

func (s *keySet) grow(text string) {
	old := s.many
	s.many = make([]int32, 2*len(old))
	for _, at := range old {
		if at != 0 {
			s.many[s.slot(text, keyAt(text, at))] = at
		}
	}
}

// keyAt reads a key again.
func keyAt(text string, at int32) string {
	p := parser{text: text, i: int(at) - 1}
	key, _ := p.string() // it was read before
	return key
}
