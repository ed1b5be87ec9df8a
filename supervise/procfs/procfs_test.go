package procfs

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

const role = "procfs-test-process"

// A test process says "ready" and lives until its standard input ends, or for a
// zombie's sake ends at once.
func TestMain(m *testing.M) {
	if os.Args[0] != role {
		// A process under the race detector lingers a second at its end.
		os.Setenv("GORACE", "atexit_sleep_ms=0")
		os.Exit(m.Run())
	}
	signal.Ignore(syscall.SIGUSR1)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGUSR2)
	if len(os.Args) > 1 && os.Args[1] == "shows" {
		show()
	}
	if len(os.Args) > 1 && os.Args[1] == "grandparent" {
		cmd := exec.Command("/proc/self/exe", "parent")
		cmd.Args[0] = role
		cmd.Stdin, cmd.Stdout = os.Stdin, os.Stdout
		_ = cmd.Run()
		return
	}
	if len(os.Args) > 1 && os.Args[1] == "parent" {
		cmd := exec.Command("/proc/self/exe")
		cmd.Args = []string{role}
		cmd.Stdin, cmd.Stdout = os.Stdin, os.Stdout
		if err := cmd.Start(); err != nil {
			os.Exit(1)
		}
		cmd.Wait()
		return
	}
	os.Stdout.WriteString("ready\n")
	io.Copy(io.Discard, os.Stdin)
}

// start starts a test process, in a session of its own, and returns when it is
// ready. stop ends it and reaps it.
func start(t testing.TB, env []string, args ...string) (pid int, stop func()) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Args[0] = role
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	stdin, err1 := cmd.StdinPipe()
	stdout, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			stdin.Close()
			cmd.Wait()
		}
	}
	t.Cleanup(stop)
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "ready\n" {
		t.Fatal(line, err)
	}
	return cmd.Process.Pid, stop
}

func TestRead(t *testing.T) {
	pid, stop := start(t, nil)
	p, err := Read(pid)
	if err != nil || p.Pid != pid || p.PPid != os.Getpid() || p.Pgrp != pid || p.Session != pid || !p.Alive() {
		t.Errorf("%+v, %v", p, err)
	}
	me, err := Read(os.Getpid())
	if err != nil || me.Start > p.Start || me.Start == 0 {
		t.Errorf("started at %d, its child at %d; %v", me.Start, p.Start, err)
	}
	if start, err := StartTime(pid); err != nil || start != p.Start {
		t.Error(start, err)
	}
	// A hundredth of a second is a tick, on every machine that Linux has.
	if age := Boottime().Seconds() - float64(p.Start)/100; age < -0.02 || age > 600 {
		t.Errorf("%v seconds old", age)
	}
	stop()
	if _, err := Read(pid); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("gone: %v", err)
	}
}

func TestZombieIsNotAlive(t *testing.T) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Args[0] = role
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil { // no standard input: ends at once
		t.Fatal(err)
	}
	defer cmd.Wait()
	pid := cmd.Process.Pid
	// Waits for the end, and leaves the zombie.
	if err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	p, err := Read(pid)
	if err != nil || p.State != 'Z' || p.Alive() {
		t.Errorf("%+v, %v", p, err)
	}
	if procs, err := Group(pid); err != nil || len(procs) != 0 {
		t.Errorf("%v, %v", procs, err)
	}
	if procs := Marked([]int{pid}, "web"); len(procs) != 0 {
		t.Error(procs)
	}
	if got := Cmdline(pid); got != "["+p.Comm+"]" {
		t.Error(got)
	}
}

// A process calls itself what it likes.
func TestHostileName(t *testing.T) {
	old, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	defer os.WriteFile("/proc/self/comm", old, 0)
	for name, want := range map[string]string{") Z 1 (x": ") Z 1 (x", "a\nb": "a?b", "\x1b[2J": "?[2J", "(((": "(((", ")": ")", "\xff": "?"} {
		if err := os.WriteFile("/proc/self/comm", []byte(name), 0); err != nil {
			t.Fatal(err)
		}
		p, err := Read(os.Getpid())
		if err != nil || p.PPid != os.Getppid() || !p.Alive() || p.Comm != want {
			t.Errorf("%q: %+v, %v", name, p, err)
		}
	}
}

func TestGroupSessionChildren(t *testing.T) {
	pid, stop := start(t, nil, "parent")
	group, err := Group(pid)
	if err != nil || len(group) != 2 {
		t.Fatalf("%v, %v", group, err)
	}
	session, err := Session(pid)
	if err != nil || len(session) != 2 || session[0].Pid != group[0].Pid {
		t.Errorf("%v, %v", session, err)
	}
	i := slices.IndexFunc(group, func(p Proc) bool { return p.Pid == pid })
	child := group[1-i]
	if child.PPid != pid || child.Session != pid {
		t.Errorf("%+v", child)
	}
	for _, children := range []func(int) ([]int, error){Children, childrenByScan} {
		if got, err := children(pid); err != nil || !slices.Equal(got, []int{child.Pid}) {
			t.Errorf("%v, %v", got, err)
		}
		if got, err := children(child.Pid); err != nil || len(got) != 0 {
			t.Errorf("%v, %v", got, err)
		}
	}
	if got, err := Children(os.Getpid()); err != nil || !slices.Contains(got, pid) {
		t.Errorf("%v, %v", got, err)
	}
	stop()
	if got, err := Children(pid); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("gone: %v, %v", got, err)
	}
	if got, err := Group(pid); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestCatches(t *testing.T) {
	pid, stop := start(t, nil)
	for sig, want := range map[syscall.Signal][2]bool{
		syscall.SIGUSR1: {false, true},
		syscall.SIGUSR2: {true, false},
		syscall.SIGKILL: {},
		syscall.SIGSTOP: {},
	} {
		caught, ignored, err := Catches(pid, sig)
		if err != nil || [2]bool{caught, ignored} != want {
			t.Errorf("%v: %v %v %v", sig, caught, ignored, err)
		}
	}
	for _, sig := range []syscall.Signal{0, -1, 65} {
		if _, _, err := Catches(pid, sig); err == nil {
			t.Errorf("signal %d", int(sig))
		}
	}
	stop()
	if _, _, err := Catches(pid, syscall.SIGHUP); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("gone: %v", err)
	}
}

func TestCatchesBlocked(t *testing.T) {
	const usr1, hup = 1 << 9, 1 << 0
	for _, tt := range []struct {
		blk, ign, cgt   uint64
		caught, ignored bool
	}{
		{0, 0, 0, false, false},
		{usr1, 0, 0, true, false}, // signalfd
		{usr1, usr1, 0, false, true},
		{0, 0, usr1, true, false},
		{usr1, 0, usr1, true, false},
		{hup, hup, ^uint64(usr1), false, false},
	} {
		status := fmt.Sprintf("Name:\tx\nSigBlk:\t%016x\nSigIgn:\t%016x\nSigCgt:\t%016x\nCap", tt.blk, tt.ign, tt.cgt)
		caught, ignored, err := catches([]byte(status), syscall.SIGUSR1)
		if caught != tt.caught || ignored != tt.ignored || err != nil {
			t.Errorf("%+v: %v %v %v", tt, caught, ignored, err)
		}
	}
	for _, status := range []string{"", "\nSigCgt:\t00\n", "\nSigBlk:\t0000000000000000\nSigIgn:\tzzzzzzzzzzzzzzzz\nSigCgt:\t0000000000000000\n"} {
		if _, _, err := catches([]byte(status), 1); err == nil {
			t.Errorf("%q: no error", status)
		}
	}
}

func TestCatchesWithManyGroups(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Args[0] = role
	groups := make([]uint32, 20000)
	for i := range groups {
		groups[i] = 1_000_000_000 + uint32(i)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Groups: groups}}
	stdin, _ := cmd.StdinPipe()
	stdout, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Skip(err) // not in this user namespace
	}
	defer cmd.Wait()
	defer stdin.Close()
	bufio.NewReader(stdout).ReadString('\n')
	if caught, _, err := Catches(cmd.Process.Pid, syscall.SIGUSR2); err != nil || !caught {
		t.Error(caught, err)
	}
}

func TestMarked(t *testing.T) {
	long := "X=" + strings.Repeat("y", 100_000)
	first, _ := start(t, []string{long, "GSV_SERVICE=web"})
	other, _ := start(t, []string{"GSV_SERVICE=web2", "A=GSV_SERVICE=web", "B=\nGSV_SERVICE=web"})
	gone, stop := start(t, []string{"GSV_SERVICE=web"})
	stop()
	procs := Marked([]int{other, first, gone, os.Getpid(), -1}, "web")
	if len(procs) != 1 || procs[0].Pid != first {
		t.Errorf("%+v", procs)
	}
	if procs := Marked([]int{other}, "web2"); len(procs) != 1 {
		t.Errorf("%+v", procs)
	}
	// At every place where a piece may end.
	for _, n := range []int{16380, 16384, 16390, 32768} {
		for d := range 24 {
			entry := []byte("\x00GSV_SERVICE=web\x00")
			r := io.MultiReader(strings.NewReader(strings.Repeat("z", n+d)), strings.NewReader("\x00GSV_SERVICE=web\x00Z=1\x00"))
			if !contains(r.Read, entry) {
				t.Errorf("not found after %d bytes", n+d)
			}
		}
	}
}

func TestAbout(t *testing.T) {
	pid, stop := start(t, nil, "a b", "\x1b[2J\n")
	if got, want := Cmdline(pid), role+" a b ?[2J?"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if dir, err := Cwd(pid); err != nil || !strings.HasPrefix(dir, os.TempDir()) {
		t.Error(dir, err)
	}
	rss, pss, err := Memory(pid)
	if err != nil || rss < 100<<10 || rss > 1<<30 || pss <= 0 || pss > rss+rss/4 {
		t.Error(rss, pss, err)
	}
	stop()
	if got := Cmdline(pid); got != "" {
		t.Error(got)
	}
	if _, err := Cwd(pid); err == nil {
		t.Error("a directory of nobody")
	}
	if _, _, err := Memory(pid); !errors.Is(err, syscall.ESRCH) {
		t.Error(err)
	}
	if id, err := BootID(); err != nil || len(id) != 36 {
		t.Error(id, err)
	}
}

func FuzzStat(f *testing.F) {
	b, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte("1 (a) b) S 0 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 18446744073709551615 1"))
	f.Add([]byte("1 (() S 0 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 7\n"))
	f.Add([]byte("1 () S"))
	f.Add([]byte(")("))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parseStat(b)
		if err != nil {
			return
		}
		if p.Pid < 0 || p.State == 0 || strings.ContainsAny(p.Comm, "\n\x00\x1b") {
			t.Fatalf("%+v", p)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	pid := os.Getpid()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Read(pid); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCatches(b *testing.B) {
	pid := os.Getpid()
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Catches(pid, syscall.SIGHUP); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGroup(b *testing.B) {
	for b.Loop() {
		if _, err := Group(syscall.Getpgrp()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkChildren(b *testing.B) {
	pid, _ := start(b, nil, "parent")
	for b.Loop() {
		if _, err := Children(pid); err != nil {
			b.Fatal(err)
		}
	}
}
