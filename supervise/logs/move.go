package logs

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"golang.org/x/sys/unix"
)

// drain reads the runs before r first, so that one's last words do not come
// after the next one's first.
func (f *File) drain(r *run, s *scratch, limit int64) (total int64, end bool) {
	for _, x := range f.runs {
		if x == r {
			break
		}
		n, _ := f.move(x, s, limit) // its end is told by an event of its own
		total += n
	}
	n, end := f.move(r, s, limit)
	total += n
	if total > 0 {
		f.nudge()
	}
	return total, end
}

// move moves from one pipe to the file.
func (f *File) move(r *run, s *scratch, limit int64) (total int64, end bool) {
	for total < limit {
		if f.blocked.now {
			s.l.park(r)
			return total, false
		}
		most, enough := limit-total, int64(plenty)
		var n int64
		var err error
		if r.looked() {
			enough = plenty / 2 // what is looked at is not all that is there
			most, err = r.lookFirst(s, most)
		}
		if err == nil {
			n, err = f.write(r, s, most)
		}
		if err == unix.EAGAIN {
			r.fresh = false
			return total, false
		}
		if err != nil {
			if _, pipe := errors.AsType[pipeError](err); !pipe && f.policy.Load().Block {
				f.block(s, err)
				continue
			}
			n, end := f.drop(r, s, most, err)
			return total + n, end
		}
		if n == 0 {
			return total, true
		}
		total += n
		r.moved += n
		r.grow(n)
		if n < enough && !r.fresh || r.tap != nil {
			break // most likely all; if not, epoll says so
		}
	}
	return total, false
}

// A pipeError is one of reading, which waiting for the disk does not mend.
type pipeError struct{ error }

func (e pipeError) Unwrap() error { return e.error }

// write moves once, to the end of the file as it is now.
func (f *File) write(r *run, s *scratch, limit int64) (int64, error) {
	stamped := f.policy.Load().Timestamp || r.stamped()
	if f.fd < 0 && !r.pending { // nothing to write, nothing to open
		if n, err := s.waits(r.fd); n == 0 {
			return 0, err
		}
	}
	end, err := f.end(s)
	if err != nil {
		return 0, err
	}
	if ms := f.marked.Swap(0); ms != 0 {
		f.wanted = ms
	}
	now := time.Now() // after Mark
	noted := f.wanted != 0 || f.index.due(now, end, r.key.Gen)
	if noted && !stamped { // not of what is not there
		if n, err := s.waits(r.fd); n == 0 {
			return 0, err
		}
	}
	if noted {
		if end, err = f.look(s, now, end); err != nil {
			return 0, err
		}
	}
	if stamped {
		return f.stamp(r, s, now, end, limit)
	}
	cut, turn, err := f.room(r, s, now, end, limit)
	if cut == 0 && turn && err == nil {
		f.rotate(s, now)
		if end, err = f.end(s); err == nil {
			cut, turn, err = f.room(r, s, now, end, limit)
		}
	}
	if cut == 0 || err != nil {
		return 0, err
	}
	n, err := f.writeAt(r, s, now, end, cut)
	if turn && n == cut && err == nil {
		f.rotate(s, now)
	}
	return n, err
}

// look sees to what others may have done to the file, and to its age. It returns
// where the file ends.
func (f *File) look(s *scratch, now time.Time, end int64) (int64, error) {
	var st unix.Stat_t
	if err := unix.Lstat(f.Path(), &st); err == nil && !f.at.same(&st) || err == unix.ENOENT {
		f.release() // moved away
		var err error
		if end, err = f.end(s); err != nil {
			return 0, err
		}
	}
	age := f.policy.Load().MaxAge
	f.old = age > 0 && f.index != nil && f.index.any && now.Sub(f.index.first) >= age
	return end, nil
}

// markTick is how far marks may be ahead of the clock, in milliseconds, for there
// may be several within one.
const markTick = 10

// enter writes into the index that run gen writes at off, if that is due.
func (f *File) enter(s *scratch, now time.Time, off int64, gen int) {
	if f.index == nil || f.index.f == nil && now.After(f.index.again) {
		if dir, err := openDir(f.dir); err == nil {
			f.openIndex(s, dir, now)
			unix.Close(dir)
		}
	}
	if x := f.index; x != nil && x.any && off < x.last.off { // cut short by others
		_ = f.index.reset()
	}
	if f.wanted == 0 && !f.index.due(now, off, gen) {
		return
	}
	// Not before a mark, nor before an entry that was not.
	ms := max(now.UnixMilli(), f.wanted)
	if last := f.entered.Load(); last > ms && last < ms+markTick {
		ms = last
	}
	f.wanted = 0
	f.entered.Store(ms)
	// Where the disk is full, the bytes will say so.
	_ = f.index.add(entry{time.UnixMilli(ms), off, gen})
}

// writeAt moves up to limit bytes to off, the end of the file.
func (f *File) writeAt(r *run, s *scratch, now time.Time, off, limit int64) (int64, error) {
	start := off
	f.enter(s, now, off, r.key.Gen)
	var err error
	if f.gap > 0 {
		if off, err = f.tellGap(off); err != nil {
			return 0, err
		}
	}
	n, err := int64(0), error(unix.EINVAL)
	if !f.copying {
		to := off
		n, err = splice(r.fd, f.fd, &to, limit)
	}
	if err == unix.EINVAL {
		f.copying = true
		n, err = f.copy(r, s, off, limit)
	}
	f.wrote(s, start, n)
	if n > 0 && start > 0 {
		f.mend(now, start, r.key.Gen)
	}
	return n, err
}

// wrote sees to what follows when n bytes have been written, where the file ended
// at start before.
func (f *File) wrote(s *scratch, start, n int64) {
	if n > 0 {
		f.unblock(s)
	}
	if f.gap > 0 {
		if n == 0 {
			_ = unix.Ftruncate(f.fd, start) // the mark goes with what it speaks of
		} else {
			f.recovered(s)
		}
	}
}

// copy does what splice does, where a file system cannot. A death in the middle
// doubles bytes, but loses none.
func (f *File) copy(r *run, s *scratch, off, limit int64) (int64, error) {
	b, err := s.peek(r.fd)
	if err != nil || len(b) == 0 {
		return 0, err
	}
	b = b[:min(int64(len(b)), limit)]
	n, err := pwrite(f.fd, b, off)
	if n == 0 {
		return 0, err
	}
	return s.discard(r.fd, int64(n))
}

// end is where the file ends, wherever others have put that since.
func (f *File) end(s *scratch) (int64, error) {
	for range 2 {
		if err := f.open(s); err != nil {
			return 0, err
		}
		var st unix.Stat_t
		if err := unix.Fstat(f.fd, &st); err != nil {
			return 0, err
		}
		if st.Nlink > 0 {
			return st.Size, nil
		}
		f.release() // removed: nobody would read what we write there
	}
	return 0, unix.ENOENT
}

// tellGap says in the file that output is missing, and returns its new end.
func (f *File) tellGap(end int64) (int64, error) {
	var b []byte
	if end > 0 && !f.newline(end) {
		b = append(b, '\n')
	}
	b = fmt.Appendf(b, "[gsv: %d bytes of output are missing here]\n", f.gap)
	n, err := pwrite(f.fd, b, end)
	if n < len(b) {
		_ = unix.Ftruncate(f.fd, end)
		if err == nil {
			err = unix.ENOSPC
		}
		return end, err
	}
	return end + int64(n), nil
}

// newline reports whether the byte before off is the end of a line.
func (f *File) newline(off int64) bool {
	var last [1]byte
	n, _ := unix.Pread(f.fd, last[:], off-1)
	return n != 1 || last[0] == '\n'
}

func pwrite(fd int, b []byte, off int64) (int, error) {
	for {
		n, err := unix.Pwrite(fd, b, off)
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}

// drop throws away what cannot be written, because of why.
func (f *File) drop(r *run, s *scratch, limit int64, why error) (int64, bool) {
	n, err := s.discard(r.fd, limit)
	r.moved += n
	f.lose(s, n, why)
	if err == unix.EAGAIN {
		r.fresh = false
	}
	// At the end of the pipe, or where its content cannot even be dropped,
	// there is nothing more to come from it.
	return n, n == 0 && err != unix.EAGAIN
}

// lose counts what was thrown away.
func (f *File) lose(s *scratch, n int64, why error) {
	first := f.gap == 0
	f.gap += n
	if first && n > 0 {
		s.p.problem(Problem{Name: f.service, Err: fmt.Errorf("cannot write to %s: %w", f.Path(), bare(why))})
	}
}

// bare takes the path off an error: it is said already.
func bare(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok && p == err {
		return p.Err
	}
	return err
}

func (f *File) recovered(s *scratch) {
	s.p.problem(Problem{Name: f.service, Dropped: f.gap})
	f.gap = 0
}
