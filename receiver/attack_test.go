package receiver_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/receiver"
	"github.com/seed-6bcf82c5/auditlog/signature"
)

// cycle reads as its text, n times.
type cycle struct {
	text string
	n    int64
	at   int
}

func (c *cycle) Read(p []byte) (int, error) {
	filled := 0
	for c.n > 0 && filled < len(p) {
		n := copy(p[filled:], c.text[c.at:])
		filled += n
		if c.at += n; c.at == len(c.text) {
			c.at, c.n = 0, c.n-1
		}
	}
	if filled == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return filled, nil
}

// chunk is a chunk of the chunked coding: 32 KiB without a line break.
var chunk = "8000\r\n" + strings.Repeat("x", 32<<10) + "\r\n"

const (
	gib      = 1 << 30
	allowed  = "Authorization: " + authorization
	gzipped  = "Content-Encoding: gzip"
	inChunks = "Transfer-Encoding: chunked"
)

// bomb returns a gzip stream of 256 MiB of one byte.
func bomb(b byte) string {
	var zipped bytes.Buffer
	w, err := gzip.NewWriterLevel(&zipped, gzip.BestSpeed)
	if err == nil {
		_, err = io.Copy(w, &cycle{text: strings.Repeat(string(b), 1<<20), n: 256})
	}
	if err = errors.Join(err, w.Close()); err != nil {
		panic(err)
	}
	return zipped.String()
}

// bombs are made once, since it takes a while.
var (
	bombOfZeros = sync.OnceValue(func() string { return bomb(0) })
	bombOfLines = sync.OnceValue(func() string { return bomb('\n') })
)

// target is a receiver at a socket.
type target struct {
	address string
	roots   *x509.CertPool
	taken   *sink
	told    *recorder
}

func newTarget(t testing.TB, cfg receiver.Config) target {
	h, taken, told := setup(t, cfg)
	s := start(t, receiver.ServerConfig{Handler: h})
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(s.Authority()))
	return target{strings.TrimPrefix(s.URL(), "https://"), roots, taken, told}
}

// say sends a request as it is, for as long as the server takes it, and returns
// the statuses of what it answers until it closes the connection. An answer may
// come before the end of the request.
func (g target) say(ctx context.Context, request ...io.Reader) (statuses []int, err error) {
	dialer := tls.Dialer{Config: &tls.Config{RootCAs: g.roots, MinVersion: tls.VersionTLS12}}
	conn, err := dialer.DialContext(ctx, "tcp", g.address)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return nil, err
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = io.Copy(conn, io.MultiReader(request...))
		_ = conn.(*tls.Conn).CloseWrite()
	}()
	answers := bufio.NewReader(conn)
	for {
		answer, err := http.ReadResponse(answers, nil)
		if err != nil {
			break
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
		statuses = append(statuses, answer.StatusCode)
	}
	_ = conn.Close() // the server may have been first
	for _, part := range request {
		if hanging, ok := part.(io.Closer); ok {
			_ = hanging.Close()
		}
	}
	<-written
	return statuses, nil
}

// head returns the header of a request.
func head(header ...string) io.Reader {
	return strings.NewReader("POST / HTTP/1.1\r\nHost: x\r\n" + strings.Join(append(header, "", ""), "\r\n"))
}

func long(n int) string { return fmt.Sprintf("Content-Length: %d", n) }

// Each attack is answered as it should be, hands nothing over that it should
// not, and leaves the receiver as it was.
func TestAttacks(t *testing.T) {
	t.Parallel()
	good := zip(t, threeForm)
	text := strings.NewReader
	for _, test := range []struct {
		name    string
		request func() []io.Reader
		want    []int // statuses
		taken   []string
	}{
		{"gzip bomb", func() []io.Reader {
			return []io.Reader{head(allowed, gzipped, long(len(bombOfZeros()))), text(bombOfZeros())}
		}, []int{413}, nil},
		{"gzip bomb of lines", func() []io.Reader {
			return []io.Reader{head(allowed, gzipped, long(len(bombOfLines()))), text(bombOfLines())}
		}, []int{413}, nil},
		{"gzip bomb that is not named", func() []io.Reader {
			return []io.Reader{head(allowed, long(len(bombOfZeros()))), text(bombOfZeros())}
		}, []int{413}, nil},
		{"gzip bomb of nobody that is authorized", func() []io.Reader {
			return []io.Reader{head(gzipped, long(len(bombOfZeros()))), text(bombOfZeros())}
		}, []int{401}, nil},
		{"endless body", func() []io.Reader {
			return []io.Reader{head(allowed, inChunks), &cycle{text: chunk, n: math.MaxInt64}}
		}, []int{413}, nil},
		{"endless body of nobody that is authorized", func() []io.Reader {
			return []io.Reader{head(inChunks), &cycle{text: chunk, n: math.MaxInt64}}
		}, []int{401}, nil},
		{"short body of unknown length of nobody that is authorized", func() []io.Reader {
			return []io.Reader{head(inChunks), text("2\r\nxx\r\n0\r\n\r\n")}
		}, []int{401}, nil},
		{"body of unknown length that nobody authorized waits to send", func() []io.Reader {
			return []io.Reader{head(inChunks, "Expect: 100-continue"), hang()}
		}, []int{401}, nil},
		{"endless chunk header", func() []io.Reader {
			return []io.Reader{head(allowed, inChunks), &cycle{text: "1;x=y", n: math.MaxInt64}}
		}, []int{400}, nil},
		{"slow body", func() []io.Reader {
			return []io.Reader{head(allowed, long(100)), text("CEF:0|"), hang()}
		}, []int{408}, nil},
		{"slow body of nobody that is authorized", func() []io.Reader {
			return []io.Reader{head(long(100)), text("CEF:0|"), hang()}
		}, []int{401}, nil},
		{"line of 1 GiB", func() []io.Reader {
			return []io.Reader{head(allowed, long(gib)), &cycle{text: "x", n: gib}}
		}, []int{413}, nil},
		{"line of 1 GiB that does not tell its length", func() []io.Reader {
			return []io.Reader{head(allowed, inChunks), &cycle{text: chunk, n: gib >> 15}, text("0\r\n\r\n")}
		}, []int{413}, nil},
		{"gzip in gzip", func() []io.Reader {
			twice := zip(t, good)
			return []io.Reader{head(allowed, gzipped, long(len(twice))), text(twice)}
		}, []int{415}, nil},
		{"gzip bomb in gzip", func() []io.Reader {
			twice := zip(t, bombOfZeros())
			return []io.Reader{head(allowed, gzipped, long(len(twice))), text(twice)}
		}, []int{415}, nil},
		{"bytes behind gzip", func() []io.Reader {
			return []io.Reader{head(allowed, gzipped, long(len(good)+1)), text(good + "x")}
		}, []int{400}, nil},
		{"less than the length tells", func() []io.Reader {
			return []io.Reader{head(allowed, long(len(cefLine)+1)), text(cefLine)}
		}, []int{400}, nil},
		{"less of gzip than the length tells", func() []io.Reader {
			return []io.Reader{head(allowed, gzipped, long(len(good)+1)), text(good)}
		}, []int{400}, nil},
		{"more than the length tells", func() []io.Reader {
			return []io.Reader{head(allowed, long(len(cefLine))), text(cefLine + cefLine)}
		}, []int{200, 400}, []string{cefLine}},
		{"more of gzip than the length tells", func() []io.Reader {
			return []io.Reader{head(allowed, gzipped, long(len(good)-1)), text(good)}
		}, []int{400}, nil},
		{"negative length", func() []io.Reader { return []io.Reader{head(allowed, "Content-Length: -1"), text(cefLine)} }, []int{400}, nil},
		{"length that is no number", func() []io.Reader { return []io.Reader{head(allowed, "Content-Length: 1x"), text(cefLine)} }, []int{400}, nil},
		{"huge length", func() []io.Reader {
			return []io.Reader{head(allowed, "Content-Length: 9223372036854775807"), text(cefLine)}
		}, []int{413}, nil},
		{"two lengths", func() []io.Reader {
			return []io.Reader{head(allowed, long(len(cefLine)), long(5)), text(cefLine)}
		}, []int{400}, nil},
		{"length of zero", func() []io.Reader { return []io.Reader{head(allowed, long(0))} }, []int{400}, nil},
		{"another transfer coding", func() []io.Reader { return []io.Reader{head(allowed, "Transfer-Encoding: gzip"), text(good)} }, []int{501}, nil},
		{"NUL and control characters", func() []io.Reader {
			return []io.Reader{head(allowed, long(len(cefOther)+6)), text(cefOther + "\x00\x1b[2J\x7f")}
		}, []int{200}, []string{cefOther + "\x00\x1b[2J\x7f"}},
		{"NUL in the header", func() []io.Reader {
			return []io.Reader{head(allowed, "Webhook-Id: a\x00b", long(len(cefLine))), text(cefLine)}
		}, []int{400}, nil},
		{"CR in the header", func() []io.Reader {
			return []io.Reader{head(allowed, "Webhook-Id: a\rb", long(len(cefLine))), text(cefLine)}
		}, []int{400}, nil},
		{"line break in the header", func() []io.Reader {
			return []io.Reader{head(allowed, "Webhook-Id: a\n level=INFO msg=forged", long(len(cefLine))), text(cefLine)}
		}, []int{400}, nil},
		{"huge header", func() []io.Reader { return []io.Reader{head(allowed, "X: "+strings.Repeat("x", 32<<10))} }, []int{431}, nil},
		{"endless header", func() []io.Reader {
			return []io.Reader{text("POST / HTTP/1.1\r\n"), &cycle{text: "X: y\r\n", n: math.MaxInt64}}
		}, []int{431}, nil},
		{"wrong authorization", func() []io.Reader {
			return []io.Reader{head(allowed+"x", long(len(cefLine))), text(cefLine)}
		}, []int{401}, nil},
		{"no authorization", func() []io.Reader { return []io.Reader{head(long(len(cefLine))), text(cefLine)} }, []int{401}, nil},
		{"two authorizations", func() []io.Reader {
			return []io.Reader{head("Authorization: Bearer guess", allowed, long(len(cefLine))), text(cefLine)}
		}, []int{401}, nil},
		{"replayed batch", func() []io.Reader {
			return []io.Reader{
				head(allowed, "Webhook-Id: 1", long(len(cefLine))), text(cefLine),
				head(allowed, "Webhook-Id: 1", long(len(cefLine))), text(cefLine),
				head(allowed, long(len(cefOther))), text(cefOther),
				head(allowed, long(len(cefOther))), text(cefOther),
			}
		}, []int{200, 200, 200, 200}, []string{cefLine, cefOther}},
		{"upgrade to HTTP/2 without TLS", func() []io.Reader {
			return []io.Reader{head(allowed, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__", long(len(cefLine))), text(cefLine)}
		}, []int{200}, []string{cefLine}},
		{"not HTTP", func() []io.Reader { return []io.Reader{text("\x16\x03\x01\x02\x00\r\n\r\n")} }, []int{400}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			limits := receiver.Limits{}
			if strings.HasPrefix(test.name, "slow") {
				limits.BodyTime = 50 * time.Millisecond
			}
			g := newTarget(t, receiver.Config{Limits: limits})
			statuses, err := g.say(t.Context(), test.request()...)
			require.NoError(t, err)
			require.Equal(t, test.want, statuses)
			require.Equal(t, test.taken, g.taken.lines())

			statuses, err = g.say(t.Context(), head(allowed, gzipped, long(len(good)), "Connection: close"), text(good))
			require.NoError(t, err)
			require.Equal(t, []int{200}, statuses)
		})
	}
}

// hang returns a reader that reads nothing until it is closed.
func hang() io.Reader {
	r, _ := io.Pipe()
	return r
}

// Nothing that a sender chooses begins another line of a log or of a file.
func TestLogInjection(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var logged bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&lockedWriter{&mu, &logged}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	f := newFile(t, receiver.FileConfig{Append: receiver.AppendJSON})
	toLog := receiver.LogSink(logger)
	records := new(atomic.Int64)
	h, _, _ := setup(t, receiver.Config{
		Hooks: []receiver.Hook{receiver.NewLogHook(logger)},
		HandOver: func(ctx context.Context, batch receiver.Batch) error {
			records.Add(int64(len(batch.Lines)))
			return errors.Join(toLog(ctx, batch), f.HandOver(ctx, batch))
		},
	})
	const forged = "level=INFO msg=forged"
	for _, body := range []string{
		`CEF:0|a|b|c|d|e|1|k=x\n` + forged,
		`CEF:0|a|b|c|d|name\n` + forged + `|1|k=x`,
		"CEF:0|a|b|c|d|name\r" + forged + "|1|k=x\r\u2028\u0085\x1b[1A" + forged,
		"CEF:0|a\x00|b|c|d|e|1|" + forged,
		strings.Replace(jsonLine, `"Authz.x"`, `"x\n`+forged+`\r"`, 1),
		strings.Replace(jsonLine, `"Authz.x"`, `"x","k\n`+forged+`":[]`, 1),
		"{\"k\x0b" + forged,
	} {
		r := request(body, "Webhook-Id", "a")
		r.RemoteAddr = "192.0.2.1:1\n" + forged
		require.Equal(t, 200, serve(h, r).StatusCode)
	}
	mu.Lock()
	defer mu.Unlock()
	for text := range strings.Lines(logged.String()) {
		require.Regexp(t, `^time=\S+ level=\w+ msg=`, text)
		require.NotRegexp(t, `^time=\S+ level=INFO msg=forged`, text)
		require.NotContains(t, text, "\r")
		require.NotContains(t, text, "\x1b")
	}
	require.Equal(t, int64(5), records.Load())
	require.Len(t, f.files(t)["audit.jsonl"], 5)
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// Whatever the host of the keys does, no line passes that none of the keys at
// hand verifies, none is lost, and nobody waits for long.
func TestHostileKeyHosts(t *testing.T) {
	t.Parallel()
	keys, err := newSigner(t, 1).Keys(t.Context(), time.Time{})
	require.NoError(t, err)
	jwks, err := keys.MarshalJSON()
	require.NoError(t, err)
	for _, test := range []struct {
		name  string
		serve http.HandlerFunc // nil: it is down
	}{
		{"down", nil},
		{"hangs", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
		{"500", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }},
		{"not JSON", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://192.0.2.1/", http.StatusFound)
		}},
		{"endless", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.Copy(w, &cycle{text: `{"keys":[` + strings.Repeat(" ", 1<<16), n: math.MaxInt64})
		}},
		{"key of small order, by which anybody can sign", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"keys":[{"kty":"OKP","alg":"EdDSA","kid":"x","crv":"Ed25519","x":"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}`)
		}},
		{"a thousand keys", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"keys":[`+strings.Repeat(string(jwks[len(`{"keys":[`):len(jwks)-2])+",", 999)+string(jwks[len(`{"keys":[`):]))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var fetches atomic.Int64
			host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				fetches.Add(1)
				test.serve(w, r)
			}))
			t.Cleanup(host.Close)
			if test.serve == nil {
				host.Close()
			}
			transport := &http.Transport{}
			t.Cleanup(transport.CloseIdleConnections)
			remote, err := signature.NewRemote(signature.RemoteConfig{URL: host.URL, Timeout: 100 * time.Millisecond, Transport: transport})
			require.NoError(t, err)
			from := sender()
			from.Keys = remote
			g := newTarget(t, receiver.Config{Senders: []receiver.Sender{from}, Verify: receiver.VerifyRequire})
			body := signed(t, newSigner(t, 1), line(1)) + "\n" + signed(t, newSigner(t, 2), line(2))
			for range 3 {
				statuses, err := g.say(t.Context(), head(allowed, long(len(body)), "Connection: close"), strings.NewReader(body))
				require.NoError(t, err)
				require.Equal(t, []int{503}, statuses)
				require.ErrorIs(t, g.told.last(t).Err, signature.ErrNoFreshKeys)
			}
			require.Empty(t, g.taken.taken())
			require.LessOrEqual(t, fetches.Load(), int64(1))
		})
	}
}
