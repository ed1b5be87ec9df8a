package main_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A class is a way of asking a server under load.
type class int

const (
	asksFresh  class = iota // each request on a connection of its own
	asksKept                // one connection for as long as the server keeps it
	asksSlow                // the answer takes slowAnswer
	asksUpload              // the body takes uploadTime to send
)

const (
	slowAnswer = 400 * time.Millisecond
	uploadTime = 2 * time.Second
	inRow      = 50 // so many answers on new connections, all of one release, are 0.3 s of nothing else
)

// Ways says how each class asks: 150 requests a second on new connections and as many on kept ones, at most: a slot
// waits for its answer before it asks again. All slots together ask for one worker each.
var ways = [...]struct {
	name   string
	path   string
	slots  int
	period time.Duration // from the begin of a slot's request to the next one's, at least
}{
	asksFresh:  {"new connections", "/", 3, time.Second / 50},
	asksKept:   {"keep-alive", "/", 2, time.Second / 75},
	asksSlow:   {"slow answers", "/slow", 1, 100 * time.Millisecond},
	asksUpload: {"uploads", "/upload", 2, uploadTime / 4},
}

// A load asks a server again and again, in each of the ways at once, and looks at each answer.
type load struct {
	like asker // each slot is one like it
	over chan struct{}
	done sync.WaitGroup

	mu      sync.Mutex
	changed *sync.Cond // after each answer
	slots   []*slot
	counts  [len(ways)]classCount
	lost    []loss
	good    time.Time         // when the last good answer of fresh or kept came
	gap     time.Duration     // the longest between two of them
	first   map[int]time.Time // when each release was first seen on a new connection
	row     int               // so many answers in a row on new connections were of the release ...
	release int
	since   time.Time // ... and the first of them was begun then
	wanted  int       // the release that is said to be the only one that answers ...
	said    time.Time // ... since then
	stale   int       // answers of another to requests begun after that
}

// A slot asks one request after the other.
type slot struct {
	class   class
	begun   time.Time // its request that is under way, or was last
	release int       // of its last good answer
}

// A classCount is of one class.
type classCount struct {
	requests  int
	lost      int // no complete answer of a release
	retryable int // not lost: a kept connection was closed just when the next request came, and nothing was answered
}

// A loss is a request that was not answered as it must be.
type loss struct {
	class class
	at    time.Time
	cause error
}

// newLoad begins to ask.
func newLoad(t *testing.T, like asker) *load {
	l := &load{like: like, over: make(chan struct{}), good: time.Now(), first: map[int]time.Time{}}
	l.changed = sync.NewCond(&l.mu)
	for c, w := range ways {
		for i := range w.slots {
			s := &slot{class: class(c)}
			l.slots = append(l.slots, s)
			// Uploads are not all at the same place at the same time.
			l.done.Go(func() { l.asks(s, time.Duration(i)*uploadTime/time.Duration(w.slots)) })
		}
	}
	t.Cleanup(l.end)
	return l
}

// End lets every request that is under way come to its end. It may be called twice.
func (l *load) end() {
	select {
	case <-l.over:
	default:
		close(l.over)
	}
	l.done.Wait()
}

// Asks is the life of a slot.
func (l *load) asks(s *slot, delay time.Duration) {
	a := l.like
	defer a.close()
	next := time.Now()
	if s.class == asksUpload {
		next = next.Add(delay)
	}
	pace := time.NewTimer(0)
	defer pace.Stop()
	for {
		pace.Reset(time.Until(next))
		select {
		case <-l.over:
			return
		case <-pace.C:
		}
		next = time.Now().Add(ways[s.class].period)
		l.mu.Lock()
		s.begun = time.Now()
		l.changed.Broadcast()
		l.mu.Unlock()
		release, err := a.ask(s.class)
		l.note(s, release, err)
	}
}

func (l *load) note(s *slot, release int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.changed.Broadcast()
	now, n := time.Now(), &l.counts[s.class]
	n.requests++
	if err == errRetryable {
		n.retryable++
		return
	}
	if err != nil {
		n.lost++
		l.lost = append(l.lost, loss{s.class, now, err})
		return
	}
	s.release = release
	if release != l.wanted && !l.said.IsZero() && s.begun.After(l.said) {
		l.stale++
	}
	if s.class == asksFresh || s.class == asksKept {
		l.gap, l.good = max(l.gap, now.Sub(l.good)), now
	}
	if s.class != asksFresh {
		return
	}
	if l.first[release].IsZero() {
		l.first[release] = now
	}
	if release != l.release {
		l.row, l.release, l.since = 0, release, s.begun
	}
	l.row++
}

// Deploying is called when a release is put into place: from then on any answer is welcome.
func (l *load) deploying() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.said = time.Time{}
}

// Calm ends the time before the first deploy, and returns the longest gap in it.
func (l *load) calm() (gap time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	gap, l.gap = l.gap, 0
	return gap
}

// Deployed is called when the release is said to be the only one that answers.
func (l *load) deployed(release int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wanted, l.said = release, time.Now()
}

// Only waits until nothing but the release answers: new connections so many times in a row, and nothing slow is under
// way that was begun before that.
func (l *load) only(release int, patience time.Duration) error {
	return l.until(patience, func() error {
		if l.release != release || l.row < inRow {
			return fmt.Errorf("new connections: release %d, %d times in a row", l.release, l.row)
		}
		for _, s := range l.slots {
			if (s.class == asksSlow || s.class == asksUpload) && s.begun.Before(l.since) {
				return fmt.Errorf("%s: one is under way since before", ways[s.class].name)
			}
		}
		return nil
	})
}

// Keeps waits until no kept connection is answered by another release.
func (l *load) keeps(release int, patience time.Duration) error {
	return l.until(patience, func() error {
		for _, s := range l.slots {
			if s.class == asksKept && s.release != release {
				return fmt.Errorf("a kept connection: release %d", s.release)
			}
		}
		return nil
	})
}

// Until waits until other, asked after each answer, says that nothing is other than it should be.
func (l *load) until(patience time.Duration, other func() error) error {
	deadline := time.Now().Add(patience)
	timer := time.AfterFunc(patience, func() {
		l.mu.Lock() // else it could come between a look at the clock and the wait
		defer l.mu.Unlock()
		l.changed.Broadcast()
	})
	defer timer.Stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		left := other()
		if left == nil {
			return nil
		}
		if !time.Now().Before(deadline) {
			return fmt.Errorf("after %s %w", patience, left)
		}
		l.changed.Wait()
	}
}

// seen is when the release was first seen on a new connection.
func (l *load) seen(release int) (at time.Time, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, ok = l.first[release]
	return at, ok
}

// Causes says what was lost and why, and when after the deploy before it.
func (l *load) causes(deploys []time.Time) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	times := map[string][]int64{}
	for _, loss := range l.lost {
		after := int64(-1)
		for _, at := range deploys {
			if at.Before(loss.at) {
				after = loss.at.Sub(at).Milliseconds()
			}
		}
		text := fmt.Sprintf("%s: %v", ways[loss.class].name, loss.cause)
		times[text] = append(times[text], after)
	}
	var b strings.Builder
	for _, text := range slices.Sorted(maps.Keys(times)) {
		all := times[text]
		fmt.Fprintf(&b, "%d %s, ms after the deploy: %d\n", len(all), text, all[:min(len(all), 10)])
	}
	return b.String()
}
