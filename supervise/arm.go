package supervise

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gsv/supervise/definition"
	"gsv/supervise/guardian"
	"gsv/supervise/lifecycle"
	"gsv/supervise/logs"
)

// What follows the end of a run that was healthy is known before: the next
// start, at once. So the guardian gets that start ahead of time and does it
// without asking, which saves two ways between the processes. Decided it is
// here all the same: lifecycle is told of the end as ever, and its StartRun finds
// the run started. Whenever it may decide otherwise, the start is taken back.

// A spare is the output pipe of a start that was given ahead of time, as
// descriptors. It is kept until that run is there, by whatever start.
type spare struct {
	gen           int
	child, reader int
	pipe          uint64 // its inode
}

// armable reports whether the end of the service's run will be answered by a
// start at once, and when that will be so if nothing happens until then.
func (s *Supervisor) armable(svc *service) (at time.Time, ok bool) {
	live := svc.state.Live()
	switch p, d := svc.policy, svc.def; {
	case s.end != nil || svc.gone || svc.next != nil || d == nil || svc.name == s.opts.Direct:
	case d.Log.Output == definition.Discard || d.Log.Separate:
	case len(d.Listen) > 0 || d.Type == definition.Forking || tells(d) || len(svc.state.Runs) > 1: // or it is not known what follows its end
	case live == nil || live.Phase != lifecycle.Running || svc.state.Want != lifecycle.Up:
	case p.Restart != lifecycle.Always || p.Oneshot || p.Main || p.StartLimit > 0:
	case looksThingsUp(d):
	default:
		return live.Since.Add(p.DelayMax), true
	}
	return time.Time{}, false
}

// looksThingsUp reports whether a start reads files or the users' database, or
// binds sockets.
func looksThingsUp(d *definition.Definition) bool {
	return len(d.EnvironmentFiles) > 0 || d.User != "" || d.Group != "" || d.SupplementaryGroups != nil || len(d.Listen) > 0 || d.PidFile != ""
}

// arm gives the next start ahead of time, when it is due, or takes it back. It
// is called after every step and before its effects.
func (s *Supervisor) arm(svc *service) {
	at, ok := s.armable(svc)
	if svc.armed != 0 && (!ok || svc.armed != svc.state.Gen+1) {
		s.disarm(svc)
	}
	if !ok || svc.armed != 0 {
		return
	}
	if gen := svc.state.Gen; now().Before(at) {
		if svc.toArm != gen {
			svc.toArm = gen
			s.due.add(at, func() bool { return svc.toArm == gen && svc.state.Gen == gen }, func() { s.arm(svc) })
		}
		return
	}
	svc.toArm = 0
	gen := svc.state.Gen + 1
	b, err := s.prepare(svc.def, gen)
	if err != nil {
		return // the start itself will say so
	}
	files, keep, err := s.output(svc, gen, b.uid)
	if err != nil {
		return
	}
	svc.spare = newSpare(gen, files[1].File, keep[0].File)
	svc.armed = gen
	s.guardian.Arm(svc.name, uint64(gen), b.spec, files, keep)
}

func (s *Supervisor) disarm(svc *service) {
	s.guardian.Disarm(svc.name, uint64(svc.armed))
	svc.armed = 0
}

func newSpare(gen int, child, reader *os.File) *spare {
	sp := &spare{gen, -1, -1, logs.Inode(child)}
	for to, f := range map[*int]*os.File{&sp.child: child, &sp.reader: reader} {
		raw, err := f.SyscallConn()
		if err != nil {
			continue
		}
		raw.Control(func(fd uintptr) {
			if n, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0); err == nil {
				*to = n
			}
		})
	}
	return sp
}

// dropSpare lets go of a spare that has served, or never will.
func (svc *service) dropSpare() {
	if svc.spare == nil {
		return
	}
	for _, fd := range []int{svc.spare.child, svc.spare.reader} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	svc.spare = nil
}

// takeSpare is the output of run gen, which is being read already, if the
// spare is for it.
func (svc *service) takeSpare(gen int) (child, reader *os.File, ok bool) {
	sp := svc.spare
	if sp == nil || sp.gen != gen || sp.child < 0 || sp.reader < 0 {
		svc.dropSpare()
		return nil, nil, false
	}
	svc.spare = nil
	return os.NewFile(uintptr(sp.child), "output"), os.NewFile(uintptr(sp.reader), "output"), true
}

// startedAhead reports whether the guardian has started run gen by itself.
func (s *Supervisor) startedAhead(svc *service, gen int) bool {
	if svc.ahead != gen {
		return false
	}
	svc.ahead = 0
	svc.runs[gen].launched = true
	if svc.spare != nil {
		svc.runs[gen].pipe = svc.spare.pipe
	}
	s.noteOrigin(svc, svc.runs[gen])
	svc.dropSpare()
	s.watchReady(svc, gen, false)
	return true
}

// heardAhead takes the end of a run after which the guardian has started the
// next one. If that is not wanted any more, for it was taken back too late, it is
// ended before anything else is decided.
func (s *Supervisor) heardAhead(svc *service, ev guardian.Ended, then func()) {
	gen := int(ev.N) + 1
	svc.armed = 0
	if svc.runs[gen] != nil { // it is tried now: that start is this one
		then()
		return
	}
	if live := svc.state.Live(); live != nil && live.Gen == int(ev.N) && live.Phase == lifecycle.Running && svc.state.Want == lifecycle.Up && s.end == nil {
		svc.ahead = gen
		then()
		if svc.ahead == 0 {
			return
		}
		svc.ahead = 0
		then = func() {}
	}
	svc.state = lifecycle.Skip(svc.state, gen)
	svc.dropSpare()
	svc.runs[gen] = &run{def: svc.def, n: uint64(gen), born: gen, launched: true, unwanted: then}
	s.guardian.Signal(0, svc.name, uint64(gen), syscall.SIGKILL, true)
}

// unwantedEnded goes on when a run that nobody wanted is gone.
func (s *Supervisor) unwantedEnded(svc *service, r *run, gen int) {
	r.over = true
	then := r.unwanted
	r.unwanted = nil
	s.guardian.Ack(svc.name, uint64(gen))
	then()
	s.bury(svc, gen)
}
