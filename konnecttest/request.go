package konnecttest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/seed-6bcf82c5/auditlog"
)

// Request is a request that the SIEM received, decoded.
type Request struct {
	Time   time.Time
	Method string
	Path   string // with the query
	Proto  string
	Header http.Header

	// WireBytes is the length of the body as it was sent, Body what it
	// decompresses to.
	WireBytes int
	Body      []byte

	// Lines are the body's lines. Events has, for each, the event it holds;
	// of a line that is none it is the zero event, and Err tells why.
	Lines  []string
	Events []auditlog.Event

	// Err tells what was wrong with the body or its first bad line.
	Err error

	// Status is what was answered, 0 if nothing was. Taken reports whether
	// the SIEM kept the events.
	Status int
	Taken  bool
}

// BatchID returns the Webhook-Id header.
func (r *Request) BatchID() string { return r.Header.Get("Webhook-Id") }

// read reads the body of an HTTP request into r.
func (r *Request) read(body io.Reader) {
	wire, err := io.ReadAll(body)
	r.WireBytes, r.Body = len(wire), wire
	if err != nil {
		r.Err = fmt.Errorf("read the body: %w", err)
		return
	}
	switch strings.ToLower(r.Header.Get("Content-Encoding")) {
	case "gzip", "x-gzip", "application/gzip":
		if r.Body, err = gunzip(wire); err != nil {
			r.Err = fmt.Errorf("gunzip the body: %w", err)
			return
		}
	}
	if len(r.Body) == 0 {
		return
	}
	for i, line := range bytes.Split(bytes.TrimSuffix(r.Body, []byte("\n")), []byte("\n")) {
		event, _, err := auditlog.Parse(line)
		if err != nil && r.Err == nil {
			r.Err = fmt.Errorf("line %d: %w", i+1, err)
		}
		r.Lines = append(r.Lines, string(line))
		r.Events = append(r.Events, event)
	}
}

func gunzip(data []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}
