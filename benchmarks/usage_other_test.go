//go:build !linux

package benchmarks

import "time"

// processUsage knows nothing here.
func processUsage() (cpu time.Duration, rss int64) { return 0, 0 }
