package signature_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strings"
	"unicode/utf8"
)

// reference takes a signature off a line as [signature.Split] does, but with the
// means of the standard library, and slowly. refused stands for every error.
func reference(line string) (payload string, made []byte, refused bool) {
	if cut, ok := strings.CutSuffix(line, "\n"); ok {
		line = strings.TrimSuffix(cut, "\r")
	}
	if line == "" || line[0] <= 0x20 || !utf8.ValidString(line) || strings.ContainsAny(line, "\r\n") || strings.HasPrefix(line, "\ufeff") {
		return "", nil, true
	}
	if line[0] != '{' {
		return referenceCEF(line)
	}
	members, ok := referenceMembers(line)
	if !ok {
		return "", nil, true
	}
	for _, m := range members {
		if m.name == "event" && m.value[0] == '{' {
			inner := strings.TrimSuffix(strings.TrimPrefix(line, `{"event":`), "}")
			if m.value != inner || len(inner) != len(line)-len(`{"event":}`) {
				return "", nil, true
			}
			members, ok = referenceMembers(inner)
			if !ok {
				return "", nil, true
			}
			return referenceObject(inner, members)
		}
	}
	return referenceObject(line, members)
}

var header = regexp.MustCompile(`^(?s:(?:[^\\|]|\\.)*?\|){7}`)

func referenceCEF(line string) (payload string, made []byte, refused bool) {
	at := strings.Index(line, "CEF:")
	if at < 0 {
		return "", nil, true
	}
	at += len("CEF:")
	end := header.FindStringIndex(line[at:])
	if end == nil {
		return "", nil, true
	}
	at += end[1]
	pieces := strings.Split(line[at:], " sig=")
	if len(pieces) == 1 {
		return line, nil, strings.HasPrefix(line[at:], "sig=")
	}
	text := pieces[len(pieces)-1]
	made, ok := referenceSignature(text)
	return strings.TrimSuffix(line, " sig="+text), made, !ok
}

func referenceSignature(text string) ([]byte, bool) {
	made, err := base64.RawURLEncoding.DecodeString(text)
	return made, err == nil && len(made) == 64 && base64.RawURLEncoding.EncodeToString(made) == text
}

// referenceMember is a member of an object: its place, its name decoded, and its
// value.
type referenceMember struct {
	from, to    int64
	name, value string
}

// referenceMembers returns the members of the object that line is, if it is one,
// with nothing beside it, and if their names differ.
func referenceMembers(line string) ([]referenceMember, bool) {
	if !json.Valid([]byte(line)) || line[0] != '{' || line[len(line)-1] != '}' {
		return nil, false
	}
	decoder := json.NewDecoder(strings.NewReader(line))
	if _, err := decoder.Token(); err != nil {
		return nil, false
	}
	var members []referenceMember
	names := map[string]bool{}
	for decoder.More() {
		from := decoder.InputOffset()
		from += int64(strings.IndexByte(line[from:], '"'))
		token, err := decoder.Token()
		if err != nil {
			return nil, false
		}
		name := token.(string)
		if raw := line[from:decoder.InputOffset()]; strings.Count(raw, "\ufffd") != strings.Count(name, "\ufffd") || names[name] {
			return nil, false
		}
		names[name] = true
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, false
		}
		members = append(members, referenceMember{from, decoder.InputOffset(), name, string(bytes.TrimSpace(value))})
	}
	return members, true
}

func referenceObject(object string, members []referenceMember) (payload string, made []byte, refused bool) {
	for _, m := range members {
		if m.name != "sig" {
			continue
		}
		text := strings.TrimSuffix(strings.TrimPrefix(m.value, `"`), `"`)
		made, ok := referenceSignature(text)
		if !ok || object[m.from:m.to] != `"sig":"`+text+`"` {
			return "", nil, true
		}
		switch before, after := object[m.from-1], object[m.to]; {
		case before == ',' && (after == ',' || after == '}'):
			return object[:m.from-1] + object[m.to:], made, false
		case before == '{' && after == ',':
			return object[:m.from] + object[m.to+1:], made, false
		}
		return "", nil, true
	}
	return object, nil, false
}
