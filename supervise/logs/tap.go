package logs

import (
	"bytes"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// seenSuffix is what the file of a run is called, after its Key, that says that a
// tap has seen what it looked for.
const seenSuffix = ".seen"

// A tap looks at the lines of a run on their way to the sink. It belongs to the
// loop that reads the run.
type tap struct {
	look func(line []byte) bool
	what string // looked for, for the file
	path string // of that; "": there is none
	part []byte // the begin of a line whose end has not come
	over bool   // that line was too long, and what there is of it has been looked at
	upTo int64  // as run.moved, what has been looked at
}

// Tap has look called with each line that a run writes, without its end, before
// the line gets to the sink, until look returns true or Untap. Of a line that is
// longer than 64 KiB look gets that much. It is called by the Pump's thread, so
// it must be quick, and must not call the Pump; the line is valid until it returns.
//
// What was written before is not looked at. So the tap of a run that was read by
// a Pump that died comes before Add, and with again: Tap reports whether that
// one's tap has seen what it looked for, and sets no other then. what says what
// that is: only an equal one counts.
//
// A run that has none costs nothing; one that has is given less of a Pump's time
// than others, for it takes more.
func (p *Pump) Tap(key Key, what string, again bool, look func(line []byte) bool) (seen bool) {
	t := &tap{look: look, what: what}
	if p.dir != "" {
		t.path = filepath.Join(p.dir, key.String()+seenSuffix)
		if !again {
			_ = os.Remove(t.path) // of a run that had its number before, in a state that is lost
		} else if b, err := os.ReadFile(t.path); err == nil && string(b) == what {
			return true
		}
	}
	p.setTap(key, t)
	return false
}

// Untap ends the Tap of a run, if there is one. look may be under way, once more.
func (p *Pump) Untap(key Key) { p.setTap(key, nil) }

func (p *Pump) setTap(key Key, t *tap) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.runs[key]
	if l == nil && t == nil {
		delete(p.taps, key)
		return
	}
	if p.taps == nil {
		p.taps = map[Key]*tap{}
	}
	p.taps[key] = t
	if l != nil {
		l.post(func() { p.useTap(key, l.runs[key]) })
	}
}

// useTap gives a run the tap that was set for it, if one was. It is called by the
// loop that reads the run, before it reads any.
func (p *Pump) useTap(key Key, r *run) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t, set := p.taps[key]
	delete(p.taps, key)
	if !set || r == nil {
		return
	}
	if r.tap = t; t != nil {
		t.upTo = r.moved
	}
}

// looked reports whether somebody looks at what the run writes.
func (r *run) looked() bool { return r.tap != nil || r.watch != nil }

// lookFirst shows what is first in the pipe to whom it may concern, and returns
// how much of that may be moved, limit at most; 0: the pipe has ended. The error
// is EAGAIN where it is empty. What cannot be looked at is moved nevertheless.
func (r *run) lookFirst(s *scratch, limit int64) (int64, error) {
	b, err := s.peek(r.fd)
	switch {
	case err == unix.EAGAIN:
		return limit, err
	case err != nil:
		return limit, nil
	case len(b) == 0:
		return 0, nil
	}
	b = b[:min(int64(len(b)), limit)]
	r.show(b)
	return int64(len(b)), nil
}

// show shows what is first in the pipe, of which some may have been seen.
func (r *run) show(b []byte) {
	if w := r.watch; w != nil {
		w.lines.take(r.news(b, &w.upTo), func(line []byte) { w.show(r.key, line) })
	}
	t := r.tap
	if t == nil {
		return
	}
	if b = r.news(b, &t.upTo); len(b) == 0 || !t.take(b) {
		return
	}
	r.tap = nil
	if t.path != "" { // before it is moved: else nobody would look at it again
		_ = os.WriteFile(t.path, []byte(t.what), 0o600)
		r.marked = t.path
	}
}

// news is what of b, the first bytes in the pipe, comes after upTo, which becomes
// its end: bytes that could not be moved are seen again.
func (r *run) news(b []byte, upTo *int64) []byte {
	end := r.moved + int64(len(b))
	if *upTo >= end {
		return nil
	}
	b = b[max(0, *upTo-r.moved):]
	*upTo = end
	return b
}

// take looks at the lines that end in b, and keeps what is after them.
func (t *tap) take(b []byte) bool {
	for {
		line, rest, ended := bytes.Cut(b, []byte("\n"))
		if !t.over {
			whole := line
			if len(t.part) > 0 || !ended {
				t.part = append(t.part, line[:min(len(line), maxLine-len(t.part))]...)
				whole = t.part
			}
			whole = whole[:min(len(whole), maxLine)]
			full := len(whole) == maxLine
			if (ended || full) && t.look(whole) {
				return true
			}
			t.over = full
		}
		if !ended {
			return false
		}
		t.part, t.over, b = t.part[:0], false, rest
		if len(b) == 0 {
			return false
		}
	}
}

// forgetSeen removes what a tap has left on disk, at the end of a run.
func (r *run) forgetSeen() {
	if r.marked != "" {
		_ = unix.Unlink(r.marked)
	}
}
