package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// screen is standard error. On a terminal its last line is one of progress,
// which messages push down.
type screen struct {
	w        io.Writer
	terminal bool

	mu   sync.Mutex
	line string
}

func newScreen(f *os.File) *screen {
	info, err := f.Stat()
	return &screen{w: f, terminal: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

// Write writes a message.
func (s *screen) Write(message []byte) (int, error) { return s.print(s.w, message) }

// print writes to w, which may be the same terminal.
func (s *screen) print(w io.Writer, text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	line := s.line
	s.draw("")
	n, err := w.Write(text)
	s.draw(line)
	return n, err
}

// beside is a writer that keeps the line of progress out of its way.
type beside struct {
	w      io.Writer
	screen *screen
}

// Write implements [io.Writer].
func (b beside) Write(text []byte) (int, error) { return b.screen.print(b.w, text) }

// progress replaces the line of progress; an empty one is none.
func (s *screen) progress(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draw(line)
}

// draw needs no more of a terminal than that it knows a carriage return.
func (s *screen) draw(line string) {
	if !s.terminal || line == s.line {
		return
	}
	const width = 79
	if runes := []rune(line); len(runes) > width {
		line = string(runes[:width-1]) + "…"
	}
	before := len([]rune(s.line))
	fmt.Fprint(s.w, "\r", line, strings.Repeat(" ", max(0, before-len([]rune(line)))), "\r", line)
	s.line = line
}

// show shows the progress until ctx ends.
func (p *program) show(ctx context.Context) {
	if !p.tally.screen.terminal {
		return
	}
	defer p.tally.screen.progress("")
	tick := time.NewTicker(time.Second / 5)
	defer tick.Stop()
	for ctx.Err() == nil {
		p.tally.screen.progress(p.progress(ctx))
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// progress returns the line of progress.
func (p *program) progress(ctx context.Context) string {
	report, err := p.shipper.Report(ctx, webhookID)
	if err != nil {
		return "" // it is being closed
	}
	p.tally.mu.Lock()
	line := fmt.Sprintf("accepted %d, delivered %d, waiting %d", p.tally.accepted, p.tally.delivered, report.Unsent.Events)
	p.tally.mu.Unlock()
	line += ", " + string(report.Status.WebhookStatus)
	if report.HeldReason != "" {
		line += ", next try at " + report.NextProbe.Local().Format(time.TimeOnly) + ": " + report.HeldReason
	}
	return line
}
