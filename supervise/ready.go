package supervise

import (
	"context"
	"os"
	"time"

	"gsv/supervise/definition"
	"gsv/supervise/guardian"
	"gsv/supervise/lifecycle"
)

// A check is one way to find out whether a run is ready: it is asked again and
// again (try), or says so itself, by what it is started with (give).
type check struct {
	is func(*definition.Definition) bool
	// waits says what was not seen yet, of one that has said nothing; nil: what a
	// try saw is said.
	waits func(*definition.Definition) string

	try    func(*Supervisor, *service, int, *run) func(context.Context) error
	alone  bool // what answers is the run itself, and no other
	costly bool // a try is: there is one each ready.interval, and no more at first

	give   func(*Supervisor, *service, int, *run, *gift) error // before the process is started
	regain func(*Supervisor, *service, int, *run, *gift) error // of a run that another supervisor has started
	again  func(*Supervisor, *service, int, *run)              // by another definition, or of a run that was not started; nil: nothing is to be done
}

// checks are all there are. The first that is asked for counts.
func checks() []check {
	return []check{
		{is: func(d *definition.Definition) bool { return d.Ready.TCP != "" }, try: tryTCP},
		{is: func(d *definition.Definition) bool { return d.Ready.Unix != "" }, try: tryUnix},
		{is: func(d *definition.Definition) bool { return d.Ready.HTTP.Private() }, alone: true, try: tryHTTP},
		{is: func(d *definition.Definition) bool { return !d.Ready.HTTP.IsZero() }, try: tryHTTP},
		{is: func(d *definition.Definition) bool { return d.Ready.Exec != nil }, alone: true, costly: true, try: tryExec},
		{is: notifies, waits: notYetSaid, give: giveSocket, regain: regainSocket, again: askSiblings},
		{is: func(d *definition.Definition) bool { return d.Ready.FD != 0 }, waits: noNewline, give: givePipe, regain: regainPipe},
		{is: func(d *definition.Definition) bool { return d.Ready.LogLine != "" }, waits: noLine, give: tapNew, regain: tapOld, again: tapNow},
	}
}

// checkOf is the check that a definition asks for; nil: none, or its workers.
func checkOf(d *definition.Definition) *check {
	for _, c := range checks() {
		if c.is(d) {
			return &c
		}
	}
	return nil
}

// readyFiles adds to a start what run gen needs to say that it is ready: files
// that it inherits, their names in its environment, and our ends of them, which
// the guardian keeps for the supervisors to come (readyHeld).
func (s *Supervisor) readyFiles(svc *service, gen int, b *birth, files, keep []guardian.File) (_, _ []guardian.File, err error) {
	r := svc.runs[gen]
	g := &gift{b: b, files: files, keep: keep}
	if c := checkOf(r.def); c != nil && c.give != nil && svc.name != s.opts.Direct {
		err = c.give(s, svc, gen, r, g)
	}
	return g.files, g.keep, err
}

// readyHeld takes up a run of an earlier supervisor's, with the files that
// readyFiles has had kept. They are the caller's to close. It comes before the
// run's output is read.
func (s *Supervisor) readyHeld(svc *service, gen int, held []*os.File) {
	r := svc.runs[gen]
	if r == nil || r.ended && !r.forked {
		return
	}
	if c := checkOf(r.def); c != nil && c.regain != nil {
		if err := c.regain(s, svc, gen, r, &gift{held: held}); err != nil {
			s.say(svc.name + ": " + err.Error())
		}
	}
}

// tells reports whether a service says by itself when it is ready, by something
// that it is started with.
func tells(d *definition.Definition) bool {
	c := checkOf(d)
	return c != nil && c.give != nil
}

// tryOf is one try of the check that a run's [ready] asks for; nil if that does
// not ask.
func (s *Supervisor) tryOf(svc *service, gen int, r *run) func(context.Context) error {
	if c := checkOf(r.def); c != nil && c.try != nil {
		return c.try(s, svc, gen, r)
	}
	return nil
}

// firstPause is from the first try to the second; each that follows is twice as
// long, up to ready.interval.
const firstPause = 5 * time.Millisecond

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
		r.probe, r.saw = nil, ""
	}
	if r.awaits != "" && r.awaits != r.def.Ready.LogLine {
		r.dropReady()
		r.awaits, r.saw = "", ""
	}
	c := checkOf(r.def)
	if c == nil {
		return
	}
	if r.saw == "" && c.waits != nil {
		r.saw = c.waits(r.def)
	}
	if c.try == nil {
		if !fresh && c.again != nil {
			c.again(s, svc, gen, r)
		}
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.probe = cancel
	a := asking{try: c.try(s, svc, gen, r), fresh: fresh && !c.alone, lives: r.def.MinUptime, pause: firstPause, most: r.def.Ready.Interval}
	if c.costly {
		a.pause = a.most
	}
	report := func(f func()) {
		s.report(func() {
			if ctx.Err() == nil { // else nobody asks any more
				f()
			}
		})
	}
	go func() {
		if a.ask(ctx, s.done, func(saw string) {
			report(func() {
				if !svc.ending(gen) { // what one that is being ended does is not why
					r.saw = saw
				}
			})
		}) {
			report(func() { s.proven(svc, gen, r) })
		}
	}()
}

// An asking is a check that is tried until it succeeds.
type asking struct {
	try         func(context.Context) error
	fresh       bool          // an answer at once is somebody else's
	lives       time.Duration // how long it must live then
	pause, most time.Duration // from one try to the next, the first and the longest
}

// ask reports whether a try succeeded, before ctx or done ended. saw is told what
// a try saw, if it is something else than the last one did.
func (a *asking) ask(ctx context.Context, done <-chan struct{}, saw func(string)) bool {
	timer := time.NewTimer(0)
	defer timer.Stop()
	last := ""
	for pause := a.pause; ; pause = min(2*pause, a.most) {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return false
		case <-done:
			return false
		}
		err := a.try(ctx)
		switch {
		case ctx.Err() != nil:
			return false
		case err == nil && !a.fresh:
			return true
		case err == nil:
			a.fresh = false
			timer.Reset(a.lives)
			continue
		}
		if text := err.Error(); text != last {
			last = text
			saw(text)
		}
		a.fresh = false
		timer.Reset(min(pause, a.most))
	}
}

// proven takes in that a run's check has succeeded. That may be said once only,
// so it is on disk before whatever said it is forgotten.
func (s *Supervisor) proven(svc *service, gen int, r *run) {
	if svc.runs[gen] != r || r.over {
		return
	}
	r.accepts = true
	s.readyIfSo(svc, gen)
	s.mark(svc)
	s.save(svc)
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

// unready is what a run that is not ready does, as its readiness check saw it last:
// "answered 500 to GET /health"; "" if there is nothing to say.
func (s *Supervisor) unready(svc *service, gen int) string {
	if r := svc.runs[gen]; r != nil && !r.accepts {
		return r.saw
	}
	return ""
}
