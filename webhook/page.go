package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
)

// DestinationList is one page of a list of destinations, as the management API
// answers it.
type DestinationList struct {
	Data []Destination
	Meta PageMeta
}

// EntryList is one page of the audit log, as the management API answers it.
type EntryList struct {
	Data []Entry
	Meta PageMeta
}

// PageMeta tells where a page of a list stands. Next and Previous are links to
// the pages beside it, empty at the ends; in JSON they are always present, null
// when empty. First and Last are left out when empty.
type PageMeta struct {
	Next, Previous string
	First, Last    string
	// Size is the number of items that was asked for in a page, at least 0.
	Size int
}

// pageMetaAnswer is the wire form of a PageMeta.
type pageMetaAnswer struct {
	Next     *string     `json:"next"`
	Previous *string     `json:"previous"`
	First    string      `json:"first,omitzero"`
	Last     string      `json:"last,omitzero"`
	Size     json.Number `json:"size"`
}

// MarshalJSON implements [json.Marshaler].
func (m PageMeta) MarshalJSON() ([]byte, error) {
	a := pageMetaAnswer{First: m.First, Last: m.Last, Size: json.Number(fmt.Sprint(m.Size))}
	if m.Next != "" {
		a.Next = &m.Next
	}
	if m.Previous != "" {
		a.Previous = &m.Previous
	}
	return json.Marshal(a)
}

// UnmarshalJSON implements [json.Unmarshaler]. The next page must be there, null
// at the end, or an answer that is another document would end the list without a
// word. Other members may be missing, null or unknown, and the size may be any
// number, which becomes 0 unless it is one that a page can have.
func (m *PageMeta) UnmarshalJSON(data []byte) error {
	var a struct {
		pageMetaAnswer

		Next member[*string] `json:"next"`
	}
	if err := json.Unmarshal(data, &a); err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	if !a.Next.present {
		return errors.New("webhook: the page does not tell whether there is a next one")
	}
	*m = PageMeta{First: a.First, Last: a.Last}
	if a.Next.value != nil {
		m.Next = *a.Next.value
	}
	if a.Previous != nil {
		m.Previous = *a.Previous
	}
	if size, err := a.Size.Float64(); err == nil && size >= 0 && size <= 1<<31-1 {
		m.Size = int(size)
	}
	return nil
}

// member is a member of an answer that knows whether it was there, also if null.
type member[T any] struct {
	value   T
	present bool
}

// UnmarshalJSON implements [json.Unmarshaler].
func (m *member[T]) UnmarshalJSON(data []byte) error {
	m.present = true
	return json.Unmarshal(data, &m.value)
}

// page is the wire form of both lists; the audit log's has its meta one level
// deeper.
type page[Item, Meta any] struct {
	Data []Item `json:"data"`
	Meta Meta   `json:"meta"`
}

type nestedMeta struct {
	Page PageMeta `json:"page"`
}

// UnmarshalJSON implements [json.Unmarshaler].
func (m *nestedMeta) UnmarshalJSON(data []byte) error {
	var a struct {
		Page member[PageMeta] `json:"page"`
	}
	if err := json.Unmarshal(data, &a); err != nil {
		return err
	}
	if !a.Page.present {
		return errors.New("webhook: the meta of the list has no page")
	}
	m.Page = a.Page.value
	return nil
}

// UnmarshalJSON implements [json.Unmarshaler]. Neither member may be missing;
// the data may be null, as some servers write an empty list.
func (p *page[Item, Meta]) UnmarshalJSON(data []byte) error {
	var a struct {
		Data member[[]Item] `json:"data"`
		Meta member[Meta]   `json:"meta"`
	}
	if err := json.Unmarshal(data, &a); err != nil {
		return err
	}
	switch {
	case !a.Data.present:
		return errors.New("webhook: the list has no data")
	case !a.Meta.present:
		return errors.New("webhook: the list has no meta")
	}
	*p = page[Item, Meta]{a.Data.value, a.Meta.value}
	return nil
}

// MarshalJSON implements [json.Marshaler]. The data of an empty page is [].
func (l DestinationList) MarshalJSON() ([]byte, error) {
	return json.Marshal(page[Destination, PageMeta]{append([]Destination{}, l.Data...), l.Meta})
}

// UnmarshalJSON implements [json.Unmarshaler]. What lacks data or meta is no list.
func (l *DestinationList) UnmarshalJSON(data []byte) error {
	var p page[Destination, PageMeta]
	if err := json.Unmarshal(data, &p); err != nil {
		return err
	}
	*l = DestinationList(p)
	return nil
}

// MarshalJSON implements [json.Marshaler]. The data of an empty page is [].
func (l EntryList) MarshalJSON() ([]byte, error) {
	return json.Marshal(page[Entry, nestedMeta]{append([]Entry{}, l.Data...), nestedMeta{l.Meta}})
}

// UnmarshalJSON implements [json.Unmarshaler]. What lacks data or meta is no list.
func (l *EntryList) UnmarshalJSON(data []byte) error {
	var p page[Entry, nestedMeta]
	if err := json.Unmarshal(data, &p); err != nil {
		return err
	}
	*l = EntryList{Data: p.Data, Meta: p.Meta.Page}
	return nil
}
