package supervise

import (
	"time"

	"gsv/supervise/watch"
)

// A watchLoop counts, in a row, the changes of what is watched that were made
// while a service loaded the change before. A service that writes below what is
// watched would be reloaded for ever: its log, a cache, compiled files.
type watchLoop struct {
	loaded time.Time    // when the last change was loaded; zero: nobody else was the cause of it, so nothing counts
	ended  time.Time    // when that was done; zero: it is not
	last   watch.Change // that was loaded
	own    int          // changes in a row that the service seems to have made
	same   int          // of these the last ones, about the same files
}

const (
	loopGrace = 3 * time.Second // after the end of a reload, for what a worker writes with its first requests
	loopSame  = 5               // changes of the same files after which it is a loop
	loopAny   = 8               // and of any
	loopFiles = 20              // more at once are deployed: a service's own are its log, a cache, a counter
)

// settled takes in a change that settled at that time, as it does when nothing
// has happened for debounce and poll has passed at most before somebody looked.
// It reports whether the service itself makes them.
func (l watchLoop) settled(at time.Time, debounce, poll time.Duration, c watch.Change) (watchLoop, bool) {
	latest := at.Add(-debounce)
	earliest := latest.Add(-poll)
	after := !l.loaded.IsZero() && !latest.Before(l.loaded)
	before := l.ended.IsZero() || !earliest.After(l.ended.Add(loopGrace))
	if !after || !before || c.Files > loopFiles {
		return watchLoop{last: c}, false
	}
	l.own++
	if c != l.last {
		l.same = 0
	}
	l.same++
	l.last = c
	return l, l.same >= loopSame || l.own >= loopAny
}

// loads notes that what settled last is being loaded.
func (l *watchLoop) loads(at time.Time) { l.loaded, l.ended = at, time.Time{} }

// done notes that it was.
func (l *watchLoop) done(at time.Time) {
	if !l.loaded.IsZero() {
		l.ended = at
	}
}
