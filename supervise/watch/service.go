package watch

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// How often it looks where the kernel does not tell, unless Spec.Poll says so; how
// long until it tries again whether a limit has been raised; and how many events
// may wait, beyond which everything is looked at.
const (
	pollEvery  = 10 * time.Second
	retryAfter = 5 * time.Minute
	maxInbox   = 1 << 16
)

// A call is what a service is told by the Watcher, in order with the events.
type call byte

const (
	noCall call = iota
	callLoaded
	callLost // events are missing
)

// Why a service polls.
const (
	byWish    = "poll"
	byNetwork = "network"
	byLimit   = "limit"
)

// A service is watched by a goroutine of its own, which alone waits for its disk.
type service struct {
	w      *Watcher
	name   string
	spec   Spec
	rules  rules
	except map[string]bool
	since  time.Time // what was there then is loaded, by the kernel's clock
	anew   bool      // and something may have changed after it: see SetSince
	were   uint64    // the fingerprint of what was loaded then; 0: not known
	wakes  chan struct{}
	left   chan struct{} // closed when it has given up its watches

	mu    sync.Mutex
	inbox []event
	calls []time.Time // of callLoaded, in order
	over  bool
	state settling
	told  string // the last trouble

	// Of the goroutine alone.
	in      *inotify
	polls   string // why; "" = it does not
	roots   []*root
	ways    map[string]*way
	astray  bool // what paths lead to may have changed
	kept    map[string]*kept
	stamp   stampID
	settled time.Time // temporaries that have not changed since are left over
	jobs    []job
	budget  int64
	room    int       // what is left of namesMax
	looked  time.Time // when everything was looked at last
	swapped bool      // a directory is another one than was watched

	problem string // why it polls, if not by wish
	denied  string // what cannot be read

	every   time.Duration // of polling
	lookAt  time.Time
	rest    time.Duration // after a look, at least
	retryAt time.Time
	digest  uint64
	latest  time.Time // when a file has changed last
	temps   map[place]uint64
}

// kept is what was loaded of a watched path.
type kept struct {
	real  string
	files *node
}

func newService(w *Watcher, name string, spec Spec) *service {
	s := &service{
		w: w, name: name, spec: spec, rules: newRules(spec.Ignore), since: kernelNow(), wakes: make(chan struct{}, 1), left: make(chan struct{}),
		state: settling{debounce: spec.Debounce, maxDelay: spec.MaxDelay, stamped: spec.Stamp != ""},
		ways:  map[string]*way{}, kept: map[string]*kept{}, budget: hashBudget, room: w.names,
	}
	s.settled, s.looked = s.since, s.since
	if spec.Poll > 0 {
		s.polls, s.every = byWish, spec.Poll
	}
	return s
}

// end has the goroutine end, when its disk lets it, and nothing told any more.
func (s *service) end() (paused bool, told string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over, s.inbox = true, nil
	s.wake()
	return s.state.paused, s.told
}

func (s *service) wake() {
	select {
	case s.wakes <- struct{}{}:
	default:
	}
}

// post has an event in the inbox.
func (s *service) post(e event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch n := len(s.inbox); {
	case s.over:
	case n > 0 && s.inbox[n-1] == e: // writes, one after the other
	case n >= maxInbox:
		s.lose()
	default:
		s.inbox = append(s.inbox, e)
		s.wake()
	}
}

// lose has everything looked at in place of the events that wait.
func (s *service) lose() {
	s.inbox = slices.DeleteFunc(s.inbox, func(e event) bool { return e.call == noCall || e.call == callLost })
	if !s.over {
		s.inbox = append(s.inbox, event{call: callLost})
	}
}

// stir changes the state, which Pending looks at too.
func (s *service) stir(do func(now time.Time)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do(time.Now())
}

// run watches until the service is removed. It wakes for nothing but events, and
// for what state and polling say.
func (s *service) run() {
	defer s.leave()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	s.begin()
	for {
		at, ok := s.work()
		if !ok {
			return
		}
		timer.Stop()
		if !at.IsZero() {
			timer.Reset(time.Until(at))
		}
		lane := s.w.lane
		if len(s.jobs) == 0 {
			lane = nil
		}
		if s.w.idle != nil {
			s.w.idle(s, at)
		}
		select {
		case <-s.wakes:
		case <-timer.C:
		case lane <- struct{}{}:
			s.learn()
			<-lane
		}
	}
}

// work does all that is to be done now, and returns when there will be more; zero:
// when something happens.
func (s *service) work() (at time.Time, ok bool) {
	for {
		s.drain()
		if s.polls != "" && !time.Now().Before(s.lookAt) {
			s.look()
		}
		s.mu.Lock()
		now := time.Now()
		do, at := s.state.next(now)
		over, waits, text := s.over, len(s.inbox) > 0, s.state.String()
		busy := text != "" && !s.state.paused
		s.mu.Unlock()
		switch {
		case over:
			return time.Time{}, false
		case do == compare:
			s.settle()
		case do == stalled:
			s.tell(func() bool { return !s.state.paused }, func() { s.w.options.Stalled(s.name, text) })
		case !waits:
			if s.polls != "" {
				if busy { // it is worth while to look more often
					s.lookAt = earlier(s.lookAt, now.Add(max(s.spec.Debounce, 100*time.Millisecond, s.rest)))
				}
				at = earlier(at, s.lookAt)
			}
			return at, true
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// tell calls a function of Options if sure, asked with the state locked, says so.
func (s *service) tell(sure func() bool, call func()) {
	s.w.telling.Lock()
	defer s.w.telling.Unlock()
	s.mu.Lock()
	is := !s.over && sure()
	s.mu.Unlock()
	if is {
		call()
	}
}

// say says what is wrong, once.
func (s *service) say() {
	text := cmp.Or(s.problem, s.denied)
	s.tell(func() bool { return s.told != text }, func() {
		s.w.options.Trouble(s.name, text)
		s.mu.Lock()
		s.told = text
		s.mu.Unlock()
	})
}

// begin has everything watched. What is there counts as loaded.
func (s *service) begin() {
	s.except = map[string]bool{}
	for _, dir := range s.spec.Except {
		s.except[filepath.Clean(dir)] = true
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			s.except[real] = true
		}
	}
	w := s.walk()
	w.keep, w.since = true, s.since
	if s.polls == "" {
		s.arm(w)
	}
	if s.polls != "" {
		w = s.walk()
		w.keep = true
		s.arrange(w)
		looked := s.survey()
		s.digest, s.latest, s.temps = looked.digest, looked.latest, looked.temps
	}
	for _, r := range s.roots {
		s.kept[r.under] = &kept{r.real, r.seen}
		if r.clean(); s.anew {
			r.dirty = true
			if r.tree != nil {
				r.tree.touchAll()
			}
		}
	}
	files := s.fingerprint()
	if s.were != 0 && s.were != files && s.spec.Stamp == "" {
		s.another()
	}
	s.jobs, s.stamp = w.jobs, s.stampIs()
	s.lookAt = time.Now().Add(s.every)
	s.stir(func(now time.Time) { // no event has been looked at yet
		s.state.loaded()
		switch {
		case !s.anew:
		case s.spec.Stamp == "":
			s.state.change(now, place{})
		case s.stamp.after(s.since):
			s.state.touch(now, place{})
		}
	})
	s.tell(func() bool { return true }, func() { s.w.options.Loaded(s.name, files) })
	s.say()
}

// leave gives up the watches.
func (s *service) leave() {
	defer close(s.left)
	for _, r := range s.roots {
		if r.tree != nil {
			s.drop(r.tree)
		}
	}
	for _, way := range s.ways {
		s.leaveWay(way)
	}
}

func (s *service) leaveWay(w *way) {
	if w.wd > none {
		s.in.unwatch(w.wd, user{service: s, way: w})
	}
	w.wd = dropped
}

// walk returns one that looks for what polling compares, if it polls.
func (s *service) walk() *walk {
	w := &walk{service: s, fresh: s.settled, latest: s.latest}
	if s.polls != "" {
		w.temps = map[place]uint64{}
	}
	return w
}

// arm has the kernel tell, or polls.
func (s *service) arm(w *walk) {
	in, err := s.w.inotify()
	if s.in = in; err == nil {
		s.polls, s.problem = "", ""
		err = s.arrange(w)
	}
	if err != nil {
		s.poll(err)
	}
}

// poll ends watching and begins polling, because of an error.
func (s *service) poll(err error) {
	for _, r := range s.roots {
		s.unwatchAll(r.tree)
	}
	for _, way := range s.ways {
		s.leaveWay(way)
	}
	s.ways = map[string]*way{}
	s.polls = byLimit
	if errors.As(err, new(networkError)) {
		s.polls = byNetwork
	}
	if s.every = s.spec.Poll; s.every == 0 {
		s.every = s.w.every
	}
	now := time.Now()
	s.retryAt, s.lookAt, s.digest, s.temps = now.Add(s.w.retry), now, 0, nil
	s.problem = fmt.Sprintf("%s: polls every %s", problemOf(err), s.every) + adviceOf(err)
}

func (s *service) unwatchAll(d *dir) {
	if d != nil {
		s.unwatch(d)
		for _, sub := range d.subs {
			s.unwatchAll(sub)
		}
	}
}
