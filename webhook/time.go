package webhook

import (
	"errors"
	"time"
)

// formatTime writes a time as the API does, the zero time as
// 0001-01-01T00:00:00Z.
func formatTime(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// parseTime reads a time as Konnect writes it. The misspelt zero time is that
// of its documentation.
func parseTime(text string) (time.Time, error) {
	if text == "" || text == "0001-01-01T00:00:0Z" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err == nil && (t.UTC().Year() < 0 || t.UTC().Year() > 9999) { // by its zone
		err = errors.New("the year cannot be written")
	}
	return t.UTC(), err
}
