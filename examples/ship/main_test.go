package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seed-6bcf82c5/auditlog/konnecttest"
	"github.com/seed-6bcf82c5/auditlog/signature"
)

// mainEnv makes the test's own program the one that is tested.
const mainEnv = "SHIP_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(mainEnv) != "" {
		main()
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

const (
	token         = "t0p-secret"
	authorization = "Splunk " + token

	cefLine  = `2025-06-18T21:02:36Z konghq.com CEF:0|KongInc|Konnect|1.0|konnect|Authz.x|1|rt=1 src= action=list granted=true org_id=o principal_id=p trace_id=7 user_agent=a\=b sig=s`
	jsonLine = `{"action":"list","cef_version":0,"event_class_id":"konnect","event_product":"Konnect","event_ts":"2025-06-18T21:02:36Z","event_vendor":"KongInc","event_version":"1.0","granted":true,"name":"Authz.x","org_id":"o","principal_id":"p","rt":1,"severity":1,"src":"","trace_id":"7","user_agent":"a=b","sig":"s"}`
	cpsLine  = `{"event":` + jsonLine + `}`
)

// setup is a receiver and a folder for the store.
type setup struct {
	t    *testing.T
	siem *konnecttest.SIEM
	dir  string
	args []string
}

func newSetup(t *testing.T) *setup {
	t.Helper()
	s := &setup{t: t, siem: konnecttest.NewSIEM(t, konnecttest.SIEMConfig{Authorization: authorization}), dir: t.TempDir()}
	ca := filepath.Join(s.dir, "ca.pem")
	require.NoError(t, os.WriteFile(ca, s.siem.CertificatePEM(), 0o600))
	s.args = []string{"-endpoint", s.siem.URL(), "-store", s.store(), "-ca", ca, "-allow-private"}
	return s
}

func (s *setup) store() string { return filepath.Join(s.dir, "store") }

// process is the program at work.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr bytes.Buffer
}

// start starts the program, with an authorization and what is said besides.
func (s *setup) start(authorization string, args ...string) *process {
	s.t.Helper()
	p := command(s.t, append(append([]string{"-authorization", authorization}, s.args...), args...)...)
	in, err := p.cmd.StdinPipe()
	require.NoError(s.t, err)
	out, err := p.cmd.StdoutPipe()
	require.NoError(s.t, err)
	p.in, p.out = in, bufio.NewReader(out)
	require.NoError(s.t, p.cmd.Start())
	return p
}

func command(t *testing.T, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	p := &process{t: t}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // it kills what hangs
	t.Cleanup(cancel)
	p.cmd = exec.CommandContext(ctx, self, args...)
	p.cmd.Env = append(os.Environ(), mainEnv+"=1", "SHIP_AUTHORIZATION="+authorization)
	p.cmd.Stderr = &p.stderr
	t.Cleanup(func() {
		require.NotContains(t, p.stderr.String(), token)
	})
	return p
}

// write writes lines.
func (p *process) write(lines ...string) {
	p.t.Helper()
	_, err := io.WriteString(p.in, strings.Join(lines, "\n")+"\n")
	require.NoError(p.t, err)
}

// await reads standard output up to the line.
func (p *process) await(want string) {
	p.t.Helper()
	for {
		line, err := p.out.ReadString('\n')
		require.NoError(p.t, err, "%q did not come: %s", want, &p.stderr)
		if line == want+"\n" {
			return
		}
	}
}

// end waits for the end of the program. It returns the last line of each kind
// that it has printed since the last await.
func (p *process) end(code int) (accepted, delivered string) {
	p.t.Helper()
	out, err := io.ReadAll(p.out)
	require.NoError(p.t, err)
	_ = p.cmd.Wait()
	require.Equal(p.t, code, p.cmd.ProcessState.ExitCode(), "%s", &p.stderr)
	for line := range strings.Lines(string(out)) {
		verb, count, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch verb {
		case "accepted":
			accepted = count
		case "delivered":
			delivered = count
		default:
			p.t.Errorf("it prints %q", line)
		}
	}
	return accepted, delivered
}

// lines returns n lines, of events that are numbered from first on.
func lines(first, n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`host CEF:0|Acme|Wall|9|17|Port scan|7|n=%d`, first+i))
	}
	return all
}

// received returns the lines that the receiver has taken.
func (s *setup) received() []string {
	var all []string
	for _, r := range s.siem.Requests() {
		if r.Taken {
			all = append(all, r.Lines...)
		}
	}
	return all
}

// require that the events numbered 0 to n-1 were received, once and in order.
func (s *setup) requireNumbered(n int) {
	s.t.Helper()
	var want, got []string
	for i := range n {
		want = append(want, fmt.Sprint(i))
	}
	for _, e := range s.siem.Events() {
		v, _ := e.Get("n")
		got = append(got, v.String())
	}
	require.Equal(s.t, want, got)
}

func TestShip(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	p := s.start("env:SHIP_AUTHORIZATION", "-format", "json")
	p.write(cefLine, "rubbish", jsonLine, "", cpsLine, strings.Replace(jsonLine, `"src"`, `"s-r-c"`, 1), cefLine+"\r")
	require.NoError(t, p.in.Close())
	accepted, delivered := p.end(1)
	require.Equal(t, "4", accepted)
	require.Equal(t, "4", delivered)
	require.Equal(t, []string{jsonLine, jsonLine, jsonLine, jsonLine}, s.received())
	var told []string
	for line := range strings.Lines(p.stderr.String()) {
		told = append(told, line)
	}
	require.ElementsMatch(t, []string{
		"line 2: byte 0: no \"CEF:\"\n", "line 4: empty\n", "line 6: field \"s-r-c\": cannot be an extension key\n",
		"ship: 3 lines are no events\n",
	}, told)
}

func TestShipIsQuietWhenAllIsWell(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	file := filepath.Join(s.dir, "authorization")
	require.NoError(t, os.WriteFile(file, []byte(authorization+"\n"), 0o600))
	for run := range 2 { // the second one finds what the first has stored
		p := s.start("@" + file)
		p.write(lines(1200*run, 1200)...)
		require.NoError(t, p.in.Close())
		accepted, delivered := p.end(0)
		require.Equal(t, "1200", accepted)
		require.Equal(t, "1200", delivered)
		require.Empty(t, p.stderr.String())
	}
	s.requireNumbered(2400)
}

// A line is accepted while the next one is awaited.
func TestShipHoldsNothingBack(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	p := s.start(authorization)
	for i := range 3 {
		p.write(lines(i, 1)...)
		p.await(fmt.Sprint("accepted ", i+1))
	}
	p.await("delivered 3")
	require.NoError(t, p.in.Close())
	p.end(0)
	s.requireNumbered(3)
}

func TestShipSigns(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	name := filepath.Join(s.dir, "key.pem")
	private, err := signature.CreateKeyFile(name)
	require.NoError(t, err)
	signer, err := signature.NewSigner(private)
	require.NoError(t, err)
	p := s.start(authorization, "-sign-key", name)
	p.write(lines(0, 2)...)
	p.write(cefLine) // signed by somebody else
	require.NoError(t, p.in.Close())
	p.end(0)
	received := s.received()
	require.Len(t, received, 3)
	for i, want := range []signature.Outcome{signature.Valid, signature.Valid, signature.Refused} {
		result, err := signature.Verify(t.Context(), signer, []byte(received[i]), time.Now())
		require.NoError(t, err)
		require.Equal(t, want, result.Outcome, received[i])
	}
	require.Equal(t, cefLine, received[2])
}

func TestShipOutlivesAKill(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.siem.Otherwise(konnecttest.Step{Status: 503})
	p := s.start(authorization)
	p.write(lines(0, 700)...)
	p.await("accepted 700")
	require.NoError(t, p.cmd.Process.Kill())
	_ = p.cmd.Wait()
	s.requireNoSecret()

	// The authorization was changed meanwhile.
	p = s.start("Splunk another")
	p.write(lines(700, 100)...)
	p.await("accepted 100")
	require.NoError(t, p.cmd.Process.Kill())
	_ = p.cmd.Wait()
	s.requireNoSecret()

	s.siem.Otherwise(konnecttest.Step{})
	p = s.start(authorization)
	require.NoError(t, p.in.Close())
	accepted, delivered := p.end(0)
	require.Empty(t, accepted)
	require.Equal(t, "800", delivered)
	require.Empty(t, p.stderr.String())
	s.requireNumbered(800)
}

// requireNoSecret looks into the files of the store.
func (s *setup) requireNoSecret() {
	s.t.Helper()
	require.NoError(s.t, filepath.WalkDir(s.store(), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		require.NotContains(s.t, string(data), token, path)
		return err
	}))
}

func TestShipStopsOnSIGTERM(t *testing.T) {
	t.Parallel()
	skipWithoutSIGTERM(t)
	for _, test := range []struct {
		name   string
		status int
		told   string
	}{
		{"while it waits for a retry", 500, "ship: stopped by a signal; 40 events wait in the store for the next run\n"},
		{"while it has nothing to do", 200, "ship: stopped by a signal\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t)
			s.siem.Otherwise(konnecttest.Step{Status: test.status})
			p := s.start(authorization)
			p.write(lines(0, 40)...)
			p.await("accepted 40")
			_, err := s.siem.WaitRequests(t.Context(), 1)
			require.NoError(t, err)
			if test.status == 200 {
				p.await("delivered 40")
			}
			p.terminate()
			require.Equal(t, test.told, p.stderr.String())

			s.siem.Otherwise(konnecttest.Step{})
			p = s.start(authorization)
			p.write(lines(40, 2)...)
			require.NoError(t, p.in.Close())
			p.end(0)
			s.requireNumbered(42)
		})
	}
}

func skipWithoutSIGTERM(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("there is no SIGTERM")
	}
}

// terminate ends the program by a signal. It returns what was accepted last.
func (p *process) terminate() string {
	p.t.Helper()
	began := time.Now()
	require.NoError(p.t, p.cmd.Process.Signal(syscall.SIGTERM))
	accepted, _ := p.end(1)
	require.Less(p.t, time.Since(began), 10*time.Second)
	return accepted
}

func TestShipCutsOffAnAttemptThatHangs(t *testing.T) {
	t.Parallel()
	skipWithoutSIGTERM(t)
	s := newSetup(t)
	begun := make(chan struct{}, 1)
	p := s.start(authorization, s.another(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		begun <- struct{}{}
		<-r.Context().Done()
	})...)
	p.write(lines(0, 40)...)
	p.await("accepted 40")
	<-begun
	p.terminate()
	require.Equal(t, "ship: stopped by a signal; 40 events wait in the store for the next run\n", p.stderr.String())
}

// another starts another receiver and returns the flags for it.
func (s *setup) another(handle http.HandlerFunc) []string {
	s.t.Helper()
	server := httptest.NewTLSServer(handle)
	s.t.Cleanup(server.Close)
	ca := filepath.Join(s.dir, "another.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	require.NoError(s.t, os.WriteFile(ca, certificate, 0o600))
	return []string{"-endpoint", server.URL, "-ca", ca}
}

// What is in the pipe when the signal comes is accepted still.
func TestShipAcceptsWhatItWasGiven(t *testing.T) {
	t.Parallel()
	skipWithoutSIGTERM(t)
	s := newSetup(t)
	s.siem.Otherwise(konnecttest.Step{Status: 500})
	p := s.start(authorization)
	p.write(lines(0, 1)...)
	p.await("accepted 1")
	p.write(lines(1, 600)...)
	require.Equal(t, "601", p.terminate())
}

func TestShipTriesAgainWhatWasRefused(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	p := s.start(authorization, s.another(func(w http.ResponseWriter, r *http.Request) {
		body, err := gzip.NewReader(r.Body)
		assert.NoError(t, err)
		text, err := io.ReadAll(body)
		assert.NoError(t, err)
		if strings.Contains(string(text), "n=0") {
			http.Error(w, "no such sourcetype", http.StatusBadRequest)
		}
	})...)
	p.write(lines(0, 2)...)
	require.NoError(t, p.in.Close())
	_, delivered := p.end(1)
	require.Equal(t, "1", delivered)
	require.Contains(t, p.stderr.String(), "ship: 1 events were refused by the endpoint; the next run tries them again\n")

	p = s.start(authorization)
	require.NoError(t, p.in.Close())
	_, delivered = p.end(0)
	require.Equal(t, "1", delivered)
	s.requireNumbered(1)
}

func TestShipRefusesToStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rubbish := filepath.Join(dir, "rubbish")
	require.NoError(t, os.WriteFile(rubbish, []byte("no certificate"), 0o600))
	flags := func(more ...string) []string {
		return append([]string{"-endpoint", "https://siem.example.com/" + token, "-authorization", authorization, "-store", filepath.Join(dir, "store")}, more...)
	}
	for _, test := range []struct {
		name string
		args []string
		code int
		told string
	}{
		{"no flags", nil, 2, "usage: ship"},
		{"no authorization", flags("-authorization", ""), 2, "usage: ship"},
		{"an unknown format", flags("-format", "xml"), 2, "usage: ship"},
		{"arguments", flags("file"), 2, "usage: ship"},
		{"a variable that is not there", flags("-authorization", "env:SHIP_N0NE"), 1, "ship: -authorization: the environment variable is not set"},
		{"a file that is not there", flags("-ca", filepath.Join(dir, "none")), 1, "ship: -ca: open "},
		{"a file without certificates", flags("-ca", rubbish), 1, "has no certificate in PEM"},
		{"a key that is not there", flags("-sign-key", filepath.Join(dir, "none")), 1, "ship: -sign-key: open "},
		{"a key that is none", flags("-sign-key", rubbish), 1, "ship: -sign-key: signature: no PEM block"},
		{"a store that is a file", flags("-store", rubbish), 1, "ship: diskstore: "},
		{"an endpoint without TLS", flags("-endpoint", "http://siem.example.com/"+token), 1, "ship: webhook: endpoint: "},
		{"an endpoint on this machine", flags("-endpoint", "https://127.0.0.1/"+token), 1, "ship: webhook: endpoint: must not be an address or port that is not public"},
		{"an authorization on two lines", flags("-authorization", authorization+"\nx"), 1, "ship: webhook: authorization: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			args := test.args
			if test.code == 1 && !strings.Contains(test.name, "store") {
				args = append(args, "-store", filepath.Join(t.TempDir(), "store"))
			}
			p := command(t, args...)
			_ = p.cmd.Run()
			require.Equal(t, test.code, p.cmd.ProcessState.ExitCode(), "%s", &p.stderr)
			require.Contains(t, p.stderr.String(), test.told)
		})
	}
}

func TestShipHasItsStoreAlone(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	p := s.start(authorization)
	p.write(lines(0, 1)...)
	p.await("accepted 1")
	second := s.start(authorization)
	second.end(1)
	require.Contains(t, second.stderr.String(), "is in use")
	require.NoError(t, p.in.Close())
	p.end(0)
}
