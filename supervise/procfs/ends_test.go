package procfs

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience bounds every wait.
const patience = 30 * time.Second

func newEnds(t testing.TB) *Ends {
	e, err := NewEnds()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
	})
	return e
}

// shell starts one that runs a script, and is not reaped before it is waited for.
func shell(t testing.TB, script string) (cmd *exec.Cmd, begin func()) {
	cmd = exec.Command("sh", "-c", "read x; "+script)
	in, err := cmd.StdinPipe()
	if err := errors.Join(err, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	return cmd, func() { in.Close() }
}

func startOf(t testing.TB, pid int) uint64 {
	start, err := StartTime(pid)
	if err != nil {
		t.Fatal(err)
	}
	return start
}

func next(t testing.TB, ends <-chan End) End {
	t.Helper()
	select {
	case e := <-ends:
		return e
	case <-time.After(patience):
		t.Fatal("its end is not told")
		return End{}
	}
}

// tells says whether the kernel tells the status of a process to others than its parent.
func tells(t testing.TB) bool {
	cmd := exec.Command("true")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.PidfdOpen(cmd.Process.Pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	cmd.Wait()
	end, _ := status(fd)
	return end.Known
}

func TestEnds(t *testing.T) {
	known := tells(t)
	e := newEnds(t)
	for script, want := range map[string]syscall.WaitStatus{"exit 0": 0, "exit 3": 3 << 8, "kill -9 $$": 9, "kill -TERM $$": 15} {
		cmd, begin := shell(t, script)
		ends := make(chan End, 2)
		if _, err := e.Watch(cmd.Process.Pid, startOf(t, cmd.Process.Pid), func(end End) { ends <- end }); err != nil {
			t.Fatal(err)
		}
		begin()
		cmd.Wait()
		if end := next(t, ends); end.Known != known || known && end.Status != want {
			t.Errorf("%s: %+v", script, end)
		}
		if len(ends) > 0 {
			t.Error("told twice")
		}
	}
	if len(e.watched) > 0 || len(e.ending) > 0 {
		t.Error("it keeps what has ended")
	}
}

// One that nobody reaps is told after a while, and holds up nobody.
func TestEndsUnreaped(t *testing.T) {
	e := newEnds(t)
	var all [2]chan End
	for i := range all {
		cmd, begin := shell(t, "exit 3")
		all[i] = make(chan End, 1)
		if _, err := e.Watch(cmd.Process.Pid, startOf(t, cmd.Process.Pid), func(end End) { all[i] <- end }); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			begin()
			if err := unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
				t.Fatal(err)
			}
			continue
		}
		begin()
		cmd.Wait()
	}
	next(t, all[1])
	if tells(t) && len(all[0]) > 0 {
		t.Error("it was not waited for")
	}
	if end := next(t, all[0]); end.Known {
		t.Errorf("%+v", end)
	}
}

func TestEndsOfAnother(t *testing.T) {
	e := newEnds(t)
	pid, stop := start(t, nil)
	at := startOf(t, pid)
	never := func(End) { t.Error("told") }
	for _, tt := range []struct {
		pid   int
		start uint64
	}{{pid, at + 1}, {0, at}, {-1, at}, {-pid, at}} {
		if _, err := e.Watch(tt.pid, tt.start, never); !errors.Is(err, syscall.ESRCH) {
			t.Error(tt, err)
		}
	}
	forget, err := e.Watch(pid, at, never)
	if err != nil {
		t.Fatal(err)
	}
	forget()
	forget()
	if len(e.watched) > 0 {
		t.Error("it keeps what is forgotten")
	}
	told := make(chan End, 1)
	if _, err := e.Watch(pid, at, func(end End) { told <- end }); err != nil {
		t.Fatal(err)
	}
	stop()
	next(t, told)
	if _, err := e.Watch(pid, at, never); !errors.Is(err, syscall.ESRCH) {
		t.Error("gone:", err)
	}
}

func TestEndsClose(t *testing.T) {
	before := runtime.NumGoroutine()
	fds := func() int {
		n := 0
		if err := pids("/proc/self/fd", func(int) { n++ }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	pid, stop := start(t, nil)
	at := startOf(t, pid)
	open := fds()
	e := newEnds(t)
	if _, err := e.Watch(pid, at, func(End) { t.Error("told") }); err != nil {
		t.Fatal(err)
	}
	forget, err := e.Watch(pid, at, func(End) { t.Error("told") })
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	forget()
	if n := fds(); n != open {
		t.Errorf("%d files are open, not %d", n, open)
	}
	if _, err := e.Watch(pid, at, func(End) {}); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
	if err := e.Close(); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
	stop()
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines, not %d", n, before)
	}
}

// Many at once, some forgotten meanwhile by what is told of another.
func TestEndsOfMany(t *testing.T) {
	const many = 150 // more than are taken at once
	e := newEnds(t)
	told := make(chan int, 2*many)
	var forgets [many]func()
	var begins [many]func()
	var cmds [many]*exec.Cmd
	for i := range many {
		cmds[i], begins[i] = shell(t, "exit 1")
		pid := cmds[i].Process.Pid
		var err error
		forgets[i], err = e.Watch(pid, startOf(t, pid), func(End) {
			if i == 0 {
				forgets[1]()
			}
			told <- i
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	begins[0]()
	cmds[0].Wait()
	if i := <-told; i != 0 {
		t.Error(i)
	}
	for i := 1; i < many; i++ {
		begins[i]()
	}
	for i := 1; i < many; i++ {
		cmds[i].Wait()
	}
	seen := make(map[int]bool)
	timeout := time.After(patience)
	for len(seen) < many-2 {
		select {
		case i := <-told:
			if seen[i] || i < 2 {
				t.Error("told twice, or forgotten:", i)
			}
			seen[i] = true
		case <-timeout:
			t.Fatalf("%d of %d", len(seen), many-2)
		}
	}
}
