package guardian

import (
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"gsv/supervise/procfs"
)

// A process of somebody else's is watched: its status is known if the kernel tells.
func TestAdopt(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	start, err := procfs.StartTime(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	s := play(t, nil, "adopt", strconv.Itoa(cmd.Process.Pid), strconv.FormatUint(start, 10))
	_ = cmd.Wait()
	s.end(0)
}

func sceneAdopt(s *scene) {
	pid, _ := strconv.Atoi(s.args[0])
	start, _ := strconv.ParseUint(s.args[1], 10, 64)
	s.Adopt("web", 1, pid, start+1)
	if e := want[Ended](s); !e.Unknown || e.Pid != pid || e.Left {
		s.fail("%+v, want an unknown end: it is another process", e)
	}
	s.Adopt("web", 2, pid, start)
	if e := want[Started](s); e.Pid != pid || e.StartTime != start {
		s.fail("%+v, want %d", e, pid)
	}
	s.Adopt("web", 3, pid, start)
	if e := want[Ended](s); !e.Unknown {
		s.fail("%+v: it is taken", e)
	}
	s.Signal(1, "web", 2, unix.SIGTERM, true)
	if e := want[Signalled](s); e.Errno != 0 {
		s.fail("%+v", e)
	}
	if e := want[Ended](s); e.Pid != pid || e.Left || e.Status != syscall.WaitStatus(unix.SIGTERM) && !e.Unknown {
		s.fail("%+v, want it ended by TERM", e)
	}
	s.Exit(0)
}

// One whose parent does not reap it has ended all the same, and leaves nothing.
func TestAdoptUnreaped(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	start, err := procfs.StartTime(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	play(t, nil, "adoptunreaped", strconv.Itoa(cmd.Process.Pid), strconv.FormatUint(start, 10)).end(0)
}

func sceneAdoptUnreaped(s *scene) {
	pid, _ := strconv.Atoi(s.args[0])
	start, _ := strconv.ParseUint(s.args[1], 10, 64)
	s.Adopt("web", 1, pid, start)
	want[Started](s)
	s.Signal(0, "web", 1, unix.SIGKILL, true)
	if e := want[Ended](s); e.Pid != pid || e.Left || !e.Unknown {
		s.fail("%+v, want an unknown end that leaves nothing", e)
	}
	s.Exit(0)
}

func TestAdoptAnOrphan(t *testing.T) { play(t, nil, "adoptown").end(0) }

// An orphan is the guardian's own child: its status is always known.
func sceneAdoptOwn(s *scene) {
	in, w := held(s)
	s.Start("old", 1, sh(`setsid sh -c 'read x; exit 9' <&3 & echo $! > /dev/null; exit 0`), append(std(), in), nil)
	want[Started](s)
	want[Ended](s)
	s.Ack("old", 1)
	var orphan procfs.Proc
	for orphan.Pid == 0 {
		list, err := procfs.Children(s.Hello().Pid)
		if err != nil {
			s.fail("%v", err)
		}
		for _, pid := range list {
			if p, err := procfs.Read(pid); err == nil && p.Comm == "sh" && p.Session == pid {
				orphan = p
			}
		}
	}
	s.Adopt("new", 1, orphan.Pid, orphan.Start)
	if e := want[Started](s); e.Pid != orphan.Pid {
		s.fail("%+v, want %+v", e, orphan)
	}
	w.Close()
	for {
		switch e := s.next().(type) {
		case Empty: // of the old group
		case Ended:
			if e.Key != "new" || e.Status != 9<<8 || e.Unknown {
				s.fail("%+v, want exit 9", e)
			}
			s.Exit(0)
			return
		}
	}
}

// What is kept for one that was adopted outlives it, and supervisors.
func TestAdoptKept(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	start, err := procfs.StartTime(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	s := play(t, []string{"TEST_AGAIN=1ms"}, "adoptkept", strconv.Itoa(cmd.Process.Pid), strconv.FormatUint(start, 10))
	_ = cmd.Wait()
	s.end(0)
}

func sceneAdoptKept(s *scene) {
	pid, _ := strconv.Atoi(s.args[0])
	start, _ := strconv.ParseUint(s.args[1], 10, 64)
	switch s.deaths {
	case 0:
		s.Adopt("web", 1, pid, start)
		want[Started](s)
		fds := openFiles(s)
		s.Keep("web", 1, full(s, "ab"))
		s.Keep("web", 1, full(s, "c")) // and nothing happens
		s.Keep("web", 2, full(s, "d"))
		s.Signal(0, "web", 1, unix.SIGKILL, true)
		want[Ended](s)
		s.Ack("web", 1)
		s.flush()
		if n := openFiles(s); n != fds+1 { // without the pidfd
			s.fail("%d files open, %d before two were kept", n, fds)
		}
	case 1:
		if len(s.list) != 1 || len(s.list[0].Held) != 2 || !s.list[0].Ended {
			s.fail("%+v, want one with two files", s.list)
		}
		s.Release("web", 1)
		s.flush()
	case 2:
		if len(s.list) != 0 {
			s.fail("%+v", s.list)
		}
		s.Exit(0)
	}
	s.die()
}
