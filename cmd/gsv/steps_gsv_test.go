package main_test

import (
	"sync"
	"syscall"
	"testing"

	"gsv/supervise/status"
)

// TestStepsOfGsv kills the guardian with -9 at each step of a reload by a new generation, with which all of gsv ends, or
// guardian and supervisor at once; then gsv is started again, as its init does. The reload goes on: after each, one
// generation serves, with its release, nothing is left of any other, and no client was refused or cut off meanwhile.
func TestStepsOfGsv(t *testing.T) {
	stride := strideOf(13)
	var played sync.WaitGroup
	for i, c := range stepsCases() {
		if c.name == "gunicorn" || c.name == "gunicorn_fails" || c.name == "nginx_fails" {
			continue // as unicorn, to gsv
		}
		played.Go(func() {
			t.Run(c.name, func(t *testing.T) {
				s := newSteps(t, c)
				for n := 1 + i%stride; s.stepOfGsv(n, n%2 == 0); n += stride {
				}
			})
		})
	}
	played.Wait()
}

// StepOfGsv reloads once, the guardian being killed before the nth thing that its supervisor does, and the supervisor
// with it if both are to die. It reports whether it was.
func (s *steps) stepOfGsv(n int, both bool) bool {
	t := s.t
	s.deploy()
	about, err := s.h.about()
	if err != nil {
		t.Fatal(err)
	}
	whom := []int{about.Pid}
	if both {
		whom = append(whom, about.SupervisorPid)
	}
	tracer := trace(t, about.SupervisorPid, n, whom...)
	verdict := s.gsvctl(s.verb, "web")
	killed := tracer.end(len(tracer.killed) == 0)
	t.Logf("%d: %s%q", n, verdict.out, killed)
	if len(killed) > 0 {
		if got, err := s.h.end(); err != nil || got != 128+int(syscall.SIGKILL) {
			t.Fatal(got, err)
		}
		if err := s.h.start(s.h.dir, nil, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	var is status.Service
	if err := s.h.until(func() bool {
		is, _ = s.h.service("web")
		return is.State == status.Running && len(is.Generations) == 0
	}); err != nil {
		t.Fatalf("%v: %+v", err, is)
	}
	// What had not begun when gsv died is not done, and it may have failed: of what is said once nobody may have heard.
	if !s.fails && is.Generation != s.generation {
		s.generation, s.release = is.Generation, s.newest
	}
	told := map[bool]int{false: 0, true: 1}[s.fails]
	if verdict.status != told && (len(killed) == 0 || verdict.status != exitUnreachable) {
		t.Errorf("exit status %d: %s", verdict.status, verdict.out)
	}
	s.alone(s.generation, s.release)
	s.lost.Store(0)
	if t.Failed() {
		t.FailNow()
	}
	return len(killed) > 0
}

// ExitUnreachable is gsvctl's exit status when gsv has ended.
const exitUnreachable = 6
