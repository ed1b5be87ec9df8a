package supervise

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gsv/supervise/lifecycle"
	"gsv/supervise/status"
)

// commands are the verbs that lifecycle decides about; all others send a signal.
var commands = map[string]lifecycle.Verb{
	"start": lifecycle.DoStart, "stop": lifecycle.DoStop, "restart": lifecycle.DoRestart,
	"once": lifecycle.DoOnce, "quit": lifecycle.DoQuit, "hup": lifecycle.DoReload,
	"ttin": lifecycle.DoScale, "ttou": lifecycle.DoScale, "replace": lifecycle.DoReplace,
}

// Do begins to carry out a verb, or finds the operation of the same ID, and
// returns at once. An error is a *status.Problem: nothing was done.
func (s *Supervisor) Do(ctx context.Context, r status.Request) (status.Operation, error) {
	if r.ID == "" {
		r.ID = newID()
	}
	if r.Verb == "watch" {
		return s.doWatch(ctx, r)
	}
	c, target := s.commandOf(r), 0
	if c.Verb == lifecycle.DoSignal {
		var err error
		if c.Signal, target, err = s.aim(ctx, r); err != nil {
			return status.Operation{}, err
		}
	}
	var op status.Operation
	var err error
	if e := s.call(ctx, func() { op, err = s.accept(r, c, target) }); e != nil {
		return op, problem(503, 6, r.Service, e.Error())
	}
	return op, err
}

// commandOf is what lifecycle is told of a request.
func (s *Supervisor) commandOf(r status.Request) lifecycle.Command {
	verb, decided := commands[r.Verb]
	if !decided {
		verb = lifecycle.DoSignal
	}
	c := lifecycle.Command{Op: lifecycle.OpID(r.ID), Verb: verb, NoCheck: r.NoCheck, Reset: r.Reset, Count: max(r.Count, 1)}
	if r.Verb == "ttou" {
		c.Count = -c.Count
	}
	return c
}

// known is the operation that a request attaches to; nil: it begins one of its own.
func (s *Supervisor) known(r status.Request) (*status.Operation, error) {
	op := s.ops.get(r.ID)
	if op == nil {
		return nil, nil
	}
	if op.Service != r.Service {
		return &status.Operation{}, problem(409, 2, r.Service, "operation "+r.ID+" is another one: "+op.Verb+" "+op.Service)
	}
	return &op.Operation, nil
}

// accept begins an operation. target is the pid that a signal was meant for; 0: any.
func (s *Supervisor) accept(r status.Request, c lifecycle.Command, target int) (status.Operation, error) {
	if op, err := s.known(r); op != nil {
		return *op, err
	}
	svc, err := s.usable(r.Service)
	if err != nil {
		return status.Operation{}, err
	}
	if s.end != nil {
		return status.Operation{}, problem(503, 1, r.Service, "gsv is being ended")
	}
	if svc.gone && c.Verb != lifecycle.DoStop {
		return status.Operation{}, problem(409, 1, r.Service, "its service file is gone, it is being stopped")
	}
	if pid := svc.pid(); target != 0 && pid != target {
		return status.Operation{}, problem(409, 1, r.Service, fmt.Sprintf("main process %d ended before the signal was sent", target))
	}
	down := svc.state.Current() == nil || svc.state.Phase() == lifecycle.Stopping
	if reloads(r.Verb) && down && (svc.state.Want != lifecycle.Down || r.OrStart || svc.state.Begins()) {
		c.Verb = lifecycle.DoStart
	}
	op := &operation{svc: svc, Operation: status.Operation{ID: r.ID, Verb: r.Verb, Service: r.Service, By: r.By, Reason: r.Reason,
		Started: time.Now().Round(time.Millisecond), Pid: svc.pid(), Generation: svc.serving()}}
	switch {
	case reloads(r.Verb) && c.Verb == lifecycle.DoStart:
		op.As = "start"
	case r.Verb == "hup" && svc.policy.Method == lifecycle.ByReplace:
		op.As = "replace"
	}
	op.Bound = bound(svc, c.Verb).Seconds()
	if c.Signal != 0 {
		op.Signal = signalName(c.Signal)
		if r.Signal == "" { // the verb does not say which
			op.Detail = fmt.Sprintf("%s sent to %d", op.Signal, op.Pid)
		}
	}
	op.Already = already(svc, c.Verb)
	if r.Reset || c.Verb == lifecycle.DoStart && svc.state.Phase() != lifecycle.Running {
		svc.state.Restarts = 0
	}
	if svc.crew != nil && svc.state.Phase() == lifecycle.Starting && svc.state.Ailing != "" {
		svc.crew.excuse(now()) // the code may have been mended
	}
	s.ops.add(op)
	svc.markLogs()
	if svc.policy.Oneshot && starts(op.Verb) {
		op.Streams = true
		defer s.stream(svc, op)
	}
	if err := s.step(svc, c); err != nil {
		s.ops.drop(op)
		return status.Operation{}, refusal(svc, r, err)
	}
	s.save(svc)
	return op.Operation, nil
}

// usable is a service that has a definition.
func (s *Supervisor) usable(name string) (*service, error) {
	svc := s.services[name]
	switch {
	case svc == nil:
		return nil, problem(404, 4, name, "no such service")
	case svc.def == nil:
		p := problem(409, 8, name, "its service file cannot be used:\n"+svc.bad)
		p.Hint = "mend the file, then gsvctl apply"
		return nil, p
	}
	return svc, nil
}

func already(svc *service, v lifecycle.Verb) bool {
	switch v {
	case lifecycle.DoStart, lifecycle.DoOnce:
		return svc.state.Phase() == lifecycle.Running
	case lifecycle.DoStop, lifecycle.DoQuit:
		return svc.state.Phase() == lifecycle.Stopped
	}
	return false
}

// bound is when the service's own limits end an operation; 0: never.
func bound(svc *service, v lifecycle.Verb) time.Duration {
	var stop, quit time.Duration
	for _, step := range svc.policy.Stop {
		stop += step.Wait
	}
	for _, step := range svc.policy.Quit {
		quit += step.Wait
	}
	start := svc.policy.MinUptime
	if svc.policy.Probe || svc.policy.Oneshot {
		start = svc.policy.StartTimeout
		if start == 0 {
			return 0
		}
	}
	switch v {
	case lifecycle.DoStart, lifecycle.DoOnce:
		return start
	case lifecycle.DoStop:
		return stop + lifecycle.KillGrace
	case lifecycle.DoQuit:
		return quit + lifecycle.KillGrace
	case lifecycle.DoRestart:
		return stop + lifecycle.KillGrace + start
	case lifecycle.DoReload, lifecycle.DoReplace:
		return reloadBound(svc, v)
	case lifecycle.DoScale:
		d := 2 * svc.policy.ReloadTimeout // what does not settle is taken back
		if svc.policy.Check {
			d += svc.def.CheckTimeout
		}
		return d
	}
	return time.Second
}

// reloadBound is how long a reload may take that makes no progress at all.
func reloadBound(svc *service, v lifecycle.Verb) time.Duration {
	p := svc.policy
	if p.DrainTimeout == 0 {
		return 0
	}
	d := p.ReloadTimeout + p.DrainTimeout
	if v == lifecycle.DoReplace || p.Method != lifecycle.InPlace {
		d = p.ReloadTimeout + lifecycle.KillGrace
		for _, step := range p.Quit { // of the old one
			d += step.Wait
		}
	}
	if p.Check {
		d += svc.def.CheckTimeout
	}
	return d
}

func refusal(svc *service, r status.Request, err error) *status.Problem {
	p := problem(409, 1, r.Service, notDone(r.Verb, svc.pid(), svc.serving())+err.Error()+" ("+svc.state.Phase().String()+")")
	switch {
	case errors.Is(err, lifecycle.ErrStopped):
		p.Detail = notDone(r.Verb, 0, 0) + err.Error()
		p.Hint = "gsvctl start " + r.Service + ", or " + r.Verb + " --or-start"
	case errors.Is(err, lifecycle.ErrNotRunning) && svc.state.Phase() == lifecycle.Backoff:
		p.Hint = "next start in " + seconds(svc.state.RetryAt.Sub(now()))
	}
	return p
}

// notDone is how the refusal of a reload begins: with what serves.
func notDone(verb string, pid, gen int) string {
	switch {
	case !reloads(verb):
		return ""
	case pid == 0:
		return "NOT reloaded: "
	}
	return fmt.Sprintf("NOT reloaded, generation %d still serves: ", gen)
}

func problem(httpStatus, exit int, service, detail string) *status.Problem {
	titles := map[int]string{1: "cannot be done now", 2: "malformed request", 4: "no such service", 6: "gsv has ended", 8: "invalid configuration"}
	return &status.Problem{Type: "about:blank", Title: titles[exit], Status: httpStatus, Service: service, Detail: detail, ExitCode: exit}
}

// aim finds out which signal a verb sends and whether the main process can
// take it. It is called by whoever asks, not by the loop, for it reads /proc.
func (s *Supervisor) aim(ctx context.Context, r status.Request) (sig syscall.Signal, pid int, err error) {
	known := false
	if e := s.call(ctx, func() {
		var svc *service
		if known = s.ops.get(r.ID) != nil; known {
			return
		}
		if svc, err = s.usable(r.Service); err == nil {
			pid = svc.pid()
		}
	}); e != nil {
		return 0, 0, problem(503, 6, r.Service, e.Error())
	}
	if err != nil || known {
		return 0, 0, err
	}
	sig = unix.SignalNum("SIG" + strings.TrimPrefix(r.Signal, "SIG"))
	if sig == 0 {
		return 0, 0, problem(400, 2, r.Service, fmt.Sprintf("%s: there is no such signal here: %q", r.Verb, r.Signal))
	}
	if pid == 0 || r.Force || endsOrStops(sig) {
		return sig, pid, nil
	}
	if why := uncaught(pid, sig, time.Time{}); why != "" {
		p := problem(409, 1, r.Service, why)
		p.Hint = "--force sends it nevertheless"
		return 0, 0, p
	}
	return sig, pid, nil
}

// endsOrStops reports whether a signal is meant to do to a process what it
// does to one that has no handler for it.
func endsOrStops(sig syscall.Signal) bool {
	switch sig {
	case syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL, syscall.SIGABRT,
		syscall.SIGSTOP, syscall.SIGTSTP, syscall.SIGCONT:
		return true
	}
	return false
}
