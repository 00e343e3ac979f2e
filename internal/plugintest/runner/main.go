// Command runner runs the vectors of package cef inside a plug-in host. It is
// given the names of the vector files. It writes a line for each failure and,
// last, how many vectors it ran; the exit status tells nothing, since not every
// host has one.
package main

import (
	"fmt"
	"os"
	"path"

	"github.com/seed-6bcf82c5/auditlog/internal/cefvectors"
)

func main() {
	total := 0
	for _, name := range os.Args[1:] {
		data, err := os.ReadFile(name)
		if err != nil {
			fmt.Println(err)
			continue
		}
		var n int
		var failures []string
		switch path.Base(name) {
		case "encode.jsonl":
			n, failures = cefvectors.Encode(data)
		case "parse.jsonl":
			n, failures = cefvectors.Parse(data)
		default:
			failures = []string{name + ": no vectors of a known kind"}
		}
		for _, failure := range failures {
			fmt.Println(failure)
		}
		total += n
	}
	fmt.Println(total, "vectors")
}
