package supervise

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gsv/supervise/definition"
	"gsv/supervise/guardian"
	"gsv/supervise/lifecycle"
	"gsv/supervise/procfs"
	"gsv/supervise/status"
)

// A service of type "forking" is what its first process has left behind when that
// has ended well: the process that its pid-file names, or the one that there is.

// awaitBackground goes on with a run whose first process has ended well, when it is
// known what that has left.
func (s *Supervisor) awaitBackground(svc *service, gen int, r *run, ev guardian.Ended) {
	exit := exitOf(ev)
	s.locate(svc, gen, r, ev, func(why string) {
		r.forked = false
		exit.Failure, ev.Left = why, ev.Left && !r.empty
		s.runEnded(svc, r, ev, exit)
	})
}

// backgroundEnd is the end of the first process of a run that another supervisor has
// known to be in the background, or could have; ok is false if it is not such a run.
func backgroundEnd(svc *service, r *run, p guardian.Process, forked bool, ended []guardian.Ended) (ev guardian.Ended, ok bool) {
	gen := genOfN(p.N)
	if !p.Ended || r.def.Type != definition.Forking || p.N != uint64(gen) || !slices.ContainsFunc(svc.state.Runs, func(known lifecycle.Run) bool { return known.Gen == gen && known.Exit == nil }) {
		return ev, false
	}
	for _, e := range ended {
		if e.Key == p.Key && e.N == p.N {
			return e, forked || e.Failure == nil && !e.Unknown && e.Status == 0 && svc.starting(gen)
		}
	}
	return guardian.Ended{Key: p.Key, N: p.N, Pid: p.Pid, Left: p.Left, At: time.Now()}, forked
}

// locate looks for the main process of a service that has gone into the
// background, and goes on with it, or without: then is called with why.
func (s *Supervisor) locate(svc *service, gen int, r *run, ev guardian.Ended, then func(why string)) {
	ctx, cancel := context.WithCancel(context.Background())
	if d := r.def.StartTimeout; d > 0 {
		ctx, cancel = context.WithTimeout(ctx, d)
	}
	r.locating = cancel
	keeper, d, mains, launched, h := s.guardian.Hello().Pid, r.def, map[int]bool{s.pid: true}, r.start, s.huntOf(svc, gen)
	for main := range s.mains {
		mains[main] = true
	}
	go func() {
		defer cancel()
		is := func(p procfs.Proc) bool {
			return p.PPid == keeper && p.Alive() && p.Start >= launched && !mains[p.Pid]
		}
		var p procfs.Proc
		var why string
		if d.PidFile != "" {
			p, why = awaitDaemon(ctx, d, is, func(why string) { s.report(func() { r.saw = why }) })
		} else if children, err := procfs.Children(keeper); err != nil {
			why = err.Error()
		} else {
			p, why = h.leftDaemon(children, s.pathOf(d, gen), is)
		}
		s.report(func() {
			r.locating = nil
			if why == "" && !s.rehome(svc, gen, p) {
				why = fmt.Sprintf("its process %d in the background has ended", p.Pid)
			}
			if why != "" {
				then(why)
				return
			}
			s.formerEnded(ev)
			for _, known := range svc.state.Runs {
				if known.Gen == gen && known.Phase == lifecycle.Stopping && len(known.Stop) > 0 { // meanwhile
					s.guardian.Stop(svc.name, r.n, known.Stop[0].Signal, known.Stop[0].Signal == syscall.SIGKILL)
				}
			}
			if rd := d.Ready; !(rd.Workers || rd.TCP != "" || rd.Unix != "" || !rd.HTTP.IsZero() || rd.Exec != nil || rd.Notify || rd.FD != 0 || rd.LogLine != "") {
				s.step(svc, lifecycle.Ready{Gen: gen})
			}
		})
	}()
}

// awaitDaemon waits until the pid-file names a process that may be the service's
// (is); why not, if none is. Meanwhile it tells what it sees.
func awaitDaemon(ctx context.Context, d *definition.Definition, is func(procfs.Proc) bool, tell func(string)) (p procfs.Proc, why string) {
	events, err := watchDir(filepath.Dir(d.PidFile), unix.IN_CLOSE_WRITE|unix.IN_MOVED_TO)
	if err != nil {
		return p, err.Error()
	}
	defer events.Close()
	stop := context.AfterFunc(ctx, func() { events.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	for buf := make([]byte, 4096); ; {
		pid := readPidFile(d.PidFile)
		p, err := procfs.Read(pid)
		switch {
		case pid == 0:
			why = fmt.Sprintf("it went into the background, and its pid-file %s names no process", d.PidFile)
		case err != nil || !is(p):
			why = fmt.Sprintf("it went into the background, and its pid-file %s names %d, which is no process of it that went there", d.PidFile, pid)
		case !mayBe(d, pid):
			return p, fmt.Sprintf("its pid-file %s names %d, a process of another user", d.PidFile, pid)
		default:
			return p, ""
		}
		tell(why)
		if _, err := events.Read(buf); err != nil {
			return p, why
		}
	}
}

// mayBe reports whether a process belongs to the service's user. The pid-file is
// that user's to write, and what it names is sent signals with gsv's rights.
func mayBe(d *definition.Definition, pid int) bool {
	who, err := d.Credentials()
	if err != nil || who == nil {
		return err == nil
	}
	info, err := os.Stat("/proc/" + strconv.Itoa(pid))
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && (st.Uid == who.UID || who.UID == 0)
}

// watchDir tells, by what can be read from it, what becomes of the files in a
// directory (inotify(7)).
func watchDir(dir string, mask uint32) (*os.File, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("cannot wait for its pid-file: %w", err)
	}
	if _, err := unix.InotifyAddWatch(fd, dir, mask); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("cannot wait for its pid-file: %s: %w", dir, err)
	}
	return os.NewFile(uintptr(fd), "inotify"), nil
}

// removeStale removes the pid-file of a service of which nothing runs: its pid may
// be another process's by now, and servers refuse to start then. The directory may
// be that user's, who could turn it elsewhere: only a file of his is removed.
func removeStale(d *definition.Definition) {
	who, err := d.Credentials()
	if err != nil {
		return
	}
	dir, err := unix.Open(filepath.Dir(d.PidFile), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(dir)
	var st unix.Stat_t
	name := filepath.Base(d.PidFile)
	if unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG &&
		(who == nil || who.UID == 0 || who.UID == st.Uid) {
		unix.Unlinkat(dir, name, 0)
	}
}

// readPidFile is the pid that a file names, 0 if it names none. What it says is a
// hint: anybody may have written it.
func readPidFile(path string) int {
	if path == "" {
		return 0
	}
	text, err := readSmall(path, 64)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || pid <= 1 {
		return 0
	}
	return pid
}

// readSmall is the begin of a regular file.
func readSmall(path string, size int) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO may lie there
	if err != nil {
		return "", err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", fs.ErrInvalid
	}
	buf := make([]byte, size)
	n, err := f.Read(buf)
	if n > 0 {
		err = nil
	}
	return string(buf[:n]), err
}

// rehome makes another process of a run its main process: one that went into the
// background, or that the service names itself (sd_notify, MAINPID=). It must be one of
// the run's own, as it was seen. It reports whether it did.
func (s *Supervisor) rehome(svc *service, gen int, p procfs.Proc) bool {
	r, pid := svc.runs[gen], p.Pid
	if r == nil || r.over || r.pid == pid || s.mains[pid] > 0 {
		return false
	}
	start, err := procfs.StartTime(pid)
	if err != nil || start != p.Start { // it has ended since, and another has its pid
		return false
	}
	r.n += 1 << genBits
	r.ended, r.empty, r.forked = false, false, false
	s.isMain(r, pid, start)
	s.noteSession(r)
	s.mark(svc)
	s.save(svc)
	s.guardian.Adopt(svc.name, r.n, pid, start)
	s.event(status.Event{Service: svc.name, Kind: "gsv", Pid: pid, Text: fmt.Sprintf("its main process is %d now", pid)})
	if svc.crew != nil && svc.crew.gen == gen {
		svc.dropCrew()
	}
	s.attend(svc)
	return true
}

// formerEnded lets the guardian forget a main process that was followed by another in
// its run, when it has ended.
func (s *Supervisor) formerEnded(ev guardian.Ended) {
	s.guardian.Ack(ev.Key, ev.N)
	if svc := s.services[ev.Key]; svc == nil || svc.runs[genOfN(ev.N)] == nil {
		s.guardian.Release(ev.Key, ev.N)
	}
}

// formerHeld are the files that the guardian holds for the first main processes of
// runs that were followed by others: they are those runs'.
func formerHeld(svc *service, known map[int]runRecord, found *findings) map[int][]*os.File {
	former := map[int][]*os.File{}
	for _, p := range found.processes {
		gen := genOfN(p.N)
		if p.Key == svc.name && p.N != known[gen].number(gen) {
			former[gen] = append(former[gen], p.Held...)
		}
	}
	return former
}
