package benchmarks

import (
	"encoding/json"
	"runtime"
	"time"
)

// usage is what a process has taken.
type usage struct {
	CPU        time.Duration // since its start
	RSS        int64         // bytes of memory that are resident
	Heap       int64         // bytes of all objects that are in use
	Goroutines int
}

// answerUsage answers whatever comes with the usage, until nothing comes.
func answerUsage(in *json.Decoder, out *json.Encoder) error {
	for {
		var question any
		if err := in.Decode(&question); err != nil {
			return err
		}
		if err := out.Encode(used()); err != nil {
			return err
		}
	}
}

func used() usage {
	u := usage{Heap: heap(), Goroutines: runtime.NumGoroutine()}
	u.CPU, u.RSS = processUsage()
	return u
}

// usage asks a child that answers so.
func (c child) usage() usage {
	c.tb.Helper()
	c.tell("usage")
	var u usage
	c.hear(&u)
	return u
}
