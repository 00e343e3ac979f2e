package konnecttest

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Step is what the SIEM does with one request. The zero Step reads the request
// and answers 200.
type Step struct {
	// Status is the status to answer, 200 if it is 0. With a 2xx the SIEM has
	// taken the events.
	Status int

	// Header is added to the answer, Retry-After for instance.
	Header http.Header

	// Body is the body of the answer.
	Body string

	// Delay is waited before the status line, in real time, while the client
	// and the SIEM are there. Hang is a delay without end.
	Delay time.Duration

	// Break breaks the connection instead of, or during, the answer.
	Break Break

	// SlowBody follows Body with a byte each interval, without end.
	SlowBody time.Duration

	// HugeBody follows Body with that many bytes.
	HugeBody int64
}

// Hang is a [Step.Delay] that lasts until the client or the SIEM goes.
const Hang = time.Duration(1<<63 - 1)

// Break says when the connection is broken. The events of a request that was
// broken at BreakAfterReading or later were taken if the status is a 2xx: the
// sender cannot know.
type Break uint8

// The places where a connection breaks.
const (
	NoBreak Break = iota
	// BreakBeforeReading resets the connection before the body was read.
	BreakBeforeReading
	// BreakAfterReading resets the connection after the body was read.
	BreakAfterReading
	// CloseAfterReading closes the connection orderly after the body was read.
	CloseAfterReading
	// BreakAfterStatus resets the connection after the status line and header.
	BreakAfterStatus
)

func (s Step) check() {
	if status := s.status(); status < 200 || status > 599 {
		panic(fmt.Sprintf("konnecttest: a step with the status %d", status))
	}
}

func (s Step) status() int {
	if s.Status == 0 {
		return http.StatusOK
	}
	return s.Status
}

// takes reports whether the SIEM has the events for good after this step.
func (s Step) takes() bool {
	return s.Break != BreakBeforeReading && s.status()/100 == 2
}

// answer carries out the step, but for its delay, after the request was read.
func (s Step) answer(w http.ResponseWriter, r *http.Request) {
	if s.Break != NoBreak && s.Break != BreakAfterStatus {
		breakConnection(w, s.Break != CloseAfterReading)
		return
	}
	for name, values := range s.Header {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
	w.WriteHeader(s.status())
	flush := http.NewResponseController(w).Flush
	if s.Break == BreakAfterStatus {
		if flush() == nil {
			breakConnection(w, true)
		}
		return
	}
	_, _ = io.WriteString(w, s.Body)
	if s.HugeBody > 0 {
		_, _ = io.CopyN(w, zeros{}, s.HugeBody)
	}
	if s.SlowBody > 0 {
		for flush() == nil && wait(r, s.SlowBody) {
			_, _ = io.WriteString(w, ".")
		}
		panic(http.ErrAbortHandler) // it has no end, also when the SIEM goes
	}
}

// wait returns true after d, or false when the client has gone.
func wait(r *http.Request, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

// breakConnection resets the connection, or closes it. Of an HTTP/2 connection
// it resets the stream.
func breakConnection(w http.ResponseWriter, reset bool) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	tcp := conn
	if t, ok := conn.(*tls.Conn); ok {
		tcp = t.NetConn()
	}
	if t, ok := tcp.(*net.TCPConn); ok && reset {
		_ = t.SetLinger(0)
		_ = t.Close() // before TLS says goodbye
	}
	_ = conn.Close()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}
