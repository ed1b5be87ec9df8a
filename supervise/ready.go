package supervise

import (
	"context"
	"errors"
	"time"

	"gsv/supervise/definition"
	"gsv/supervise/lifecycle"
	"gsv/supervise/probe"
)

// A readiness check that asks again and again: a row each.
var checks = []struct {
	is    func(definition.Ready) bool
	alone bool // what answers is the run itself, and no other
	try   func(*Supervisor, *service, int, *run) func(context.Context) error
}{
	{is: func(r definition.Ready) bool { return r.TCP != "" }, try: tryTCP},
	{is: func(r definition.Ready) bool { return r.Unix != "" }, try: tryUnix},
	{is: func(r definition.Ready) bool { return r.HTTP.Private() }, alone: true, try: tryHTTP},
	{is: func(r definition.Ready) bool { return !r.HTTP.IsZero() }, try: tryHTTP},
	{is: func(r definition.Ready) bool { return r.Exec != nil }, alone: true, try: tryExec},
}

// tryOf is one try of the check that a run's [ready] asks for; nil if that does
// not ask.
func (s *Supervisor) tryOf(svc *service, gen int, r *run) (try func(context.Context) error, alone bool) {
	for _, c := range checks {
		if c.is(r.def.Ready) {
			return c.try(s, svc, gen, r), c.alone
		}
	}
	return nil, false
}

func tryTCP(_ *Supervisor, _ *service, _ int, r *run) func(context.Context) error {
	ready := r.def.Ready
	return func(ctx context.Context) error { return probe.Connect(ctx, "tcp", ready.TCP, ready.Timeout) }
}

func tryUnix(_ *Supervisor, _ *service, _ int, r *run) func(context.Context) error {
	ready := r.def.Ready
	return func(ctx context.Context) error { return probe.Connect(ctx, "unix", ready.Unix, ready.Timeout) }
}

func tryHTTP(_ *Supervisor, _ *service, _ int, r *run) func(context.Context) error {
	ready := r.def.Ready
	q := probe.Request{Network: ready.HTTP.Network, Address: ready.HTTP.Address, Host: ready.HTTP.Host, Path: ready.HTTP.Path, Headers: ready.Headers}
	if ready.HTTP.Private() {
		q.Network, q.Address = "tcp", r.private
	}
	for _, status := range ready.Statuses {
		q.Statuses = append(q.Statuses, probe.Range(status))
	}
	return func(ctx context.Context) error { return q.Ask(ctx, ready.Timeout) }
}

// tryExec runs the command as helpers are run, with GSV_PRIVATE, the address of
// the run's private socket, in its environment.
func tryExec(s *Supervisor, svc *service, gen int, r *run) func(context.Context) error {
	d, private := r.def, r.private
	return func(ctx context.Context) error {
		result := make(chan string, 1)
		h := &helper{svc: svc, op: readyOp, what: "ready.exec", done: func(why string, lines []string) {
			if n := len(lines); why != "" && n > 0 {
				why += " (" + lines[n-1] + ")"
			}
			result <- why
		}}
		s.report(func() {
			if ctx.Err() != nil {
				return
			}
			s.help(h, d.Ready.Timeout, func() (birth, error) {
				b, err := s.prepare(d, gen)
				if err == nil {
					b.spec.Argv = d.Ready.Exec
					if private != "" {
						b.spec.Env = withVariables(b.spec.Env, []string{"GSV_PRIVATE=" + private})
					}
				}
				return b, err
			})
		})
		select {
		case why := <-result:
			if why != "" {
				return errors.New(why)
			}
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-s.done:
			return errEnded
		}
	}
}

// readyOp stands for what is run to ask whether a service is ready. No caller can
// choose it.
const readyOp lifecycle.OpID = ":ready"

// watchReady asks a run whether it is ready, as its [ready] says, until it is
// or has ended. Nothing tells when a port begins to accept, so it is tried.
//
// One that was started just now cannot answer yet: if something does, that is
// another program at its address, and an answer alone proves nothing. It must
// live for min-uptime as well then.
func (s *Supervisor) watchReady(svc *service, gen int, fresh bool) {
	r := svc.runs[gen]
	if r.probe != nil { // by the definition of before
		r.probe()
		r.probe = nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	if r.def.Ready.LogLine != "" {
		r.probe = cancel
		s.watchLog(ctx, svc, gen, r.def.Ready.LogLine)
		return
	}
	try, alone := s.tryOf(svc, gen, r)
	if try == nil {
		cancel()
		return
	}
	r.probe = cancel
	lives, most := r.def.MinUptime, r.def.Ready.Interval
	fresh = fresh && !alone
	go func() {
		defer cancel()
		timer := time.NewTimer(0)
		defer timer.Stop()
		said := ""
		for interval := 5 * time.Millisecond; ; interval = min(2*interval, most) {
			select {
			case <-timer.C:
			case <-ctx.Done():
				return
			case <-s.done:
				return
			}
			err := try(ctx)
			if ctx.Err() != nil {
				return
			}
			if err == nil {
				if fresh {
					fresh = false
					timer.Reset(lives)
					continue
				}
				s.report(func() {
					r.accepts = true
					s.readyIfSo(svc, gen)
				})
				return
			}
			if text := err.Error(); text != said {
				said = text
				s.report(func() { r.saw = text })
			}
			fresh = false
			timer.Reset(interval)
		}
	}()
}

// readyIfSo says that a run is ready whose check has succeeded. Of a server with
// workers the kernel accepts connections too while they die of their code, so one
// of them must have loaded it.
func (s *Supervisor) readyIfSo(svc *service, gen int) {
	r := svc.runs[gen]
	if r == nil || !r.accepts || svc.def.Workers.Depth > 0 && (svc.crew == nil || svc.crew.gen != gen || !svc.crew.loaded) {
		return
	}
	s.step(svc, lifecycle.Ready{Gen: gen})
}

// watchAgain does what watchReady does, for the run that is starting, if there
// is one: it was started by another supervisor, or by another definition.
func (s *Supervisor) watchAgain(svc *service) {
	live := svc.watched()
	if live == nil || live.Phase != lifecycle.Starting {
		return
	}
	if r := svc.runs[live.Gen]; r != nil && r.launched {
		s.watchReady(svc, live.Gen, false)
	}
}

// unready is what a run's readiness check saw last; "" if there is nothing to say.
func (s *Supervisor) unready(svc *service, gen int) string {
	if r := svc.runs[gen]; r != nil && !r.accepts {
		return r.saw
	}
	return ""
}
