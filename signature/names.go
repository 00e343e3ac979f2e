package signature

import "bytes"

// names is a set of member names. Few, as events have, are kept without
// allocating; many take a map, so that none takes more than its share of time.
type names struct {
	few  [32][]byte
	n    int
	many map[string]struct{}
}

// add reports whether the name was not in the set yet.
func (s *names) add(name []byte) bool {
	if s.many == nil {
		for _, has := range s.few[:s.n] {
			if bytes.Equal(has, name) {
				return false
			}
		}
		if s.n < len(s.few) {
			s.few[s.n] = name
			s.n++
			return true
		}
		s.many = make(map[string]struct{}, 2*len(s.few))
		for _, has := range s.few {
			s.many[string(has)] = struct{}{}
		}
	}
	if _, has := s.many[string(name)]; has {
		return false
	}
	s.many[string(name)] = struct{}{}
	return true
}
