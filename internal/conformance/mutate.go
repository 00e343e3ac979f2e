package conformance

import (
	"encoding/json"
	"fmt"
	"iter"
)

// Mutations returns documents that differ from a JSON document in one member,
// each with what was done to it: another name, no member at all, null, or a
// value of another type. A check that finds nothing in one of them does not see
// that member.
func Mutations(document []byte) iter.Seq2[Mutation, []byte] {
	return func(yield func(Mutation, []byte) bool) {
		var root any
		if err := json.Unmarshal(document, &root); err != nil {
			panic(fmt.Sprintf("the document is none: %v", err))
		}
		mutate("", root, func(m Mutation) bool {
			changed, err := json.Marshal(root)
			if err != nil {
				panic(err) // it was unmarshalled
			}
			return yield(m, changed)
		})
	}
}

// Mutation tells what was done to which member.
type Mutation struct {
	Path string // such as .data[0].name
	Name string
	Kind string // renamed, removed, null or retyped
}

// mutate changes one member of value after the other, lets found see the whole,
// and puts it back. It returns false when found does.
func mutate(at string, value any, found func(Mutation) bool) bool {
	switch value := value.(type) {
	case []any:
		for i, item := range value {
			if !mutate(fmt.Sprintf("%s[%d]", at, i), item, found) {
				return false
			}
		}
	case map[string]any:
		for name, member := range value {
			path := at + "." + name
			if !mutate(path, member, found) || !mutateMember(value, name, path, found) {
				return false
			}
		}
	}
	return true
}

func mutateMember(object map[string]any, name, path string, found func(Mutation) bool) bool {
	member := object[name]
	delete(object, name)
	ok := found(Mutation{path, name, "removed"})
	object[name+"_"] = member
	ok = ok && found(Mutation{path, name, "renamed"})
	delete(object, name+"_")
	object[name] = nil
	ok = ok && found(Mutation{path, name, "null"})
	object[name] = retyped(member)
	ok = ok && found(Mutation{path, name, "retyped"})
	object[name] = member
	return ok
}

// retyped returns a value of another type.
func retyped(value any) any {
	switch value.(type) {
	case string, nil: // what may be null is a string otherwise
		return 1
	}
	return "x"
}
