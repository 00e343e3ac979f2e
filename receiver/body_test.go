package receiver_test

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/receiver"
)

func TestContentCoding(t *testing.T) {
	t.Parallel()
	zipped := zip(t, threeForm)
	for _, test := range []struct {
		name   string
		coding []string
		body   string
		status int
		reason string
	}{
		{"none", nil, threeForm, 200, ""},
		{"identity", []string{"identity"}, threeForm, 200, ""},
		{"an empty name", []string{""}, threeForm, 200, ""},
		{"gzip", []string{"gzip"}, zipped, 200, ""},
		{"x-gzip", []string{"x-gzip"}, zipped, 200, ""},
		{"as Konnect's documentation has it", []string{"application/gzip"}, zipped, 200, ""},
		{"another case", []string{"GZip"}, zipped, 200, ""},
		{"spaces around it", []string{" gzip\t"}, zipped, 200, ""},
		{"not named, by its first bytes", nil, zipped, 200, ""},
		{"mislabelled, by its first bytes", []string{"identity"}, zipped, 200, ""},
		{"gzip that is none", []string{"gzip"}, threeForm, 400, "the body could not be read to its end, or is not the gzip that it should be"},
		{"gzip of nothing at all", []string{"gzip"}, "", 400, "the body could not be read to its end, or is not the gzip that it should be"},
		{"gzip of nothing", []string{"gzip"}, zip(t, ""), 400, "the body is empty"},
		{"gzip cut short", []string{"gzip"}, zipped[:len(zipped)-1], 400, "the body could not be read to its end, or is not the gzip that it should be"},
		{"gzip cut in its header", []string{"gzip"}, zipped[:5], 400, "the body could not be read to its end, or is not the gzip that it should be"},
		{"gzip with a wrong checksum", []string{"gzip"}, zipped[:len(zipped)-8] + "12345678", 400, "the body could not be read to its end, or is not the gzip that it should be"},
		{"something behind it", []string{"gzip"}, zipped + "\n", 400, "something follows the gzip stream"},
		{"another stream behind it", []string{"gzip"}, zipped + zipped, 400, "something follows the gzip stream"},
		{"gzip in gzip", []string{"gzip"}, zip(t, zipped), 415, "the body is compressed twice"},
		{"gzip in gzip, not named", nil, zip(t, zipped), 415, "the body is compressed twice"},
		{"two codings", []string{"gzip, gzip"}, zip(t, zipped), 415, "the only content coding taken is gzip, once"},
		{"two headers", []string{"gzip", "gzip"}, zip(t, zipped), 415, "the only content coding taken is gzip, once"},
		{"deflate", []string{"deflate"}, threeForm, 415, "the only content coding taken is gzip, once"},
		{"zstd", []string{"zstd"}, threeForm, 415, "the only content coding taken is gzip, once"},
		{"one byte, which begins as gzip does", nil, "\x1f", 200, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h, taken, _ := setup(t, receiver.Config{})
			r := request(test.body)
			r.Header["Content-Encoding"] = test.coding
			answer := serve(h, r)
			require.Equal(t, test.reason, text(t, answer))
			require.Equal(t, test.status, answer.StatusCode)
			if test.status != 200 {
				require.Empty(t, taken.taken())
			} else if len(test.body) > 1 {
				require.Equal(t, strings.Split(threeForm, "\n"), taken.lines())
			}
		})
	}
}

// runs returns n bytes of lines that compress well.
func runs(n int) string { return strings.Repeat(cefOther+"\n", n/len(cefOther)+1)[:n] }

func TestLimits(t *testing.T) {
	t.Parallel()
	const kib, mib = 1 << 10, 1 << 20
	for _, test := range []struct {
		name   string
		limits receiver.Limits
		body   string
		zipped bool
		status int
		reason string
	}{
		{"as long as may be sent", receiver.Limits{WireBytes: 100 * kib}, runs(100 * kib), false, 200, ""},
		{"longer than may be sent", receiver.Limits{WireBytes: 100 * kib}, runs(100*kib + 1), false, 413, "the body is longer than 102400 bytes"},
		{"as long as may be", receiver.Limits{Bytes: 64 * kib}, runs(64 * kib), false, 200, ""},
		{"longer than may be", receiver.Limits{Bytes: 64 * kib}, runs(64*kib + 1), false, 413, "the body is longer than 65536 bytes when it is decompressed"},
		{"zipped, as long as may be", receiver.Limits{Bytes: 100 * kib}, runs(100 * kib), true, 200, ""},
		{"zipped, longer than may be", receiver.Limits{Bytes: 100 * kib}, runs(100*kib + 1), true, 413, "the body is longer than 102400 bytes when it is decompressed"},
		{"of any ratio up to a length", receiver.Limits{Ratio: 1, Lines: 1e6}, runs(mib), true, 200, ""},
		{"of too high a ratio", receiver.Limits{Ratio: 10, Lines: 1e6}, runs(2 * mib), true, 413, "the body decompresses to too many times its length"},
		{"of a ratio that may be", receiver.Limits{Ratio: 500, Lines: 1e6}, runs(2 * mib), true, 200, ""},
		{"not zipped, whatever the ratio", receiver.Limits{Ratio: 1, Lines: 1e6}, runs(2 * mib), false, 200, ""},
		{"as many lines as may be", receiver.Limits{Lines: 3}, threeForm + "\n", false, 200, ""},
		{"more lines than may be", receiver.Limits{Lines: 2}, threeForm, false, 413, "the body has more than 2 lines"},
		{"nothing but line breaks", receiver.Limits{}, strings.Repeat("\n", 10_002), false, 413, "the body has more than 10000 lines"},
		{"a buffer's length", receiver.Limits{}, runs(64 * kib), false, 200, ""},
		{"four buffers", receiver.Limits{}, runs(300 * kib), false, 200, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h, taken, told := setup(t, receiver.Config{Limits: test.limits})
			body := test.body
			if test.zipped {
				body = zip(t, body)
			}
			for _, length := range []string{"told", "not told"} {
				r := request(body)
				if length == "not told" {
					r.ContentLength = -1
				}
				answer := serve(h, r)
				require.Equal(t, test.reason, text(t, answer), length)
				require.Equal(t, test.status, answer.StatusCode, length)
			}
			if test.status == 200 {
				got := taken.taken()[0]
				require.Equal(t, strings.Count(strings.TrimSuffix(test.body, "\n"), "\n")+1, len(got.Lines)+len(got.Rejected))
				require.Equal(t, int64(len(test.body)), told.last(t).Bytes)
				require.Equal(t, int64(len(body)), told.last(t).WireBytes)
			}
		})
	}
}

// One byte at a time, as from a slow network.
func TestBodyInPieces(t *testing.T) {
	t.Parallel()
	for _, body := range []string{threeForm, zip(t, threeForm)} {
		h, taken, _ := setup(t, receiver.Config{})
		r := request("")
		r.Body, r.ContentLength = io.NopCloser(iotest.OneByteReader(strings.NewReader(body))), -1
		require.Equal(t, 200, serve(h, r).StatusCode)
		require.Equal(t, strings.Split(threeForm, "\n"), taken.lines())
	}
}

func TestBodyThatCannotBeRead(t *testing.T) {
	t.Parallel()
	zipped := zip(t, threeForm)
	for _, test := range []struct {
		name   string
		body   io.Reader
		err    error
		status int
	}{
		{"at once", strings.NewReader(""), errTest, 400},
		{"too late", strings.NewReader(threeForm), os.ErrDeadlineExceeded, 408},
		{"too late for the first bytes", strings.NewReader(""), os.ErrDeadlineExceeded, 408},
		{"in the middle", strings.NewReader(threeForm[:100]), errTest, 400},
		{"in the middle of gzip", strings.NewReader(zipped[:100]), errTest, 400},
		{"too late for the middle of gzip", strings.NewReader(zipped[:100]), os.ErrDeadlineExceeded, 408},
		{"behind gzip", strings.NewReader(zipped), errTest, 400},
		{"too late for the end behind gzip", strings.NewReader(zipped), os.ErrDeadlineExceeded, 408},
		{"less than promised", strings.NewReader(threeForm), io.ErrUnexpectedEOF, 400},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h, taken, told := setup(t, receiver.Config{})
			r := request("")
			r.Body, r.ContentLength = io.NopCloser(io.MultiReader(test.body, iotest.ErrReader(test.err))), -1
			answer := serve(h, r)
			require.Equal(t, test.status, answer.StatusCode)
			require.Empty(t, taken.taken())
			if test.status == 408 {
				require.Equal(t, "close", answer.Header.Get("Connection"))
				require.Equal(t, "the body took too long", text(t, answer))
			} else {
				require.ErrorIs(t, told.last(t).Err, test.err)
			}
		})
	}
}

// oneBatch has room for one batch of up to 64 KiB and 100 lines.
var oneBatch = receiver.Limits{Bytes: 64 << 10, Lines: 100, Memory: 64<<10 + 64<<10 + 64<<10 + 100*256}

// What a request holds of the memory is given back, whatever becomes of it.
func TestMemoryIsGivenBack(t *testing.T) {
	t.Parallel()
	h, taken, told := setup(t, receiver.Config{Limits: oneBatch})
	long := strings.Repeat("x", 63<<10)
	for range 20 {
		require.Equal(t, 200, post(h, cefLine).StatusCode)
		require.Equal(t, 200, post(h, long).StatusCode)
		require.Equal(t, 413, post(h, long+long).StatusCode)
		require.Equal(t, 413, post(h, strings.Repeat("\n", 102)).StatusCode)
		require.Equal(t, 400, post(h, "", "Content-Encoding", "gzip").StatusCode)
		taken.errs = []error{errTest}
		require.Equal(t, 503, post(h, cefOther).StatusCode)
		require.ErrorIs(t, told.last(t).Err, errTest)
	}
}

// A request that is under way leaves no room for the next one's buffer, for a
// larger one, or for its lines. The next one waits for a second, and is put off if
// that was not enough.
func TestMemoryIsUsedUp(t *testing.T) {
	t.Parallel()
	const kib = 1 << 10
	for _, test := range []struct {
		name   string
		limits receiver.Limits
		other  string // whose request is under way
		body   string
	}{
		{"another body", oneBatch, cefOther, cefOther + "x"},
		{"a larger buffer", receiver.Limits{Bytes: 128 * kib, Lines: 100, Memory: 542 * kib}, strings.Repeat("y", 65*kib), strings.Repeat("x", 65*kib)},
		{"many lines", receiver.Limits{Bytes: 64 * kib, Lines: 1000, Memory: 442 * kib}, cefOther, strings.Repeat("\n", 1000)},
	} {
		for _, after := range []time.Duration{900 * time.Millisecond, 1100 * time.Millisecond} {
			t.Run(fmt.Sprint(test.name, ", given back after ", after), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					proceed := make(chan struct{})
					h, _, told := setup(t, receiver.Config{Limits: test.limits})
					require.Equal(t, 200, post(h, test.body).StatusCode, "alone it has room")
					r := request(test.other)
					first := make(chan int, 1)
					r.Body = io.NopCloser(io.MultiReader(r.Body, readerFunc(func([]byte) (int, error) {
						<-proceed
						return 0, io.EOF
					})))
					go func() { first <- serve(h, r).StatusCode }()
					synctest.Wait()
					timer := time.AfterFunc(after, func() { close(proceed) })
					defer timer.Stop()
					start := time.Now()
					answer := post(h, test.body, "Webhook-Id", "again")
					if after < time.Second {
						require.Equal(t, 200, answer.StatusCode)
						require.Equal(t, after, time.Since(start))
					} else {
						require.Equal(t, 503, answer.StatusCode)
						require.Equal(t, time.Second, time.Since(start))
						require.Equal(t, "busy", text(t, answer))
						require.Equal(t, "5", answer.Header.Get("Retry-After"))
						require.ErrorContains(t, told.last(t).Err, "no memory is left for another body")
					}
					require.Equal(t, 200, <-first)
				})
			})
		}
	}
}

// Blocks of deflate that hold nothing cost their sender bytes, of which there is a
// limit.
func TestGzipOfEmptyBlocks(t *testing.T) {
	t.Parallel()
	var zipped bytes.Buffer
	zipped.WriteString("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff")
	w, err := flate.NewWriter(&zipped, flate.NoCompression)
	require.NoError(t, err)
	for zipped.Len() < 1<<20 {
		require.NoError(t, w.Flush())
	}
	h, _, _ := setup(t, receiver.Config{Limits: receiver.Limits{WireBytes: 1 << 20}})
	require.Equal(t, 400, post(h, zipped.String()[:1<<20], "Content-Encoding", "gzip").StatusCode)
	h, _, _ = setup(t, receiver.Config{Limits: receiver.Limits{WireBytes: 1<<20 - 1}})
	r := request(zipped.String(), "Content-Encoding", "gzip")
	r.ContentLength = -1
	require.Equal(t, 413, serve(h, r).StatusCode)
}
