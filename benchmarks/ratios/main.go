// Command ratios reads the output of "go test -bench" on standard input and
// prints how the benchmarks of each group compare with the first of the group.
// Only such ratios of one run say something about anything but the machine.
//
//	go test -run '^$' -bench . -cpu 1 -count 10 | go run ./ratios
//
// A group is what has the same name up to the first slash. The best of many
// repetitions is the least disturbed by whatever else runs.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "ratios:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	var names []string              // in the order of their appearance
	times := map[string][]float64{} // ns/op by name
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") || fields[3] != "ns/op" {
			continue
		}
		name := fields[0]
		ns, err := strconv.ParseFloat(fields[2], 64)
		if err != nil || ns <= 0 {
			return fmt.Errorf("%s: %q is no time", name, fields[2])
		}
		if times[name] == nil {
			names = append(names, name)
		}
		times[name] = append(times[name], ns)
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if len(names) == 0 {
		return errors.New("there are no benchmarks in the input")
	}

	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "best time\tbest speed\tmedian time\tmedian speed\truns\t")
	base := map[string]string{} // the first name of each group
	for _, name := range names {
		group, _, _ := strings.Cut(name, "/")
		if base[group] == "" {
			base[group] = name
		}
		best := slices.Min(times[name]) / slices.Min(times[base[group]])
		middle := median(times[name]) / median(times[base[group]])
		fmt.Fprintf(table, "%.2f\t%.2f\t%.2f\t%.2f\t%d\t  %s\n", best, 1/best, middle, 1/middle, len(times[name]), name)
	}
	return table.Flush()
}

func median(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
