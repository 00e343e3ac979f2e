package conformance

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"
)

// checkMembers reports the members of a JSON document that its schema does not
// describe. Most schemas of the files allow them; what we send has none. Of an
// answer it also reports described members that are missing, where the schema
// does not say which are required: ours have all of them.
func checkMembers(schema *openapi3.SchemaRef, document []byte, answer bool) error {
	var value any
	if err := json.Unmarshal(document, &value); err != nil {
		return err
	}
	w := walk{answer: answer}
	w.value("", []*openapi3.SchemaRef{schema}, value)
	if len(w.unknown)+len(w.missing) == 0 {
		return nil
	}
	slices.Sort(w.unknown)
	slices.Sort(w.missing)
	return fmt.Errorf("members that the file does not have: %v; members that are missing: %v", w.unknown, w.missing)
}

// walk goes through a value along with the schemas that may describe it.
type walk struct {
	answer           bool
	unknown, missing []string
}

func (w *walk) value(at string, schemas []*openapi3.SchemaRef, value any) {
	schemas = flatten(schemas)
	switch value := value.(type) {
	case []any:
		var items []*openapi3.SchemaRef
		for _, s := range schemas {
			items = append(items, s.Value.Items)
		}
		for _, item := range value {
			w.value(at+"[]", items, item)
		}
	case map[string]any:
		for name, member := range value {
			var described []*openapi3.SchemaRef
			for _, s := range schemas {
				if property := s.Value.Properties[name]; property != nil {
					described = append(described, property)
				}
			}
			if len(described) == 0 {
				w.unknown = append(w.unknown, at+"."+name)
				continue
			}
			w.value(at+"."+name, described, member)
		}
		for _, s := range schemas {
			if !w.answer || len(s.Value.Required) > 0 {
				continue
			}
			for name := range s.Value.Properties {
				if _, ok := value[name]; !ok && mayBeAbsent[name] == "" {
					w.missing = append(w.missing, at+"."+name)
				}
			}
		}
	}
}

// flatten adds to schemas those that they are made of.
func flatten(schemas []*openapi3.SchemaRef) []*openapi3.SchemaRef {
	var all []*openapi3.SchemaRef
	for _, s := range schemas {
		if s == nil || s.Value == nil {
			continue
		}
		all = append(all, s)
		for _, parts := range []openapi3.SchemaRefs{s.Value.AllOf, s.Value.OneOf, s.Value.AnyOf} {
			all = append(all, flatten(parts)...)
		}
	}
	return all
}

// unknownParameters returns the parameters in a query that an operation does
// not have. Those of the style deepObject, such as filter[ts][gte], are known
// by each of their names.
func unknownParameters(ofPath, ofOperation openapi3.Parameters, query url.Values) []string {
	known := map[string]bool{}
	for _, p := range slices.Concat(ofPath, ofOperation) {
		if p.Value.In != "query" {
			continue
		}
		if p.Value.Style == openapi3.SerializationDeepObject {
			deepNames(p.Value.Name, []*openapi3.SchemaRef{p.Value.Schema}, known)
			continue
		}
		known[p.Value.Name] = true
	}
	var unknown []string
	for name := range query {
		if !known[name] {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	return unknown
}

// deepNames adds the names of all values inside an object.
func deepNames(prefix string, schemas []*openapi3.SchemaRef, names map[string]bool) {
	for _, s := range flatten(schemas) {
		if !s.Value.Type.Is("object") && s.Value.Type != nil {
			names[prefix] = true
		}
		for name, property := range s.Value.Properties {
			deepNames(prefix+"["+name+"]", []*openapi3.SchemaRef{property}, names)
		}
	}
}
