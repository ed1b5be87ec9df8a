package supervise

import (
	"fmt"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gsv/supervise/lifecycle"
	"gsv/supervise/procfs"
)

// A run's processes are its group. One that has made a session of its own, as
// daemons do, escapes from it, and when its parent has ended it becomes a child
// of the guardian, which reaps all orphans. It is known by GSV_SERVICE in its
// environment, unless it has removed that.

// A suspect is a run that has been stopped and may have left such processes.
type suspect struct {
	svc  *service
	gen  int
	done func([]procfs.Proc)
}

// findEscaped looks for processes that escaped from run gen, whose group is gone,
// and has done called with them by the loop. One look serves all who ask while
// another is under way: a thousand services are stopped at once.
func (s *Supervisor) findEscaped(svc *service, gen int, done func([]procfs.Proc)) {
	s.suspects = append(s.suspects, suspect{svc, gen, done})
	if !s.looking {
		s.lookForEscaped()
	}
}

func (s *Supervisor) lookForEscaped() {
	suspects := s.suspects
	s.suspects, s.looking = nil, len(suspects) > 0
	if !s.looking {
		return
	}
	guardian := s.guardian.Hello().Pid
	go func() {
		children, err := procfs.Children(guardian)
		if err != nil {
			children = nil
		}
		s.report(func() { s.lookAt(suspects, children) })
	}()
}

// lookAt looks which of the guardian's children nobody knows, and whose they are.
func (s *Supervisor) lookAt(suspects []suspect, children []int) {
	orphans := slices.DeleteFunc(children, func(pid int) bool { return pid == s.pid || s.mains[pid] > 0 })
	tell := func(escaped [][]procfs.Proc) {
		for i, sus := range suspects {
			var procs []procfs.Proc
			if escaped != nil {
				procs = slices.DeleteFunc(escaped[i], func(p procfs.Proc) bool { is, _ := s.helping(p.Session); return is })
			}
			sus.done(procs)
		}
		s.lookForEscaped()
	}
	if len(orphans) == 0 {
		tell(nil)
		return
	}
	others, sessions, hunts := make([][]brood, len(suspects)), make([]int, len(suspects)), make([]*hunt, len(suspects))
	for i, sus := range suspects {
		others[i], hunts[i] = sus.svc.broods(sus.gen), s.huntOf(sus.svc, sus.gen)
		if r := sus.svc.runs[sus.gen]; r != nil {
			sessions[i] = r.session
		}
	}
	go func() {
		marked := map[string][]procfs.Proc{}
		escaped := make([][]procfs.Proc, len(suspects))
		for i, sus := range suspects {
			procs, looked := marked[sus.svc.name]
			if !looked {
				procs = procfs.Marked(orphans, sus.svc.name)
				marked[sus.svc.name] = procs
			}
			procs = procfs.InSession(procs, orphans, sessions[i])
			if h := hunts[i]; h != nil {
				procs = slices.Concat(procs, h.among(orphans, s.pathOf(h.def, sus.gen)))
			}
			escaped[i] = without(procs, others[i])
		}
		s.report(func() {
			if _, unsure := s.helping(0); unsure { // one of those may be it
				s.suspects = append(s.suspects, suspects...)
				s.lookForEscaped()
				return
			}
			tell(escaped)
		})
	}()
}

// A brood is what tells the processes of a run from those of others.
type brood struct {
	born    int    // see run
	since   uint64 // only what is younger is its: a run and its successor by USR2 have one environment; 0: all
	session int    // 0: it has a group of its own
}

// broods are those of the other runs of a service than gen that are there.
func (svc *service) broods(gen int) (list []brood) {
	r := svc.runs[gen]
	for _, known := range svc.state.Runs {
		other := svc.runs[known.Gen]
		switch {
		case known.Gen == gen || other == nil:
		case r != nil && r.born == other.born:
			list = append(list, brood{other.born, other.start, other.session})
		default:
			list = append(list, brood{born: other.born, session: other.session})
		}
	}
	return list
}

// without leaves out the processes that belong to one of the broods. It reads
// their memory: see procfs.Marked.
func without(procs []procfs.Proc, broods []brood) []procfs.Proc {
	var rest []procfs.Proc
	for _, p := range procs {
		if !slices.ContainsFunc(broods, func(b brood) bool {
			return p.Start >= b.since && (p.Session == b.session || procfs.InGeneration(p.Pid, b.born))
		}) {
			rest = append(rest, p)
		}
	}
	return rest
}

// endEscaped ends what escaped from run gen: TERM, then KILL. When it is gone
// the run is over.
func (s *Supervisor) endEscaped(svc *service, gen int, escaped []procfs.Proc) {
	s.endLeft(svc, gen, fmt.Sprintf("run %d has processes in sessions of their own, which are being ended: %s", gen, list(escaped)), escaped)
}

// endLeft ends processes of run gen that the guardian cannot signal as a group.
func (s *Supervisor) endLeft(svc *service, gen int, text string, left []procfs.Proc) {
	s.event(eventOf(svc.name, "exit", text))
	s.say(svc.name + ": " + text)
	go func() {
		endAll(left)
		s.report(func() {
			s.step(svc, lifecycle.Empty{Gen: gen, Jitter: jitter()})
			s.bury(svc, gen)
		})
	}()
}

// lookAtTheEnd ends what has escaped from any service, when all are stopped,
// and gsv with it: one look serves them all.
func (s *Supervisor) lookAtTheEnd() {
	guardian, names := s.guardian.Hello().Pid, slices.Clone(s.names)
	go func() {
		children, err := procfs.Children(guardian)
		if err != nil {
			children = nil
		}
		orphans := slices.DeleteFunc(children, func(pid int) bool { return pid == s.pid })
		if len(orphans) > 0 {
			var escaped []procfs.Proc
			for _, name := range names {
				escaped = append(escaped, procfs.Marked(orphans, name)...)
			}
			if len(escaped) > 0 {
				s.say("processes in sessions of their own are being ended: " + list(escaped))
				endAll(escaped)
			}
		}
		s.report(func() { s.end.over = true })
	}()
}

// endAll ends processes: TERM, then KILL, and waits until they are gone.
func endAll(procs []procfs.Proc) {
	pidfds := openAll(procs)
	signalAll(pidfds, syscall.SIGTERM)
	signalAll(pidfds, syscall.SIGCONT)
	if pidfds = waitAll(pidfds, lifecycle.CleanWait); len(pidfds) > 0 {
		signalAll(pidfds, syscall.SIGKILL)
		pidfds = waitAll(pidfds, lifecycle.KillGrace)
	}
	for _, fd := range pidfds {
		unix.Close(fd)
	}
}

// openAll opens the processes that are still those that were seen.
func openAll(procs []procfs.Proc) []int {
	var pidfds []int
	for _, p := range procs {
		fd, err := unix.PidfdOpen(p.Pid, 0)
		if err != nil {
			continue
		}
		if start, err := procfs.StartTime(p.Pid); err != nil || start != p.Start {
			unix.Close(fd)
			continue
		}
		pidfds = append(pidfds, fd)
	}
	return pidfds
}

func signalAll(pidfds []int, sig syscall.Signal) {
	for _, fd := range pidfds {
		unix.PidfdSendSignal(fd, sig, nil, 0)
	}
}

// waitAll waits until all processes have ended or the time is over, and
// returns those that have not.
func waitAll(pidfds []int, patience time.Duration) []int {
	deadline := time.Now().Add(patience)
	for len(pidfds) > 0 {
		left := time.Until(deadline)
		if left <= 0 {
			return pidfds
		}
		poll := make([]unix.PollFd, len(pidfds))
		for i, fd := range pidfds {
			poll[i] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
		}
		if _, err := unix.Poll(poll, int(left.Milliseconds())+1); err != nil && err != unix.EINTR {
			return pidfds
		}
		var rest []int
		for _, p := range poll {
			if p.Revents != 0 {
				unix.Close(int(p.Fd))
			} else {
				rest = append(rest, int(p.Fd))
			}
		}
		pidfds = rest
	}
	return nil
}
