package logs

import (
	"bytes"
	"maps"
	"slices"
	"sync"
	"time"
)

const (
	tailSize    = 64 << 10 // how much of a service's output is kept in memory, in bytes
	tailEntries = 512      // how finely it is known when it was written, and by which run
)

// A tail is the last that a service wrote: lines that have ended, of all its
// runs, and the begins of those that have not. It takes memory as it needs it.
type tail struct {
	grown growth

	mu       sync.Mutex
	ring     []byte         // the byte at off is at off%len(ring)
	from, to int64          // what is in it, of all that was ever added
	entries  []entry        // as in an index
	parts    map[int][]byte // by run: the begin of its last line
	asked    int64          // the newest mark, if nothing was added since; else 0
}

// add adds lines of a run, in pieces, that were read at that time. The last may
// be the begin of one that is too long to wait for its end.
func (t *tail) add(at time.Time, gen int, pieces ...[]byte) {
	defer t.grown.nudge()
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.parts, gen)
	if n := len(t.entries); n > 0 && t.entries[n-1].gen != gen && !t.ended() {
		t.put([]byte("\n"))
	}
	t.note(at, gen)
	for _, b := range pieces {
		t.put(b)
	}
	for len(t.entries) > 1 && t.entries[1].off <= t.from {
		t.entries = t.entries[1:]
	}
}

// begin says what a run has written of a line that has not ended, beside what
// was added of it.
func (t *tail) begin(gen int, part []byte) {
	if len(part) == 0 {
		return
	}
	defer t.grown.nudge()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.parts == nil {
		t.parts = map[int][]byte{}
	}
	t.parts[gen] = append(t.parts[gen][:0], part[max(0, len(part)-tailSize):]...)
}

// finish ends the last line of a run.
func (t *tail) finish(gen int) {
	defer t.grown.nudge()
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.parts, gen)
	if n := len(t.entries); n > 0 && t.entries[n-1].gen == gen && !t.ended() {
		t.put([]byte("\n"))
	}
}

// ended reports whether the last line that was added has.
func (t *tail) ended() bool {
	return t.to == t.from || t.ring[(t.to-1)%int64(len(t.ring))] == '\n'
}

func (t *tail) put(b []byte) {
	if skip := len(b) - tailSize; skip > 0 {
		t.to += int64(skip)
		t.from = t.to
		b = b[skip:]
	}
	t.room(min(tailSize, int(t.to-t.from)+len(b)))
	at := int(t.to % int64(len(t.ring)))
	n := copy(t.ring[at:], b)
	copy(t.ring, b[n:])
	t.to += int64(len(b))
	t.from = max(t.from, t.to-int64(len(t.ring)))
}

// room makes the ring large enough for n bytes.
func (t *tail) room(n int) {
	size := max(len(t.ring), 1<<10)
	for size < n {
		size *= 2
	}
	if size == len(t.ring) {
		return
	}
	old := t.slice(t.from, t.to)
	t.ring = make([]byte, size)
	t.to = t.from
	t.put(old)
}

// slice copies what is between two offsets.
func (t *tail) slice(from, to int64) []byte {
	if from = max(from, t.from); from >= to {
		return nil
	}
	b := make([]byte, 0, to-from)
	at := int(from % int64(len(t.ring)))
	b = append(b, t.ring[at:min(len(t.ring), at+cap(b))]...)
	return append(b, t.ring[:cap(b)-len(b)]...)
}

// note makes an entry of what is added next, if it wants one. Their times never
// go back, whatever the clock does.
func (t *tail) note(at time.Time, gen int) {
	if asked := time.UnixMilli(t.asked); at.Before(asked) {
		at = asked
	}
	if n := len(t.entries); n > 0 {
		last := &t.entries[n-1]
		if at.Before(last.at) {
			at = last.at
		}
		if t.asked == 0 && last.gen == gen && at.Sub(last.at) < indexPause {
			return
		}
	}
	t.asked = 0
	t.entries = append(t.entries, entry{at, t.to, gen})
	if len(t.entries) > tailEntries {
		t.thin()
	}
}

// thin makes entries fewer: every second one of a run goes, and where runs take
// turns with every line, so do the oldest lines.
func (t *tail) thin() {
	kept := t.entries[:1]
	dropped := false
	for _, e := range t.entries[1:] {
		if dropped = !dropped && e.gen == kept[len(kept)-1].gen; !dropped {
			kept = append(kept, e)
		}
	}
	if len(kept) > tailEntries*3/4 {
		kept = slices.Delete(kept, 0, len(kept)-tailEntries/2)
		t.from = max(t.from, kept[0].off)
	}
	t.entries = kept
}

// start is where the first whole line begins; of one that is longer than all
// that is kept, where that begins.
func (t *tail) start() int64 {
	if t.from == 0 {
		return 0
	}
	i := bytes.IndexByte(t.slice(t.from, t.to), '\n')
	if at := t.from + int64(i) + 1; i >= 0 && at < t.to {
		return at
	}
	return t.from
}

// since returns what was written from off on: lines, and begins of lines.
func (t *tail) since(off int64) []byte {
	b := t.slice(max(off, t.start()), t.to)
	for _, gen := range slices.Sorted(maps.Keys(t.parts)) {
		if len(b) > 0 && b[len(b)-1] != '\n' {
			b = append(b, '\n')
		}
		b = append(b, t.parts[gen]...)
	}
	return b
}

// of returns what a run wrote.
func (t *tail) of(gen int) (b []byte) {
	start := t.start()
	for i, e := range t.entries {
		end := t.to
		if i+1 < len(t.entries) {
			end = t.entries[i+1].off
		}
		if e.gen == gen {
			b = append(b, t.slice(max(e.off, start), end)...)
		}
	}
	return append(b, t.parts[gen]...)
}
