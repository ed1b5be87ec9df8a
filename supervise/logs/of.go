package logs

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// MaxTail is how much Of returns at most, in bytes.
const MaxTail = 4 << 20

// Of returns what run gen (0: any) has written since then, and of it the last
// MaxTail bytes at most, rotated files and all. It is told by the index, so the
// first byte since then must have an entry of its own, and of what has no index
// there is nothing. What another run has written meanwhile is not among it.
func (f *File) Of(gen int, since time.Time) ([]byte, error) {
	b, err := f.of(gen, since.Truncate(indexTick), MaxTail)
	if err != nil {
		return nil, fmt.Errorf("cannot read log: %w", err)
	}
	return b, nil
}

func (f *File) of(gen int, since time.Time, most int64) ([]byte, error) {
	r, err := f.reading(context.Background(), false)
	if err != nil {
		return nil, err
	}
	defer r.close()
	var text []byte
	if r.vol != nil {
		if text, err = r.vol.of(gen, since, most); err != nil {
			return nil, err
		}
	}
	old, err := r.before(r.vol)
	for _, o := range slices.Backward(old) {
		if err != nil || int64(len(text)) >= most || !o.at.Add(time.Second).After(since) {
			break
		}
		var v *volume
		if v, err = openRotated(f.dir, o); err != nil || v == nil {
			continue
		}
		var b []byte
		b, err = v.of(gen, since, most-int64(len(text)))
		v.close()
		text = append(b, text...)
	}
	return text, err
}

// of returns the last bytes, most of them at most, that run gen has written to a
// volume since then.
func (v *volume) of(gen int, since time.Time, most int64) ([]byte, error) {
	type piece struct{ from, to int64 }
	var all []piece
	size, err := v.length()
	if err != nil {
		return nil, err
	}
	total := int64(0)
	for off := v.times.from(since); v.times.f != nil && off < size; {
		e, end, known := v.times.span(off)
		end = min(end, size)
		if known && (gen == 0 || e.gen == gen) && !e.at.Before(since) {
			all = append(all, piece{off, end})
			total += end - off
		}
		for off = end; total > most; { // keep few
			over := min(total-most, all[0].to-all[0].from)
			total -= over
			if all[0].from += over; all[0].from == all[0].to {
				all = all[1:]
			}
		}
	}
	b := make([]byte, 0, total)
	for _, p := range all {
		for off := p.from; off < p.to; {
			n, err := v.read(b[len(b):len(b)+int(p.to-off)], off)
			if b, off = b[:len(b)+n], off+int64(n); err != nil || n == 0 {
				break // cut short meanwhile
			}
		}
	}
	return b, nil
}
