package supervise

import (
	"context"
	"maps"
	"slices"

	"gsv/supervise/lifecycle"
	"gsv/supervise/listen"
	"gsv/supervise/procfs"
	"gsv/supervise/status"
)

// About is gsv as a whole.
func (s *Supervisor) About() status.About {
	hello := s.guardian.Hello()
	a := status.About{Version: s.opts.Version, Pid: hello.Pid, SupervisorPid: s.pid, BootID: s.bootID}
	s.answer(func() {
		a.Started = wall(s.started)
		a.Uptime = now().Sub(s.started).Seconds()
	})
	return a
}

// Services is every service by name, all as of one moment, without workers.
func (s *Supervisor) Services() []status.Service {
	var list []status.Service
	places := map[int]running{}
	s.answer(func() {
		list = make([]status.Service, 0, len(s.names))
		for _, name := range s.names {
			svc := s.services[name]
			if hasPlace(svc) {
				places[len(list)] = running{svc.def, svc.runOrigin()}
			}
			list = append(list, s.view(svc))
		}
	})
	s.places.tell(list, places)
	return list
}

// hasPlace reports whether the files that a service's code comes from may be
// others than those it runs.
func hasPlace(svc *service) bool {
	return svc.def != nil && svc.def.Preset != "none" && svc.pid() != 0
}

// Service is one service, with its workers; false if there is none of that name.
func (s *Supervisor) Service(name string) (v status.Service, ok bool) {
	var is running
	var held map[string]*listen.Socket
	s.answer(func() {
		if svc := s.services[name]; svc != nil {
			v, ok = s.view(svc), true
			s.watched(svc, v.Watch)
			is, v.FileProblem = running{svc.def, svc.runOrigin()}, svc.bad
			held = maps.Clone(svc.sockets)
		}
	})
	d := is.def
	if !ok || d == nil {
		return v, ok
	}
	v.Sockets = socketsOf(d, held)
	for _, g := range v.Generations {
		_, workers := crewOf(g.Pid, g.Generation, d.Workers.Depth)
		v.Workers = append(v.Workers, workers...)
	}
	if v.Pid == 0 {
		return v, ok
	}
	main, workers := crewOf(v.Pid, v.Generation, d.Workers.Depth)
	v.Main, v.Workers = main, append(v.Workers, others(workers, v.Generations)...)
	if d.Preset != "none" {
		one := []status.Service{v}
		s.places.tell(one, map[int]running{0: is})
		v = one[0]
	}
	return v, ok
}

// others are workers, without the main processes of generations: one that was
// started by USR2 is a child of the one before it.
func others(workers []status.Worker, generations []status.Generation) []status.Worker {
	return slices.DeleteFunc(workers, func(w status.Worker) bool {
		return slices.ContainsFunc(generations, func(g status.Generation) bool { return g.Pid == w.Pid })
	})
}

// crewOf is a main process and its workers, all its children where it is not
// known which of them are.
func crewOf(pid, gen, depth int) (*status.Worker, []status.Worker) {
	main := processOf(pid, gen)
	workers, _, err := procfs.Descendants(pid, max(depth, 1))
	if err != nil {
		return main, nil
	}
	var list []status.Worker
	for _, p := range workers {
		if w := processOf(p.Pid, gen); w != nil {
			list = append(list, *w)
		}
	}
	return main, list
}

// processOf is a process as it is now; nil if there is none.
func processOf(pid, gen int) *status.Worker {
	p, err := procfs.Read(pid)
	if err != nil {
		return nil
	}
	w := &status.Worker{Pid: pid, Generation: gen, Started: wall(sinceTicks(p.Start)), State: string(p.State), Command: procfs.Title(pid)}
	if w.Command == "" {
		w.Command = p.Comm
	}
	w.RSS, w.PSS, _ = procfs.Memory(pid)
	w.Cwd, _ = procfs.Cwd(pid)
	if caught, err := procfs.Caught(pid); err == nil {
		for _, sig := range caught {
			w.Catches = append(w.Catches, signalName(sig))
		}
	}
	return w
}

func (s *Supervisor) view(svc *service) status.Service {
	v := status.Service{Name: svc.name, State: stateOf(svc), Want: svc.state.Want.String(), Since: wall(svc.since), Reason: s.reason(svc),
		Generation: svc.serving(), Ready: svc.state.Ready(svc.policy), Restarts: svc.state.Restarts, Pid: svc.pid(),
		Groups: []string{}, Listen: addresses(svc.def), Generations: svc.generations(), StatusText: svc.statusText(), Pending: svc.next != nil, Scale: svc.state.Scale.Delta, ScaleBase: svc.state.Scale.Base, LastExit: exitStatus(svc.state.Last), LastReload: svc.lastReload, LogProblem: s.troubleOf(svc), Watch: s.watchView(svc)}
	if d := svc.def; d != nil {
		v.Description, v.Preset, v.Detected = d.Description, d.Preset, d.PresetDetected
		if d.Groups != nil {
			v.Groups = d.Groups
		}
	}
	if !svc.state.RetryAt.IsZero() {
		at := wall(svc.state.RetryAt)
		v.NextStart = &at
	}
	return v
}

func stateOf(svc *service) status.State {
	if svc.def == nil {
		return status.Invalid
	}
	switch svc.state.Phase() {
	case lifecycle.Starting:
		return status.Starting
	case lifecycle.Running:
		if svc.state.Reload != nil {
			return status.Reloading
		}
		return status.Running
	case lifecycle.Stopping:
		return status.Stopping
	case lifecycle.Backoff:
		return status.Backoff
	case lifecycle.Exited:
		return status.Exited
	case lifecycle.Fatal:
		return status.Fatal
	case lifecycle.Stopped:
	}
	return status.Stopped
}

// reason is why a service is in its state, where there is more to say.
func (s *Supervisor) reason(svc *service) string {
	last := svc.state.Last
	switch phase := svc.state.Phase(); {
	case svc.def == nil:
		return "its service file cannot be used"
	case svc.bad != "":
		return "its service file is bad now; the last good one counts"
	case phase == lifecycle.Backoff && last != nil, phase == lifecycle.Fatal && last != nil, phase == lifecycle.Exited && last != nil:
		return describeExit(*last)
	case phase == lifecycle.Stopping:
		run := svc.state.Current()
		if run == nil {
			run = &svc.state.Runs[len(svc.state.Runs)-1]
		}
		switch {
		case len(run.Stop) == 1 && run.Deadline.IsZero():
			return "something of it survives SIGKILL"
		case run.Cause == lifecycle.Crashed:
			return "main process " + describeExit(*run.Exit) + ", what it left behind is being ended"
		case run.Cause == lifecycle.NotReady:
			return also(lifecycle.NotInTime, s.unready(svc, run.Gen))
		case len(run.Stop) > 0:
			return signalName(run.Stop[0].Signal) + " sent"
		}
	case svc.state.Ailing != "" && (phase == lifecycle.Starting || phase == lifecycle.Running):
		return svc.state.Ailing
	case phase == lifecycle.Starting && svc.def.Ready.Workers:
		return "waits for its workers to settle"
	case phase == lifecycle.Starting && svc.policy.Probe:
		return also("waits for its readiness check", s.unready(svc, svc.serving()))
	}
	return ""
}

// also adds to words what more is known, if something is.
func also(words, more string) string {
	if more == "" {
		return words
	}
	return words + ": " + more
}

func exitStatus(e *lifecycle.Exit) *status.Exit {
	if e == nil {
		return nil
	}
	x := &status.Exit{Code: e.Code, Core: e.Core, At: wall(e.At), Error: e.Failure, Unknown: e.Unknown}
	if e.Signal != 0 {
		x.Signal = signalName(e.Signal)
	}
	return x
}

// Allow is the service's [allow] table; known is false if there is no such service.
func (s *Supervisor) Allow(name string) (allow map[string][]string, known bool) {
	s.answer(func() {
		svc := s.services[name]
		if known = svc != nil; known && svc.def != nil {
			allow = svc.def.Allow
		}
	})
	return allow, known
}

// WaitFor returns when the service is ready, running or stopped, as it is then.
func (s *Supervisor) WaitFor(ctx context.Context, name, what string) (status.Service, error) {
	for {
		var v status.Service
		var err error
		var changed <-chan struct{}
		if e := s.call(ctx, func() {
			var svc *service
			if svc, err = s.usable(name); err != nil {
				return
			}
			v = s.view(svc)
			var there bool
			if there, err = reached(svc, v, what); !there && err == nil {
				if svc.changed == nil {
					svc.changed = make(chan struct{})
				}
				changed = svc.changed
			}
		}); e != nil {
			return v, e
		}
		if changed == nil || err != nil {
			return v, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return v, ctx.Err()
		case <-s.done:
			return v, errEnded
		}
	}
}

// reached reports whether a service is what somebody waits for. It is an error
// if it will not be without somebody's help.
func reached(svc *service, v status.Service, what string) (bool, error) {
	phase := svc.state.Phase()
	switch what {
	case "ready":
		if v.Ready {
			return true, nil
		}
	case "running":
		if v.Ready || v.Pid != 0 && phase != lifecycle.Stopping {
			return true, nil
		}
	case "stopped":
		return len(svc.state.Runs) == 0 && phase != lifecycle.Backoff, nil
	default:
		return false, problem(400, 2, svc.name, "cannot wait for "+what+": ready, running or stopped")
	}
	stuck := phase == lifecycle.Fatal || phase == lifecycle.Exited || phase == lifecycle.Stopped ||
		phase == lifecycle.Stopping && svc.state.Want == lifecycle.Down
	if stuck {
		p := problem(409, 1, svc.name, "is "+phase.String()+" and will not be "+what+" by itself")
		p.Hint = "gsvctl start " + svc.name
		return false, p
	}
	return false, nil
}
