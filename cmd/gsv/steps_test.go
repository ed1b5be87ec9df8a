package main_test

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gsv/supervise/status"
)

// TestSteps kills the supervisor with -9 at each step of a reload by a new generation: just before the first thing that it
// does, then in another reload just before the second, and so on, until a reload is done before as many; every second time
// the one that follows it is killed too. After each, one generation serves, the one that the verdict names; nothing is left
// of any other; and no client was refused or cut off meanwhile.
//
// GSV_STEPS=1 does so at every step, 7 at every seventh, which is how it is if that is not set.
func TestSteps(t *testing.T) {
	stride := strideOf(7)
	var played sync.WaitGroup // all at once: most of their time they wait
	for i, c := range stepsCases() {
		played.Go(func() {
			t.Run(c.name, func(t *testing.T) {
				s := newSteps(t, c)
				for n := 1 + i%stride; s.step(n); n += stride {
				}
			})
		})
	}
	played.Wait()
}

func strideOf(unset int) int {
	if n, err := strconv.Atoi(os.Getenv("GSV_STEPS")); err == nil {
		return max(n, 1)
	}
	return unset
}

// Steps is a gsv with a service that is reloaded again and again, and clients that ask it all the time.
type steps struct {
	stepsCase
	*deploySite
	t          *testing.T
	generation int          // that serves
	release    int          // that it answers with
	newest     int          // release that was put into place
	lost       atomic.Int64 // requests, by the server's own fault, since the last reload
	over       chan struct{}
	clients    sync.WaitGroup
}

func newSteps(t *testing.T, c stepsCase) *steps {
	files := map[string]string{"web/" + c.file: c.app, "web/unicorn.rb": "listen 'ADDR'\nworker_processes 3\n"}
	if c.release == nil {
		c.release = releaseFile
	}
	s := &steps{stepsCase: c, deploySite: newDeploySite(t, deployed{release: c.release, files: files}), t: t,
		generation: 1, release: 1, newest: 1, over: make(chan struct{})}
	s.write(t, "services.d/web.toml", strings.Join(slices.Concat([]string{
		"command = \"" + c.command + "\"",
		"working-directory = 'DIR/web'",
		"check-command = 'true'",
		"min-uptime = '100ms'",
		"reload-timeout = '" + cmp.Or(c.timeout, "5s") + "'",
	}, c.keys, []string{""}), "\n"))
	if err := s.h.start(s.h.dir, nil, nil, nil); err != nil {
		t.Fatal(err)
	}
	if is := s.gsvctl("wait", "web", "--for", "ready"); is.status != 0 {
		t.Fatal(is.out)
	}
	for _, class := range []class{asksFresh, asksSlow} {
		s.clients.Go(func() { s.asks(class) })
	}
	t.Cleanup(func() { close(s.over); s.clients.Wait() })
	return s
}

// Said is what a gsvctl has said.
type said struct {
	status int
	out    string
}

func (s *steps) gsvctl(args ...string) said {
	cmd := exec.Command(filepath.Join(bin, "gsvctl"), args...)
	cmd.Env, cmd.Dir = s.h.vars, s.h.dir
	b, err := cmd.CombinedOutput()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		s.t.Error(err)
	}
	return said{cmd.ProcessState.ExitCode(), string(b)}
}

// Asks is a client that is always answered.
func (s *steps) asks(c class) {
	a := &asker{addr: s.addr, limit: patience / 2}
	pace := time.NewTimer(0)
	defer pace.Stop()
	for {
		select {
		case <-s.over:
			return
		case <-pace.C:
		}
		_, err := a.ask(c)
		if s.races && (err == errReset || err == errCut) {
			s.lost.Add(1)
		} else if err != nil {
			s.t.Errorf("%s: %v", ways[c].name, err)
		}
		pace.Reset(30 * time.Millisecond)
	}
}

// Deploy puts a new release into place.
func (s *steps) deploy() {
	s.newest++
	s.deploySite.release(s.t, s.newest)
	if s.fails {
		s.write(s.t, "fault", "}")
	}
}

// Step reloads once, the supervisor being killed before the nth thing that it does. It reports whether it was.
func (s *steps) step(n int) bool {
	t := s.t
	s.deploy()
	kills := []int{n}
	if n%2 == 0 {
		kills = append(kills, 1+5*n%13)
	}
	done := make(chan said, 1)
	var killed []string
	for i, n := range kills {
		pid, err := s.h.supervisor()
		if err != nil {
			t.Fatal(err)
		}
		tracer := trace(t, pid, n, pid)
		if i == 0 {
			go func() { done <- s.gsvctl(s.verb, "web") }()
		}
		var verdict *said
		select {
		case is := <-done:
			verdict = &is
			done <- is
		case at, ok := <-tracer.killed:
			if ok {
				killed = append(killed, at)
			}
		}
		killed = append(killed, tracer.end(verdict != nil)...)
	}
	verdict := <-done
	t.Logf("%d: %s%q", n, verdict.out, killed)
	generation, release := s.generation, s.release
	if !s.fails {
		generation, release = generation+1, s.newest
	}
	s.judge(verdict, generation, release)
	if lost := s.lost.Swap(0); lost > 1 {
		t.Errorf("%d requests were lost", lost)
	}
	if t.Failed() {
		t.FailNow()
	}
	s.generation, s.release = generation, release
	return len(killed) > 0
}

var (
	didReload = regexp.MustCompile(`^web@app01: reloaded, generation (\d+)`)
	didNot    = regexp.MustCompile(`(?m)^web@app01: NOT reloaded, generation (\d+) (?:\(.*\) )?still serves: (?:(?:generation|workers of generation) \d+|no new main process came|its new main process ended) `)
)

// Judge holds what a command has said against what must be, and that against what is.
func (s *steps) judge(verdict said, generation, release int) {
	t := s.t
	t.Helper()
	status, words := 0, didReload
	if s.fails {
		status, words = 1, didNot
	}
	if is := words.FindStringSubmatch(verdict.out); verdict.status != status || is == nil || is[1] != fmt.Sprint(generation) {
		t.Errorf("exit status %d, want %d, and generation %d: %s", verdict.status, status, generation, verdict.out)
	}
	if strings.Contains(verdict.out, "found no room") {
		t.Errorf("there was room for all: %s", verdict.out)
	}
	s.alone(generation, release)
}

// Alone fails unless that generation serves with that release, and nothing is there of any other.
func (s *steps) alone(generation, release int) {
	t := s.t
	t.Helper()
	is, err := s.h.service("web")
	if err != nil {
		t.Fatal(err)
	}
	if is.State != status.Running || !is.Ready || is.Restarts != 0 || is.Generation != generation || len(is.Generations) != 0 {
		t.Errorf("not generation %d alone: %+v", generation, is)
	}
	if there, own := s.there(), family(is.Pid); !slices.Equal(there, own) {
		t.Errorf("of the service there are %v, of generation %d %v", there, generation, own)
	}
	a := &asker{addr: s.addr, limit: patience / 2}
	for range 5 {
		if got, err := a.ask(asksFresh); err != nil || got != release {
			t.Errorf("release %d answers, not %d (%v)", got, release, err)
		}
	}
}

// There are the service's processes, of whatever generation.
func (s *steps) there() (pids []int) {
	for _, p := range processes() {
		if cwd, _ := os.Readlink(fmt.Sprintf("/proc/%d/cwd", p.Pid)); cwd == s.fill("DIR/web") {
			pids = append(pids, p.Pid)
		}
	}
	slices.Sort(pids)
	return pids
}

// Family are a process and what it has started, and so on.
func family(pid int) []int {
	pids := []int{pid}
	for i := 0; i < len(pids); i++ {
		children, _ := childrenOf(pids[i])
		pids = append(pids, children...)
	}
	slices.Sort(pids)
	return pids
}
