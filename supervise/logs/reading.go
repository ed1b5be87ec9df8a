package logs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// errTurn is that a volume has ended.
var errTurn = errors.New("next volume")

// A reading is one reader's way through a log, from one of its volumes to the
// next. It has own descriptors and offsets: whoever reads slowly keeps nobody
// waiting.
type reading struct {
	f      *File
	ctx    context.Context
	follow bool

	vol  *volume   // being read; nil: there is none yet
	off  int64     // of the next byte
	to   int64     // where to stop in what was the current volume, if not following
	rest []rotated // to be read after vol
	cur  *volume   // to be read after those, if it is another than vol
}

func (f *File) reading(ctx context.Context, follow bool) (*reading, error) {
	r := &reading{f: f, ctx: ctx, follow: follow}
	cur, err := openCurrent(f.dir, f.stem)
	if err != nil {
		return nil, fmt.Errorf("cannot read log: %w", err)
	}
	if cur != nil {
		r.vol, r.to = cur, cur.size
	}
	return r, nil
}

func (r *reading) close() {
	for _, v := range []*volume{r.vol, r.cur} {
		if v != nil {
			v.close()
		}
	}
	r.vol, r.cur = nil, nil
}

// before returns what was rotated before the volume v, which was the current
// one when it was opened; nil: all that was rotated.
func (r *reading) before(v *volume) ([]rotated, error) {
	all, err := older(r.f.dir, r.f.stem)
	if err != nil {
		return nil, fmt.Errorf("cannot read log: %w", err)
	}
	if v == nil || r.at(v) {
		return all, nil
	}
	if i := r.find(all, v); i >= 0 { // it has been rotated since
		all = all[:i]
	}
	return all, nil
}

// at reports whether v is at the path of the log now.
func (r *reading) at(v *volume) bool {
	here, err := v.file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(r.f.Path())
	return err == nil && os.SameFile(here, there)
}

// find returns which of the rotated files v has become, -1: none.
func (r *reading) find(all []rotated, v *volume) int { return r.findID(all, v.id) }

func (r *reading) findID(all []rotated, id identity) int {
	for i, old := range slices.Backward(all) {
		v, err := openRotated(r.f.dir, old)
		if v == nil || err != nil {
			continue
		}
		same := v.same(id)
		v.close()
		if same {
			return i
		}
	}
	return -1
}

// enter goes to a place in one of the rotated files, before the current one.
func (r *reading) enter(v *volume, off int64, rest []rotated) {
	if r.vol != v {
		r.cur, r.vol = r.vol, v
	}
	r.off, r.rest = off, rest
}

// seek goes to where a cursor was taken. false: what it was in is gone.
func (r *reading) seek(c Cursor) (bool, error) {
	id := identity{ino: c.ino}
	id.born.Sec, id.born.Nsec = c.sec, c.nsec
	if r.vol != nil && r.vol.same(id) {
		if r.off = c.off; c.off > r.vol.size { // cut short since
			r.off = 0
		}
		return true, nil
	}
	all, err := r.before(r.vol)
	if err != nil {
		return false, err
	}
	i := 0
	if c != (Cursor{}) {
		if i = r.findID(all, id); i < 0 {
			return false, nil
		}
	}
	off := c.off
	for ; i < len(all); i++ {
		v, err := openRotated(r.f.dir, all[i])
		if err != nil {
			return false, fmt.Errorf("cannot read log: %w", err)
		}
		if v == nil {
			continue
		}
		n, err := v.length()
		if err != nil {
			v.close()
			return false, fmt.Errorf("cannot read log: %w", err)
		}
		if off <= n {
			r.enter(v, off, all[i+1:])
			return true, nil
		}
		v.close()
		off -= n
	}
	if r.off = off; r.vol != nil && off > r.vol.size {
		r.off = 0
	}
	return true, nil
}

// more reads on. io.EOF: there is no more, or not now. errTurn: the volume has
// ended for good, and turn goes to the next.
func (r *reading) more(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	if r.vol == nil {
		if !r.follow {
			return 0, io.EOF
		}
		var err error
		if r.vol, err = openCurrent(r.f.dir, r.f.stem); err != nil {
			return 0, fmt.Errorf("cannot read log: %w", err)
		}
		if r.vol == nil {
			return 0, io.EOF
		}
		r.off = 0
	}
	n, err := r.read(p)
	if n > 0 || err != io.EOF {
		return n, err
	}
	if !r.last() {
		return 0, errTurn
	}
	if !r.follow {
		return 0, io.EOF
	}
	// Ask first, then read: what replaced it was made after its last byte.
	moved := !r.at(r.vol) && !r.f.writes(r.vol.file)
	if moved {
		_, err = os.Lstat(r.f.Path())
		moved = err == nil
	}
	if r.short() {
		return 0, errTurn
	}
	if n, err := r.read(p); n > 0 || err != io.EOF || !moved {
		return n, err
	}
	return 0, errTurn
}

// short reports whether the volume is shorter than what was read of it: others
// have cut it.
func (r *reading) short() bool {
	n, err := r.vol.length()
	return err == nil && n < r.off
}

// last reports whether no volume is known that comes after this one.
func (r *reading) last() bool { return len(r.rest) == 0 && r.cur == nil }

func (r *reading) read(p []byte) (int, error) {
	if !r.follow && r.vol.at.IsZero() {
		p = p[:max(0, min(int64(len(p)), r.to-r.off))]
		if len(p) == 0 {
			return 0, io.EOF
		}
	}
	if r.follow && r.vol.times.f == nil && r.vol.at.IsZero() {
		// The index of a new file comes after the file, and before its first byte.
		if r.vol.times, _, _ = openTimes(r.f.dir, r.vol.stem, r.vol.id, true); r.vol.times.f == nil && r.off >= r.vol.size {
			r.vol.stand = time.Now()
		}
	}
	n, err := r.vol.read(p, r.off)
	r.off += int64(n)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("cannot read log: %w", err)
	}
	return n, err
}

// turn goes to the next volume, or to the begin of one that was cut short.
func (r *reading) turn() error {
	if r.last() && r.short() {
		r.off = 0
		r.vol.times.forget()
		return nil
	}
	if r.last() { // it has been moved away
		old := r.vol
		cur, err := openCurrent(r.f.dir, r.f.stem)
		if err == nil {
			r.rest, err = r.between(old, cur)
		}
		if err != nil {
			return fmt.Errorf("cannot read log: %w", err)
		}
		r.cur = cur
	}
	r.vol.close()
	r.vol, r.off = nil, 0
	for len(r.rest) > 0 && r.vol == nil {
		v, err := openRotated(r.f.dir, r.rest[0])
		if err != nil {
			return fmt.Errorf("cannot read log: %w", err)
		}
		r.vol, r.rest = v, r.rest[1:]
	}
	if r.vol == nil {
		r.vol, r.cur = r.cur, nil
	}
	return nil
}

// between returns what was rotated after the volume old, and before cur was
// made (nil: till now): a reader that is slow, or sleeps, may have missed more
// than one rotation.
func (r *reading) between(old, cur *volume) ([]rotated, error) {
	all, err := r.before(cur)
	if err != nil {
		return nil, err
	}
	if i := r.find(all, old); i >= 0 {
		return all[i+1:], nil
	}
	// It was moved elsewhere or removed. What was rotated after its last byte
	// is newer; names know whole seconds.
	info, err := old.file.Stat()
	if err != nil {
		return nil, err
	}
	since := info.ModTime().Truncate(time.Second)
	i := slices.IndexFunc(all, func(a rotated) bool { return a.at.After(since) })
	if i < 0 {
		i = len(all)
	}
	return all[i:], nil
}

// place is where the next byte is.
func (r *reading) place() Cursor {
	if r.vol == nil {
		return Cursor{}
	}
	return cursorAt(r.vol.id, r.off)
}
