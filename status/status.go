package status

import (
	"encoding/json"
	"fmt"
	"time"
)

// Condition is the member webhook_status of a [Status].
type Condition string

// The conditions of a webhook. Konnect's OpenAPI files list the first two, its
// set-up guide has all three.
const (
	Active       Condition = "active"
	Inactive     Condition = "inactive"
	Unconfigured Condition = "unconfigured"
)

// Status is the status document of a webhook, as the management API answers it
// and as [State.Status] makes it.
//
// In JSON the first three members are absent when they are zero, and times are
// RFC 3339 in UTC. Decoding tolerates missing and unknown members, and the
// spelling 0001-01-01T00:00:0Z of the zero time, which Konnect's documentation
// shows although it is not RFC 3339.
type Status struct {
	// LastAttemptAt is when the last HTTP attempt started, zero before the
	// first.
	LastAttemptAt time.Time `json:"last_attempt_at,omitzero"`
	// LastResponseCode is the HTTP status of the last attempt, 0 before the
	// first and when there was no answer.
	LastResponseCode int `json:"last_response_code,omitzero"`
	// LastResponseMessage says why the last attempt failed, for a reader. It is
	// empty when the attempt succeeded.
	LastResponseMessage string `json:"last_response_message,omitzero"`
	// WebhookEnabled tells that the customer wants events to be sent.
	WebhookEnabled bool `json:"webhook_enabled"`
	// WebhookStatus tells whether the last delivery succeeded, or that there is
	// no webhook.
	WebhookStatus Condition `json:"webhook_status"`
}

// Meaning says in one English sentence what the combination of WebhookEnabled
// and WebhookStatus means. For a combination that no webhook can be in, as a
// foreign server might send it, it says so.
func (s Status) Meaning() string {
	switch s.WebhookStatus {
	case Active:
		if s.WebhookEnabled {
			return "Ready to send events: no attempt has been made yet, or the last delivery succeeded."
		}
		return "The configuration is saved, but sending is switched off."
	case Inactive:
		if s.WebhookEnabled {
			return "The last delivery failed; sending is switched on and will be resumed."
		}
		return "The last delivery failed, and sending is switched off."
	case Unconfigured:
		if !s.WebhookEnabled {
			return "No webhook has been configured yet."
		}
	}
	return fmt.Sprintf("Unknown status: enabled %t, status %q.", s.WebhookEnabled, string(s.WebhookStatus))
}

// document is a Status without its methods.
type document Status

// MarshalJSON implements [json.Marshaler]. It fails for a time outside the
// years 0 to 9999, which RFC 3339 cannot express.
func (s Status) MarshalJSON() ([]byte, error) {
	s.LastAttemptAt = s.LastAttemptAt.UTC()
	return json.Marshal(document(s))
}

// UnmarshalJSON implements [json.Unmarshaler]. It replaces the whole Status;
// after an error the Status is as it was.
func (s *Status) UnmarshalJSON(data []byte) error {
	var answer struct {
		document
		LastAttemptAt string `json:"last_attempt_at"` // hides the document's own
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return fmt.Errorf("status: %w", err)
	}
	at, err := parseTime(answer.LastAttemptAt)
	if err != nil {
		return fmt.Errorf("status: last_attempt_at: %w", err)
	}
	answer.document.LastAttemptAt = at
	*s = Status(answer.document)
	return nil
}

// parseTime reads a time as Konnect writes it. The misspelt zero time is that
// of its documentation.
func parseTime(text string) (time.Time, error) {
	if text == "" || text == "0001-01-01T00:00:0Z" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	return t.UTC(), err
}
