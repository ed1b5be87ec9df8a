package guardian

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"gsv/supervise/procfs"
)

// A family is a run whose main process has two children in its group: one that exits with 9 once its end is closed, and a worker that sleeps.
type family struct {
	Started
	child      procfs.Proc
	worker     int
	end, mains *os.File // what the child and the main process wait for
	mark       mark     // of the worker
}

// The scripts of a family. The main process waits for the end of fd 6 or for its child, or for nothing.
const (
	familyScript = `sh -c 'read x; exit 9' <&3 4>&- 5>&- 6<&- & child=$!; exec 3<&-; sleep 1000 4>&- 6<&- & echo $child $! >&4; exec 4>&- 5>&-; `
	familyEnds   = familyScript + `read x <&6; exit 6`
	familyWaits  = familyScript + `wait $child; exit 6`
	familyBlind  = familyScript + `exec sleep 1000 6<&-`
)

func (s *scene) raise(key string, n uint64, script string) (f family) {
	in, end := held(s)
	main, mains := held(s)
	says, w := held(s)
	f.end, f.mains, f.mark = end, mains, newMark(s)
	stderr := std()[2] // not what the stage reads to its end
	s.Start(key, n, sh(script), []File{stderr, stderr, stderr, in, {File: w}, {File: f.mark.w}, main}, nil)
	f.Started = want[Started](s)
	var child int
	if _, err := fmt.Fscanln(says, &child, &f.worker); err != nil {
		s.fail("%v", err)
	}
	says.Close()
	f.child = s.proc(child)
	if p := s.proc(f.worker); p.Pgrp != f.Pid {
		s.fail("%+v, want a process in group %d", p, f.Pid)
	}
	return f
}

func (s *scene) proc(pid int) procfs.Proc {
	p, err := procfs.Read(pid)
	if err != nil {
		s.fail("%v", err)
	}
	return p
}

// killWorker kills the worker, which must be there.
func (s *scene) killWorker(f family) {
	f.mark.gone(s, false)
	ended := s.awaiting(f.worker)
	if err := unix.Kill(f.worker, unix.SIGKILL); err != nil {
		s.fail("%v", err)
	}
	ended()
}

// awaiting returns what waits for the end of a process.
func (s *scene) awaiting(pid int) func() {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		s.fail("%v", err)
	}
	return func() {
		defer unix.Close(fd)
		for err = unix.EINTR; err == unix.EINTR; {
			_, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
		}
		if err != nil {
			s.fail("%v", err)
		}
	}
}

func (s *scene) adopted(key string, n uint64, p procfs.Proc) Started {
	s.Adopt(key, n, p.Pid, p.Start)
	e := want[Started](s)
	if e.Key != key || e.N != n || e.Pid != p.Pid || e.StartTime != p.Start {
		s.fail("%+v, want %+v adopted", e, p)
	}
	return e
}

// endsWith waits for the end of a run, which must not leave anything.
func (s *scene) endsWith(e Started, status syscall.WaitStatus) {
	if got := s.ended(e, false); got.Status != status || got.Left || got.Unknown {
		s.fail("%+v, want status %#x", got, status)
	}
}

// signalled is what comes of a signal to the whole group.
func (s *scene) signalled(key string, n uint64, sig syscall.Signal, errno syscall.Errno) {
	s.Signal(7, key, n, sig, true)
	if e := want[Signalled](s); e.Errno != errno {
		s.fail("%s %d: %+v, want %v", key, n, e, errno)
	}
}

func TestAdoptFromAGroup(t *testing.T) { play(t, nil, "group").end(0) }

func sceneGroup(s *scene) {
	fds := openFiles(s)
	for key, f := range map[string]func(*scene, string){
		"alive": groupAlive, "ended": groupEnded, "endedlater": groupEndedLater, "unacked": groupUnacked, "last": groupOfTheAdopted,
		"leader": groupOfALeader, "own": groupOwn, "armed": groupArmed, "twice": groupTwice, "zombie": groupZombie, "madelater": groupMadeLater, "waited": groupWaited,
	} {
		f(s, key)
	}
	s.run("last", 1, sh("exit 0")) // with it, all that ended before is reaped
	s.flush()
	if now := openFiles(s); now != fds {
		s.fail("the guardian has %d open files, and had %d", now, fds)
	}
	s.Exit(0)
}

// A clean-up of the old main process hits neither the new one nor its workers.
func groupAlive(s *scene, key string) {
	f := s.raise(key, 1, familyEnds)
	adopted := s.adopted(key, 2, f.child)
	s.signalled(key, 1, 0, 0)
	s.Stop(key, 1, unix.SIGKILL, true)
	s.endsWith(f.Started, syscall.WaitStatus(unix.SIGKILL))
	s.signalled(key, 1, unix.SIGKILL, unix.ESRCH)
	s.signalled(key, 2, 0, 0)
	f.end.Close()
	s.endsWith(adopted, 9<<8)
	s.signalled(key, 2, unix.SIGKILL, unix.ESRCH)
	s.killWorker(f)
}

// The group that a run has left is not its any more.
func groupEnded(s *scene, key string) {
	f := s.raise(key, 1, familyEnds)
	f.mains.Close()
	if e := s.ended(f.Started, false); !e.Left || e.Status != 6<<8 {
		s.fail("%+v, want something left", e)
	}
	s.Adopt(key, 2, f.child.Pid, f.child.Start)
	if e := want[Empty](s); e.Key != key || e.N != 1 {
		s.fail("%+v, want run 1", e)
	}
	adopted := want[Started](s)
	s.signalled(key, 1, unix.SIGKILL, unix.ESRCH)
	f.end.Close()
	s.endsWith(adopted, 9<<8)
	s.killWorker(f)
}

func groupEndedLater(s *scene, key string) {
	f := s.raise(key, 1, familyEnds)
	adopted := s.adopted(key, 2, f.child)
	f.mains.Close()
	s.endsWith(f.Started, 6<<8)
	s.signalled(key, 2, unix.SIGTERM, 0)
	s.endsWith(adopted, syscall.WaitStatus(unix.SIGTERM))
	s.killWorker(f)
}

// The group goes before the end has been acknowledged; a repeated end knows it.
func groupUnacked(s *scene, key string) {
	f := s.raise(key, 1, familyEnds)
	f.mains.Close()
	if e := want[Ended](s); !e.Left {
		s.fail("%+v, want something left", e)
	}
	s.Adopt("other"+key, 1, f.child.Pid, f.child.Start)
	want[Empty](s)
	adopted := want[Started](s)
	s.Start(key, 1, sleeps, std(), nil) // a repetition
	if e := want[Started](s); e != f.Started {
		s.fail("%+v, want %+v", e, f.Started)
	}
	s.endsWith(f.Started, 6<<8)
	f.end.Close()
	s.endsWith(adopted, 9<<8)
	s.killWorker(f)
}

// The adopted process, and the worker with it, are the last of the group.
func groupOfTheAdopted(s *scene, key string) {
	f := s.raise(key, 1, familyEnds)
	adopted := s.adopted(key, 2, f.child)
	s.killWorker(f)
	f.mains.Close()
	s.endsWith(f.Started, 6<<8)
	again := s.begin(key, 1, sleeps) // it is forgotten: another run
	s.crash(again, false)
	f.end.Close()
	s.endsWith(adopted, 9<<8)
}

// The leader is adopted after one that is in its group.
func groupOfALeader(s *scene, key string) {
	in, end := held(s)
	says, w := held(s)
	cmd := exec.Command("sh", "-c", `sh -c 'read x; exit 9' <&3 4>&- & echo $! >&4; exec sleep 1000 3<&- 4>&-`)
	cmd.ExtraFiles = []*os.File{in.File, w}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		s.fail("%v", err)
	}
	waited := make(chan struct{})
	go func() { _ = cmd.Wait(); close(waited) }() // it is killed
	w.Close()
	in.Close()
	var child int
	if _, err := fmt.Fscanln(says, &child); err != nil {
		s.fail("%v", err)
	}
	says.Close()
	adopted := s.adopted(key, 2, s.proc(child))
	leader := s.adopted(key, 1, s.proc(cmd.Process.Pid))
	s.signalled(key, 1, unix.SIGKILL, 0)
	if e := s.ended(leader, false); e.Left {
		s.fail("%+v, want nothing left", e)
	}
	<-waited
	s.signalled(key, 2, 0, 0)
	end.Close()
	s.endsWith(adopted, 9<<8)
}

// One that has a group of its own takes nothing.
func groupOwn(s *scene, key string) {
	f := s.raise(key, 1, `sleep 1000 3<&- 4>&- 6<&- & exec 5>&-
		setsid sh -c 'echo $$ $1 >&4; exec 4>&-; read x; exit 9' sh $! <&3 6<&- & exec 3<&- 4>&-; read x <&6; exit 6`)
	if f.child.Pgrp != f.child.Pid {
		s.fail("%+v, want it to lead a group", f.child)
	}
	adopted := s.adopted(key, 2, f.child)
	f.mains.Close()
	if e := s.ended(f.Started, false); !e.Left {
		s.fail("%+v, want something left", e)
	}
	s.signalled(key, 1, unix.SIGKILL, 0)
	want[Empty](s)
	f.mark.gone(s, true)
	f.end.Close()
	s.endsWith(adopted, 9<<8)
}

// What is armed follows at once: nothing is left of a run without a group.
func groupArmed(s *scene, key string) {
	f := s.raise(key, 1, familyEnds)
	s.Arm(key, 2, sleeps, std(), nil)
	adopted := s.adopted("other"+key, 1, f.child)
	f.mains.Close()
	s.ended(f.Started, true)
	s.stop(want[Started](s))
	f.end.Close()
	s.endsWith(adopted, 9<<8)
	s.killWorker(f)
}

// A second one of the group takes nothing more, and what is repeated is answered again.
func groupTwice(s *scene, key string) {
	f := s.raise(key, 1, familyEnds)
	first := s.adopted(key, 2, f.child)
	second := s.adopted(key, 3, s.proc(f.worker))
	s.adopted(key, 2, f.child)
	s.signalled(key, 1, unix.SIGTERM, 0)
	s.endsWith(f.Started, syscall.WaitStatus(unix.SIGTERM))
	s.signalled(key, 3, unix.SIGTERM, 0)
	s.endsWith(second, syscall.WaitStatus(unix.SIGTERM))
	f.end.Close()
	s.endsWith(first, 9<<8)
	f.mark.gone(s, true)
}

// A child that nobody has waited for becomes the guardian's when its parent ends: its status is known.
func groupZombie(s *scene, key string) {
	f := s.raise(key, 1, familyBlind)
	ended := s.awaiting(f.child.Pid)
	adopted := s.adopted(key, 2, f.child)
	f.end.Close()
	ended()
	if p := s.proc(f.child.Pid); p.Alive() || p.PPid != f.Pid {
		s.fail("%+v, want a zombie of %d", p, f.Pid)
	}
	if err := unix.Kill(f.Pid, unix.SIGKILL); err != nil {
		s.fail("%v", err)
	}
	for range 2 {
		switch e := want[Ended](s); {
		case e.N == 1 && e.Pid == f.Pid && e.Status == syscall.WaitStatus(unix.SIGKILL) && !e.Left:
		case e.N == 2 && e.Pid == adopted.Pid && e.Status == 9<<8 && !e.Left && !e.Unknown:
		default:
			s.fail("%+v, want the ends of both", e)
		}
	}
	s.Ack(key, 1)
	s.Ack(key, 2)
	s.killWorker(f)
}

// The parent of one that is adopted may wait for it.
func groupWaited(s *scene, key string) {
	f := s.raise(key, 1, familyWaits)
	adopted := s.adopted(key, 2, f.child)
	f.end.Close()
	for range 2 {
		switch e := want[Ended](s); {
		case e.N == 1 && e.Status == 6<<8 && !e.Left:
		case e.N == 2 && e.Pid == adopted.Pid && (e.Status == 9<<8 || e.Unknown) && !e.Left: // it depends on the kernel
		default:
			s.fail("%+v, want the ends of both", e)
		}
	}
	s.Ack(key, 1)
	s.Ack(key, 2)
	s.killWorker(f)
}

// A second TERM ends the groups too that are nobody's.
func TestSecondTermEndsGroupsOfNobody(t *testing.T) {
	s := play(t, nil, "groupkill")
	pids := make([]int, 4)
	for i := range pids {
		if _, err := fmt.Sscan(s.line(), &pids[i]); err != nil {
			t.Fatal(err)
		}
	}
	s.signal(unix.SIGTERM)
	s.expect("terminated")
	s.signal(unix.SIGTERM)
	s.end(0)
	for _, pid := range pids {
		if err := unix.Kill(pid, 0); err != unix.ESRCH {
			t.Errorf("process %d is still there: %v", pid, err)
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
}

func sceneGroupKill(s *scene) {
	f, g := s.raise("web", 1, familyEnds), s.raise("web", 3, familyEnds)
	s.adopted("web", 2, f.child)
	adopted := s.adopted("web", 4, g.child)
	f.mains.Close()
	s.endsWith(f.Started, 6<<8)
	s.crash(g.Started, false)
	g.end.Close()
	s.endsWith(adopted, 9<<8)
	fmt.Println(f.child.Pid)
	fmt.Println(f.worker)
	fmt.Println(g.worker)
	fmt.Println(os.Getpid())
	want[Told](s)
	fmt.Println("terminated")
	select {}
}
