package logs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
)

// A spot is where a line begins.
type spot struct {
	vol *volume
	off int64
}

// A back reads the lines of a volume from its end on. It costs what it finds,
// not what there is.
type back struct {
	v    *volume
	ctx  context.Context
	each func(off int64, text []byte) (on bool, err error)

	buf  []byte // what is at pos
	pos  int64
	long []byte // a text that is not in buf
	end  int64  // of the line whose begin is looked for
	line int    // how long its end is: 1, or 0 of the last one that has none
	cuts []int64
}

// back calls each with where the lines between from and to begin, the last one
// first, and with their text, of which it may be the first MiB, valid until each
// returns.
func (v *volume) back(ctx context.Context, from, to int64, each func(off int64, text []byte) (on bool, err error)) error {
	if from >= to {
		return nil
	}
	b := back{v: v, ctx: ctx, each: each, pos: to, end: to}
	block := make([]byte, min(64<<10, max(0, to-from)))
	on := true
	for on && b.pos > from {
		if err := ctx.Err(); err != nil {
			return err
		}
		b.buf = block[:min(int64(len(block)), b.pos-from)]
		b.pos -= int64(len(b.buf))
		if _, err := v.file.ReadAt(b.buf, b.pos); err != nil {
			if errors.Is(err, io.EOF) {
				return nil // cut short meanwhile
			}
			return err
		}
		for i := len(b.buf); on && i > 0; {
			if i = bytes.LastIndexByte(b.buf[:i], '\n'); i < 0 {
				break
			}
			if begin := b.pos + int64(i) + 1; begin == b.end {
				b.line = 1
			} else {
				var err error
				if on, err = b.tell(begin); err != nil {
					return err
				}
			}
		}
	}
	if !on || from == b.end {
		return nil
	}
	_, err := b.tell(from)
	return err
}

// tell tells the line from begin to b.end, which is several where other runs begin.
func (b *back) tell(begin int64) (bool, error) {
	end := b.end - int64(b.line)
	b.cuts = append(b.cuts[:0], begin)
	e, hi := b.v.span(begin)
	for hi < end {
		next, after := b.v.span(hi)
		if next.gen != e.gen {
			b.cuts = append(b.cuts, hi)
		}
		e, hi = next, after
	}
	b.end, b.line = begin, 1
	for _, at := range slices.Backward(b.cuts) {
		text, err := b.text(at, min(end, at+maxPiece))
		if err != nil {
			return false, err
		}
		if on, err := b.each(at, text); !on || err != nil {
			return false, err
		}
		end = at
	}
	return true, nil
}

func (b *back) text(from, to int64) ([]byte, error) {
	if from >= b.pos && to <= b.pos+int64(len(b.buf)) {
		return b.buf[from-b.pos : to-b.pos], nil
	}
	b.long = slices.Grow(b.long[:0], int(to-from))[:to-from]
	n, err := b.v.file.ReadAt(b.long, from)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return b.long[:n], err
}

// bounds are between which offsets of a volume what is asked for lies.
func (v *volume) bounds(q *Query) (from, to int64, err error) {
	to = v.size
	if v.times.f == nil {
		return 0, to, nil
	}
	if !q.Until.IsZero() && q.Also == 0 {
		if off := v.times.from(q.Until.Add(1)); off < to { // the next nanosecond
			if to, err = lineEnd(v.file, off, to); err != nil {
				return 0, 0, err
			}
		}
	}
	if !q.Since.IsZero() {
		if from = v.times.from(q.Since); from >= to {
			return to, to, nil
		}
		from, err = lineStart(v.file, 0, from, 1)
	}
	return from, to, err
}

// lineEnd is where the line ends that the byte at off, before size, is in.
func lineEnd(file io.ReaderAt, off, size int64) (int64, error) {
	buf := make([]byte, 8<<10)
	for off < size {
		b := buf[:min(int64(len(buf)), size-off)]
		n, err := file.ReadAt(b, off)
		if i := bytes.IndexByte(b[:n], '\n'); i >= 0 {
			return off + int64(i) + 1, nil
		}
		if off += int64(n); errors.Is(err, io.EOF) {
			return off, nil
		}
		if err != nil {
			return 0, err
		}
	}
	return size, nil
}
