package receiver_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/receiver"
	"github.com/seed-6bcf82c5/auditlog/shipper"
)

func TestLines(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		body     string
		numbers  []int
		lines    []string
		rejected []string
		status   int // with ReportRejected
	}{
		{"one", cefLine, []int{1}, []string{cefLine}, nil, 200},
		{"a line break at the end", cefLine + "\n", []int{1}, []string{cefLine}, nil, 200},
		{"CR LF", cefLine + "\r\n" + jsonLine + "\r\n", []int{1, 2}, []string{cefLine, jsonLine}, nil, 200},
		{"mixed formats", threeForm, []int{1, 2, 3}, []string{cefLine, jsonLine, cpsLine}, nil, 200},
		{"other vendors, relays and old times", cefOther + "\n<13>Apr 14 05:39:08 fw CEF: 0|a|b|c|d|e|High|x=1", []int{1, 2}, []string{cefOther, "<13>Apr 14 05:39:08 fw CEF: 0|a|b|c|d|e|High|x=1"}, nil, 200},
		{"bad ones among good ones", "rubbish\n" + cefLine + "\n{}\n" + jsonLine + "\n", []int{2, 4}, []string{cefLine, jsonLine},
			[]string{` line 1: byte 0: no "CEF:"`, ` line 3: field "event_class_id": is missing`}, 422},
		{"nothing but bad ones", "rubbish\n{", nil, nil, []string{` line 1: byte 0: no "CEF:"`, ` line 2: byte 1: not a string`}, 422},
		{"empty lines", "\n" + cefLine + "\n\n", []int{2}, []string{cefLine}, []string{" line 1: the line is empty", " line 3: the line is empty"}, 422},
		{"an empty line of CR LF", cefLine + "\r\n\r\n", []int{1}, []string{cefLine}, []string{" line 2: the line is empty"}, 422},
		{"as long as a line may be", cefOther + strings.Repeat("x", 310-len(cefOther)), []int{1}, []string{cefOther + strings.Repeat("x", 310-len(cefOther))}, nil, 200},
		{"a longer one", cefOther + strings.Repeat("x", 311-len(cefOther)) + "\n" + cefOther, []int{2}, []string{cefOther}, []string{" line 1: the line is longer than 310 bytes"}, 413},
		{"a longer one and a bad one", strings.Repeat("x", 311) + "\nrubbish\n" + cefOther, []int{3}, []string{cefOther},
			[]string{" line 1: the line is longer than 310 bytes", ` line 2: byte 0: no "CEF:"`}, 422},
		{"a CR inside is content", cefOther + "\r" + cefOther, []int{1}, []string{cefOther + "\r" + cefOther}, nil, 200},
		{"NUL, controls and bytes that are no text", cefOther + "\x00\x1b[2J\xff", []int{1}, []string{cefOther + "\x00\x1b[2J\xff"}, nil, 200},
		{"JSON with CEF in it behind a byte order mark", "\ufeff" + `{"user_agent":"` + cefOther + `"}` + "\n" + cefOther, []int{2}, []string{cefOther},
			[]string{` line 1: byte 3: an object of JSON begins before "CEF:"`}, 422},
		{"JSON with CEF in it behind a relay's header", `<134>1 2025-06-18T21:02:36Z relay app - - - {"user_agent":"` + cefOther + `"}`, nil, nil,
			[]string{` line 1: byte 44: an object of JSON begins before "CEF:"`}, 422},
		{"a byte order mark", "\ufeff" + cefOther, []int{1}, []string{"\ufeff" + cefOther}, nil, 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, report := range []bool{false, true} {
				h, taken, told := setup(t, receiver.Config{ReportRejected: report, Limits: receiver.Limits{LineBytes: 310}})
				status := 200
				if report {
					status = test.status
				}
				answer := post(h, test.body)
				require.Equal(t, status, answer.StatusCode)
				require.Equal(t, test.lines, taken.lines())
				require.Equal(t, test.rejected, told.rejected)
				batch := taken.taken()[0]
				require.Len(t, batch.Rejected, len(test.rejected), "they are handed over as well")
				var numbers []int
				for _, l := range batch.Lines {
					numbers = append(numbers, l.Number)
				}
				require.Equal(t, test.numbers, numbers)
				require.Equal(t, len(test.rejected), told.last(t).Rejected)
				require.True(t, told.last(t).HandedOver)
				require.Equal(t, int64(len(test.rejected)), h.Stats().Rejected)
				if status != 200 {
					_, reason, _ := strings.Cut(test.rejected[0], ": ")
					require.Contains(t, text(t, answer), "lines were rejected, the first is line "+test.rejected[0][len(" line "):][:1]+": "+reason)
				}
			}
		})
	}
}

// What the engine accepts is not too long for a receiver that was told nothing.
func TestTakesTheLongestEvent(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, before, after string
		rejected            int
		bytes               int
	}{
		{"CEF", cefOther, "", 0, shipper.MaxEventBytes},
		{"JSON", strings.TrimSuffix(jsonLine, "}") + `,"x":"`, `"}`, 0, shipper.MaxEventBytes},
		{"the longest line", cefOther, "", 0, 1 << 20},
		{"a longer one", cefOther, "", 1, 1<<20 + 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h, taken, told := setup(t, receiver.Config{ReportRejected: true})
			line := test.before + strings.Repeat("x", test.bytes-len(test.before)-len(test.after)) + test.after
			answer := post(h, line)
			require.Equal(t, test.rejected, told.last(t).Rejected)
			if test.rejected > 0 {
				require.Equal(t, 413, answer.StatusCode)
				return
			}
			require.Equal(t, 200, answer.StatusCode)
			require.Equal(t, []string{line}, taken.lines())
		})
	}
}

func TestEmptyBody(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "\n"} {
		h, taken, _ := setup(t, receiver.Config{})
		answer := post(h, body)
		require.Equal(t, 400, answer.StatusCode)
		require.Equal(t, "the body is empty", text(t, answer))
		require.Empty(t, taken.taken())
	}
}

// A batch that is not handed over after all rejects nothing either.
func TestRejectedLinesAreToldOnce(t *testing.T) {
	t.Parallel()
	h, taken, told := setup(t, receiver.Config{})
	taken.errs = []error{errTest}
	require.Equal(t, 503, post(h, "rubbish\n"+cefLine, "Webhook-Id", "a").StatusCode)
	require.Empty(t, told.rejected)
	require.Equal(t, 200, post(h, "rubbish\n"+cefLine, "Webhook-Id", "a").StatusCode)
	require.Equal(t, []string{`a line 1: byte 0: no "CEF:"`}, told.rejected)
	require.Equal(t, 200, post(h, "rubbish\n"+cefLine, "Webhook-Id", "a").StatusCode)
	require.Len(t, told.rejected, 1)
}

// Line.Event never fails in a HandOver: what auditlog.Parse cannot read is
// rejected, and nothing else is.
func FuzzLines(f *testing.F) {
	for _, line := range []string{cefLine, cefOther, jsonLine, cpsLine, "CEF:0|||||||", "CEF:0|a|b|c|d|e|1|", "CEF:0|a|b|c|d|e|1| x", "CEF: 0|a|b|c|d|e|1|=", "CEF:0|a|b|c|d|e|1|k=v =w", "{", "\\|CEF:"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, body string) {
		h, taken, _ := setup(t, receiver.Config{Dedup: receiver.DedupOff})
		if post(h, body).StatusCode != 200 {
			return
		}
		batch := taken.taken()[0]
		for _, l := range batch.Lines {
			_, err := l.Event()
			require.NoError(t, err)
		}
		for _, l := range batch.Rejected {
			if len(l.Raw) > 0 {
				_, _, err := auditlog.Parse(l.Raw)
				require.Error(t, err)
				require.Equal(t, err.Error(), l.Err.Error())
			}
		}
	})
}
