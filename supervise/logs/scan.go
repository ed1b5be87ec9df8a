package logs

import (
	"bytes"
	"io"
)

// A scan cuts what a reading reads into lines.
type scan struct {
	*reading
	buf   []byte
	begin int // in buf, of what has not been told yet
	seen  int // in buf, up to where no line ends

	line Line // the last one told; where it is in Part, the next one goes on with it

	// What is known of the bytes of vol from lo to hi:
	of     *volume
	e      entry
	lo, hi int64
}

// pos is the offset of buf[i].
func (s *scan) pos(i int) int64 { return s.off - int64(len(s.buf)-i) }

// next returns the next line. io.EOF: there is none, or not yet; a last line
// without an end is told only where none will come.
func (s *scan) next() (*Line, error) {
	for {
		if l := s.cut(); l != nil {
			return l, nil
		}
		if len(s.buf)-s.begin >= maxPiece {
			return s.tell(len(s.buf), len(s.buf), true), nil
		}
		s.room()
		n, err := s.more(s.buf[len(s.buf):cap(s.buf)])
		s.buf = s.buf[:len(s.buf)+n]
		if s.hi == noEnd {
			s.of = nil // there may be another entry by now
		}
		switch ended := err == errTurn || err == io.EOF && !s.follow; {
		case n > 0:
		case ended && (s.begin < len(s.buf) || s.line.Part):
			return s.tell(len(s.buf), len(s.buf), false), nil
		case err == errTurn:
			if err := s.turn(); err != nil {
				return nil, err
			}
			s.of = nil
		default:
			return nil, err
		}
	}
}

// room makes room behind what is in buf.
func (s *scan) room() {
	if s.begin > 0 {
		n := copy(s.buf, s.buf[s.begin:])
		s.buf, s.seen, s.begin = s.buf[:n], s.seen-s.begin, 0
	}
	if size := cap(s.buf); len(s.buf) == size {
		b := make([]byte, len(s.buf), max(8<<10, min(4*size, maxPiece)))
		copy(b, s.buf)
		s.buf = b
	}
}

// cut tells the next line, if its end is in buf.
func (s *scan) cut() *Line {
	if s.begin == len(s.buf) {
		return nil
	}
	end, whole := len(s.buf), false
	if i := bytes.IndexByte(s.buf[s.seen:], '\n'); i >= 0 {
		end, whole = s.seen+i, true
	}
	if at := s.change(s.pos(s.begin), s.pos(end)); at >= 0 {
		i := int(at - s.pos(0))
		return s.tell(i, i, false)
	}
	if s.seen = end; !whole {
		return nil
	}
	return s.tell(end, end+1, false)
}

// change is where, from one offset on and before another, another run's output
// begins than that of the line there; -1: nowhere.
func (s *scan) change(from, to int64) int64 {
	gen := s.line.Gen
	if e := s.span(from); !s.line.Part {
		gen = e.gen
	}
	for off := from; off < to; off = s.hi {
		if s.span(off).gen != gen {
			return off
		}
	}
	return -1
}

// span is what is known of the byte at off: its run is 0 where it is nothing.
func (s *scan) span(off int64) entry {
	if s.of != s.vol || off < s.lo || off >= s.hi {
		s.of, s.lo = s.vol, off
		s.e, s.hi = s.vol.span(off)
	}
	return s.e
}

// span is what is known of the byte at off, and up to where that holds.
func (v *volume) span(off int64) (entry, int64) {
	e, hi, known := v.times.span(off)
	if !known {
		e = entry{at: v.stand}
	}
	return e, hi
}

// tell makes a line of what is in buf up to end; what follows begins at next.
func (s *scan) tell(end, next int, part bool) *Line {
	if l := &s.line; !l.Part && s.begin < len(s.buf) {
		e := s.span(s.pos(s.begin))
		l.Time, l.Gen, l.off = e.at, e.gen, s.pos(s.begin)
	}
	s.line.Text, s.line.Part = s.buf[s.begin:end], part
	s.line.next = cursorAt(s.vol.id, s.pos(next))
	s.begin, s.seen = next, max(s.seen, next)
	return &s.line
}
