package supervise

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"gsv/supervise/definition"
	"gsv/supervise/lifecycle"
	"gsv/supervise/procfs"
	"gsv/supervise/status"
)

// A crew is what is known of the workers of a run. It is looked at when the
// kernel tells that one of them has ended, and again and again only while
// somebody waits for what becomes of them, or while they do not settle.
type crew struct {
	gen     int
	began   time.Time
	seen    lifecycle.Crew
	looking bool      // a look is under way, or being taken in
	again   bool      // and another one is wanted after it
	looked  time.Time // when the last look began
	due     time.Time // when the next one does; zero: none is planned

	watched map[lifecycle.Proc]func() // workers whose end is told; the func forgets them
	loaded  bool                      // one has loaded its code, or there are none that could
	queued  time.Time                 // when it was last counted how many connections wait to be accepted
	queue   int                       // and how many did
	steady  int                       // how many there were when all was last well
	surveys []crewSurvey              // wait for workers that have settled
	wake    time.Time                 // when old ones that have not taken note of their signal are looked for again
	ends    []time.Time               // of workers, that were no good ends
	died    int                       // workers that ended badly before they had settled, since all was last well
	ended   string                    // how the last one ended
	judged  time.Time                 // since when births and ends are counted
	told    time.Time                 // when such an end was last made known
	untold  int                       // since then
	pause   time.Duration             // until the next one is
	scales  bool                      // the number of workers is being changed
}

const (
	lookOften  = 20 * time.Millisecond // from one look to the next, at least
	lookSeldom = 200 * time.Millisecond
	lookRarely = time.Second // where nobody waits
	queueOften = time.Second
	noWorkers  = time.Minute // after which a server without workers is believed to have none
	settleWait = 10 * time.Second
)

// badEnds is how many times min-uptime a bad end of a worker is held against
// a service.
const badEnds = 30

// unknownEnd is up to how many times min-uptime the end of a worker counts as a
// bad one where the kernel does not tell how it ended.
const unknownEnd = 3

// A sight is what a look at the workers saw.
type sight struct {
	workers []lifecycle.Worker
	solo    bool           // the main process does the work itself
	heir    lifecycle.Proc // the successor that the main process has started; zero: none, or nobody asks
	queue   int
	gone    bool // there is no main process
	failed  bool // it could not look, which tells nothing
}

// attend looks at a service's workers if there is a reason to, or forgets them.
// It is called after every step.
func (s *Supervisor) attend(svc *service) {
	live := svc.watched()
	if live == nil || live.Phase == lifecycle.Stopping || s.end != nil || svc.def == nil || svc.runs[live.Gen] == nil || svc.runs[live.Gen].pid == 0 {
		svc.dropCrew()
		return
	}
	waits := svc.waits()
	if svc.crew != nil && (svc.crew.gen != live.Gen || !waits && svc.def.Workers.Depth == 0) {
		svc.dropCrew()
	}
	if svc.crew == nil {
		if !waits && svc.def.Workers.Depth == 0 {
			return
		}
		svc.crew = newCrew(live.Gen)
		s.look(svc)
		return
	}
	if scales := svc.state.Scaling != nil; scales != svc.crew.scales {
		if svc.crew.scales = scales; !scales { // what died of it is over
			svc.crew.excuse(now())
		}
	}
	if waits {
		s.lookWithin(svc, lookOften)
	}
}

func newCrew(gen int) *crew {
	t := now()
	return &crew{gen: gen, began: t, judged: t, watched: map[lifecycle.Proc]func(){}}
}

// excuse judges the workers anew.
func (c *crew) excuse(t time.Time) {
	c.seen.Excuse(t)
	c.ends, c.judged = nil, t
}

// waits reports whether an operation waits for what becomes of the workers.
func (svc *service) waits() bool {
	st := &svc.state
	return st.Reload != nil && st.Reload.Stage >= lifecycle.Proving && st.Reload.Stage != lifecycle.Taken || st.Scaling != nil && st.Scaling.Sent ||
		svc.crew != nil && len(svc.crew.surveys) > 0
}

func (svc *service) dropCrew() {
	if svc.crew == nil {
		return
	}
	for _, forget := range svc.crew.watched {
		forget()
	}
	svc.crew = nil
}

// lookWithin plans a look, no sooner than lookOften after the last one.
func (s *Supervisor) lookWithin(svc *service, d time.Duration) {
	c := svc.crew
	at := now().Add(d)
	if c == nil || c.looking || !c.due.IsZero() && !at.Before(c.due) {
		return
	}
	if least := c.looked.Add(lookOften); at.Before(least) {
		at = least
	}
	c.due = at
	s.due.add(at, func() bool { return svc.crew == c && c.due.Equal(at) }, func() {
		if svc.crew == c { // what was due with it may have ended it
			s.look(svc)
		}
	})
}

// look looks at the workers, elsewhere, for /proc may wait for a process's memory.
func (s *Supervisor) look(svc *service) {
	c := svc.crew
	c.due = time.Time{}
	if c.looking {
		c.again = true
		return
	}
	c.looking, c.looked = true, now()
	d, pid := svc.runs[c.gen].def, svc.runs[c.gen].pid
	w := d.Workers
	// The kernel goes through the table of all connections for it.
	every := min(queueOften, svc.policy.ReloadTimeout/8)
	if svc.policy.Blind { // that nobody waits is the proof
		every = 0
	}
	rl := svc.state.Reload
	queue := rl != nil && rl.Next == 0 && c.looked.Sub(c.queued) >= every
	if queue {
		c.queued, c.queue = c.looked, 0
	}
	var old []lifecycle.Proc
	heir := rl != nil && rl.Method == lifecycle.ByUpgrade && rl.Stage == lifecycle.Proposed && rl.Next == 0
	if heir {
		old = rl.Old
	}
	go func() {
		seen := lookAtWorkers(pid, w, queue)
		if heir {
			seen.heir, _ = findHeir(d, pid, old)
		}
		s.report(func() {
			if svc.crew == c && s.services[svc.name] == svc {
				s.saw(svc, seen)
			}
		})
	}()
}

// lookAtWorkers is a census. Where nothing is known of a service, those of its
// children count that run the same program as their parent does.
func lookAtWorkers(pid int, w definition.Workers, queue bool) (seen sight) {
	workers, between, err := procfs.Descendants(pid, max(w.Depth, 1))
	if err != nil {
		return sight{gone: errors.Is(err, unix.ESRCH), failed: true}
	}
	for _, p := range workers {
		if w.Depth == 0 && !procfs.SameProgram(pid, p.Pid) {
			continue
		}
		seen.workers = append(seen.workers, lifecycle.Worker{Proc: lifecycle.Proc{Pid: p.Pid, Start: p.Start},
			Shows: procfs.Shows(p.Pid, procfs.Sign(w.Sign)), Born: sinceTicks(p.Start)})
	}
	for _, p := range between {
		seen.workers = append(seen.workers, lifecycle.Worker{Proc: lifecycle.Proc{Pid: p.Pid, Start: p.Start}, Between: true, Born: sinceTicks(p.Start)})
	}
	if len(seen.workers) == 0 && !w.Solo.IsZero() {
		seen.solo = procfs.Shows(pid, procfs.Sign(w.Solo))
	}
	if queue {
		seen.queue, _ = procfs.Queue(pid) // one that may not be seen does not count
	}
	return seen
}

// saw takes in what a look saw.
func (s *Supervisor) saw(svc *service, seen sight) {
	c := svc.crew
	if seen.failed {
		c.looking = false
		if !seen.gone { // else its end will be told
			s.lookWithin(svc, lookRarely) // out of descriptors, say
		}
		return
	}
	c.queue = max(c.queue, seen.queue)
	t, settle := now(), svc.policy.MinUptime
	c.seen.See(t, seen.workers, settle)
	s.watchWorkers(svc, seen.workers)
	if c.seen.Steady(t, settle) && svc.state.Reload == nil { // else old ones that are still busy would count
		c.steady = c.seen.Workers()
		c.seen.Born, c.seen.Died, c.died, c.judged = 0, 0, 0, t
	}
	c.loaded = c.loaded || seen.solo || slices.ContainsFunc(seen.workers, func(w lifecycle.Worker) bool { return w.Shows && !w.Between }) ||
		len(seen.workers) == 0 && t.Sub(c.began) > settle
	settled := c.seen.Settled(t, settle) > 0 || svc.def.Workers.Depth == 0 || seen.solo || len(seen.workers) == 0 && t.Sub(c.began) > settle
	if len(c.surveys) > 0 && (settled || svc.state.Ailing != "" || t.Sub(c.began) > settleWait) {
		s.tellSurveys(svc, seen, t)
	}
	if svc.crew != c {
		return
	}
	if rl := svc.state.Reload; rl != nil && rl.Stage >= lifecycle.Proving && rl.Stage != lifecycle.Taken || svc.state.Scaling != nil {
		if seen.heir != (lifecycle.Proc{}) {
			s.step(svc, lifecycle.Succeeded{Gen: c.gen, Next: seen.heir})
		}
		s.step(svc, lifecycle.Census{Gen: c.gen, Workers: seen.workers, Solo: seen.solo, Queue: c.queue, Ended: c.ended})
		if svc.crew == c && svc.trying(c.gen) {
			s.readyIfSo(svc, c.gen)
		}
		s.progress(svc)
		s.wakeDeaf(svc, t)
	} else {
		s.judge(svc, seen, t)
	}
	c.looking = false
	if svc.crew == c {
		s.planLook(svc, seen)
	}
}

// A crewSurvey waits for what a look sees.
type crewSurvey struct {
	tell  func(sight)
	since time.Time
	exact bool // how many there are to be is asked: some that have just ended may be about to be replaced
}

// tellSurveys tells those who asked, and can be told already.
func (s *Supervisor) tellSurveys(svc *service, seen sight, t time.Time) {
	c, settle := svc.crew, svc.policy.MinUptime
	surveys := c.surveys
	c.surveys = nil
	for _, survey := range surveys {
		if survey.exact && c.seen.Died == 0 && !c.seen.Steady(t, settle) && svc.state.Ailing == "" && t.Sub(survey.since) < 2*settle {
			c.surveys = append(c.surveys, survey)
			continue
		}
		survey.tell(seen)
	}
}

// planLook says when the next look is due, if one is.
func (s *Supervisor) planLook(svc *service, seen sight) {
	c, t := svc.crew, now()
	since := c.began
	if c.seen.Changed.After(since) {
		since = c.seen.Changed
	}
	patience := t.Sub(since) / 20
	again := c.again
	c.again = false
	switch {
	case again && svc.expects():
		s.lookWithin(svc, 0)
	case svc.state.Reload != nil && svc.state.Reload.Stage == lifecycle.Draining: // ends are told
		s.lookWithin(svc, min(max(patience, lookSeldom), lookRarely))
	case svc.expects():
		s.lookWithin(svc, min(max(patience, lookOften), lookSeldom))
	case svc.def.Workers.Depth == 0, seen.solo:
	case svc.state.Ailing != "":
		s.lookWithin(svc, lookRarely)
	case len(seen.workers) == 0 && t.Sub(since) > noWorkers:
	case again || !c.seen.Steady(t, svc.policy.MinUptime):
		s.lookWithin(svc, min(max(patience, lookSeldom), lookRarely))
	}
}

// expects reports whether somebody waits for what becomes of the workers: an
// operation, or a start.
func (svc *service) expects() bool {
	return svc.waits() || svc.state.Phase() == lifecycle.Starting && svc.def.Workers.Depth > 0
}

// judge says, where no operation waits, whether the workers do what the
// service is there for.
func (s *Supervisor) judge(svc *service, seen sight, t time.Time) {
	c, settle := svc.crew, svc.policy.MinUptime
	if svc.def.Workers.Depth == 0 {
		return
	}
	c.ends = slices.DeleteFunc(c.ends, func(at time.Time) bool { return t.Sub(at) > badEnds*max(settle, lookRarely/10) })
	need := max(c.steady, 1)
	steady := c.seen.Steady(t, settle) || seen.solo ||
		svc.policy.Counts && c.seen.Died == 0 && c.seen.Settled(t, settle) > 0 // their number may go up and down
	why, ails := svc.state.Ailing, true
	switch {
	case c.seen.Churns(t, settle, need):
		why = fmt.Sprintf("workers die at start (%s%d in %s)", c.howEnded(), c.seen.Died, seconds(t.Sub(c.judged)))
		if c.steady > 0 {
			why = fmt.Sprintf("new workers die at start (%s)", c.endedOr("again and again"))
		}
	case c.steady > 0 && c.died > 2*need && c.seen.Settled(t, settle) < c.steady:
		why = fmt.Sprintf("%d of %d workers are left, new ones die at start (%s)", c.seen.Settled(t, settle), c.steady, c.endedOr("again and again"))
	case len(c.ends) > max(need, 2):
		why = fmt.Sprintf("workers end again and again (%s%d in %s)", c.howEnded(), len(c.ends), seconds(t.Sub(c.ends[0])))
	case steady && len(c.ends) < max(need, 2):
		why, ails = "", false
	default:
		ails = false
	}
	starting := svc.state.Phase() == lifecycle.Starting
	switch {
	case why != svc.state.Ailing || ails && starting:
		if ails && starting { // whoever asks next may have mended the code
			c.excuse(t)
		}
		told := svc.state.Ailing != ""
		s.step(svc, lifecycle.Ailing{Gen: c.gen, Why: why})
		if !told || why == "" {
			s.tellAiling(svc, why)
		}
	case starting && svc.def.Ready.Workers && steady && t.Sub(c.began) >= settle:
		s.step(svc, lifecycle.Ready{Gen: c.gen})
	case starting:
		s.readyIfSo(svc, c.gen)
	}
}

func (s *Supervisor) tellAiling(svc *service, why string) {
	svc.tell()
	text := why
	if why == "" {
		text = "its workers have settled"
	}
	s.event(status.Event{Service: svc.name, Kind: "workers", State: stateOf(svc), Text: text, Pid: svc.pid()})
	s.say(svc.name + ": " + text)
	s.mark(svc)
}

func (c *crew) howEnded() string {
	if c.ended == "" {
		return ""
	}
	return c.ended + ", "
}

func (c *crew) endedOr(other string) string {
	if c.ended == "" {
		return other
	}
	return c.ended
}
