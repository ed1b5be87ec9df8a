package supervise

import (
	"context"
	"time"

	"gsv/supervise/status"
	"gsv/supervise/watch"
)

// A pause is a time in which nothing is done about what is deployed.
type pause struct {
	By    string    `json:"by,omitempty"`   // the user who asked
	Until time.Time `json:"until,omitzero"` // on the deadlines' clock; zero: until it is resumed
}

// watchRecord is what a service's record has of its watch.
type watchRecord struct {
	Paused  *pause        `json:"paused,omitempty"`
	Stopped string        `json:"stopped,omitempty"`
	Held    *watch.Change `json:"held,omitempty"` // see watching
	Since   time.Time     `json:"since,omitzero"` // the same
	Files   uint64        `json:"files,omitempty"`
}

func (w *watching) record() *watchRecord {
	if w == nil || w.paused == nil && w.stopped == "" && w.held == nil && w.since.IsZero() {
		return nil
	}
	return &watchRecord{w.paused, w.stopped, w.held, w.since, w.files}
}

// restoreWatch takes up what an earlier supervisor knew of a watch.
func (s *Supervisor) restoreWatch(svc *service, r *watchRecord) {
	if r == nil {
		return
	}
	svc.watch = &watching{paused: r.Paused, stopped: r.Stopped, held: r.Held, since: r.Since, files: r.Files, again: !r.Since.IsZero()}
	if r.Held != nil {
		s.due.add(now(), nil, func() { s.takeSettled(svc) })
	}
	s.resumeInTime(svc)
}

// resumeInTime has a pause end when its time is over.
func (s *Supervisor) resumeInTime(svc *service) {
	p := svc.watch.paused
	if p == nil || p.Until.IsZero() {
		return
	}
	s.due.add(p.Until, func() bool { return svc.watch != nil && svc.watch.paused == p }, func() {
		s.resumeWatch(svc)
		s.event(eventOf(svc.name, "watch", "resumed, for its time is over"))
		s.mark(svc)
	})
}

// resumeWatch ends a pause, and what a watch was stopped for.
func (s *Supervisor) resumeWatch(svc *service) {
	w := svc.watch
	w.paused, w.stopped, w.loop = nil, "", watchLoop{}
	if w.set {
		s.watcher.Resume(svc.name)
	}
	s.takeSettled(svc)
}

// doWatch pauses or resumes the watch of a service.
func (s *Supervisor) doWatch(ctx context.Context, r status.Request) (op status.Operation, err error) {
	if e := s.call(ctx, func() { op, err = s.acceptWatch(r) }); e != nil {
		return op, problem(503, 6, r.Service, e.Error())
	}
	return op, err
}

func (s *Supervisor) acceptWatch(r status.Request) (status.Operation, error) {
	if op, err := s.known(r); op != nil || err != nil {
		return *op, err
	}
	svc, err := s.usable(r.Service)
	if err != nil {
		return status.Operation{}, err
	}
	if s.end != nil {
		return status.Operation{}, problem(503, 1, r.Service, "gsv is being ended")
	}
	if !svc.def.Watch.On() {
		return status.Operation{}, problem(409, 1, r.Service, "its service file has no [watch] table, so nothing is watched")
	}
	if svc.watch == nil { // it is down
		svc.watch = &watching{}
	}
	w := svc.watch
	t := time.Now().Round(time.Millisecond)
	op := &operation{svc: svc, result: status.OK, Operation: status.Operation{ID: r.ID, Verb: r.Verb, Action: r.Action, Service: r.Service, By: r.By,
		Started: t, Ended: t, Pid: svc.pid(), Generation: svc.serving(), Serving: svc.state.Ready(svc.policy)}}
	switch r.Action {
	case status.Pause:
		w.paused = &pause{By: r.By.User}
		op.Detail = "until gsvctl watch resume " + svc.name
		if r.For > 0 {
			w.paused.Until = now().Add(r.For)
			op.Detail = "for " + brief(r.For)
		}
		s.resumeInTime(svc)
		if w.set {
			s.watcher.Pause(svc.name)
		}
	case status.Resume:
		op.Already = !w.rests()
		s.resumeWatch(svc)
	default:
		return status.Operation{}, problem(400, 2, r.Service, "watch takes pause or resume, not "+r.Action)
	}
	s.ops.add(op)
	s.recall(svc, op)
	s.mark(svc)
	s.ended(op)
	return op.Operation, nil
}

// watchView is how the files of a service are watched; nil: they are not.
func (s *Supervisor) watchView(svc *service) *status.Watch {
	if svc.def == nil || !svc.def.Watch.On() || svc.name == s.opts.Direct {
		return nil
	}
	w := svc.watch
	if w == nil {
		w = &watching{}
	}
	v := &status.Watch{State: status.Watching, Action: svc.def.Watch.Action.Verb, Trouble: w.trouble, Stalled: w.stalled}
	switch {
	case w.stopped != "":
		v.State, v.Reason = status.WatchStopped, w.stopped+"; gsvctl watch resume "+svc.name
	case w.paused != nil:
		v.State, v.By = status.Paused, w.paused.By
		if !w.paused.Until.IsZero() {
			at := wall(w.paused.Until)
			v.Until = &at
		}
	case !s.watchable(svc):
		v.State, v.Reason = status.WatchOff, "the service is "+svc.state.Phase().String()
	case w.spec.Poll > 0:
		v.State = status.Polling
	}
	return v
}

// watched adds to a view what only the one who asks for one service gets.
func (s *Supervisor) watched(svc *service, v *status.Watch) {
	if w := svc.watch; v != nil && w != nil && w.set {
		v.Paths, v.Stamp = w.spec.Paths, w.spec.Stamp
		what, since := s.watcher.Pending(svc.name)
		if what == "" && w.held != nil {
			what = watchReason(*w.held)
		}
		if v.Pending = what; what != "" && !since.IsZero() {
			v.PendingSince = &since
		}
	}
}
