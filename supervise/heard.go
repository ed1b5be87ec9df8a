package supervise

import (
	"fmt"
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

// heard takes what the guardian tells.
func (s *Supervisor) heard(ev guardian.Event) {
	if s.heardHelper(ev) {
		return
	}
	switch ev := ev.(type) {
	case guardian.Started:
		if svc, r := s.find(ev.Key, ev.N); r != nil {
			s.isMain(r, ev.Pid, ev.StartTime)
			s.hear(svc, r)
			s.launched(r)
			s.step(svc, lifecycle.Launched{Gen: genOfN(ev.N)})
			s.markNow(svc)
		}
	case guardian.Ended:
		s.heardEnded(ev)
	case guardian.Empty:
		if svc, r := s.find(ev.Key, ev.N); r != nil {
			s.heardEmpty(svc, r, genOfN(ev.N))
		}
	case guardian.Signalled:
		s.delivered(ev)
	case guardian.Told:
		s.told(ev.Signal)
		s.guardian.AckTold(ev.Seq) // now that an end that it began is on disk
	}
}

func (s *Supervisor) find(key string, n uint64) (*service, *run) {
	svc := s.services[key]
	if svc == nil {
		return nil, nil
	}
	if r := svc.runs[genOfN(n)]; r != nil && r.n == n {
		return svc, r
	}
	return svc, nil
}

// The guardian numbers main processes, of which a run may have one after another:
// one that goes into the background is followed by another (see rehome).
const genBits = 32

func genOfN(n uint64) int { return int(n & (1<<genBits - 1)) }

// isMain notes the main process of a run.
func (s *Supervisor) isMain(r *run, pid int, start uint64) {
	if r.pid == pid && r.start == start {
		return
	}
	s.isNoMain(r)
	r.pid, r.start = pid, start
	s.mains[pid]++
}

// noteSession finds out in which session an adopted main process is that leads no
// group: the successor that another has started is in that one's. Gsv's own
// session is nobody's: children that have only just been started are in it.
func (s *Supervisor) noteSession(r *run) {
	r.session = 0
	own, err := procfs.Read(s.pid)
	if err != nil {
		return
	}
	if p, err := procfs.Read(r.pid); err == nil && p.Start == r.start && p.Pgrp != r.pid && p.Session != own.Session {
		r.session = p.Session
	}
}

func (s *Supervisor) isNoMain(r *run) {
	if s.mains[r.pid]--; s.mains[r.pid] <= 0 {
		delete(s.mains, r.pid)
	}
}

func (s *Supervisor) heardEnded(ev guardian.Ended) {
	svc, r := s.find(ev.Key, ev.N)
	if r == nil || r.ended {
		s.formerEnded(ev)
		return
	}
	r.ended = true
	s.launched(r)
	exit := exitOf(ev)
	if r.unwanted != nil {
		if !ev.Left {
			s.unwantedEnded(svc, r, genOfN(ev.N))
		}
		return
	}
	if ev.Next {
		if ev.Failure != nil {
			exit.Failure = ev.Failure.Error()
		}
		s.heardAhead(svc, ev, func() { s.runEnded(svc, r, ev, exit) })
		return
	}
	svc.armed = 0 // whatever was armed is dropped
	gen := genOfN(ev.N)
	if forked := r.def.Type == definition.Forking && r.n == uint64(gen); forked && ev.Failure == nil && exit == (lifecycle.Exit{At: exit.At}) && svc.starting(gen) {
		// It may take longer than the guardian waits to hear that its end is known.
		r.forked = true
		svc.acks = append(svc.acks, r.n)
		s.mark(svc)
		s.save(svc)
		s.awaitBackground(svc, gen, r, ev)
		return
	}
	if ev.Failure == nil {
		s.heirOfEnded(svc, gen, r, ev.Left, func(left bool) {
			ev.Left = left && !r.empty
			s.runEnded(svc, r, ev, exit)
		})
		return
	}
	d := r.def
	go func() { // for it looks at files
		exit.Failure = describeFailure(d, d.Command[0], ev.Failure)
		s.report(func() { s.runEnded(svc, r, ev, exit) })
	}()
}

// runEnded goes on with heardEnded when it is known how the run ended.
func (s *Supervisor) runEnded(svc *service, r *run, ev guardian.Ended, exit lifecycle.Exit) {
	gen := genOfN(ev.N)
	r.dropReady()
	s.dropHelper(readyOp, svc)
	if r.pid == 0 {
		r.pid = ev.Pid
	}
	// A program that ends well at once may have gone into the background.
	daemon := exit.Code == 0 && exit.Signal == 0 && exit.Failure == "" && !exit.Unknown && !svc.policy.Oneshot && svc.name != s.opts.Direct
	daemon = daemon || r.def.Type == definition.Forking // which was not found
	if (svc.ending(gen) || daemon || r.session != 0) && !ev.Left && s.end == nil {
		s.findEscaped(svc, gen, func(escaped []procfs.Proc) {
			s.runOver(svc, r, gen, exit, len(escaped) > 0)
			if len(escaped) > 0 {
				s.endEscaped(svc, gen, escaped)
			}
		})
		return
	}
	if ev.Left && !svc.ending(gen) {
		s.nameLeftovers(svc, gen, r.pid, func() { s.runOver(svc, r, gen, exit, !r.empty) })
		return
	}
	s.runOver(svc, r, gen, exit, ev.Left)
}

// ending reports whether run gen is being ended.
func (svc *service) ending(gen int) bool {
	for _, r := range svc.state.Runs {
		if r.Gen == gen {
			return r.Phase == lifecycle.Stopping
		}
	}
	return false
}

// runOver goes on when it is known what a run has left behind.
func (s *Supervisor) runOver(svc *service, r *run, gen int, exit lifecycle.Exit, left bool) {
	r.over = true
	asked, role := false, lifecycle.Serving
	for _, known := range svc.state.Runs {
		if known.Gen == gen {
			asked, role = known.Phase == lifecycle.Stopping && known.Cause == lifecycle.Asked, known.Role
		}
	}
	svc.acks = append(svc.acks, r.n)
	// The next start waits for nothing; what is told comes in the order of causes.
	told := s.journal.hold()
	s.step(svc, lifecycle.Ended{Gen: gen, Exit: exit, Left: left, Jitter: jitter()})
	told(func() {
		if role == lifecycle.Serving {
			s.tellExit(svc, gen, r, asked)
		} else {
			s.tellGone(svc, gen, r, exit, role)
		}
	})
	s.bury(svc, gen)
}

// heardEmpty goes on when nothing of a run's group is left.
func (s *Supervisor) heardEmpty(svc *service, r *run, gen int) {
	r.empty = true
	if r.unwanted != nil {
		s.unwantedEnded(svc, r, gen)
		return
	}
	if !r.over {
		return // somebody still looks at its end
	}
	if s.end != nil { // one look at the end serves all
		s.step(svc, lifecycle.Empty{Gen: gen, Jitter: jitter()})
		s.bury(svc, gen)
		return
	}
	s.findEscaped(svc, gen, func(escaped []procfs.Proc) {
		if len(escaped) > 0 {
			s.endEscaped(svc, gen, escaped)
			return
		}
		s.step(svc, lifecycle.Empty{Gen: gen, Jitter: jitter()})
		s.bury(svc, gen)
	})
}

func exitOf(ev guardian.Ended) lifecycle.Exit {
	at := now().Add(-time.Since(ev.At))
	switch st := ev.Status; {
	case ev.Unknown:
		return lifecycle.Exit{Unknown: true, At: at}
	case st.Signaled():
		return lifecycle.Exit{Signal: st.Signal(), Core: st.CoreDump(), At: at}
	default:
		return lifecycle.Exit{Code: st.ExitStatus(), At: at}
	}
}

// tellExit makes the end of a main process known. It comes after step, for
// nothing shall delay what follows from the end.
func (s *Supervisor) tellExit(svc *service, gen int, r *run, asked bool) {
	last := svc.state.Last
	if last == nil {
		return
	}
	text := describeExit(*last)
	if last.Failure == "" {
		text += " after " + seconds(last.Uptime)
	}
	s.event(status.Event{Service: svc.name, Kind: "exit", Text: text, Pid: r.pid, Exit: exitStatus(last)})
	if well := svc.policy.Succeeded(*last) && svc.state.Phase() == lifecycle.Exited; !asked && !well {
		line := fmt.Sprintf("%s: run %d %s", svc.name, gen, text)
		if at := svc.state.RetryAt; svc.state.Phase() == lifecycle.Backoff {
			line += "; next start in " + seconds(at.Sub(now()))
		}
		s.say(line)
	}
}

// nameLeftovers says which processes a main process has left behind, and has
// then called by the loop: what follows ends them.
func (s *Supervisor) nameLeftovers(svc *service, gen, pgid int, then func()) {
	go func() {
		procs, err := procfs.Group(pgid)
		s.report(func() {
			if err == nil && len(procs) > 0 {
				text := fmt.Sprintf("run %d left %d processes behind, which are being ended: %s", gen, len(procs), list(procs))
				s.event(eventOf(svc.name, "exit", text))
				s.say(svc.name + ": " + text)
			}
			then()
		})
	}()
}

// list names processes: "812 (starman), 815 (starman)".
func list(procs []procfs.Proc) string {
	var words []string
	for _, p := range procs {
		words = append(words, fmt.Sprintf("%d (%s)", p.Pid, p.Comm))
	}
	return strings.Join(words, ", ")
}

// A delivery is a signal on its way, and who waits to hear of it.
type delivery struct {
	svc  *service
	op   lifecycle.OpID
	gen  int
	sig  syscall.Signal
	left int // how often it is to be sent again
}

// kill has the guardian send a signal.
func (s *Supervisor) kill(svc *service, k lifecycle.Kill) {
	r := svc.runs[k.Gen]
	if r == nil || !r.launched {
		if k.Op != "" {
			s.step(svc, lifecycle.Delivered{Op: k.Op, Err: "its process does not exist yet"})
		}
		return
	}
	if r.locating != nil {
		r.locating() // and what is found gets it
	}
	if k.Op == "" {
		s.guardian.Stop(svc.name, r.n, k.Signal, k.Group)
		return
	}
	s.token++
	s.tokens[s.token] = delivery{svc, k.Op, k.Gen, k.Signal, max(k.Count, 1) - 1}
	s.guardian.Signal(s.token, svc.name, r.n, k.Signal, k.Group)
}

func (s *Supervisor) delivered(ev guardian.Signalled) {
	d, ok := s.tokens[ev.Token]
	if !ok {
		return
	}
	delete(s.tokens, ev.Token)
	if ev.Errno == 0 && d.left > 0 {
		s.signalAgain(d)
		return
	}
	if rl := d.svc.state.Reload; ev.Errno == 0 && rl != nil && rl.Op == d.op {
		patience, proves := signalPatience, rl.Need > 0 && d.svc.policy.Workers || rl.Method == lifecycle.ByUpgrade
		if !proves { // that it was taken is all there is
			patience = d.svc.policy.ReloadTimeout
		}
		s.whenTaken(d, patience, func(taken bool) {
			ev := lifecycle.Delivered{Op: d.op}
			if !taken && !proves {
				ev.Err = fmt.Sprintf("main process %d has not taken %s within %s: is it stopped?", d.svc.pid(), signalName(d.sig), brief(patience))
			}
			s.step(d.svc, ev)
			s.save(d.svc) // what is known of a signal is known to the next supervisor too
		})
		return
	}
	why := ""
	switch ev.Errno {
	case 0:
	case unix.ESRCH:
		why = "its main process ended before the signal came"
	default:
		why = ev.Errno.Error()
	}
	s.step(d.svc, lifecycle.Delivered{Op: d.op, Err: why})
}
