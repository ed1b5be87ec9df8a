package guardian

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Without a supervisor an armed start is done; the next one finds nothing armed.
func TestArmedWithoutSupervisor(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	play(t, []string{"TEST_AGAIN=1ms", "TEST_DIR=" + dir}, "armedalone").end(0)
}

// earlyArmedAlone comes before a supervisor has said anything: it kills what its predecessor has named, and waits for what follows.
func earlyArmedAlone() {
	b, err := os.ReadFile(os.Getenv("TEST_DIR") + "/pid")
	if err != nil {
		return // the first
	}
	var pid int
	if _, err := fmt.Sscan(string(b), &pid); err != nil || os.Remove(os.Getenv("TEST_DIR")+"/pid") != nil {
		os.Exit(1)
	}
	_ = unix.Kill(pid, unix.SIGKILL) // or nothing follows
	if _, err := os.ReadFile(os.Getenv("TEST_DIR") + "/fifo"); err != nil {
		os.Exit(1)
	}
}

func sceneArmedAlone(s *scene) {
	switch s.deaths {
	case 0:
		first := s.begin("web", 1, sleeps)
		s.Arm("web", 2, sh(`echo >"$1"; exec sleep 1000`, os.Getenv("TEST_DIR")+"/fifo"), std(), nil)
		if err := os.WriteFile(os.Getenv("TEST_DIR")+"/pid", fmt.Append(nil, first.Pid), 0o600); err != nil {
			s.fail("%v", err)
		}
		s.flush()
		s.die()
	case 1:
		if len(s.list) != 2 {
			s.fail("%+v, want runs 1 and 2", s.list)
		}
		if e := want[Ended](s); e.N != 1 || !e.Next {
			s.fail("%+v, want the end of run 1", e)
		}
		s.Ack("web", 1)
		s.Arm("web", 3, sleeps, std(), nil)
		s.flush()
		s.die()
	case 2:
		if len(s.list) != 1 || s.list[0].N != 2 || s.list[0].Ended {
			s.fail("%+v, want run 2", s.list)
		}
		s.stop(Started{Key: "web", N: 2, Pid: s.list[0].Pid})
		s.flush()
		s.Exit(0)
	}
}

// Once everything is to end, nothing armed is started.
func TestArmedIsNotStartedAtTheEnd(t *testing.T) {
	for _, scene := range []string{"armedexit", "armedterm", "armedkill"} {
		t.Run(scene, func(t *testing.T) {
			dir := t.TempDir()
			play(t, []string{"TEST_DIR=" + dir}, scene).end(0)
			if _, err := os.Stat(dir + "/started"); err == nil {
				t.Error("it was started")
			}
		})
	}
}

// armedLast starts a run and arms one that would be noticed.
func (s *scene) armedLast() Started {
	e := s.begin("web", 1, sleeps)
	s.Arm("web", 2, sh(`: >"$1"`, os.Getenv("TEST_DIR")+"/started"), std(), nil)
	s.flush()
	return e
}

func sceneArmedExit(s *scene) {
	e := s.armedLast()
	s.post(&packet{message: message{kind: kindExit}}) // as Exit, but for what it does here
	s.flush()
	s.stop(e)
	s.flush()
}

func sceneArmedTerm(s *scene) {
	e := s.armedLast()
	if err := unix.Kill(s.Hello().Pid, unix.SIGTERM); err != nil {
		s.fail("%v", err)
	}
	s.AckTold(want[Told](s).Seq)
	s.stop(e)
	s.flush()
	s.Exit(0)
}

// The second TERM ends it all.
func sceneArmedKill(s *scene) {
	s.armedLast()
	for range 2 {
		if err := unix.Kill(s.Hello().Pid, unix.SIGTERM); err != nil {
			s.fail("%v", err)
		}
		s.next()
	}
	s.fail("still there after two of %v", syscall.SIGTERM)
}
