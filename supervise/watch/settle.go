package watch

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// How long something that nobody touches holds a deploy up.
const (
	openFor = time.Minute      // a file that was written and not closed: a copy that stalls, or a log
	tempFor = 10 * time.Minute // a temporary file that was written and not closed, when something else changes later
)

// placesMax is how many temporary and how many open files are kept in mind. Of more
// than that only what happens to them counts.
const placesMax = 10_000

// A place is a file or directory below a watched path; rel is "" for the path itself.
type place struct{ under, rel string }

// settling is what is known of a service's deploy that is under way. It decides, and
// does nothing else: what happens comes in by its methods, with the time, and next
// says what is to be done.
//
// A deploy begins with the first thing that happens and has settled when
//   - nothing has happened for debounce,
//   - no file that was written is open still, as far as openFor,
//   - no temporary file is there that came or was written during this deploy. One
//     that is left over by a deploy that was killed holds that one up for ever, since
//     it is half a deploy, and not the next one: that is, not when something changes
//     after debounce has passed in which nothing did.
//
// Then the contents are compared with those that were loaded last.
type settling struct {
	debounce, maxDelay time.Duration
	stamped            bool // only touch counts

	since   time.Time // when the deploy began; zero: none is under way
	last    time.Time // when the latest thing happened
	burst   time.Time // when the first thing happened after a quiet time
	changed bool      // something else than temporaries, so that comparing is worth while
	at      place     // the latest change
	temps   map[place]temporary
	open    map[place]time.Time // files that are being written, and when last

	paused    bool
	moved     bool      // something has happened since compare was asked for
	stallFrom time.Time // max-delay counts from here
	stalled   bool      // and has been told
}

// A temporary is a file of a tool that has not finished.
type temporary struct {
	last    time.Time // when it came or was written
	writing bool      // and was not closed since
}

// stir notes that something has happened, whatever it is.
func (s *settling) stir(now time.Time) {
	if s.since.IsZero() {
		s.since, s.stallFrom, s.burst = now, now, now
	} else if now.Sub(s.last) >= s.debounce {
		s.burst = now
	}
	s.last, s.moved = now, true
}

// change: a file was made, written, or moved here. A zero place is somewhere.
func (s *settling) change(now time.Time, at place) {
	if s.stamped {
		return
	}
	s.stir(now)
	s.changed = true
	if at != (place{}) {
		s.at = at
	}
}

// write: a file was written, by somebody who has not closed it.
func (s *settling) write(now time.Time, at place) {
	s.change(now, at)
	if !s.stamped {
		s.open = note(s.open, at, now)
	}
}

// note has a place known with what is known of it, if there is room.
func note[V any](places map[place]V, at place, v V) map[place]V {
	if places == nil {
		places = map[place]V{}
	}
	if _, known := places[at]; known || len(places) < placesMax {
		places[at] = v
	}
	return places
}

// close: a file was closed by somebody who could have written.
func (s *settling) close(now time.Time, at place) {
	delete(s.open, at)
	s.change(now, at)
}

// gone: a file is no longer there, or a directory with all below.
func (s *settling) gone(now time.Time, at place) {
	s.drop(at)
	s.change(now, at)
}

// drop takes nothing there or below to be open or temporary any more.
func (s *settling) drop(at place) {
	below := func(p place) bool {
		return p.under == at.under && (p.rel == at.rel || at.rel == "" || strings.HasPrefix(p.rel, at.rel+"/"))
	}
	maps.DeleteFunc(s.open, func(p place, _ time.Time) bool { return below(p) })
	maps.DeleteFunc(s.temps, func(p place, _ temporary) bool { return below(p) })
}

// temp: a temporary file came, was written or closed.
func (s *settling) temp(now time.Time, at place, writing bool) {
	if s.stamped {
		return
	}
	s.stir(now)
	s.temps = note(s.temps, at, temporary{now, writing})
}

// tempGone: a temporary file is no longer there. What it was renamed to is a change.
func (s *settling) tempGone(now time.Time, at place) {
	if _, ok := s.temps[at]; ok {
		delete(s.temps, at)
		s.stir(now)
	}
}

// forget takes nothing to be open or temporary any more, when what was told is incomplete.
func (s *settling) forget() {
	s.open, s.temps = nil, nil
}

// touch: the stamp was touched.
func (s *settling) touch(now time.Time, at place) {
	s.stir(now)
	s.changed, s.at = true, at
}

func (s *settling) pause() { s.paused = true }

// resume: max-delay counts anew, for the time before was wanted.
func (s *settling) resume(now time.Time) {
	s.paused, s.stallFrom = false, now
}

// loaded: there is nothing under way.
func (s *settling) loaded() {
	*s = settling{debounce: s.debounce, maxDelay: s.maxDelay, stamped: s.stamped, paused: s.paused, moved: true}
}

// doing is what is to be done now.
type doing int

const (
	rest    doing = iota // nothing
	compare              // compare contents, then call compared
	stalled              // say what is under way
)

// next says what is to be done now, and when to ask again if nothing happens before; zero: never.
func (s *settling) next(now time.Time) (doing, time.Time) {
	if s.since.IsZero() || s.paused {
		return rest, time.Time{}
	}
	at, held := s.quietAt()
	if !held && !now.Before(at) {
		if s.changed {
			s.moved = false
			return compare, time.Time{}
		}
		s.loaded() // only temporaries, that came and went
		return rest, time.Time{}
	}
	if held {
		at = time.Time{}
	}
	if s.maxDelay > 0 && !s.stalled {
		limit := s.stallFrom.Add(s.maxDelay)
		if !now.Before(limit) {
			s.stalled = true
			return stalled, at
		}
		if at.IsZero() || limit.Before(at) {
			at = limit
		}
	}
	return rest, at
}

// compared ends what compare began: whether the contents that were found are now
// those that are loaded. They are not if something has happened meanwhile.
func (s *settling) compared() bool {
	if s.moved || s.paused {
		return false
	}
	s.loaded()
	return true
}

// quietAt says when it will be quiet if nothing happens; held: that alone is not enough.
func (s *settling) quietAt() (at time.Time, held bool) {
	at = s.last.Add(s.debounce)
	for _, last := range s.open {
		at = later(at, last.Add(openFor))
	}
	for _, t := range s.temps {
		if s.holds(t) {
			held = true
		} else if t.writing {
			at = later(at, t.last.Add(tempFor))
		}
	}
	return at, held
}

// holds says whether a temporary is of this deploy, and not left over by one before.
func (s *settling) holds(t temporary) bool { return !t.last.Before(s.burst) }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// String says what is under way; "" if nothing is.
func (s *settling) String() string {
	if s.since.IsZero() {
		return ""
	}
	var parts []string
	switch {
	case s.stamped:
		parts = append(parts, shown(s.at.under)+" was touched")
	case s.changed && s.at == (place{}):
		parts = append(parts, "files still change")
	case s.changed && s.at.rel == "":
		parts = append(parts, shown(s.at.under)+" still changes")
	case s.changed:
		parts = append(parts, fmt.Sprintf("files under %s still change, last %s", shown(s.at.under), shown(s.at.rel)))
	}
	parts = append(parts, some(s.open, "open for writing ")...)
	parts = append(parts, some(s.temps, "temporary ")...)
	if parts == nil {
		parts = append(parts, "a temporary file is gone")
	}
	return strings.Join(parts, "; ")
}

// some names the first of places, and how many more there are.
func some[V any](places map[place]V, what string) []string {
	if len(places) == 0 {
		return nil
	}
	first := slices.MinFunc(slices.Collect(maps.Keys(places)), func(a, b place) int {
		return cmp.Or(cmp.Compare(a.under, b.under), cmp.Compare(a.rel, b.rel))
	})
	what += shown(cmp.Or(first.rel, first.under))
	if n := len(places) - 1; n > 0 {
		what += fmt.Sprintf(" and %d more", n)
	}
	return []string{what}
}
