package main_test

import (
	"syscall"
	"time"

	"gsv/supervise/status"
)

// The master is killed while its new workers, or the new master itself, load the application.
func playMasterKilled(s *stage, want outcome) {
	hup, number := s.midway()
	web, err := s.service("web")
	if err != nil {
		s.t.Fatal(err)
	}
	s.kill(web.Pid)
	if s.server.held { // the new one is all that there is, once it has loaded its code
		s.serving(2)
		s.gate.release()
	}
	s.verdict(<-hup, want, "1", number)
	s.gate.release()
	s.recovers(s.deploy(good))
}

// Midway deploys a release that hangs, unchecked, and returns when the hup has got as far as that.
func (s *stage) midway() (hup <-chan verdict, number string) {
	s.t.Helper()
	s.keys["check-command"] = `[]`
	s.begin()
	number, before := s.deploy(hangs), len(s.written())
	hup = s.background("hup", "web")
	switch {
	case !s.gate.shut:
		s.gate.reached(s.t)
	case s.server.held:
		s.tried()
	default:
		s.logged(s.server.taken, before)
	}
	return hup, number
}

func (s *stage) kill(pid int) {
	s.t.Helper()
	if pid == 0 {
		s.t.Fatal("no main process")
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		s.t.Fatal(err)
	}
}

// The main process of the new generation is killed while it loads the application.
func playTrialKilled(s *stage, want outcome) {
	hup, number := s.midway()
	s.kill(s.tried())
	s.verdict(<-hup, want, "1", number)
	s.gate.release()
	s.recovers(s.deploy(good))
}

// Tried waits for a generation that is tried and returns its main process.
func (s *stage) tried() int {
	s.t.Helper()
	for deadline := time.Now().Add(patience / 2); time.Now().Before(deadline); { // no event tells when it has begun
		web, err := s.service("web")
		if err != nil {
			s.t.Fatal(err)
		}
		for _, g := range web.Generations {
			if g.Role == status.Trying && g.Pid != 0 {
				return g.Pid
			}
		}
	}
	s.t.Fatal("no generation is tried")
	return 0
}

// Serving waits until that generation is the one that serves.
func (s *stage) serving(generation int) {
	s.t.Helper()
	var web status.Service
	if err := s.until(func() bool { web, _ = s.service("web"); return web.Generation == generation }); err != nil {
		s.t.Fatalf("generation %d serves, not %d: %v", web.Generation, generation, err)
	}
}
