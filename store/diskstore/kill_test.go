package diskstore_test

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/konnecttest"
)

var (
	kills    = flag.Int("kills", 200, "how often TestKills kills the program")
	killSeed = flag.Uint64("killseed", 0, "the seed of TestKills; 0 for a random one")
)

// sites are the places to aim at, by phase.
var sites = [phases][]string{
	{"start begins", "start ends"},
	{"accept begins", "half frame", "frame written", "frame synced", "accept ends"},
	{"freeze begins", "freeze ends"},
	{"attempt begins", "attempt ends"},
	{"ack begins", "ack ends"},
	{"segment created", "half header", "header written", "header synced", "directory synced"},
}

// TestKills kills a program again and again while it records events and ships
// them to a receiver that fails at random. Everything that the program said to
// have accepted must arrive, in order, and no event twice but under a
// Webhook-Id that the receiver has seen before.
func TestKills(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("there is no SIGKILL")
	}
	seed := *killSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	n := *kills
	if testing.Short() {
		n = min(n, 20)
	}
	var all [lanes]killed
	t.Cleanup(func() {
		var sum killed
		for _, k := range all {
			sum.add(k)
		}
		t.Logf("seed %d: %v", seed, sum)
		if t.Failed() {
			return
		}
		require.Equal(t, n, sum.kills)
		for p, hit := range sum.in {
			require.GreaterOrEqual(t, hit, n/20, "kills in the phase %v", phase(p))
		}
	})
	for i := range lanes {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			l := newLane(t, i, seed)
			l.run((n + i) / lanes)
			all[i] = l.killed
		})
	}
}

// killed counts kills, by the phases that they hit.
type killed struct {
	kills, between               int
	in                           [phases]int
	accepted, received, repeated int
}

func (k *killed) add(o killed) {
	k.kills += o.kills
	k.between += o.between
	for p, n := range o.in {
		k.in[p] += n
	}
	k.accepted += o.accepted
	k.received += o.received
	k.repeated += o.repeated
}

func (k killed) String() string {
	text := fmt.Sprintf("%d kills (some in several phases at once):", k.kills)
	for p, n := range k.in {
		text += fmt.Sprintf(" %v %d,", phase(p), n)
	}
	return text + fmt.Sprintf(" none of them %d; %d events accepted, %d received, %d batches repeated", k.between, k.accepted, k.received, k.repeated)
}

// lanes is how many programs are there at a time.
const lanes = 2

// lane is a directory whose programs are killed one after the other, and the
// receiver that they ship to.
type lane struct {
	t      *testing.T
	number int
	rand   *rand.Rand
	dir    string
	siem   *konnecttest.SIEM
	epoch  time.Time
	ledger ledger
	killed killed
}

func newLane(t *testing.T, number int, seed uint64) *lane {
	l := &lane{
		t: t, number: number, rand: rand.New(rand.NewPCG(seed, uint64(number))), dir: t.TempDir(), epoch: time.Now(),
		siem:   konnecttest.NewSIEM(t, konnecttest.SIEMConfig{Authorization: killedAuthorization, DisableHTTP2: number == 0}),
		ledger: ledger{calls: map[string]*entry{}, open: map[int]call{}},
	}
	for range 100_000 {
		l.siem.Script(l.failure())
	}
	return l
}

// failure is what the receiver does with one request.
func (l *lane) failure() konnecttest.Step {
	switch l.rand.IntN(16) {
	case 0, 1:
		return konnecttest.Step{Status: 500}
	case 2:
		return konnecttest.Step{Status: 429, Header: map[string][]string{"Retry-After": {"3"}}}
	case 3:
		return konnecttest.Step{Break: konnecttest.BreakBeforeReading}
	case 4:
		return konnecttest.Step{Break: konnecttest.BreakAfterReading} // it has taken the events
	case 5:
		return konnecttest.Step{Break: konnecttest.BreakAfterStatus} // the status is 200
	case 6, 7:
		return konnecttest.Step{Delay: time.Duration(l.rand.IntN(10)) * time.Millisecond}
	default:
		return konnecttest.Step{}
	}
}

// run kills n programs, then lets one deliver what is left.
func (l *lane) run(n int) {
	for i := range n {
		if l.kill(l.aim(i)); l.t.Failed() {
			return
		}
	}
	last := l.program(life{Number: n, Last: true})
	said, err := last.finish(func(string) {})
	require.NoError(l.t, err, "%s\n%s", said, last.log)
	require.Equal(l.t, "started\ndrained: 0 unsent, 0 gaps, 0 suspects\n", said)
	faults := l.ledger.check(l.siem.Requests(), &l.killed)
	require.Empty(l.t, faults[:min(len(faults), 10)], "the first of %d", len(faults))
}

// aim returns the life of the lane's program i. One in three is held where it
// aims at, each phase in turn, so that none is left out; one is not held there,
// and has gone on a little when it is killed; one is killed at any time.
func (l *lane) aim(i int) life {
	const ways = 3
	if i%ways == 2 {
		return life{Number: i}
	}
	in := phase((i/ways*lanes + l.number) % int(phases))
	nth := 1
	if in != starting { // which is once in a life
		nth += l.rand.IntN(4)
	}
	return life{Number: i, Aim: sites[in][l.rand.IntN(len(sites[in]))], Nth: nth, Park: i%ways == 0}
}

// kill runs a program and kills it as the life says.
func (l *lane) kill(of life) {
	p := l.program(of)
	var once sync.Once
	killIn := func(d time.Duration) { once.Do(func() { time.AfterFunc(d, func() { _ = p.cmd.Process.Kill() }) }) }
	later := time.Duration(l.rand.IntN(100)) * time.Millisecond
	if of.Aim == "" && l.rand.IntN(3) == 0 {
		killIn(later / 2) // while it starts, mostly
	}
	said, err := p.finish(func(line string) {
		switch verb, rest, _ := strings.Cut(line, " "); {
		case verb == "began":
			l.ledger.begin(l.t, rest)
		case verb == "accepted":
			l.ledger.accept(rest)
		case line == "reached" && of.Park:
			killIn(later / 30)
		case line == "reached":
			killIn(later / 100)
		case line == "started" && of.Aim == "":
			killIn(later)
		case line == "started":
		default:
			l.t.Error(line)
		}
	})
	if err == nil || p.cmd.ProcessState.ExitCode() != -1 {
		l.t.Errorf("it was not killed: %v\n%s\n%s", err, said, p.log)
		return
	}
	l.count()
}

// count notes what the program did when it was killed.
func (l *lane) count() {
	in, err := os.ReadFile(filepath.Join(l.dir, "phases"))
	if !os.IsNotExist(err) {
		require.NoError(l.t, err)
	}
	l.killed.kills++
	hit := false
	for p, n := range in {
		if n > 0 {
			l.killed.in[p]++
			hit = true
		}
	}
	if !hit {
		l.killed.between++
	}
}

// program is a child.
type program struct {
	cmd *exec.Cmd
	out *bufio.Reader
	log *strings.Builder
}

// program starts a child, which is this test's own program.
func (l *lane) program(of life) *program {
	of.Dir, of.Phases = filepath.Join(l.dir, "store"), filepath.Join(l.dir, "phases")
	of.Endpoint, of.CA = l.siem.URL(), l.siem.CertificatePEM()
	of.Epoch, of.Repeat = l.epoch, l.ledger.repeat()
	encoded, err := json.Marshal(of)
	require.NoError(l.t, err)
	if err := os.Remove(of.Phases); !os.IsNotExist(err) {
		require.NoError(l.t, err)
	}
	self, err := os.Executable()
	require.NoError(l.t, err)
	p := &program{cmd: exec.CommandContext(l.t.Context(), self), log: &strings.Builder{}}
	p.cmd.Env = append(os.Environ(), killedEnv+"="+string(encoded))
	p.cmd.Stderr = p.log
	out, err := p.cmd.StdoutPipe()
	require.NoError(l.t, err)
	p.out = bufio.NewReader(out)
	require.NoError(l.t, p.cmd.Start())
	return p
}

// finish reads what the child says until it is dead, which it is after two
// minutes at the latest. It returns all of it and how the child ended.
func (p *program) finish(hear func(line string)) (string, error) {
	defer time.AfterFunc(2*time.Minute, func() { _ = p.cmd.Process.Kill() }).Stop()
	var said strings.Builder
	for {
		line, err := p.out.ReadString('\n')
		said.WriteString(line)
		if err != nil { // a line is written at once, so there is no half one
			return said.String(), p.cmd.Wait()
		}
		hear(strings.TrimSuffix(line, "\n"))
	}
}
