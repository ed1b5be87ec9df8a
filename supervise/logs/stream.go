package logs

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"
)

// A stream is one log as it was asked for: those lines of a scan that match.
type stream struct {
	scan
	q       *Query
	service string
	err     bool // of stderr, where that is kept apart
	grown   *waiter

	found  []spot                // where the last lines asked for begin, the newest first
	after  map[*volume][]rotated // of the volumes that those are in: what was rotated later
	looked bool                  // for the last lines

	keep  bool  // the pieces that follow are of a line that matches
	head  *Line // the next line, not told yet; nil: there is none now
	ended bool  // nor will there be one
	order int   // among streams whose lines were written at the same time
}

// clockSteps is by how much a line may seem to have been written before the one
// above it.
const clockSteps = time.Second

// stream begins to read. With a cursor that is still there it goes on from it;
// else lines are what q says, and where the last ones are asked for they are only
// looked for: tail goes there.
func (f *File) stream(ctx context.Context, q *Query, from string) (*stream, error) {
	r, err := f.reading(ctx, q.Follow)
	if err != nil {
		return nil, err
	}
	s := &stream{scan: scan{reading: r}, q: q, after: map[*volume][]rotated{}}
	if err = s.start(from); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *stream) close() {
	for v := range s.after {
		if v != s.vol && v != s.cur {
			v.close()
		}
	}
	s.reading.close()
}

func (s *stream) start(from string) error {
	if from != "" {
		c, err := ParseCursor(from)
		if err != nil {
			return err
		}
		if ok, err := s.seek(c); ok || err != nil {
			return err
		}
	}
	if s.q.Lines < 0 {
		return s.all()
	}
	s.looked = true
	return s.last()
}

// since is which of the rotated files may have something that was written late
// enough. Their names know whole seconds.
func (s *stream) since(all []rotated) []rotated {
	i := slices.IndexFunc(all, func(r rotated) bool { return r.at.Add(time.Second).After(s.q.Since) })
	if i < 0 {
		i = len(all)
	}
	return all[i:]
}

// all goes to the first line.
func (s *stream) all() error {
	old, err := s.before(s.vol)
	if err != nil {
		return err
	}
	old = s.since(old)
	for i := range old {
		v, err := openRotated(s.f.dir, old[i])
		if err == nil && v != nil {
			s.reading.enter(v, 0, old[i+1:])
			if v.size >= 0 {
				s.off, _, err = v.bounds(s.q)
			}
		}
		if err != nil {
			return fmt.Errorf("cannot read log: %w", err)
		}
		if v != nil {
			return nil
		}
	}
	if s.vol != nil {
		if s.off, _, err = s.vol.bounds(s.q); err != nil {
			return fmt.Errorf("cannot read log: %w", err)
		}
	}
	return nil
}

// last finds where the last lines begin.
func (s *stream) last() error {
	n := s.q.Lines
	if n == 0 {
		return nil
	}
	if s.vol != nil {
		s.after[s.vol] = nil
		if err := s.collect(s.vol); err != nil {
			return fmt.Errorf("cannot read log: %w", err)
		}
	}
	if len(s.found) == n {
		return nil
	}
	old, err := s.before(s.vol)
	if err != nil {
		return err
	}
	first := len(old) - len(s.since(old))
	for i := len(old) - 1; i >= first && len(s.found) < n; i-- {
		v, err := openRotated(s.f.dir, old[i])
		if err == nil && v != nil {
			had := len(s.found)
			if err = s.collect(v); err == nil && len(s.found) > had {
				s.after[v] = old[i+1:]
			} else {
				v.close()
			}
		}
		if err != nil {
			return fmt.Errorf("cannot read log: %w", err)
		}
	}
	return nil
}

// collect finds the lines asked for in a volume.
func (s *stream) collect(v *volume) error {
	if v.size < 0 {
		return s.unzipped(v)
	}
	from, to, err := v.bounds(s.q)
	if err != nil {
		return err
	}
	return v.back(s.ctx, from, to, func(off int64, text []byte) (bool, error) {
		if e, _ := v.span(off); s.q.wants(e.at, e.gen) && (s.q.Match == nil || s.q.Match(text)) {
			s.found = append(s.found, spot{v, off})
		}
		return len(s.found) < s.q.Lines, nil
	})
}

// unzipped is collect for a compressed volume, which can only be read from its
// begin; of the lines only the last places are kept.
func (s *stream) unzipped(v *volume) error {
	lines := scan{reading: &reading{f: s.f, ctx: s.ctx, vol: v}}
	most := s.q.Lines - len(s.found)
	var ring []spot
	for n := 0; ; {
		first := !lines.line.Part
		l, err := lines.next()
		if err == io.EOF {
			if len(ring) == most {
				n %= most
				ring = append(ring[n:], ring[:n]...)
			}
			slices.Reverse(ring)
			s.found = append(s.found, ring...)
			return nil
		}
		if err != nil {
			return err
		}
		if !first || !s.q.wants(l.Time, l.Gen) || s.q.Match != nil && !s.q.Match(l.Text) {
			continue
		}
		if len(ring) < most {
			ring = append(ring, spot{v, l.off})
		} else {
			ring[n%most] = spot{v, l.off}
		}
		n++
	}
}

// tail goes to the first of the last n lines found, or where there is none
// behind everything that has an end.
func (s *stream) tail(n int) error {
	if !s.looked {
		return nil
	}
	if n = min(n, len(s.found)); n > 0 {
		s.enter(s.found[n-1])
		return nil
	}
	s.enter(spot{vol: s.vol})
	if s.vol == nil {
		return s.behind()
	}
	s.off = s.vol.size
	if s.q.Lines == 0 || !s.follow || len(s.found) > 0 {
		return nil
	}
	// What the last one will be when it has an end is not known yet.
	var err error
	s.off, err = unfinished(s.vol.file, s.vol.size)
	return err
}

// behind goes behind the newest of the rotated files, where there is no other.
func (s *stream) behind() error {
	old, err := s.before(nil)
	if err != nil || len(old) == 0 || !s.follow {
		return err
	}
	v, err := openRotated(s.f.dir, old[len(old)-1])
	if err != nil || v == nil {
		return err
	}
	s.vol = v
	s.off, err = v.length()
	return err
}

// unfinished is where the last line of a file begins if it has no end, else
// where the file ends.
func unfinished(file io.ReaderAt, size int64) (int64, error) {
	var b [1]byte
	if size == 0 {
		return 0, nil
	}
	if _, err := file.ReadAt(b[:], size-1); err != nil || b[0] == '\n' {
		return size, nil
	}
	return lineStart(file, 0, size, 1)
}

// enter goes to a line that was found, and forgets the others.
func (s *stream) enter(at spot) {
	after := s.after[at.vol]
	for v := range s.after {
		if v != at.vol && v != s.vol {
			v.close()
		}
	}
	clear(s.after)
	s.reading.enter(at.vol, at.off, after)
}

// fill has the next line in head, if there is one.
func (s *stream) fill() error {
	for s.head == nil && !s.ended {
		first := !s.line.Part
		l, err := s.next()
		if err == io.EOF {
			s.ended = !s.follow
			return nil
		}
		if err != nil {
			return err
		}
		if first {
			// Behind this one there are no more, but where clocks were set.
			if s.q.Also == 0 && !s.q.Until.IsZero() && l.Time.After(s.q.Until.Add(clockSteps)) {
				s.ended = true
				return nil
			}
			s.keep = s.q.wants(l.Time, l.Gen) && (s.q.Match == nil || s.q.Match(l.Text))
		}
		if s.keep {
			l.Service, l.Err = s.service, s.err
			s.head = l
		}
	}
	return nil
}

// told is the place behind the last line that was told, or was not asked for.
func (s *stream) told() Cursor {
	if s.vol == nil {
		return Cursor{}
	}
	return cursorAt(s.vol.id, s.pos(s.begin))
}
