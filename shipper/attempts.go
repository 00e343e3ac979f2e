package shipper

import (
	"encoding/binary"
	"errors"
	"time"
)

// appendAttempts appends the stored form of a delivery log.
func appendAttempts(dst []byte, all []Attempt) []byte {
	for i := range all {
		a := &all[i]
		dst = binary.AppendVarint(dst, a.Time.UnixNano())
		dst = binary.AppendVarint(dst, int64(a.Duration))
		dst = binary.AppendVarint(dst, int64(a.Code))
		dst = binary.AppendVarint(dst, int64(a.Events))
		dst = binary.AppendVarint(dst, int64(a.Bytes))
		dst = appendText(dst, a.Batch)
		dst = appendText(dst, a.Reason)
	}
	return dst
}

// parseAttempts reads what appendAttempts has written.
func parseAttempts(data []byte) ([]Attempt, error) {
	r := reader{data: data, text: string(data)}
	var all []Attempt
	for len(r.data) > 0 {
		all = append(all, Attempt{
			Time:     time.Unix(0, r.varint()).UTC(),
			Duration: time.Duration(r.varint()),
			Code:     int(r.varint()),
			Events:   int(r.varint()),
			Bytes:    int(r.varint()),
			Batch:    r.string(),
			Reason:   r.string(),
		})
	}
	if r.failed {
		return nil, errors.New("its delivery log is malformed")
	}
	return all, nil
}
