package cef

//go:generate go run ./internal/gendict -csv $CEF_DICTIONARY -out dictionary_data.go

// DataType is the type of a dictionary key's value.
type DataType uint8

// The types of the CEF dictionary.
const (
	TypeString    DataType = iota
	TypeInteger            // 32 bits, signed
	TypeLong               // 64 bits, signed
	TypeDouble             // a decimal number
	TypeDateTime           // see ParseTime
	TypeIP                 // an IPv4 or IPv6 address
	TypeIPv6               // an IPv6 address
	TypeMAC                // six pairs of hexadecimal digits with : or - between them
	TypeDirection          // 0 inbound, 1 outbound
	TypeEventType          // 0 base event, 1 aggregated, 2 correlation, 3 action
)

var typeNames = [...]string{
	"string", "integer", "long", "double", "time", "IP address", "IPv6 address",
	"MAC address", "direction (0 or 1)", "event type (0 to 3)",
}

// String names the type for a person.
func (t DataType) String() string {
	if int(t) >= len(typeNames) {
		return "unknown type"
	}
	return typeNames[t]
}

// DictionaryEntry describes an extension key of the CEF specification.
type DictionaryEntry struct {
	Key         string // as it stands in a line
	FullName    string
	Type        DataType
	MaxLength   int    // in characters; 0 means no limit is given
	SpecVersion string // of the CEF specification that brought it
	Consumer    bool   // set by the receiving product, not by the sender
}

// Lookup returns the dictionary's entry for an extension key.
func Lookup(key string) (DictionaryEntry, bool) {
	from, to := 0, len(dictionary)
	for from < to {
		middle := (from + to) / 2
		if dictionary[middle].Key < key {
			from = middle + 1
		} else {
			to = middle
		}
	}
	if from == len(dictionary) || dictionary[from].Key != key {
		return DictionaryEntry{}, false
	}
	return dictionary[from], true
}

// Dictionary returns all entries, in the order of their keys.
func Dictionary() []DictionaryEntry {
	return append([]DictionaryEntry(nil), dictionary[:]...)
}
