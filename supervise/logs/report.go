package logs

import "sync"

// A reporter calls the functions of Options from a goroutine of its own, so
// that a caller that waits for the Pump in one of them cannot stop the Pump.
type reporter struct {
	mu      sync.Mutex
	queue   []func(*Options)
	wake    chan struct{} // capacity 1
	stopped bool
}

func startReporter(o Options) *reporter {
	t := &reporter{wake: make(chan struct{}, 1)}
	go t.loop(&o)
	return t
}

func (t *reporter) add(f func(*Options)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped {
		return
	}
	t.queue = append(t.queue, f)
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

func (t *reporter) loop(o *Options) {
	for range t.wake {
		for f := t.next(); f != nil; f = t.next() {
			f(o)
		}
	}
}

func (t *reporter) next() func(*Options) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped || len(t.queue) == 0 {
		t.queue = nil
		return nil
	}
	f := t.queue[0]
	t.queue = t.queue[1:]
	return f
}

// stop forgets what has not been told.
func (t *reporter) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.stopped {
		close(t.wake)
	}
	t.stopped = true
}
