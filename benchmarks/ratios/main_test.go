package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRatios(t *testing.T) {
	t.Parallel()

	for _, test := range []struct{ name, in, want, err string }{
		{
			name: "groups",
			in: `goos: linux
BenchmarkA/base    	 10	 100 ns/op	 5 MB/s
BenchmarkA/base    	 10	 300 ns/op	 5 MB/s
BenchmarkA/other   	 10	 400.0 ns/op	 0 B/op
BenchmarkA/other   	 10	 200.0 ns/op	 0 B/op
BenchmarkB         	 10	 7 ns/op
PASS
`,
			want: `  best time  best speed  median time  median speed  runs
       1.00        1.00         1.00          1.00     2  BenchmarkA/base
       2.00        0.50         1.50          0.67     2  BenchmarkA/other
       1.00        1.00         1.00          1.00     1  BenchmarkB
`,
		},
		{name: "nothing", in: "PASS\n", err: "there are no benchmarks in the input"},
		{name: "no time", in: "BenchmarkA 1 x ns/op\n", err: `BenchmarkA: "x" is no time`},
		{name: "zero", in: "BenchmarkA 1 0 ns/op\n", err: `BenchmarkA: "0" is no time`},
		{name: "huge line", in: strings.Repeat("x", 1<<17), err: "bufio.Scanner: token too long"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()

			var out strings.Builder
			err := run(strings.NewReader(test.in), &out)
			if test.err != "" {
				require.EqualError(t, err, test.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.want, out.String())
		})
	}
}
