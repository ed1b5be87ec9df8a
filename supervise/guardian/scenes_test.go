package guardian

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gsv/supervise/procfs"
	"gsv/supervise/spawn"
)

var scenes = map[string]func(*scene){
	"status": sceneStatus, "deaths": sceneDeaths, "left": sceneLeft, "aside": sceneAside, "told": sceneTold, "mute": sceneMute,
	"crowd": sceneCrowd, "hold": sceneHold, "garbage": sceneGarbage, "noexit": sceneNoExit, "second": sceneSecond, "inherit": sceneInherit,
	"files": sceneFiles, "fast": sceneFast, "forward": sceneForward,
	"adopt": sceneAdopt, "adoptown": sceneAdoptOwn, "adoptunreaped": sceneAdoptUnreaped, "adoptkept": sceneAdoptKept, "storm": sceneStorm, "orphans": sceneOrphans,
	"armed": sceneArmed, "armedcrowd": sceneArmedCrowd, "armedfiles": sceneArmedFiles, "armedalone": sceneArmedAlone,
	"armedexit": sceneArmedExit, "armedterm": sceneArmedTerm, "armedstorm": sceneArmedStorm, "armedkill": sceneArmedKill,
	"holes": sceneHoles, "holds": sceneHolds, "group": sceneGroup, "groupkill": sceneGroupKill,
	"heldlistener": sceneHeldListener, "heldorder": sceneHeldOrder, "heldfew": sceneHeldFew, "heldshort": sceneHeldShort, "heldstorm": sceneHeldStorm,
	"generations": sceneGenerations,
	"bench":       sceneBench, "benchcrash": sceneBenchCrash, "benchmain": sceneBenchMain, "bench1000": sceneBenchThousand,
}

// early is what a supervisor does before it dials.
var early = map[string]func(){"aside": earlyAside, "armedalone": earlyArmedAlone, "heldfew": earlyHeldFew}

func TestStatus(t *testing.T) { play(t, nil, "status").end(5) }

func sceneStatus(s *scene) {
	if s.Hello().Pid != os.Getppid() {
		s.fail("the guardian says that it is %d, but our parent is %d", s.Hello().Pid, os.Getppid())
	}
	if start, err := procfs.StartTime(os.Getppid()); err != nil || start != s.Hello().StartTime {
		s.fail("start time %d, want %d", s.Hello().StartTime, start)
	}
	tests := []struct {
		spec    *spawn.Spec
		status  syscall.WaitStatus
		failure *spawn.Failure
	}{
		{sh("exit 0"), 0, nil},
		{sh("exit 3"), 3 << 8, nil},
		{sh("kill -TERM $$"), syscall.WaitStatus(unix.SIGTERM), nil},
		{sh("kill -40 $$"), 40, nil},
		{&spawn.Spec{Argv: []string{"/no/such"}}, 127 << 8, &spawn.Failure{Step: spawn.StepExec, Errno: unix.ENOENT}},
		{&spawn.Spec{Argv: []string{"true"}, Dir: "/no/such"}, 127 << 8, &spawn.Failure{Step: spawn.StepChdir, Errno: unix.ENOENT}},
	}
	for i, test := range tests {
		before := time.Now()
		_, e := s.run("web", uint64(i), test.spec)
		if e.Status != test.status || e.Unknown || e.Left {
			s.fail("%v: %+v, want status %#x", test.spec.Argv, e, test.status)
		}
		if (e.Failure == nil) != (test.failure == nil) || e.Failure != nil && *e.Failure != *test.failure {
			s.fail("%v: failure %v, want %v", test.spec.Argv, e.Failure, test.failure)
		}
		if e.At.Before(before.Add(-time.Millisecond)) || e.At.After(time.Now()) {
			s.fail("it ended at %v, want after %v", e.At, before)
		}
	}
	// Without a process there is an end without a start.
	s.Start("web", 100, &spawn.Spec{}, std(), nil)
	if e := want[Ended](s); e.Pid != 0 || e.Failure == nil || *e.Failure != (spawn.Failure{Step: spawn.StepExec, Errno: unix.EINVAL}) {
		s.fail("%+v, want a failure without a pid", e)
	}
	// A key too long fails that start only.
	s.Start(strings.Repeat("k", maxKey+1), 1, sh("exit 0"), std(), nil)
	if e := want[Ended](s); e.Failure == nil || e.Failure.Errno != unix.EINVAL {
		s.fail("%+v, want EINVAL", e)
	}
	s.Start("web", 101, sh("exit 0"), std(), []File{{File: nil}})
	if e := want[Ended](s); e.Failure == nil || e.Failure.Errno != unix.EBADF {
		s.fail("%+v, want EBADF", e)
	}
	// A specification that is too long for a message, and many files.
	spec := sh(`[ ${#BIG} = 100000 ] && cat <&9 && exit 4`)
	spec.Env = append(spec.Env, "BIG="+strings.Repeat("x", 100_000))
	null, err := os.Open("/dev/null")
	if err != nil {
		s.fail("%v", err)
	}
	files := make([]File, 200)
	for i := range files {
		files[i] = File{File: null}
	}
	if _, e := s.run("web", 102, spec, files...); e.Status != 4<<8 {
		s.fail("%+v, want exit 4", e)
	}
	s.flush()
	if _, err := null.Stat(); err == nil {
		s.fail("a file that was not shared is still open")
	}
	if _, err := os.Stdout.Stat(); err != nil {
		s.fail("a shared file was closed: %v", err)
	}
	s.Exit(5)
}

func TestSupervisorDies(t *testing.T) {
	s := play(t, []string{"TEST_AGAIN=1ms"}, "deaths")
	s.end(0)
	if n := strings.Count(s.err.String(), "gsv: supervisor ended (signal: killed), starting it again\n"); n != 2 {
		t.Errorf("it was said %d times that the supervisor ended, want 2:\n%s", n, s.err.String())
	}
}

func sceneDeaths(s *scene) {
	switch s.deaths {
	case 0:
		if len(s.list) != 0 {
			s.fail("%+v, want nothing", s.list)
		}
		s.Start("stays", 1, &spawn.Spec{Argv: []string{"sleep", "1000"}}, std(), []File{{File: os.Stderr, Shared: true}})
		started := want[Started](s)
		s.Start("ends", 7, sh("exit 3"), std(), nil)
		want[Started](s)
		want[Ended](s)
		if start, err := procfs.StartTime(started.Pid); err != nil || start != started.StartTime {
			s.fail("start time %d, want %d", started.StartTime, start)
		}
		s.Serving()
		s.flush()
		s.die()
	case 1:
		byKey := map[string]Process{}
		for _, p := range s.list {
			byKey[p.Key] = p
		}
		stays, ends := byKey["stays"], byKey["ends"]
		if len(s.list) != 2 || stays.Ended || stays.N != 1 || len(stays.Held) != 1 || !ends.Ended || ends.Acked || ends.N != 7 {
			s.fail("%+v, want stays and ends", s.list)
		}
		if e := want[Ended](s); e.Key != "ends" || e.N != 7 || e.Status != 3<<8 || e.Pid != ends.Pid {
			s.fail("%+v, want the end once more", e)
		}
		s.Start("stays", 1, sh("exit 9"), std(), nil) // a repetition
		if e := want[Started](s); e.Pid != stays.Pid || e.StartTime != stays.StartTime {
			s.fail("%+v, want the one that runs: %+v", e, stays)
		}
		s.Start("ends", 7, sh("exit 9"), std(), nil)
		want[Started](s)
		if e := want[Ended](s); e.Status != 3<<8 {
			s.fail("%+v, want what it ended with", e)
		}
		s.Ack("ends", 7)
		s.flush()
		s.die()
	case 2:
		if len(s.list) != 1 || s.list[0].Key != "stays" {
			s.fail("%+v, want one", s.list)
		}
		s.Signal(42, "stays", 1, unix.SIGTERM, false)
		if e := want[Signalled](s); e.Token != 42 || e.Errno != 0 {
			s.fail("%+v, want it signalled", e)
		}
		if e := want[Ended](s); e.Status != syscall.WaitStatus(unix.SIGTERM) {
			s.fail("%+v, want SIGTERM", e)
		}
		s.Signal(43, "stays", 1, unix.SIGTERM, false)
		if e := want[Signalled](s); e.Token != 43 || e.Errno != unix.ESRCH {
			s.fail("%+v, want ESRCH", e)
		}
		s.Ack("stays", 1)
		s.Exit(0)
	}
}

func TestLeftBehind(t *testing.T) { play(t, []string{"TEST_AGAIN=1ms"}, "left").end(0) }

func sceneLeft(s *scene) {
	in, w := held(s)
	defer w.Close()
	if s.deaths == 0 {
		s.Start("web", 1, sh("cat >&2 <&3 & exit 6"), append(std(), in), nil)
		want[Started](s)
		if e := want[Ended](s); !e.Left || e.Status != 6<<8 {
			s.fail("%+v, want something left", e)
		}
		s.Ack("web", 1)
		s.Signal(1, "web", 1, unix.SIGKILL, false)
		if e := want[Signalled](s); e.Errno != unix.ESRCH {
			s.fail("main process: %+v, want ESRCH", e)
		}
		s.Signal(2, "web", 1, unix.SIGSTOP, true)
		if e := want[Signalled](s); e.Errno != 0 {
			s.fail("group: %+v, want it signalled", e)
		}
		s.die() // which ends our pipe, but cat is stopped
	}
	if len(s.list) != 1 || !s.list[0].Ended || !s.list[0].Acked || !s.list[0].Left {
		s.fail("%+v, want one that left something", s.list)
	}
	s.Signal(3, "web", 1, unix.SIGKILL, true)
	if e := want[Signalled](s); e.Errno != 0 {
		s.fail("group: %+v, want it signalled", e)
	}
	if e := want[Empty](s); e.Key != "web" || e.N != 1 {
		s.fail("%+v, want web 1", e)
	}
	s.Signal(4, "web", 1, unix.SIGKILL, true)
	if e := want[Signalled](s); e.Errno != unix.ESRCH {
		s.fail("group: %+v, want ESRCH", e)
	}
	s.Exit(0)
}

func TestStateIsSetAside(t *testing.T) {
	s := play(t, []string{"TEST_AGAIN=1ms", "TEST_DIR=" + t.TempDir()}, "aside")
	s.end(0)
	if !strings.Contains(s.err.String(), "gsv: supervisor ended (exit status 1), starting it again with its state set aside\n") {
		t.Errorf("it was not said:\n%s", s.err.String())
	}
}

func earlyAside() {
	path := os.Getenv("TEST_DIR") + "/starts"
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		os.Exit(2)
	}
	fmt.Fprint(f, len(os.Args)-2)
	f.Close()
	if b, err := os.ReadFile(path); err != nil || len(b) < 4 {
		os.Exit(1)
	}
}

func sceneAside(s *scene) {
	switch s.deaths {
	case 3:
		if len(s.args) != 1 || s.args[0] != asideFlag {
			s.fail("arguments %q, want %s", s.args, asideFlag)
		}
		s.Serving()
		s.flush()
		s.die()
	case 4:
		if len(s.args) != 0 {
			s.fail("arguments %q after one that served", s.args)
		}
		if b, err := os.ReadFile(os.Getenv("TEST_DIR") + "/starts"); err != nil || string(b) != "00010" {
			s.fail("starts were %q, %v", b, err)
		}
		s.Exit(0)
	}
}

func TestHoldsFiles(t *testing.T) { play(t, []string{"TEST_AGAIN=1ms"}, "hold").end(0) }

// The reader sees the end of the pipe once the guardian closes the writer that it was told to keep.
func sceneHold(s *scene) {
	r, w, err := os.Pipe()
	if err != nil {
		s.fail("%v", err)
	}
	s.Start("web", 1, sh("exit 0"), std(), []File{{File: w}})
	want[Started](s)
	want[Ended](s)
	s.Ack("web", 1)
	s.flush()
	fd, err := number(r) // non-blocking, as os.Pipe makes it
	if err != nil {
		s.fail("%v", err)
	}
	if n, err := unix.Read(fd, make([]byte, 1)); err != unix.EAGAIN {
		s.fail("%d, %v, want a pipe that somebody holds", n, err)
	}
	s.Release("web", 1)
	s.flush()
	if n, err := unix.Read(fd, make([]byte, 1)); n != 0 || err != nil {
		s.fail("%d, %v, want the end", n, err)
	}
	s.Exit(0)
}

func TestInherited(t *testing.T) {
	path := t.TempDir() + "/file"
	if err := os.WriteFile(path, []byte("inherited"), 0o600); err != nil {
		t.Fatal(err)
	}
	var given syscall.Rlimit
	if err := syscall.Getrlimit(unix.RLIMIT_NOFILE, &given); err != nil {
		t.Fatal(err)
	}
	s := play(t, []string{"TEST_FILE=" + path}, "inherit")
	ours := s.line()
	supervisors := s.line()
	s.end(0)
	if want := fmt.Sprint(softLimit(t)); ours != want || supervisors != want {
		t.Errorf("soft limits of files: child %s, supervisor %s, want %s", ours, supervisors, want)
	}
}

// softLimit is what a child of ours that is no Go program has.
func softLimit(t *testing.T) uint64 {
	t.Helper()
	r := raiseFiles()
	if r == nil {
		t.Fatal("no limit")
	}
	return r.Cur
}

func sceneInherit(s *scene) {
	b := make([]byte, 100)
	n, err := unix.Pread(4, b, 0)
	if err != nil || string(b[:n]) != "inherited" {
		s.fail("fd 4 has %q, %v", b[:n], err)
	}
	s.run("web", 1, sh("ulimit -Sn"))
	fmt.Println(raiseFiles().Cur)
	list, err := procfs.Children(os.Getppid())
	if err != nil || len(list) != 1 {
		s.fail("the guardian has children %v, %v, want us alone", list, err)
	}
	s.Exit(0)
}

func TestFilesLostOnTheWay(t *testing.T) { play(t, []string{"TEST_NOFILE=40"}, "files").end(0) }

func sceneFiles(s *scene) {
	files := std()
	for len(files) < 100 {
		files = append(files, files[0])
	}
	s.Start("web", 1, sh("exit 0"), files, nil)
	if e := want[Ended](s); e.Failure == nil || *e.Failure != (spawn.Failure{Step: spawn.StepFiles, Errno: unix.EMFILE}) {
		s.fail("%+v, want EMFILE", e)
	}
	for n := range uint64(50) { // none leaked
		if _, e := s.run("web", 2+n, sh("exit 1")); e.Status != 1<<8 {
			s.fail("%+v, want exit 1", e)
		}
	}
	s.Exit(0)
}
