package guardian

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// Several runs of one key are there at a time, and their numbers may be as large as can be.
func TestGenerations(t *testing.T) {
	for _, base := range []uint64{1, 1 << 31, 1<<32 - 2, 7<<32 | 5, 1<<63 - 2, 1<<64 - 3} { // the last goes on with 0
		t.Run(fmt.Sprintf("%#x", base), func(t *testing.T) {
			play(t, []string{"TEST_AGAIN=1ms"}, "generations", fmt.Sprint(base)).end(0)
		})
	}
}

func sceneGenerations(s *scene) {
	var n uint64
	if _, err := fmt.Sscan(s.args[0], &n); err != nil {
		s.fail("%v", err)
	}
	if s.deaths == 0 {
		first, second := s.begin("web", n, sleeps), s.begin("web", n+1, sleeps)
		m := newMark(s)
		s.Arm("web", n+1, sleeps, std(), m.keep()) // it is there
		m.gone(s, true)
		s.Arm("web", n+2, sleeps, std(), nil)
		s.flush()
		s.crash(first, false) // nothing follows: n+1 has
		s.crash(second, true)
		third := want[Started](s)
		if third.N != n+2 || third.Pid == 0 {
			s.fail("%+v, want run %d", third, n+2)
		}
		s.Arm("web", n+3, sleeps, std(), nil)
		s.Disarm("web", n+2)
		s.Signal(1<<64-1, "web", n+2, unix.SIGKILL, true)
		if e := want[Signalled](s); e.Token != 1<<64-1 || e.Errno != 0 {
			s.fail("%+v", e)
		}
		s.ended(third, true)
		fourth := want[Started](s)
		if fourth.N != n+3 {
			s.fail("%+v, want run %d", fourth, n+3)
		}
		f := s.raise("web", n+4, familyEnds)
		s.adopted("web", n+5, f.child)
		s.crash(f.Started, false)
		s.killWorker(f)
		s.flush()
		s.die()
	}
	byNumber := map[uint64]Process{}
	for _, p := range s.list {
		byNumber[p.N] = p
	}
	fourth, adopted := byNumber[n+3], byNumber[n+5]
	if len(s.list) != 2 || fourth.Pid == 0 || fourth.Ended || adopted.Pid == 0 {
		s.fail("%+v, want runs %d and %d", s.list, n+3, n+5)
	}
	s.endsWith(Started{Key: "web", N: n + 5, Pid: adopted.Pid}, 9<<8) // as its end was with the supervisor
	s.stop(Started{Key: "web", N: n + 3, Pid: fourth.Pid})
	s.flush()
	s.Exit(0)
}
