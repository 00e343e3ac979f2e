package console

import (
	"math"
	"time"
)

// chart is the picture of the last hour: for each minute a bar of the events
// accepted, in front of it one of those delivered, and below the line one of the
// attempts that failed.
type chart struct {
	Accepted, Delivered, Failed int64
	Begin, End                  time.Time
	Top                         int64 // what the height stands for, in events
	Bars                        []bar
}

// bar is a minute, in units of the picture.
type bar struct {
	X         int
	Accepted  int // heights
	Delivered int
	Failed    int
}

// Measures of the picture. They are in the template, too.
const (
	chartStep  = 10  // from minute to minute
	chartUp    = 120 // height above the line
	chartDown  = 36  // below it
	chartInset = 8   // of the line from the picture's top
)

// Empty tells that nothing happened.
func (c *chart) Empty() bool { return c.Accepted == 0 && c.Delivered == 0 && c.Failed == 0 }

// Y is where a bar above the line of the height begins.
func (*chart) Y(height int) int { return chartInset + chartUp - height }

// Line is where the line is.
func (*chart) Line() int { return chartInset + chartUp }

// newChart draws the minutes.
func newChart(minutes []minute) *chart {
	c := &chart{}
	var failures int64
	for _, m := range minutes {
		c.Accepted += m.accepted
		c.Delivered += m.delivered
		c.Failed += m.failed
		c.Top = max(c.Top, m.accepted, m.delivered)
		failures = max(failures, m.failed)
	}
	c.Begin = time.Unix(minutes[0].at*60, 0).UTC()
	c.End = time.Unix((minutes[len(minutes)-1].at+1)*60, 0).UTC()
	for i, m := range minutes {
		if m.accepted == 0 && m.delivered == 0 && m.failed == 0 {
			continue
		}
		c.Bars = append(c.Bars, bar{
			X:        i * chartStep,
			Accepted: scale(m.accepted, c.Top, chartUp), Delivered: scale(m.delivered, c.Top, chartUp),
			Failed: scale(m.failed, failures, chartDown),
		})
	}
	return c
}

// scale returns the height that stands for n. What there is one can see.
func scale(n, top int64, height int) int {
	const visible = 2
	if n == 0 {
		return 0
	}
	return max(visible, int(math.Round(float64(n)/float64(top)*float64(height))))
}
