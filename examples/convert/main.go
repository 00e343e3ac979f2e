// Command convert reads audit log lines of one format on standard input and
// writes them in another one to standard output, in order:
//
//	go run ./examples/convert -from cef -to json <audit.log
//
// A line that cannot be converted is reported as "line N: reason" on standard
// error and left out; the others go on, and the exit status is 1 in the end.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/seed-6bcf82c5/auditlog"
)

func main() {
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), "usage: convert -from cef|json|cps -to cef|json|cps [-strict]\n\nConverts audit log lines from standard input to standard output.\n")
		flag.PrintDefaults()
	}
	from := flag.String("from", "", "the `format` of the input: cef, json or cps")
	to := flag.String("to", "", "the `format` of the output: cef, json or cps")
	strict := flag.Bool("strict", false, "refuse what other senders leave unescaped, and mixed-up types")
	flag.Parse()
	if flag.NArg() > 0 || !auditlog.Format(*from).Valid() || !auditlog.Format(*to).Valid() {
		flag.Usage()
		os.Exit(2)
	}
	c := converter{from: auditlog.Format(*from), to: auditlog.Format(*to), strict: *strict, report: os.Stderr}
	if err := c.convert(os.Stdout, os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "convert:", err)
		os.Exit(1)
	}
}

type converter struct {
	from, to auditlog.Format
	strict   bool
	report   io.Writer
	warned   bool
}

var errBadLines = errors.New("some lines were not converted")

// convert writes each line of in to w. Lines may be of any length. They are not
// held back while there is no more to read, so that a tail can be converted.
func (c *converter) convert(w io.Writer, in io.Reader) error {
	out := bufio.NewWriter(w)
	err := c.lines(out, bufio.NewReader(in))
	if flushed := out.Flush(); flushed != nil {
		return flushed // it is also why lines stopped, if that could not write
	}
	return err
}

func (c *converter) lines(out *bufio.Writer, lines *bufio.Reader) error {
	var line, converted []byte
	bad := false
	for n := 1; ; n++ {
		if lines.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				return err
			}
		}
		var err error
		if line, err = readLine(lines, line[:0]); errors.Is(err, io.EOF) && len(line) == 0 {
			break
		} else if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		var reason error
		if converted, reason = c.line(converted[:0], line); reason != nil {
			bad = true
			fmt.Fprintf(c.report, "line %d: %v\n", n, reason)
			continue
		}
		if _, err := out.Write(append(converted, '\n')); err != nil {
			return err
		}
	}
	if bad {
		return errBadLines
	}
	return nil
}

// readLine appends the next line to dst, without its line break.
func readLine(r *bufio.Reader, dst []byte) ([]byte, error) {
	for {
		piece, err := r.ReadSlice('\n')
		dst = append(dst, piece...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		dst = bytes.TrimSuffix(dst, []byte("\n"))
		return bytes.TrimSuffix(dst, []byte("\r")), err
	}
}

// line appends the line in the other format.
func (c *converter) line(dst, line []byte) ([]byte, error) {
	if len(line) == 0 {
		return dst, errors.New("empty")
	}
	parse := c.from.Parse
	if c.strict {
		parse = c.from.ParseStrict
	}
	event, err := parse(line)
	if err != nil {
		return dst, err
	}
	dst, err = c.to.Append(dst, &event)
	if _, signed := event.Get(auditlog.SignatureKey); err == nil && signed && !c.warned && !bytes.Equal(dst, line) {
		c.warned = true
		fmt.Fprintln(c.report, "warning: signatures (sig) are carried along, but may no longer verify, since signed lines were changed")
	}
	return dst, err
}
