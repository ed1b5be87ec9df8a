package logs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

const (
	// maxLine is how long a line of a Lines may be before it is cut, in bytes.
	maxLine = 64 << 10
	cutMark = "…" // at the end of a cut line, and before what follows
)

// A Lines writes the output of many services to one file, gsv's own standard
// output: whole lines, "NAME | line", never two mixed. A line longer than 64 KiB
// is cut into several, marked with … where it was cut. A last line without an
// end gets one.
//
// When its reader is slow, the services wait. When it cannot be written (its
// reader has gone), output is dropped: see Problem.
type Lines struct {
	out *os.File
	fd  int

	gap int64 // the loop's own: bytes dropped since the last that was written
}

// NewLines returns a Lines that writes to out, which must stay open, and whose
// modes it leaves as they are. All runs of a Pump share one Lines.
func NewLines(out *os.File) (*Lines, error) {
	w := &Lines{out: out}
	// Not Fd, which would clear O_NONBLOCK for all who share the description.
	c, err := out.SyscallConn()
	if err == nil {
		err = c.Control(func(fd uintptr) { w.fd = int(fd) })
	}
	if err != nil {
		return nil, fmt.Errorf("cannot write output: %w", err)
	}
	return w, nil
}

func (w *Lines) release() {}

// attach takes up the begin of a line that a Pump left that died.
func (w *Lines) attach(r *run, _ *scratch) {
	b, err := os.ReadFile(r.path)
	if err == nil && len(b) > 0 {
		r.part = b[:min(len(b), 2*maxLine)]
	}
}

func (w *Lines) detach(r *run) {}

// drain writes whole lines, then takes them out of the pipe: a death between
// the two doubles them, and one within write(2) may leave the begin of one in
// front of it, but loses none.
func (w *Lines) drain(r *run, s *scratch, limit int64) (total int64, end bool) {
	for total < limit {
		b, err := s.peek(r.fd)
		if err == unix.EAGAIN {
			r.fresh = false
			return total, false
		}
		if err != nil || len(b) == 0 {
			return total, true
		}
		n := int64(len(b))
		if r.looked() {
			r.show(b)
		}
		if !w.take(r, s, b) {
			return total, true
		}
		total += n
		r.moved += n
		r.grow(n)
		if n < plenty/2 && !r.fresh {
			break
		}
	}
	return total, false
}

// take writes the lines of b and moves what is after them to the part; false:
// the pipe cannot be read.
func (w *Lines) take(r *run, s *scratch, b []byte) bool {
	whole := bytes.LastIndexByte(b, '\n') + 1
	if len(r.part)+len(b)-whole > maxLine {
		whole = len(b) // too long to wait for its end
	}
	if whole > 0 {
		had := len(r.part) > 0
		w.print(r, s, b[:whole])
		if had {
			_ = os.Remove(r.path)
		}
		if len(r.part) > 0 { // the rest of a cut line
			_ = os.WriteFile(r.path, r.part, 0o600)
		}
		if n, err := s.discard(r.fd, int64(whole)); n < int64(whole) && err != nil && err != unix.EAGAIN {
			return false
		}
	}
	if rest := b[whole:]; len(rest) > 0 {
		return w.keep(r, s, rest)
	}
	return true
}

// keep moves rest, the first bytes of the pipe, to the part: in memory, and by
// splice to a file, in case this process dies before the line has ended.
func (w *Lines) keep(r *run, s *scratch, rest []byte) bool {
	left, off := int64(len(rest)), int64(len(r.part))
	fd, err := open(unix.AT_FDCWD, r.path, unix.O_WRONLY|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err == nil {
		for left > 0 {
			n, err := splice(r.fd, fd, &off, left)
			if n <= 0 || err != nil {
				break // no room there: in memory only
			}
			left -= n
		}
		unix.Close(fd)
	}
	r.part = append(r.part, rest...)
	n, err := s.discard(r.fd, left)
	return n == left || err == nil || err == unix.EAGAIN
}

// print writes the part and b, which is a number of whole lines or too much to
// wait for the end of one; what is left of such a one becomes the part.
func (w *Lines) print(r *run, s *scratch, b []byte) {
	s.out = s.out[:0]
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			r.part = append(r.part, b...)
			w.cut(r, s)
			break
		}
		line := b[:i]
		b = b[i+1:]
		if len(r.part) > 0 || len(line) > maxLine {
			r.part = append(r.part, line...)
			w.cut(r, s)
			line = r.part
		}
		w.line(r, s, line, "")
		r.cut, r.part = false, r.part[:0]
		if len(s.out) >= plenty {
			w.flush(s)
		}
	}
	w.flush(s)
	if len(r.part) == 0 {
		r.part = nil // costs nothing while there is none
	}
}

// cut shortens the part to what one line may have.
func (w *Lines) cut(r *run, s *scratch) {
	for len(r.part) > maxLine {
		w.line(r, s, r.part[:maxLine], cutMark)
		r.cut = true
		r.part = append(r.part[:0], r.part[maxLine:]...)
	}
}

func (w *Lines) line(r *run, s *scratch, line []byte, mark string) {
	s.out = append(s.out, r.key.Name...)
	s.out = append(s.out, " | "...)
	if r.cut {
		s.out = append(s.out, cutMark...)
	}
	s.out = append(s.out, line...)
	s.out = append(s.out, mark...)
	s.out = append(s.out, '\n')
}

// finish ends the last line of a run.
func (w *Lines) finish(r *run, s *scratch) {
	if len(r.part) > 0 {
		s.out = s.out[:0]
		w.cut(r, s)
		w.line(r, s, r.part, "")
		w.flush(s)
		r.part = nil
	}
	if err := os.Remove(r.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.p.problem(Problem{Name: r.key.Name, Err: err})
	}
}

// flush writes s.out, however long that takes.
func (w *Lines) flush(s *scratch) {
	b := s.out
	for len(b) > 0 {
		n, err := unix.Write(w.fd, b)
		switch {
		case n > 0:
			b = b[n:]
			if w.gap > 0 {
				s.p.problem(Problem{Dropped: w.gap})
				w.gap = 0
			}
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			// Somebody who shares the description has made it non-blocking.
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLOUT}}, -1)
		default:
			if w.gap == 0 {
				s.p.problem(Problem{Err: fmt.Errorf("cannot write to %s: %w", w.out.Name(), err)})
			}
			w.gap += int64(len(b))
			b = nil
		}
	}
	s.out = s.out[:0]
}
