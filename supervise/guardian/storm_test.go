package guardian

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"gsv/supervise/procfs"
	"gsv/supervise/spawn"
)

const stormRuns = 900

// The supervisor is killed again and again, wherever it happens to be, while hundreds of runs start and end. In its files it
// keeps what it meant to start and what it was told. In the end every run was started exactly once and ended with its own status.
func TestSupervisorKilledWithoutEnd(t *testing.T) { storm(t, nil) }

// The same where a pid comes again after a moment.
func TestSupervisorKilledWithFewPids(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, for a pid namespace")
	}
	if !kernelSince(t, 6, 14) {
		t.Skip("needs Linux 6.14: before, pid_max is the whole machine's")
	}
	storm(t, []string{"TEST_NAMESPACE=1", "TEST_PID_MAX=420"})
}

func kernelSince(t *testing.T, wantMajor, wantMinor int) bool {
	t.Helper()
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		t.Fatal(err)
	}
	var major, minor int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor); err != nil {
		t.Fatal(err)
	}
	return major > wantMajor || major == wantMajor && minor >= wantMinor
}

func storm(t *testing.T, env []string) {
	dir := t.TempDir()
	s := play(t, append(env, "TEST_AGAIN=1us"), "storm", dir)
	s.killing(func(string) {})
	for n := range stormRuns {
		name := filepath.Join(dir, strconv.Itoa(n))
		if b, err := os.ReadFile(name + ".started"); stormStarts(n) && (err != nil || string(b) != "x") {
			t.Errorf("run %d was started %d times, %v", n, len(b), err)
		}
		if b, err := os.ReadFile(name + ".ended"); err != nil || string(b) != stormEnd(n) {
			t.Errorf("run %d ended with %q, %v, want %q", n, b, err, stormEnd(n))
		}
	}
}

// killing kills one supervisor after the other, each after it has said some lines, until the guardian ends.
func (s *stage) killing(said func(line string)) {
	t := s.t
	t.Helper()
	rng := rand.New(rand.NewPCG(3, 4))
	guardian := s.cmd.Process.Pid
	kills := 0
	for left := 0; ; {
		line, ok := <-s.lines
		if !ok {
			break
		}
		said(line)
		if line == "new" { // one more supervisor: how much may it say?
			left = 1 + rng.IntN(60)
		}
		if left--; left == 0 && kills < 60 {
			for _, pid := range children(guardian) {
				if p, err := procfs.Read(pid); err == nil && p.PPid == guardian && procfs.Cmdline(pid) != "" && strings.HasPrefix(procfs.Cmdline(pid), "supervisor ") {
					if err := unix.Kill(pid, unix.SIGKILL); err == nil {
						kills++
					}
				}
			}
		}
	}
	s.end(0)
	if kills < 40 {
		t.Errorf("only %d kills: nothing is proven", kills)
	}
	t.Logf("%d kills", kills)
}

func children(pid int) []int {
	list, _ := procfs.Children(pid) // may be gone already
	return list
}

func stormStarts(n int) bool { return n%4 != 0 }

func stormSpec(dir string, n int) *spawn.Spec {
	mark := fmt.Sprintf("printf x >> %s/%d.started; ", dir, n)
	switch n % 4 {
	case 0:
		return &spawn.Spec{Argv: []string{"/no/such"}}
	case 1:
		return sh(mark + "kill -KILL $$")
	case 2:
		return sh(mark+"(true &); exit $1", strconv.Itoa(n%120))
	}
	return sh(mark+"exit $1", strconv.Itoa(n%120))
}

func stormEnd(n int) string {
	switch n % 4 {
	case 0:
		return fmt.Sprintf("%d cannot execute: no such file or directory", 127<<8)
	case 1:
		return fmt.Sprintf("%d ok", unix.SIGKILL)
	}
	return fmt.Sprintf("%d ok", n%120<<8)
}

func sceneStorm(s *scene) {
	dir := s.args[0]
	fmt.Println("new")
	s.Serving()
	meant, ended := 0, map[int]bool{}
	for ; meant < stormRuns; meant++ {
		if _, err := os.Stat(filepath.Join(dir, strconv.Itoa(meant)+".meant")); err != nil {
			break
		}
		if _, err := os.Stat(filepath.Join(dir, strconv.Itoa(meant)+".ended")); err == nil {
			ended[meant] = true
		}
	}
	known := map[int]bool{}
	for _, p := range s.list {
		known[int(p.N)] = true
	}
	waiting := 0
	for n := range meant {
		if !ended[n] {
			waiting++
			s.Start("web", uint64(n), stormSpec(dir, n), std(), nil) // perhaps for the second time
		}
	}
	for {
		for ; meant < stormRuns && waiting < 30; meant++ {
			if err := os.WriteFile(filepath.Join(dir, strconv.Itoa(meant)+".meant"), nil, 0o600); err != nil {
				s.fail("%v", err)
			}
			waiting++
			s.Start("web", uint64(meant), stormSpec(dir, meant), std(), nil)
			fmt.Println("meant")
		}
		if waiting == 0 {
			break
		}
		switch e := s.next().(type) {
		case Ended:
			s.record(filepath.Join(dir, strconv.FormatUint(e.N, 10)), e)
			if !ended[int(e.N)] {
				ended[int(e.N)] = true
				waiting--
			}
			s.Ack(e.Key, e.N)
			fmt.Println("ended")
		case Started:
			if e.Pid <= 0 {
				s.fail("%+v", e)
			}
		}
	}
	s.flush()
	if list := zombies(s.Hello().Pid); len(list) != 0 {
		s.fail("zombies: %v", list)
	}
	s.Exit(0)
}

// record writes down how a run ended, whole or not at all, in name.ended. What is there already must say the same.
func (s *scene) record(name string, e Ended) {
	text := fmt.Sprintf("%d ok", uint32(e.Status))
	if e.Failure != nil {
		text = fmt.Sprintf("%d %v", uint32(e.Status), *e.Failure)
	}
	name += ".ended"
	if b, err := os.ReadFile(name); err == nil {
		if string(b) != text {
			s.fail("run %d ended with %q, and now with %q", e.N, b, text)
		}
		return
	}
	if err := os.WriteFile(name+"~", []byte(text), 0o600); err != nil {
		s.fail("%v", err)
	}
	if err := os.Rename(name+"~", name); err != nil {
		s.fail("%v", err)
	}
}

// zombies returns the guardian's children that have ended and were not reaped, twice seen: any child is one for a moment.
func zombies(guardian int) []procfs.Proc {
	seen := map[procfs.Proc]bool{}
	for _, pid := range children(guardian) {
		if p, err := procfs.Read(pid); err == nil && !p.Alive() {
			seen[p] = true
		}
	}
	var list []procfs.Proc
	for _, pid := range children(guardian) {
		if p, err := procfs.Read(pid); err == nil && seen[p] {
			list = append(list, p)
		}
	}
	return list
}

// PID 1 with thousands of orphans: they are reaped, and nobody's status is theirs.
func TestOrphans(t *testing.T) {
	env := []string{}
	if os.Getuid() == 0 {
		env = append(env, "TEST_NAMESPACE=1")
	}
	play(t, env, "orphans").end(0)
}

func sceneOrphans(s *scene) {
	const makers, each, others = 4, 750, 200
	for n := range uint64(makers) {
		s.Start("maker", n, sh(`i=0; while [ $i -lt $1 ]; do (true &); i=$((i+1)); done; exit 8`, strconv.Itoa(each)), std(), nil)
	}
	for n := range uint64(others) {
		s.Start("other", n, sh("exit $1", fmt.Sprint(n%100)), std(), nil)
	}
	left := 0
	for ended := 0; ended < makers+others || left > 0; {
		switch e := s.next().(type) {
		case Ended:
			ended++
			code := 8
			if e.Key == "other" {
				code = int(e.N % 100)
			}
			if e.Status != syscall.WaitStatus(code)<<8 {
				s.fail("%+v, want exit %d", e, code)
			}
			if e.Left {
				left++
			}
			s.Ack(e.Key, e.N)
		case Empty:
			left--
		}
	}
	s.flush()
	if list := zombies(s.Hello().Pid); len(list) != 0 {
		s.fail("zombies: %v", list)
	}
	s.Exit(0)
}
