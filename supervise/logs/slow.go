package logs

import (
	"errors"
	"sync"
	"time"
)

const (
	slowAfter = time.Second            // a write that takes so long has a slow reader
	quickly   = 100 * time.Millisecond // one that takes less has not
)

var errSlow = errors.New("gsv's standard output is read slowly; services that write there wait")

// A patience tells when writes to a Lines wait long for its reader, and when
// they do no more: once a second after each that did, it looks how the next one
// does. While nothing is written, and while one write goes on waiting, it costs
// nothing.
type patience struct {
	mu    sync.Mutex
	p     *Pump     // of the last write
	began time.Time // the write that is under way; zero: none is
	armed bool      // look will be called
	slow  bool      // it was told
}

// begin is called before a write, end after it.
func (t *patience) begin(p *Pump) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.p, t.began = p, time.Now()
	if !t.armed {
		t.arm(slowAfter)
	}
}

func (t *patience) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.began = time.Time{}
	if t.slow && !t.armed {
		t.arm(slowAfter)
	}
}

func (t *patience) arm(d time.Duration) {
	t.armed = true
	time.AfterFunc(d, t.look)
}

func (t *patience) look() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.armed = false
	var waits time.Duration
	if !t.began.IsZero() {
		waits = time.Since(t.began)
	}
	switch {
	case t.slow && waits >= quickly:
		return // end goes on
	case t.slow:
		t.slow = false
		t.p.problem(Problem{Waits: true})
	case waits >= slowAfter:
		t.slow = true
		t.p.problem(Problem{Waits: true, Err: errSlow})
		return
	}
	if waits > 0 {
		t.arm(slowAfter - waits)
	}
}
