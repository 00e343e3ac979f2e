package webhook

import (
	"bytes"
	"encoding/json"
	"io"
	"unicode/utf8"
)

// The JSON types of members, as the rules of invalid parameters name them.
const (
	kindString   = "string"
	kindBoolean  = "boolean"
	kindDateTime = "date_time"
)

// maxReported bounds the list of faults in one body, which a client may make
// as long as it likes.
const maxReported = 16

// decodeBody reads the body of a request as a server must. The function member
// returns where the value of a member goes and the type that it must have, or
// nil for a name that no member has. What went there before an error is to be
// thrown away.
func decodeBody(body []byte, member func(name string) (into json.Unmarshaler, kind string)) error {
	if len(bytes.Trim(body, " \t\r\n")) == 0 {
		return nil
	}
	if !utf8.Valid(body) { // encoding/json would replace what is not
		return unreadable()
	}
	var (
		invalid ValidationError
		seen    = map[string]bool{}
		dec     = json.NewDecoder(bytes.NewReader(body))
	)
	if token, err := dec.Token(); err != nil || token != json.Delim('{') {
		return unreadable()
	}
	for dec.More() && len(invalid.Parameters) < maxReported {
		token, err := dec.Token()
		if err != nil {
			return unreadable()
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return unreadable()
		}
		name := token.(string) // the decoder lets nothing else pass as a name
		if seen[name] {
			invalid.duplicate(name)
			continue
		}
		seen[name] = true
		switch into, kind := member(name); {
		case into != nil:
			// The error of encoding/json is left out: it may quote the value.
			if err := into.UnmarshalJSON(value); err != nil {
				invalid.wrongType(name, kind)
			}
		case string(value) != "null":
			invalid.unknown(name)
		}
	}
	if err := invalid.orNil(); err != nil {
		return err
	}
	if _, err := dec.Token(); err != nil { // the closing brace
		return unreadable()
	}
	if _, err := dec.Token(); err != io.EOF {
		return unreadable()
	}
	return nil
}
