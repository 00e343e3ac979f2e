package benchmarks

import (
	"fmt"
	"os"
	"syscall"
	"time"
)

// processUsage returns the processor time this process has taken, and the
// memory that it has.
func processUsage() (cpu time.Duration, rss int64) {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		panic(err)
	}
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		panic(err)
	}
	var size, pages int64
	if _, err = fmt.Sscan(string(statm), &size, &pages); err != nil {
		panic(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()), pages * int64(os.Getpagesize())
}
