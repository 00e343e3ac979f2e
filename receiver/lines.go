package receiver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/cef"
	"github.com/seed-6bcf82c5/auditlog/signature"
)

var newline = []byte("\n")

var errEmpty = errors.New("the line is empty")

// tooLongError is the reason to reject a line for its length.
type tooLongError struct{ limit int }

func (e *tooLongError) Error() string {
	return fmt.Sprintf("the line is longer than %d bytes", e.limit)
}

// lineMemory is counted for what a line needs beside its bytes: a Line, and if it
// is bad a Rejected with its error, or a mark if not.
const lineMemory = 256

// split makes lines of the body, not examined yet.
func (h *Handler) split(b *buffer) ([]Line, *refusal) {
	data := bytes.TrimSuffix(b.data, newline)
	if len(data) == 0 {
		return nil, refuse(http.StatusBadRequest, "the body is empty")
	}
	n := bytes.Count(data, newline) + 1
	if limit := h.config.Limits.Lines; n > limit {
		return nil, refuse(http.StatusRequestEntityTooLarge, "the body has more than %d lines", limit)
	}
	// Lines may take much more memory than the body, and payloads as much again.
	size := int64(n) * lineMemory
	if h.config.Verify != VerifyOff {
		size += int64(len(data))
	}
	if err := b.reserve(size); err != nil {
		return nil, busy(err)
	}
	lines := make([]Line, 0, n)
	for line := range bytes.SplitSeq(data, newline) {
		raw := bytes.TrimSuffix(line, []byte("\r"))
		lines = append(lines, Line{Number: len(lines) + 1, Raw: slices.Clip(raw)})
	}
	return lines, nil
}

// examine completes the line. The error is the reason to reject it, or a
// *refusal of the whole batch.
func (h *Handler) examine(ctx context.Context, s *Sender, received time.Time, l *Line) error {
	if len(l.Raw) == 0 {
		return errEmpty
	}
	if limit := h.config.Limits.LineBytes; len(l.Raw) > limit {
		return &tooLongError{limit}
	}
	l.Payload = l.Raw
	l.Format = auditlog.Detect(l.Raw)
	if h.config.Verify == VerifyOff {
		return check(l.Format, l.Payload)
	}
	keys := s.Keys
	if len(s.Products) > 0 {
		payload, _, err := signature.Split(l.Raw)
		if err != nil {
			l.Outcome = signature.Refused
			return err
		}
		vendor, product, err := headerOf(payloadFormat(l.Format), payload)
		if err != nil {
			return err
		}
		keys = s.keysOf(vendor, product)
	}
	if err := h.verify(ctx, keys, received, l); err != nil {
		return err
	}
	return check(l.Format, l.Payload)
}

// check reports why auditlog.Parse could not read the line, without the work of
// making an event of it.
func check(format auditlog.Format, line []byte) error {
	if format != auditlog.CEF {
		_, err := format.ParseHeader(line)
		return err
	}
	// A lenient reader finds nothing to complain of behind the first key.
	err := cef.Scan(line, cef.Lenient, func(f cef.Field) error {
		if f.Part == cef.PartExtension {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

var errEnough = errors.New("enough was read")

// headerOf returns the vendor and the product of a line.
func headerOf(format auditlog.Format, line []byte) (vendor, product string, err error) {
	if format != auditlog.CEF {
		h, err := format.ParseHeader(line)
		return h.Vendor, h.Product, err
	}
	err = cef.Scan(line, cef.Lenient, func(f cef.Field) error {
		switch f.Part {
		case cef.PartVendor:
			vendor = string(f.AppendValue(nil))
		case cef.PartProduct:
			product = string(f.AppendValue(nil))
		case cef.PartExtension:
			return errEnough
		default:
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return vendor, product, err
}
