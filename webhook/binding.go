package webhook

import "encoding/json"

// Binding is a webhook that sends to a [Destination]: that of a region in
// version 3 of the management API, and that of a developer portal in any
// version. (The webhook of a region in version 2 is a [Config], with an
// endpoint of its own.)
//
// In JSON the destination is absent when there is none. Decoding takes a null
// or empty one for none, too, and tolerates missing and unknown members.
type Binding struct {
	// DestinationID is the ID of a destination, empty when there is none.
	DestinationID string `json:"audit_log_destination_id,omitzero"`
	// Enabled switches sending on.
	Enabled bool `json:"enabled"`
}

// BindingPatch is a partial update of a [Binding]. Only the fields that are
// set take part in it, and are in its JSON, which is the body of a PATCH
// request; the zero BindingPatch changes nothing.
type BindingPatch struct {
	// DestinationID is the ID of an existing destination.
	DestinationID Optional[string] `json:"audit_log_destination_id,omitzero"`
	// Enabled switches sending on or off.
	Enabled Optional[bool] `json:"enabled,omitzero"`
}

// IsZero reports whether the patch sets nothing.
func (p BindingPatch) IsZero() bool { return p.DestinationID.IsZero() && p.Enabled.IsZero() }

// Validate checks that the ID, if it is set, is a UUID. Its error is a
// [*ValidationError] in the words of Konnect's documentation. Whether there is
// such a destination, and whether the webhook may be enabled, the server knows.
func (p BindingPatch) Validate() error {
	var invalid ValidationError
	if id, ok := p.DestinationID.Get(); ok && !IsID(id) {
		invalid.add("Could not parse destination id", InvalidParameter{
			Field: "audit_log_destination_id", Reason: "destination id format is invalid",
		})
	}
	return invalid.orNil()
}

// DecodeBindingPatch reads the body of a PATCH request as a server must, as
// [DecodePatch] does.
func DecodeBindingPatch(body []byte) (BindingPatch, error) {
	var p BindingPatch
	if err := decodeBody(body, p.member); err != nil {
		return BindingPatch{}, err
	}
	return p, nil
}

func (p *BindingPatch) member(name string) (into json.Unmarshaler, kind string) {
	switch name {
	case "audit_log_destination_id":
		return &p.DestinationID, kindString
	case "enabled":
		return &p.Enabled, kindBoolean
	}
	return nil, ""
}

// IsID reports whether id has the form of the IDs of destinations and portals:
// a UUID of 32 hexadecimal digits in five groups (RFC 9562 §4).
func IsID(id string) bool {
	if len(id) != 36 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
				return false
			}
		}
	}
	return true
}
