package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestHupReplacesWorkers(t *testing.T) {
	both(t, func(t *testing.T, s *server) {
		s.up(3)
		old := s.workers()
		if len(old) != 3 {
			t.Fatalf("workers %v, want 3", old)
		}
		finish := s.begin(300 * time.Millisecond)
		s.deploy("2")
		s.signal(syscall.SIGHUP)
		s.line("Sending children hup signal")
		if body, err := finish(); !strings.Contains(body, "release=1 ") {
			t.Errorf("the request in flight got %q, %v", body, err)
		}
		s.endedBusy(old)
		s.holds(3, "release=2 ")
		if now := s.workers(); anyOf(old, now) {
			t.Errorf("workers before %v, after %v", old, now)
		}
	})
}

// AnyAlive tells whether one of these is there; a master reaps its workers at once.
func anyAlive(pids []int) bool {
	return slices.ContainsFunc(pids, func(pid int) bool { return syscall.Kill(pid, 0) == nil })
}

func allAlive(pids []int) bool {
	return !slices.ContainsFunc(pids, func(pid int) bool { return syscall.Kill(pid, 0) != nil })
}

func TestTtinAddsAWorker(t *testing.T) {
	both(t, func(t *testing.T, s *server) {
		s.up(2)
		s.signal(syscall.SIGTTIN)
		s.holds(3, "release=1 ")
	})
}

func TestTtouEndsAWorker(t *testing.T) {
	both(t, func(t *testing.T, s *server) {
		s.up(3)
		old := s.workers()
		s.signal(syscall.SIGTTOU)
		s.fewerBusy(old)
		s.holds(2, "release=1 ")
	})
}

func TestQuitFinishesRequests(t *testing.T) {
	both(t, func(t *testing.T, s *server) {
		s.up(2)
		finish := s.begin(300 * time.Millisecond)
		s.signal(syscall.SIGQUIT)
		if body, err := finish(); !strings.Contains(body, "release=1 ") {
			t.Errorf("the request in flight got %q, %v", body, err)
		}
		s.wantExit(0)
		if !strings.Contains(s.all.String(), "Worker processes cleaned up") {
			t.Error("not said that the workers are gone")
		}
	})
}

func TestTermAndIntCut(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			both(t, func(t *testing.T, s *server) {
				s.up(2)
				finish := s.begin(time.Hour)
				s.signal(sig)
				if body, err := finish(); err == nil {
					t.Errorf("the request in flight got %q", body)
				}
				s.wantExit(0)
				if c, err := net.Dial("tcp", s.addr); err == nil {
					c.Close()
					t.Error("the port is still open")
				}
			})
		})
	}
}

// What is not handled kills the master and leaves its workers, which answer one more connection each.
func TestUncaughtSignalLeavesOrphans(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGKILL} {
		t.Run(sig.String(), func(t *testing.T) {
			both(t, func(t *testing.T, s *server) {
				workers := s.fresh(2)
				if s.catches(sig) {
					t.Error("SigCgt says that it is caught")
				}
				s.signal(sig)
				s.wantKilled(sig) // and is no zombie any more, which Starman's workers would take for their master
				if l, err := net.Listen("tcp", s.addr); err == nil {
					l.Close()
					t.Error("the orphans do not hold the port")
				}
				// Which of them takes a connection is not ours to say, but none takes two.
				left := slices.Clone(workers)
				for range workers {
					c := s.dial()
					body, err := ask(c, "/")
					c.Close()
					var pid int
					_, _ = fmt.Sscanf(body, "release=1 pid=%d", &pid)
					i := slices.Index(left, pid)
					if i < 0 {
						t.Fatalf("of %v, %v are to answer yet; got %q, %v", workers, left, body, err)
					}
					ended(t, pid)
					left = slices.Delete(left, i, i+1)
				}
				if c, err := net.Dial("tcp", s.addr); err == nil {
					c.Close()
					t.Error("the port is still open")
				}
			})
		})
	}
}

func TestCaughtSignals(t *testing.T) {
	both(t, func(t *testing.T, s *server) {
		s.up(1)
		for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGTTIN, syscall.SIGTTOU, syscall.SIGCHLD} {
			if !s.catches(sig) {
				t.Errorf("%v is not caught", sig)
			}
		}
		for _, sig := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGALRM, syscall.SIGWINCH, syscall.SIGTSTP, syscall.SIGCONT} {
			if s.catches(sig) {
				t.Errorf("%v is caught", sig)
			}
		}
	})
}

// Exit status 0, though nothing was served.
func TestPortTaken(t *testing.T) {
	both(t, func(t *testing.T, s *server) {
		l, err := net.Listen("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		s.start(2)
		s.wantExit(0)
		if !strings.Contains(strings.ToLower(s.all.String()), "address already in use") {
			t.Error("not said why")
		}
	})
}

func TestPidFile(t *testing.T) {
	for _, tt := range []struct{ name, before string }{
		{"of a live process", strconv.Itoa(os.Getpid())},
		{"empty", ""},
		{"garbage", "what\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			both(t, func(t *testing.T, s *server) {
				s.write("pid", tt.before)
				s.start(2, "--pid", filepath.Join(s.dir, "pid"))
				s.wantExit(0)
			})
		})
	}
	t.Run("stale", func(t *testing.T) {
		both(t, func(t *testing.T, s *server) {
			path := filepath.Join(s.dir, "pid")
			s.write("pid", "4194305\n") // above the largest pid there can be
			s.up(1, "--pid", path)
			b, err := os.ReadFile(path)
			if err != nil || strings.TrimSpace(string(b)) != strconv.Itoa(s.cmd.Process.Pid) {
				t.Errorf("pid file %q, %v", b, err)
			}
			s.signal(syscall.SIGTERM)
			s.wantExit(0)
			if _, err := os.Stat(path); err == nil {
				t.Error("the pid file stays")
			}
		})
	})
}

// Broken code makes workers die again and again below a master that lives, until it is mended.
func TestBrokenApplication(t *testing.T) {
	both(t, func(t *testing.T, s *server) {
		old := s.fresh(2) // as one of Starman's that had a connection may forget that it was told to go
		s.deploy("die 255 no such module")
		s.signal(syscall.SIGHUP)
		for _, pid := range old {
			ended(t, pid)
		}
		for range 5 {
			s.line("exited with status 255")
		}
		s.deploy("3")
		s.holds(2, "release=3 ")
	})
}

func TestPreloadedApplication(t *testing.T) {
	both(t, func(t *testing.T, s *server) {
		s.up(2, "--preload-app")
		old := s.workers()
		s.deploy("2")
		s.signal(syscall.SIGHUP)
		s.line("Sending children hup signal")
		s.endedBusy(old)
		s.holds(2, "release=1 ")
	})
	t.Run("broken", func(t *testing.T) {
		both(t, func(t *testing.T, s *server) {
			s.deploy("die 255 no such module")
			s.start(2, "--preload-app")
			s.wantExit(255)
		})
	})
}

func TestMaxRequests(t *testing.T) {
	both(t, func(t *testing.T, s *server) {
		s.start(1, "--max-requests", "1")
		seen := map[string]bool{}
		for range 3 {
			c := s.dial()
			body, err := ask(c, "/")
			if err != nil || seen[body] {
				t.Fatalf("%q %v", body, err)
			}
			seen[body] = true
			c.Close()
		}
	})
}

// The following has no counterpart to be compared with.

func TestLateHandlers(t *testing.T) {
	s := newServer(t, "prefork")
	s.start(1, "--late-handlers", "1h")
	for s.catches(syscall.SIGHUP) { // the Go runtime's own, until main takes them back
	}
	s.signal(syscall.SIGHUP)
	s.wantKilled(syscall.SIGHUP)
}

func TestApplicationKillsMaster(t *testing.T) {
	s := newServer(t, "prefork")
	s.up(2)
	s.deploy("die-master")
	s.signal(syscall.SIGHUP)
	s.wantKilled(syscall.SIGKILL)
}

func TestApplicationDiesLater(t *testing.T) {
	s := newServer(t, "prefork")
	s.deploy("die-after 300ms 2")
	s.start(1)
	for deadline := time.Now().Add(patience); ; { // a worker may die in the middle of an answer
		c := s.dial()
		body, err := ask(c, "/")
		c.Close()
		if strings.Contains(body, "release=2 ") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(body, err)
		}
	}
	for range 2 {
		s.line("the application died, 300ms after")
		s.line("exited with status 255")
	}
	s.deploy("die-after soon 3")
	s.line("invalid duration")
	s.deploy("4")
	s.holds(1, "release=4 ")
}

func TestWorkerEnds(t *testing.T) {
	s := newServer(t, "prefork")
	s.up(1)
	for query, want := range map[string]string{"exit=7": "exited with status 7", "abort": "signal was 6"} {
		c := s.dial()
		if body, err := ask(c, "/?"+query); err == nil {
			t.Errorf("%s: answered %q", query, body)
		}
		c.Close()
		s.line(want)
	}
}

func TestUsage(t *testing.T) {
	for _, flags := range [][]string{{"--nonsense"}, {"extra"}, {"--workers", "many"}} {
		s := newServer(t, "prefork")
		s.start(1, flags...)
		s.wantExit(2)
	}
}
