package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

func TestInput(t *testing.T) {
	t.Parallel()
	many := strings.Join(lines(0, groupEvents+1), "\n")
	long := lines(0, 1)[0] + strings.Repeat("x", maxLine)
	wide := lines(0, 1)[0] + strings.Repeat("x", groupBytes)
	broken := errors.New("broken")
	for _, test := range []struct {
		name string
		in   io.Reader
		want []int // events of each group
		bad  []string
		err  error
	}{
		{"nothing", strings.NewReader(""), nil, nil, nil},
		{"a line", strings.NewReader(cefLine + "\n"), []int{1}, nil, nil},
		{"the last line without a break", strings.NewReader(cefLine + "\n" + jsonLine), []int{1, 1}, nil, nil},
		{"lines that are there together", strings.NewReader(cefLine + "\n" + cpsLine + "\r\n"), []int{2}, nil, nil},
		{"lines that come one by one", iotest.OneByteReader(strings.NewReader(cefLine + "\n" + cpsLine + "\n")), []int{1, 1}, nil, nil},
		{"as many as go together, and one", strings.NewReader(many), []int{groupEvents, 1}, nil, nil},
		{"large ones", strings.NewReader(wide + "\n" + wide + "\n" + cefLine + "\n"), []int{1, 1, 1}, nil, nil},
		{"bad ones", strings.NewReader("x\n" + cefLine + "\n\n"), []int{1}, []string{`1: byte 0: no "CEF:"`, "3: empty"}, nil},
		{"one that is too long", strings.NewReader(long + "\n" + cefLine + "\n"), []int{1}, []string{"1: it has more than 8000000 bytes"}, nil},
		{"a reader that fails", io.MultiReader(strings.NewReader(cefLine+"\n"), iotest.ErrReader(broken)), []int{1}, nil, broken},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var bad []string
			in := newInput(test.in, func(n int, reason error) { bad = append(bad, fmt.Sprintf("%d: %v", n, reason)) })
			groups := make(chan group)
			go in.read(groups)
			var got []int
			for g := range groups {
				require.Len(t, g.lines, len(g.events))
				if len(g.events) > 0 {
					got = append(got, len(g.events))
				}
			}
			require.Empty(t, cmp.Diff(test.want, got))
			require.Empty(t, cmp.Diff(test.bad, bad))
			require.ErrorIs(t, in.err, test.err)
		})
	}
}
