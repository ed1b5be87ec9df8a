package supervise

import (
	"fmt"
	"testing"
	"time"

	"gsv/supervise/watch"
)

// Each reload takes a second and a half, debounce is two: a change is said to have settled two seconds after it was made.
func TestWatchLoop(t *testing.T) {
	const debounce, reload = 2 * time.Second, 1500 * time.Millisecond
	pyc := watch.Change{Files: 1, Under: "/srv/app", First: "lib/x.pyc"}
	cache := func(n int) watch.Change {
		return watch.Change{Files: 1 + n%2, Under: "/srv/app", First: fmt.Sprintf("cache/%d", n)}
	}
	deploy := watch.Change{Files: 137, Under: "/srv/app", First: "lib/App.pm"}
	after := func(d ...time.Duration) []time.Duration { return d }
	every := func(n int, d time.Duration) (list []time.Duration) {
		for range n {
			list = append(list, d)
		}
		return list
	}
	for _, tt := range []struct {
		name    string
		made    []time.Duration // when each change after the first was made, from the begin of the reload of the one before
		change  func(n int) watch.Change
		poll    time.Duration
		stopped int // at which change, counted from 0: the deploy; -1: never
	}{
		{"while it loads", every(7, 400*time.Millisecond), func(int) watch.Change { return pyc }, 0, 5},
		{"with its first requests", every(7, 3*time.Second), func(int) watch.Change { return pyc }, 0, 5},
		{"other files each time", every(11, time.Second), cache, 0, 8},
		{"two deploys", after(time.Minute, time.Hour, 10*time.Minute), func(int) watch.Change { return deploy }, 0, -1},
		{"just too late to be its own", every(9, reload+loopGrace+time.Millisecond), func(int) watch.Change { return pyc }, 0, -1},
		{"one of somebody else between", after(time.Second, time.Second, time.Minute, time.Second, time.Second, time.Minute, time.Second), func(int) watch.Change { return pyc }, 0, -1},
		{"a loop after a deploy", after(time.Second, time.Minute, time.Second, time.Second, time.Second, time.Second, time.Second), func(int) watch.Change { return pyc }, 0, 7},
		{"it rests after two", after(time.Second, time.Second), func(int) watch.Change { return pyc }, 0, -1},
		{"seen late", every(7, 400*time.Millisecond), func(int) watch.Change { return pyc }, 30 * time.Second, 5},
		{"whole releases, one upon the other", every(20, time.Second), func(int) watch.Change { return deploy }, 0, -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var l watchLoop
			at := time.Unix(1e6, 0)
			settle := func(made time.Time, c watch.Change) (stop bool) {
				at = made.Add(debounce + tt.poll) // polled as late as can be
				l, stop = l.settled(at, debounce, tt.poll, c)
				return stop
			}
			if settle(at, deploy) {
				t.Fatal("the first change is a loop")
			}
			stopped := -1
			for i, d := range tt.made {
				l.loads(at)
				l.done(at.Add(reload))
				if settle(at.Add(d), tt.change(i)) {
					stopped = i + 1
					break
				}
			}
			if stopped != tt.stopped {
				t.Errorf("stopped at %d, want %d", stopped, tt.stopped)
			}
		})
	}
}

// A reload of somebody else's is no link of the chain, and one that goes on still is.
func TestWatchLoopCounts(t *testing.T) {
	c := watch.Change{Files: 1, Under: "/srv/app", First: "x"}
	at := time.Unix(1e6, 0)
	var l watchLoop
	step := func(made time.Duration) (stop bool) {
		l, stop = l.settled(at.Add(made+time.Second), time.Second, 0, c)
		return stop
	}
	step(0)
	for i := range loopSame {
		l.loads(at) // its old workers are busy for an hour
		if stop := step(time.Duration(i) * time.Minute); stop != (i == loopSame-1) {
			t.Errorf("change %d: %v", i, stop)
		}
	}
	l = watchLoop{} // by an operator's reload
	if l.done(at); !l.ended.IsZero() {
		t.Error("a reload that was not the watch's counts")
	}
	if step(time.Second) || l.own != 0 {
		t.Errorf("%+v", l)
	}
}
