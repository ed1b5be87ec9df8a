package logs

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxLine is how long a line may be before a Printer cuts it, in bytes.
	maxLine = 64 << 10
	// maxRaw is the same for the format Raw.
	maxRaw  = 1 << 20
	cutMark = "…" // at the end of a cut line, and before what follows
)

// A Format is how a service's lines look on a Lines.
type Format uint32

const (
	// Prefix is "NAME | line". A line longer than 64 KiB is cut into several,
	// marked with … where it was cut. A last line without an end gets one.
	Prefix Format = iota
	// JSON is an object a line: {"time", "service", "run", "stream", "line"}.
	// time is when its end was read, in UTC and to the millisecond, run the
	// number of the run, stream "stdout" or "stderr". Of a line that is no
	// UTF-8, line has U+FFFD for what is none, and "bytes" all of it in base64.
	// A line longer than 64 KiB becomes several objects, of which all but the
	// last have "cut": true.
	JSON
	// Raw is the line as it was written. A last line without an end gets one.
	// A line is kept back until its end has come, but not more than 1 MiB of
	// it: the rest is passed on as it comes, and ended by gsv if another
	// service's line, or one of another run, comes before its end.
	Raw
)

// A Printer is the sink of one service's runs that writes to a Lines, and keeps
// the last 64 KiB of what they wrote.
type Printer struct {
	w      *Lines
	stream string
	format *atomic.Uint32
	tail   *tail
}

// As returns the sink of a service. Printers of one Lines never tear each
// other's lines, whatever their formats.
func (w *Lines) As(format Format) *Printer {
	p := &Printer{w: w, stream: "stdout", format: new(atomic.Uint32), tail: &tail{}}
	p.SetFormat(format)
	return p
}

// Stderr is a Printer of the same service for what its runs write to a standard
// error of its own. All else they share.
func (p *Printer) Stderr() *Printer {
	e := *p
	e.stream = "stderr"
	return &e
}

// SetFormat changes the format of lines from now on.
func (p *Printer) SetFormat(format Format) { p.format.Store(uint32(format)) }

func (p *Printer) as() Format { return Format(p.format.Load()) }

// most is how much of a line is kept back until its end has come.
func (p *Printer) most() int {
	if p.as() == Raw {
		return maxRaw
	}
	return maxLine
}

func (p *Printer) release() {}

// attach takes up the begin of a line that a Pump left that died.
func (p *Printer) attach(r *run, _ *scratch) {
	b, err := os.ReadFile(r.path)
	if err == nil && len(b) > 0 {
		r.part = b[:min(len(b), maxRaw+maxLine)]
		p.tail.begin(r.key.Gen, r.part)
	}
}

func (p *Printer) detach(*run) {}

// drain writes whole lines, then takes them out of the pipe: a death between
// the two doubles them, and one within write(2) may leave the begin of one in
// front of it, but loses none.
func (p *Printer) drain(r *run, s *scratch, limit int64) (total int64, end bool) {
	for total < limit {
		b, err := s.peek(r.fd)
		if err == unix.EAGAIN {
			r.fresh = false
			return total, false
		}
		if err != nil || len(b) == 0 {
			return total, true
		}
		s.at = time.Now()
		n := int64(len(b))
		if r.looked() {
			r.show(b)
		}
		if !p.take(r, s, b) {
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
func (p *Printer) take(r *run, s *scratch, b []byte) bool {
	whole := bytes.LastIndexByte(b, '\n') + 1
	open := len(b) - whole // of a line whose end has not come
	if whole == 0 {
		open += len(r.part)
	}
	if open > p.most() {
		whole = len(b) // too long to wait for its end
	}
	if whole > 0 {
		had := len(r.part) > 0
		p.tail.add(s.at, r.key.Gen, r.part[r.told:], b[:whole]) // also while nobody reads what is printed
		p.print(r, s, b[:whole])
		r.told = len(r.part)
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
		return p.keep(r, s, rest)
	}
	return true
}

// keep moves rest, the first bytes of the pipe, to the part: in memory, and by
// splice to a file, in case this process dies before the line has ended.
func (p *Printer) keep(r *run, s *scratch, rest []byte) bool {
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
	p.tail.begin(r.key.Gen, r.part[r.told:])
	n, err := s.discard(r.fd, left)
	return n == left || err == nil || err == unix.EAGAIN
}

// print writes the part and b, which is a number of whole lines or too much to
// wait for the end of one; what is left of such a one becomes the part.
func (p *Printer) print(r *run, s *scratch, b []byte) {
	format := p.as()
	if format == Raw {
		p.pass(r, s, b)
		return
	}
	s.out = s.out[:0]
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			r.part = append(r.part, b...)
			p.cut(r, s, format)
			break
		}
		line := b[:i]
		b = b[i+1:]
		if len(r.part) > 0 || len(line) > maxLine {
			r.part = append(r.part, line...)
			p.cut(r, s, format)
			line = r.part
		}
		p.line(r, s, format, line, false)
		r.cut, r.part = false, r.part[:0]
		if len(s.out) >= plenty {
			p.flush(r, s)
		}
	}
	p.flush(r, s)
	if len(r.part) == 0 {
		r.part = nil // costs nothing while there is none
	}
}

// pass writes the part and b as they are.
func (p *Printer) pass(r *run, s *scratch, b []byte) {
	if len(r.part) > 0 {
		p.w.write(r, s, r.part, true)
	}
	p.w.write(r, s, b, true)
	r.cut, r.part = false, nil
}

func (p *Printer) flush(r *run, s *scratch) {
	if len(s.out) > 0 {
		p.w.write(r, s, s.out, false)
	}
	s.out = s.out[:0]
}

// cut shortens the part to what one line may have.
func (p *Printer) cut(r *run, s *scratch, format Format) {
	for len(r.part) > maxLine {
		n := maxLine
		if format == JSON {
			n = wholeRunes(r.part, maxLine)
		}
		p.line(r, s, format, r.part[:n], true)
		r.cut = true
		r.part = append(r.part[:0], r.part[n:]...)
	}
}

// line adds a line to what is to be written; cut: it goes on.
func (p *Printer) line(r *run, s *scratch, format Format, line []byte, cut bool) {
	if format == JSON {
		s.out = p.appendJSON(s.out, s, r.key, line, cut)
		return
	}
	s.out = append(s.out, r.key.Name...)
	s.out = append(s.out, " | "...)
	if r.cut {
		s.out = append(s.out, cutMark...)
	}
	s.out = append(s.out, line...)
	if cut {
		s.out = append(s.out, cutMark...)
	}
	s.out = append(s.out, '\n')
}

// finish ends the last line of a run.
func (p *Printer) finish(r *run, s *scratch) {
	s.at = time.Now()
	if part := r.part[r.told:]; len(part) > 0 {
		p.tail.add(s.at, r.key.Gen, part)
	}
	p.tail.finish(r.key.Gen)
	format := p.as()
	switch {
	case len(r.part) == 0:
	case format == Raw:
		p.pass(r, s, nil)
	default:
		s.out = s.out[:0]
		p.cut(r, s, format)
		p.line(r, s, format, r.part, false)
		p.flush(r, s)
		r.part = nil
	}
	r.told = 0
	if p.w.open && p.w.last == r.key {
		p.w.write(r, s, []byte("\n"), true)
	}
	if err := os.Remove(r.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.p.problem(Problem{Name: r.key.Name, Err: err})
	}
}
