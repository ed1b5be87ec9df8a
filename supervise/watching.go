package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"

	"gsv/supervise/definition"
	"gsv/supervise/lifecycle"
	"gsv/supervise/status"
	"gsv/supervise/watch"
)

// A watcher tells when deployed files have settled: a watch.Watcher.
type watcher interface {
	Set(name string, s watch.Spec)
	SetSince(name string, s watch.Spec, since time.Time, files uint64)
	Remove(name string)
	Pause(name string)
	Resume(name string)
	Loaded(name string)
	Pending(name string) (what string, since time.Time)
	Close() error
}

// fileClock is how much the clock by which the kernel dates files may be behind: a
// tick, of 10 ms at most (ktime_get_coarse_real_ts64).
const fileClock = 10 * time.Millisecond

// watchUser is who asks for what a watch does.
const watchUser = "watch"

// A watching is what is known of a service with a [watch] table.
type watching struct {
	def     *definition.Definition // by which it was last seen to
	set     bool                   // the watcher watches
	spec    watch.Spec             // by which it does
	paused  *pause                 // nil: it is not
	stopped string                 // why it was stopped for good; "": it was not
	since   time.Time              // when what is there was loaded last, by the wall clock, as files have it
	files   uint64                 // what that was, for SetSince; 0: not known
	again   bool                   // an earlier supervisor watched until it died
	held    *watch.Change          // that has settled, and that something may load that is about to begin; nil: none
	loop    watchLoop
	trouble string // with watching; "": none
	stalled string // what was still under way after max-delay; "": nothing
}

// rests reports whether nothing is done about what settles, until somebody says so.
func (w *watching) rests() bool { return w.paused != nil || w.stopped != "" }

// watchedBy is the service of a name that the watcher tells of something; nil: it is
// not watched any more.
func (s *Supervisor) watchedBy(name string) *service {
	if svc := s.services[name]; svc != nil && svc.watch != nil && svc.watch.set {
		return svc
	}
	return nil
}

// attendWatch has watched what a service's code is loaded from, for as long as
// the service is to run. It is called when anything of it may have changed, and
// before a start. It reports whether what is there now counts as loaded by that.
func (s *Supervisor) attendWatch(svc *service) (fresh bool) {
	w := svc.watch
	if !s.watchable(svc) {
		if w != nil && w.set {
			s.watcher.Remove(svc.name)
		}
		switch {
		case w == nil:
		case svc.def == nil || !svc.def.Watch.On():
			svc.watch = nil
		default:
			svc.watch = &watching{paused: w.paused, stopped: w.stopped}
		}
		return false
	}
	if w == nil {
		w = &watching{}
		svc.watch = w
	}
	if w.def == svc.def {
		return false
	}
	w.def = svc.def
	if s.watcher == nil && !s.openWatcher(svc) {
		return false
	}
	spec := s.watchSpec(svc)
	if w.set && reflect.DeepEqual(spec, w.spec) {
		return false
	}
	was := w.stopped != ""
	if w.set { // what it was stopped for may be ignored now
		w.stopped, w.loop = "", watchLoop{}
	}
	w.set, w.spec = true, spec
	if w.again {
		w.again = false
		s.watcher.SetSince(svc.name, spec, w.since, w.files)
	} else {
		w.since, w.files = time.Now().Add(-fileClock), 0
		s.watcher.Set(svc.name, spec)
	}
	switch {
	case w.rests():
		s.watcher.Pause(svc.name)
	case was:
		s.watcher.Resume(svc.name)
	}
	return true
}

// watchable reports whether a service is to be kept up to date with its files:
// one that is stopped, given up or has ended for good is not started by a deploy.
func (s *Supervisor) watchable(svc *service) bool {
	switch {
	case svc.def == nil || !svc.def.Watch.On() || svc.gone || s.end != nil || svc.name == s.opts.Direct, svc.state.Want == lifecycle.Down:
		return false
	}
	switch svc.state.Phase() {
	case lifecycle.Fatal:
		return false
	case lifecycle.Exited:
		return svc.policy.Oneshot && svc.state.Want == lifecycle.Up
	case lifecycle.Stopped, lifecycle.Starting, lifecycle.Running, lifecycle.Stopping, lifecycle.Backoff:
	}
	return true
}

// openWatcher makes the one watcher of all services, when the first needs it.
func (s *Supervisor) openWatcher(svc *service) bool {
	err := errors.New("this gsv cannot")
	if s.newWatcher != nil {
		s.watcher, err = s.newWatcher(watch.Options{
			Settled: func(name string, c watch.Change) { s.report(func() { s.settled(name, c) }) },
			Loaded:  func(name string, files uint64) { s.report(func() { s.watchLoaded(name, files) }) },
			Stalled: func(name, what string) { s.report(func() { s.stalled(name, what) }) },
			Trouble: func(name, text string) { s.report(func() { s.watchTrouble(name, text) }) },
		})
	}
	if err != nil {
		s.watcher = nil
		s.tellTrouble(svc, "files cannot be watched: "+err.Error())
	}
	return err == nil
}

// closeWatcher ends it, once nothing that it tells is waited for.
func (s *Supervisor) closeWatcher() {
	if s.watcher != nil {
		s.watcher.Close()
	}
}

// watchReason is what a change was, in words.
func watchReason(c watch.Change) string {
	switch {
	case c.First == "" && c.Files <= 1:
		return c.Under + " has changed"
	case c.First == "":
		return fmt.Sprintf("%s, first %s", plural(c.Files, "file", "files"), c.Under)
	case c.Files <= 1:
		return fmt.Sprintf("1 file under %s, %s", c.Under, c.First)
	}
	return fmt.Sprintf("%d files under %s, first %s", c.Files, c.Under, c.First)
}

// settled takes in that a deploy of a service has settled.
func (s *Supervisor) settled(name string, c watch.Change) {
	svc := s.watchedBy(name)
	if svc == nil {
		return
	}
	w := svc.watch
	w.stalled, w.held = "", &c
	s.mark(svc)
	s.takeSettled(svc)
}

// toTake reports whether something has settled about which something is to be done
// now: nothing that is about to begin may load it.
func (svc *service) toTake() bool {
	w := svc.watch
	return w != nil && w.held != nil && w.set && !w.rests() && !svc.loadsSoon()
}

// takeSettled does what is to be done about what has settled, if it is time.
func (s *Supervisor) takeSettled(svc *service) {
	if !svc.toTake() {
		return
	}
	w := svc.watch
	c, table := *w.held, svc.def.Watch
	w.held = nil
	var own bool
	if w.loop, own = w.loop.settled(now(), table.Debounce, table.Poll, c); own {
		s.stopWatch(svc, c)
		return
	}
	s.act(svc, c)
}

// releaseSettled sees to what has settled when what might have loaded it has not.
func (s *Supervisor) releaseSettled(svc *service) {
	if svc.toTake() {
		s.due.add(now(), nil, func() { s.takeSettled(svc) }) // not now: a step is under way
	}
}

// loadsSoon reports whether what is on disk now may be loaded without further
// ado: a reload, a restart or a start has been asked for and its signal was not
// sent, or its process not started. A verb that is only a signal needs a service
// that is ready for it, and a oneshot first has to end.
func (svc *service) loadsSoon() bool {
	st := &svc.state
	phase := st.Phase()
	_, decided := commands[svc.def.Watch.Action.Verb]
	switch rl := st.Reload; {
	case rl != nil && rl.Stage < lifecycle.Signalling, st.Begins(), phase == lifecycle.Stopping:
		return true
	case svc.policy.Oneshot && st.Current() != nil:
		return true
	}
	return !decided && phase != lifecycle.Running
}

// act carries out the action of a service's [watch] table, as if somebody had asked.
func (s *Supervisor) act(svc *service, c watch.Change) {
	a := svc.def.Watch.Action
	r := status.Request{ID: newID(), Verb: a.Verb, Service: svc.name, Signal: a.Signal, Count: 1, Reason: watchReason(c),
		By: status.Caller{UID: uint32(os.Geteuid()), User: watchUser, Pid: s.pid}}
	s.event(status.Event{Service: svc.name, Kind: "watch", Text: "deployed: " + r.Reason, Operation: r.ID})
	refused := func(err error) {
		if err != nil {
			s.event(eventOf(svc.name, "watch", "nothing was done: "+err.Error()))
			s.say(err.Error() + " (" + r.Reason + ")")
		}
	}
	if _, decided := commands[r.Verb]; decided {
		_, err := s.accept(r, s.commandOf(r), 0)
		refused(err)
		return
	}
	go func() { // it looks at the process first
		_, err := s.Do(context.Background(), r)
		s.report(func() { refused(err) })
	}()
}

// loads tells the watch of a service that what is on disk is being loaded, or is
// checked before that: what a failed check has seen is not tried again.
func (s *Supervisor) loads(svc *service) {
	w := svc.watch
	if w == nil || !w.set {
		return
	}
	w.stalled, w.held, w.since, w.files = "", nil, time.Now().Add(-fileClock), 0
	s.watcher.Loaded(svc.name)
	for _, o := range svc.state.Ops {
		if op := s.ops.byID[o.ID]; op != nil && op.Reason != "" {
			w.loop.loads(now())
			return
		}
	}
}

// watchLoaded takes in what the watcher takes to be loaded.
func (s *Supervisor) watchLoaded(name string, files uint64) {
	if svc := s.watchedBy(name); svc != nil {
		svc.watch.files = files
		s.mark(svc)
	}
}

// loadsBy reports whether a signal that an operation sends has the service load
// its code.
func (s *Supervisor) loadsBy(svc *service, k lifecycle.Kill) bool {
	if svc.watch == nil || k.Op == "" {
		return false
	}
	op, sigs := s.ops.byID[k.Op], svc.def.Signals
	return k.Signal == sigs.Reload || k.Signal == sigs.Upgrade || signalName(k.Signal) == svc.def.Watch.Action.Signal || op != nil && op.Reason != ""
}

// watchDone notes that an operation has ended.
func (s *Supervisor) watchDone(svc *service, op *operation) {
	w := svc.watch
	if w == nil {
		return
	}
	switch {
	case op.Reason != "":
		w.loop.done(now())
		if op.Error != "" {
			s.say(fmt.Sprintf("%s: %s by watch failed: %s (%s)", svc.name, op.Verb, op.Error, op.Reason))
		}
	case starts(op.Verb):
		w.loop = watchLoop{}
	}
}

// stopWatch ends the reloads of a service that brings them about itself.
func (s *Supervisor) stopWatch(svc *service, c watch.Change) {
	w := svc.watch
	what := c.First
	if what == "" {
		what = c.Under
	}
	w.stopped = fmt.Sprintf("the service itself changes %s after each %s; add it to ignore", what, strings.Replace(svc.def.Watch.Action.Verb, "hup", "reload", 1))
	w.loop = watchLoop{}
	s.watcher.Pause(svc.name)
	text := "watch stopped: " + w.stopped + "; gsvctl watch resume " + svc.name
	s.event(eventOf(svc.name, "watch", text))
	s.say(svc.name + ": " + text)
	s.mark(svc)
	s.save(svc)
}

// stalled takes in what is still under way after max-delay.
func (s *Supervisor) stalled(name, what string) {
	svc := s.watchedBy(name)
	if svc == nil {
		return
	}
	svc.watch.stalled = what
	s.event(eventOf(name, "watch", fmt.Sprintf("not settled after %s: %s", brief(svc.def.Watch.MaxDelay), what)))
}

// watchTrouble takes in what is wrong with watching a service; "": nothing is, any more.
func (s *Supervisor) watchTrouble(name, text string) {
	if svc := s.watchedBy(name); svc != nil && svc.watch.trouble != text {
		s.tellTrouble(svc, text)
	}
}

func (s *Supervisor) tellTrouble(svc *service, text string) {
	svc.watch.trouble = text
	if text == "" {
		text = "files are watched again as they should be"
	}
	s.event(eventOf(svc.name, "watch", text))
	s.say(svc.name + ": " + text)
}
