package signature

import "bytes"

const (
	cpsOpen = `{"event":`

	sigName  = "sig"
	sigOpen  = `"` + sigName + `":"`
	sigClose = `"`
)

// splitObject takes an entry of JSON or CPS apart.
func splitObject(entry []byte) (parts, error) {
	s := scanner{text: entry}
	if !bytes.HasPrefix(entry, []byte(cpsOpen+"{")) {
		p, err := s.event(true)
		if err == nil && s.i < len(entry) {
			err = refuse(s.i, "something after the object")
		}
		p.closing = "}"
		return p, err
	}
	s.i = len(cpsOpen)
	p, err := s.event(false)
	if err == nil && string(entry[s.i:]) != "}" {
		err = refuse(s.i, `not the brace that ends {"event":{…}}`)
	}
	p.closing = "}}"
	return p, err
}

// event reads the object at s.i, strictly, and takes the signature out of it. In
// an outermost object a member event that is an object is refused: the entry
// would be CPS of another form.
func (s *scanner) event(outermost bool) (parts, error) {
	var (
		p     parts
		seen  names
		open  = s.i
		cut   span // with one comma
		comma bool
	)
	s.i++
	s.space()
	for p.empty = s.next('}'); !s.next('}'); {
		if comma {
			if err := s.expect(','); err != nil {
				return parts{}, err
			}
			s.space()
		}
		comma = true
		m, err := s.member()
		if err != nil {
			return parts{}, err
		}
		switch name := m.name; {
		case !seen.add(name):
			return parts{}, refuse(m.start, "a second member of the same name")
		case string(name) == sigName:
			if cut, err = s.signature(&p, m); err != nil {
				return parts{}, err
			}
		case outermost && string(name) == "event" && s.text[m.value] == '{':
			return parts{}, refuse(m.start, `an object as event, but the entry is not {"event":{…}}`)
		}
		s.space()
	}
	s.i++
	p.head = s.text[open:s.i]
	if p.signed {
		p.head, p.tail = s.text[open:cut.from], s.text[cut.to:s.i]
	}
	return p, nil
}

type span struct{ from, to int }

// signature reads the member sig and returns what to cut out with it.
func (s *scanner) signature(p *parts, m member) (span, error) {
	text, ok := bytes.CutPrefix(s.text[m.start:m.end], []byte(sigOpen))
	if !ok || !p.decode(bytes.TrimSuffix(text, []byte(sigClose))) {
		return span{}, refuse(m.start, `not "sig":"…" with 86 characters of base64url with zero spare bits`)
	}
	first := s.text[m.start-1] == '{'
	s.i = m.end
	switch {
	case m.end == len(s.text):
		return span{}, s.unexpected()
	case !first && s.text[m.start-1] != ',', !s.next(',') && !s.next('}'):
		return span{}, refuse(m.start, "white space next to sig")
	case !first:
		return span{m.start - 1, m.end}, nil
	case s.next(','):
		return span{m.start, m.end + 1}, nil
	}
	return span{}, refuse(m.start, "sig is the only member")
}
