package supervise

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gsv/supervise/definition"
	"gsv/supervise/lifecycle"
	"gsv/supervise/logs"
	"gsv/supervise/procfs"
	"gsv/supervise/status"
)

// handlersWait is how long after its start a main process may take to install
// the handler of a signal that it is sent.
const handlersWait = 5 * time.Second

// survey finds out how a run can be reloaded, or its workers' number changed,
// then counts them as late as can be before the signal.
func (s *Supervisor) survey(svc *service, e lifecycle.Survey) {
	d, pid, began := svc.def, svc.pid(), svc.state.Live().Since
	out := s.kept(svc)
	key := svc.logKey(e.Gen)
	method := lifecycle.InPlace
	if rl := svc.state.Reload; rl != nil {
		method = rl.Method
	}
	go func() {
		var ev lifecycle.Surveyed
		var events *os.File
		if e.Scale == 0 {
			if method == lifecycle.ByUpgrade {
				events = watchTakenBack(d)
			}
			ev = surveyReload(d, method, pid, began)
		} else {
			ev = surveyScale(d, pid, e.Scale)
		}
		ev.Op = e.Op
		mark, image, release := s.logMark(out, key), "", ""
		if !d.Workers.Solo.IsZero() {
			image = procfs.Image(pid)
		}
		if e.Scale == 0 {
			release = releaseToday(d)
		}
		s.report(func() {
			rl, sc := svc.state.Reload, svc.state.Scaling
			if e.Scale == 0 && (rl == nil || rl.Op != e.Op || rl.Stage != lifecycle.Surveying) ||
				e.Scale != 0 && (sc == nil || sc.Op != e.Op || sc.From > 0 || sc.Sent) {
				if events != nil {
					events.Close()
				}
				return // it took too long
			}
			s.readTakenBack(svc, e.Gen, d, pid, events)
			svc.mark, svc.image = mark, image
			if e.Scale == 0 {
				svc.surveyed = release
				_, _, svc.overflowed = svc.queues()
			}
			if ev.Restart {
				s.asRestart(svc)
			}
			if ev.Err != "" || ev.Restart {
				s.step(svc, ev)
				return
			}
			s.surveyWorkers(svc, e, ev)
		})
	}()
}

// logKey is the log of a run: of one that the main process before it has started
// (USR2), that one's.
func (svc *service) logKey(gen int) logs.Key {
	if r := svc.runs[gen]; r != nil {
		gen = r.born
	}
	return logs.Key{Name: svc.name, Gen: gen}
}

// asRestart notes that those who wait for a reload get a restart.
func (s *Supervisor) asRestart(svc *service) {
	for _, o := range svc.state.Ops {
		if op := s.ops.byID[o.ID]; op != nil && o.Verb == lifecycle.DoReload {
			op.As = "restart"
		}
	}
}

// surveyWorkers counts the workers once they have settled, and goes on.
func (s *Supervisor) surveyWorkers(svc *service, e lifecycle.Survey, ev lifecycle.Surveyed) {
	live := svc.state.Live()
	if live == nil || live.Gen != e.Gen {
		return // whoever waited has heard of its end
	}
	if svc.crew == nil || svc.crew.gen != e.Gen {
		svc.dropCrew()
		svc.crew = newCrew(e.Gen)
	}
	c := svc.crew
	c.surveys = append(c.surveys, crewSurvey{since: now(), exact: e.Scale != 0, tell: func(seen sight) {
		ev.Workers = seen.workers
		ev.Need, ev.Crew, ev.Steady = c.need(seen, svc), c.seen, c.steady
		s.step(svc, ev)
	}})
	if c.looking {
		c.again = true
	} else {
		s.look(svc)
	}
}

// need is how many workers there are that do their work; where none does, as many
// as there were when one last did. A server that always has some needs one at least.
func (c *crew) need(seen sight, svc *service) int {
	n := 0
	for _, w := range seen.workers {
		if !w.Between {
			n++
		}
	}
	if c.seen.Settled(now(), svc.policy.MinUptime) == 0 {
		n = max(n, c.steady)
	}
	if w := svc.def.Workers; w.Depth > 0 && w.Solo.IsZero() {
		n = max(n, 1)
	}
	return n
}

// surveyReload finds out whether and how a service can be reloaded: it looks at
// the main process and at files. It may take long.
func surveyReload(d *definition.Definition, method lifecycle.Method, pid int, began time.Time) (ev lifecycle.Surveyed) {
	ev.Signal = d.Signals.Reload
	server := d.Server()
	switch method {
	case lifecycle.ByReplace:
		return ev // a new process has nothing of the old one
	case lifecycle.ByUpgrade:
		ev.Signal = d.Signals.Upgrade
		if d.Reenters() {
			if _, err := os.Stat(d.WorkingDirectory); err != nil {
				ev.Err = "its successor cannot enter its working-directory: " + err.Error()
				return ev
			}
		} else if p := placeOf(d, server, pid, nil); p.stale {
			ev.Err = p.why + ", and its successor would load the old code; gsvctl replace " + d.Name + " or restart enters the new directory"
			return ev
		}
		ev.Err = uncaught(pid, ev.Signal, began)
		return ev
	case lifecycle.InPlace:
	}
	if d.Reload == definition.NoReload {
		ev.Err = `its reload = "none"`
		return ev
	}
	if d.Reload == definition.ByRestart {
		ev.Restart = true
		return ev
	}
	if server.Preload != "" && d.Reload == definition.BySignal {
		ev.Err = server.Preload + `; gsvctl restart ` + d.Name + ` loads it, and so does hup with reload = "restart" or, on held sockets and without a gap, "replace"`
		return ev
	}
	switch p := placeOf(d, server, pid, nil); {
	case p.stale && d.StaleRelease == definition.RestartStale:
		ev.Restart = true
		return ev
	case p.stale:
		ev.Err = p.why + `, and a reload would load the old code; gsvctl restart ` + d.Name + ` enters the new directory (stale-release = "restart" has hup do so)`
		return ev
	}
	if d.Reload == definition.ByCommand {
		ev.Run = true
		return ev
	}
	ev.Err = uncaught(pid, ev.Signal, began)
	return ev
}

// surveyScale finds out whether a server takes the signals for more or fewer workers.
func surveyScale(d *definition.Definition, pid, count int) (ev lifecycle.Surveyed) {
	ev.Signal = d.Signals.ScaleUp
	if count < 0 {
		ev.Signal = d.Signals.ScaleDown
	}
	if ev.Signal == 0 {
		ev.Err = "a " + d.Preset + " has no signal for that; nothing was sent"
		return ev
	}
	ev.Err = uncaught(pid, ev.Signal, time.Time{})
	if count > 0 && d.Signals.ScaleDown != 0 && uncaught(pid, d.Signals.ScaleDown, time.Time{}) == "" {
		ev.Back = d.Signals.ScaleDown
	}
	return ev
}

// uncaught says why a main process cannot be sent a signal; "" if it can. One
// that has just begun may still have to install its handlers.
func uncaught(pid int, sig syscall.Signal, began time.Time) string {
	for {
		caught, ignored, err := procfs.Catches(pid, sig)
		switch {
		case errors.Is(err, unix.ESRCH) || caught:
			return ""
		case err != nil:
			return err.Error()
		case now().Sub(began) < handlersWait:
			time.Sleep(lookOften)
		case ignored:
			return fmt.Sprintf("main process %d ignores %s; nothing was sent", pid, signalName(sig))
		default:
			return fmt.Sprintf("main process %d does not handle %s, which would end it; nothing was sent", pid, signalName(sig))
		}
	}
}

// logMark is where what is kept of a service's output ends now: what is written
// from here on is of the reload that begins. -1: not known.
func (s *Supervisor) logMark(out kept, key logs.Key) int64 {
	if out == nil {
		return -1
	}
	ctx, cancel := context.WithTimeout(context.Background(), syncTime)
	defer cancel()
	s.sync(ctx, key)
	return out.Mark()
}

// ask asks a service whose workers are as they should be whether it does its
// work: whether its log tells otherwise, and whether it accepts connections.
func (s *Supervisor) ask(svc *service, e lifecycle.Ask) {
	d, out, mark := svc.def, s.kept(svc), svc.mark
	key := svc.logKey(e.Gen)
	var try func(context.Context) error
	if r := svc.runs[e.Gen]; r != nil {
		try = s.tryOf(svc, e.Gen, r)
	}
	reloading := svc.stillReloading()
	pid, image, again, solo := svc.pid(), svc.image, false, false
	if rl := svc.state.Reload; rl != nil {
		again, solo = rl.Unready != "", rl.Need == 0 && !d.Workers.Solo.IsZero()
	}
	go func() {
		ev := lifecycle.Answered{Op: e.Op}
		if again {
			timer := time.NewTimer(d.Ready.Interval)
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-s.done:
				return
			}
		}
		if line := s.complaint(d.Workers.Failure, out, key, mark); line != "" {
			ev.Err, ev.Final = "the server says: "+line, true
		} else if reloading != "" {
			ev.Err = reloading
		} else if err := tryOnce(try); err != nil {
			ev.Err = err.Error()
		} else if solo && (image != "" && procfs.Image(pid) == image || !procfs.Shows(pid, procfs.Sign(d.Workers.Solo))) {
			ev.Err = fmt.Sprintf("main process %d has not loaded its code within %s", pid, brief(d.ReloadTimeout))
		}
		s.report(func() { s.step(svc, ev) })
	}()
}

func tryOnce(try func(context.Context) error) error {
	if try == nil {
		return nil
	}
	return try(context.Background())
}

// complaintMax is how much of a line is shown as the cause of a failure, in bytes.
const complaintMax = 500

// complaint is the line by which a server says, since mark, that the reload has
// failed though the workers look well; "" if there is none.
func (s *Supervisor) complaint(pattern string, out kept, key logs.Key, mark int64) string {
	if pattern == "" || out == nil || mark < 0 {
		return ""
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return "bug: " + err.Error()
	}
	ctx, cancel := context.WithTimeout(context.Background(), syncTime)
	defer cancel()
	s.sync(ctx, key)
	text, err := out.Since(mark, -1)
	if err != nil {
		return ""
	}
	for line := range bytes.Lines(text) {
		if re.Match(line) {
			line = bytes.TrimSpace(line)
			return strings.ToValidUTF8(string(line[:min(len(line), complaintMax)]), "")
		}
	}
	return ""
}

// endWorkers sends a signal to workers that do not go by themselves.
func (s *Supervisor) endWorkers(svc *service, e lifecycle.End) {
	text := fmt.Sprintf("%s sent to old workers that do not end: %s", signalName(e.Signal), pidList(e.Procs))
	if e.Hung {
		text = fmt.Sprintf("%s sent to old workers that have not loaded their code: %s", signalName(e.Signal), pidList(e.Procs))
	}
	s.event(status.Event{Service: svc.name, Kind: "workers", Text: text})
	sign := procfs.Sign(svc.def.Workers.Sign)
	go func() {
		for _, p := range e.Procs {
			if e.Hung && procfs.Shows(p.Pid, sign) {
				continue // it was only slow, and may answer somebody
			}
			if err := procfs.Signal(p.Pid, p.Start, e.Signal); err != nil && !errors.Is(err, unix.ESRCH) {
				s.say(svc.name + ": " + err.Error())
			}
		}
	}()
}

// progress tells those who wait how far a change of the workers is.
func (s *Supervisor) progress(svc *service) {
	st := &svc.state
	for _, o := range st.Ops {
		op := s.ops.byID[o.ID]
		if op == nil {
			continue
		}
		text := ""
		switch rl, sc := st.Reload, st.Scaling; {
		case o.Verb == lifecycle.DoReload && rl != nil && o.Turn == rl.Turn:
			text = reloadProgress(rl)
		case o.Verb == lifecycle.DoReload:
			text = "waits for the reload before it"
		case o.Verb == lifecycle.DoScale && sc != nil && sc.Op == o.ID && sc.Taken > 0:
			text = "takes back " + plural(sc.Taken, "worker", "workers")
		case o.Verb == lifecycle.DoScale && sc != nil && sc.Op == o.ID && sc.Sent:
			text = fmt.Sprintf("workers %d/%d", sc.Now, sc.To())
		case o.Checking, sc != nil && sc.Op == o.ID && sc.Checking:
			text = "runs the check-command"
		default:
			continue
		}
		if text != op.Progress {
			op.Progress = text
			op.tell()
		}
	}
}
