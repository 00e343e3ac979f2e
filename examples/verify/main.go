// Command verify reads audit log lines on standard input, of any format, and
// tells of each whether its signature is genuine:
//
//	go run ./examples/verify -jwks https://us.api.konghq.com/v2/audit-log-webhook/jwks.json <audit.log
//
// It writes one line for each to standard output: valid, invalid, unsigned or
// refused, a tab, and the reason. The exit status is 0 only if all are valid.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/seed-6bcf82c5/auditlog/examples/internal/keyflag"
	"github.com/seed-6bcf82c5/auditlog/signature"
)

func main() {
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), "usage: verify -jwks URL|FILE\n\nTells whether the signatures of the audit log lines on standard input are genuine.\n")
		flag.PrintDefaults()
	}
	jwks := flag.String("jwks", "", "the sender's public keys: the `URL|FILE` of a JSON Web Key Set; http is for this machine only")
	flag.Parse()
	if flag.NArg() > 0 || *jwks == "" {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(context.Background(), *jwks, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "verify:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, jwks string, in io.Reader, w io.Writer) error {
	keys, err := keyflag.Open(ctx, jwks)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	err = verify(ctx, keys, bufio.NewReader(in), out)
	if flushed := out.Flush(); flushed != nil {
		return flushed
	}
	return err
}

var errNotAllValid = errors.New("not all lines are valid")

// verify writes the outcome of each line. It holds none back while there is no
// more to read, so that a tail can be verified.
func verify(ctx context.Context, keys signature.Source, lines *bufio.Reader, out *bufio.Writer) error {
	all := true
	for {
		if lines.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				return err
			}
		}
		line, err := lines.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if len(line) == 0 {
			break
		}
		// An error means that newer keys, by which the line may be valid, cannot
		// be had now. By those at hand it is not.
		result, _ := signature.Verify(ctx, keys, line, time.Now())
		reason := "by the key " + result.KeyID
		if result.Err != nil {
			all = false
			reason = result.Err.Error()
		}
		if _, err := fmt.Fprintf(out, "%s\t%s\n", result.Outcome, reason); err != nil {
			return err
		}
	}
	if !all {
		return errNotAllValid
	}
	return nil
}
