package guardian

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"gsv/supervise/procfs"
	"gsv/supervise/spawn"
)

func TestArmed(t *testing.T) { play(t, nil, "armed").end(0) }

// sleeps is a run that stays until it is killed.
var sleeps = &spawn.Spec{Argv: []string{"sleep", "1000"}, Umask: -1}

// A mark is a file that is passed with a start; it tells when nobody has it any more.
type mark struct{ r, w *os.File }

func newMark(s *scene) mark {
	r, w, err := os.Pipe()
	if err != nil {
		s.fail("%v", err)
	}
	return mark{r, w}
}

func (m mark) keep() []File { return []File{{File: m.w}} }

// gone fails unless nobody has the mark, or somebody if it is not to be gone.
func (m mark) gone(s *scene, gone bool) {
	s.flush()
	fd, err := number(m.r)
	if err != nil {
		s.fail("%v", err)
	}
	n, err := unix.Read(fd, make([]byte, 1))
	if closed := n == 0 && err == nil; closed != gone || !closed && err != unix.EAGAIN {
		s.fail("%d, %v: want the file closed: %v", n, err, gone)
	}
}

func (s *scene) begin(key string, n uint64, spec *spawn.Spec) Started {
	s.Start(key, n, spec, std(), nil)
	e := want[Started](s)
	if e.Key != key || e.N != n {
		s.fail("%+v, want %s %d", e, key, n)
	}
	return e
}

// crash kills a run's main process and returns its end.
func (s *scene) crash(e Started, next bool) Ended {
	if err := unix.Kill(e.Pid, unix.SIGKILL); err != nil {
		s.fail("%v", err)
	}
	return s.ended(e, next)
}

func (s *scene) ended(e Started, next bool) Ended {
	ended := want[Ended](s)
	if ended.Key != e.Key || ended.N != e.N || ended.Pid != e.Pid || ended.Next != next {
		s.fail("%+v, want the end of %+v with next %v", ended, e, next)
	}
	s.Ack(e.Key, e.N)
	return ended
}

func sceneArmed(s *scene) {
	fds := openFiles(s)
	for key, f := range map[string]func(*scene, string){
		"plain": armedPlain, "disarmed": armedDisarmed, "again": armedAgain, "started": armedStarted, "left": armedLeft,
		"fails": armedFails, "long": armedLong, "dropped": armedDropped, "adopted": armedAdopted,
	} {
		f(s, key)
	}
	s.flush()
	if now := openFiles(s); now != fds {
		s.fail("the guardian has %d open files, and had %d", now, fds)
	}
	s.Exit(0)
}

// openFiles counts the guardian's, which only root may.
func openFiles(s *scene) int {
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.Hello().Pid))
	if err != nil && os.Getuid() == 0 {
		s.fail("%v", err)
	}
	return len(list)
}

// stop ends the last run of a key.
func (s *scene) stop(e Started) {
	s.crash(e, false)
	s.Release(e.Key, e.N)
}

func armedPlain(s *scene, key string) {
	first := s.begin(key, 1, sleeps)
	m := newMark(s)
	s.Arm(key, 2, sleeps, std(), m.keep())
	m.gone(s, false)
	s.crash(first, true)
	second := want[Started](s)
	if start, err := procfs.StartTime(second.Pid); second.N != 2 || err != nil || start != second.StartTime {
		s.fail("%+v, start time %d, %v", second, start, err)
	}
	m.gone(s, false)
	again := newMark(s)
	s.Start(key, 2, sh("exit 9"), std(), again.keep())
	if e := want[Started](s); e != second {
		s.fail("%+v, want %+v again", e, second)
	}
	again.gone(s, true)
	s.Disarm(key, 2) // too late
	s.flush()
	s.Disarm(key, 3) // never was
	s.stop(second)
	m.gone(s, true)
}

func armedDisarmed(s *scene, key string) {
	first := s.begin(key, 1, sleeps)
	m := newMark(s)
	s.Arm(key, 2, sleeps, std(), m.keep())
	s.Disarm(key, 1)
	s.Disarm("nobody", 2)
	m.gone(s, false)
	s.Disarm(key, 2)
	m.gone(s, true)
	s.stop(first)
	s.flush()
}

func armedAgain(s *scene, key string) {
	first := s.begin(key, 1, sleeps)
	m := newMark(s)
	s.Arm(key, 2, sh("exit 1"), std(), m.keep())
	s.Arm(key, 2, sh("exit 2"), std(), nil)
	m.gone(s, true)
	s.crash(first, true)
	second := want[Started](s)
	if e := s.ended(second, false); e.Status != 2<<8 {
		s.fail("%+v, want exit 2", e)
	}
}

func armedStarted(s *scene, key string) {
	first := s.begin(key, 1, sleeps)
	m := newMark(s)
	s.Arm(key, 2, sh("exit 1"), std(), m.keep())
	second := s.begin(key, 2, sleeps)
	m.gone(s, true)
	late := newMark(s)
	s.Arm(key, 2, sh("exit 1"), std(), late.keep()) // it runs
	late.gone(s, true)
	s.stop(first)
	s.stop(second)
}

func armedLeft(s *scene, key string) {
	in, w := held(s)
	end, endW := held(s)
	s.Start(key, 1, sh("cat <&3 & read x <&4; exit 6"), append(std(), in, end), nil)
	first := want[Started](s)
	m := newMark(s)
	s.Arm(key, 2, sleeps, std(), m.keep())
	s.flush()
	endW.Close()
	if e := s.ended(first, false); !e.Left || e.Status != 6<<8 {
		s.fail("%+v, want something left", e)
	}
	m.gone(s, true)
	w.Close()
	want[Empty](s)
}

func armedFails(s *scene, key string) {
	for i, test := range []struct {
		spec *spawn.Spec
		step spawn.Step
		pid  bool
	}{
		{&spawn.Spec{Argv: []string{"/no/such"}}, spawn.StepExec, true},
		{&spawn.Spec{Argv: []string{"true"}, Dir: "/no/such"}, spawn.StepChdir, true},
		{&spawn.Spec{}, spawn.StepExec, false},
	} {
		n := uint64(10 * i)
		first := s.begin(key, n, sleeps)
		m := newMark(s)
		s.Arm(key, n+1, test.spec, std(), m.keep())
		s.flush()
		s.crash(first, true)
		if test.pid {
			want[Started](s)
		}
		e := want[Ended](s)
		if e.N != n+1 || e.Next || e.Failure == nil || e.Failure.Step != test.step || (e.Pid != 0) != test.pid {
			s.fail("%+v, want a failure of %v", e, test.spec)
		}
		s.Ack(key, n+1)
		m.gone(s, false)
		s.Release(key, n+1)
		m.gone(s, true)
	}
}

func armedLong(s *scene, key string) {
	spec := sh(`[ ${#BIG} = 100000 ] && exit 4`)
	spec.Env = append(spec.Env, "BIG="+strings.Repeat("x", 100_000))
	first := s.begin(key, 1, sleeps)
	s.Arm(key, 2, spec, std(), nil)
	s.flush()
	s.crash(first, true)
	second := want[Started](s)
	if e := s.ended(second, false); e.Status != 4<<8 {
		s.fail("%+v, want exit 4", e)
	}
}

// What belongs to no run with a main process is dropped, and told to nobody.
func armedDropped(s *scene, key string) {
	s.Start(key, 1, sh("exit 0"), std(), nil)
	want[Started](s)
	want[Ended](s)
	for _, n := range []uint64{0, 1, 2, 3, 1<<64 - 1} { // 1 is known and ended
		m := newMark(s)
		s.Arm(key, n, sleeps, std(), m.keep())
		m.gone(s, true)
	}
	m := newMark(s)
	s.Arm(key, 2, sleeps, std(), append(m.keep(), File{})) // cannot be sent
	m.gone(s, true)
	s.Ack(key, 1)
	s.flush()
}

func armedAdopted(s *scene, key string) {
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		s.fail("%v", err)
	}
	go func() { _ = cmd.Wait() }() // it is killed
	start, err := procfs.StartTime(cmd.Process.Pid)
	if err != nil {
		s.fail("%v", err)
	}
	s.Adopt(key, 1, cmd.Process.Pid, start)
	first := want[Started](s)
	s.Arm(key, 2, sleeps, std(), nil)
	m := newMark(s)
	s.Arm(key, 3, sleeps, std(), m.keep()) // 2 is only armed
	m.gone(s, true)
	s.crash(first, true)
	second := want[Started](s)
	m = newMark(s)
	s.Arm(key, 3, sleeps, std(), m.keep())
	s.Adopt(key, 3, 1, 1) // fails, and is run 3
	if e := want[Ended](s); e.N != 3 || !e.Unknown {
		s.fail("%+v, want what cannot be adopted", e)
	}
	s.Ack(key, 3)
	m.gone(s, true)
	s.stop(second)
}

// An arm never comes before the start that it belongs to, however many starts wait.
func TestArmedCrowd(t *testing.T) { play(t, nil, "armedcrowd").end(0) }

func sceneArmedCrowd(s *scene) {
	const count = 100
	in, w := held(s)
	in.Shared = true
	for i := range count {
		key := fmt.Sprint("key", i)
		s.Start(key, 1, &spawn.Spec{Argv: []string{"cat"}, Umask: -1}, append([]File{in}, std()[1:]...), nil)
		s.Arm(key, 2, sh("exit 3"), std(), nil)
	}
	for range count {
		if e := want[Started](s); e.N != 1 {
			s.fail("%+v, want run 1", e)
		}
	}
	s.flush()
	w.Close()
	next := map[string]uint64{}
	for ended := 0; ended < 2*count; {
		switch e := s.next().(type) {
		case Ended:
			if ended++; e.Next != (e.N == 1) || e.N == 2 && e.Status != 3<<8 {
				s.fail("%+v", e)
			}
			next[e.Key] = e.N
		case Started:
			if e.N != 2 || next[e.Key] != 1 {
				s.fail("%+v after run %d", e, next[e.Key])
			}
		}
	}
	s.Exit(0)
}

// Descriptors that may never be needed are not held where there are few.
func TestArmedIsShortOfFiles(t *testing.T) { play(t, []string{"TEST_NOFILE=60"}, "armedfiles").end(0) }

func sceneArmedFiles(s *scene) {
	first := s.begin("web", 1, sleeps)
	files := std()
	for len(files) < 30 {
		files = append(files, files[0])
	}
	s.Arm("web", 2, sleeps, std(), nil)
	s.Arm("web", 2, sleeps, files, nil) // not the one before either
	s.flush()
	s.crash(first, false)
	first = s.begin("web", 3, sleeps)
	s.Arm("web", 4, sleeps, std(), nil)
	s.flush()
	s.crash(first, true)
	s.stop(want[Started](s))
	s.Exit(0)
}
