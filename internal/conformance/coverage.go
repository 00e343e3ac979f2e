package conformance

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Missing returns what was not checked: operations without a request, and
// statuses that the files document without an answer.
func (s *Suite) Missing() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var missing []string
	for operation, statuses := range s.Operations() {
		if s.requests[operation] == 0 {
			missing = append(missing, operation.String()+": no request")
		}
		for _, status := range statuses {
			if s.answers[operation][status] == 0 {
				missing = append(missing, fmt.Sprintf("%s: no answer %d", operation, status))
			}
		}
	}
	slices.Sort(missing)
	return missing
}

// Table returns what was checked as a table: for each operation the number of
// requests, and of answers by status. A dot is an answer that the files
// document and nobody gave.
func (s *Suite) Table() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	operations := s.Operations()
	var columns []int
	width := 0
	for operation, statuses := range operations {
		columns = append(columns, statuses...)
		width = max(width, len(operation.String())+1)
	}
	slices.Sort(columns)
	columns = slices.Compact(columns)

	var table strings.Builder
	fmt.Fprintf(&table, "%-*s %8s", width, "operation", "requests")
	for _, status := range columns {
		fmt.Fprintf(&table, " %4d", status)
	}
	table.WriteString("\n")
	documented, covered := 0, 0
	for _, operation := range slices.SortedFunc(maps.Keys(operations), byPath) {
		fmt.Fprintf(&table, "%-*s %8d", width, operation, s.requests[operation])
		for _, status := range columns {
			cell := ""
			if slices.Contains(operations[operation], status) {
				documented++
				cell = "."
			}
			if n := s.answers[operation][status]; n > 0 {
				covered++
				cell = fmt.Sprint(n)
			}
			fmt.Fprintf(&table, " %4s", cell)
		}
		table.WriteString("\n")
	}
	fmt.Fprintf(&table, "%d operations, %d of %d statuses\n", len(operations), covered, documented)
	return table.String()
}

func byPath(a, b Operation) int {
	return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Method, b.Method))
}
