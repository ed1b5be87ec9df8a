package logs

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A keeper looks after the logs that have been rotated: it compresses them, and
// removes the oldest when there are too many, they are too old or take too much
// room. A current log is never touched.
//
// It has a goroutine as long as there is something to do, besides that at most
// one timer: for the next log that gets too old. Its methods wait for no disk.
type keeper struct {
	tell func(name string, err error)
	quit atomic.Bool   // stop what is being compressed
	wake chan struct{} // capacity 1: due has grown, or quit

	mu     sync.Mutex
	kept   map[place]*kept // by each stem
	total  int64           // bytes of the logs of all; 0 = no limit
	due    map[*kept]bool  // to be looked at; true: and to be compressed
	done   chan struct{}   // closed when the goroutine ends; nil: there is none
	timer  *time.Timer
	closed bool

	// The goroutine's own, handed from one to the next by done:
	said map[complaint]bool
}

// A place is where a log is: LOG-DIR/STEM.log.
type place struct{ dir, stem string }

// kept is what a keeper knows of a service's logs.
type kept struct {
	name   string   // of the service, for what is told
	dir    string   // of its logs
	stems  []string // "web"; and "web.err", where standard error is separate
	policy *Policy  // of others too: it is not changed

	next time.Time // when the first gets too old, under the keeper's lock; zero: never
}

func (c *kept) place() place { return place{c.dir, c.stems[0]} }

// left is the stem of what a standard error has left that had a log of its own
// once; "": it still has.
func (c *kept) left() string {
	if len(c.stems) > 1 {
		return ""
	}
	return c.stems[0] + errSuffix
}

// A complaint is told once, until it is over.
type complaint struct {
	place
	cannot string
}

// newKeeper returns a keeper that calls tell when something goes wrong, once
// until it goes well, from its goroutine. Stop it.
func newKeeper(tell func(name string, err error)) *keeper {
	return &keeper{tell: tell, wake: make(chan struct{}, 1), kept: map[place]*kept{}, due: map[*kept]bool{}, said: map[complaint]bool{}}
}

// set has a service's logs kept from now on, or in another way than before, and
// what is there already too.
func (k *keeper) set(c kept) {
	k.mu.Lock()
	defer k.mu.Unlock()
	has := k.kept[c.place()]
	if has != nil && has.name == c.name && *has.policy == *c.policy && slices.Equal(has.stems, c.stems) {
		return
	}
	k.drop(has)
	for _, stem := range c.stems {
		k.kept[place{c.dir, stem}] = &c
	}
	k.post(&c, true)
}

// forget has the logs with that stem left as they are.
func (k *keeper) forget(dir, stem string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.drop(k.kept[place{dir, stem}])
}

func (k *keeper) drop(c *kept) {
	if c == nil {
		return
	}
	for _, stem := range c.stems {
		delete(k.kept, place{c.dir, stem})
	}
	delete(k.due, c)
}

// rotated says that the log with that stem has been rotated.
func (k *keeper) rotated(dir, stem string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c := k.kept[place{dir, stem}]; c != nil {
		k.post(c, true)
	}
}

// limit sets how many bytes the logs of all services may take, current ones
// included; 0 = no limit.
func (k *keeper) limit(total int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.total = total
	for _, c := range k.kept {
		k.post(c, false)
	}
}

// stop ends the work; it does not wait for it.
func (k *keeper) stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed = true
	k.quit.Store(true)
	if k.timer != nil {
		k.timer.Stop()
	}
	k.nudge()
}

func (k *keeper) post(c *kept, zip bool) {
	if k.closed {
		return
	}
	k.due[c] = k.due[c] || zip
	if k.done == nil {
		k.done = make(chan struct{})
		go k.work(k.done)
	}
	k.nudge()
}

func (k *keeper) nudge() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// arm sets the timer for the next log that gets too old.
func (k *keeper) arm() {
	var next time.Time
	for _, c := range k.kept {
		if !c.next.IsZero() && (next.IsZero() || c.next.Before(next)) {
			next = c.next
		}
	}
	switch {
	case k.closed:
	case next.IsZero():
		if k.timer != nil {
			k.timer.Stop()
		}
	case k.timer == nil:
		k.timer = time.AfterFunc(time.Until(next), k.expire)
	default:
		k.timer.Reset(time.Until(next))
	}
}

// expire has the services looked at that have a log that is too old.
func (k *keeper) expire() {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	for _, c := range k.kept {
		if !c.next.IsZero() && !now.Before(c.next) {
			c.next = time.Time{}
			k.post(c, false)
		}
	}
	k.arm() // the clock may have been set back
}
