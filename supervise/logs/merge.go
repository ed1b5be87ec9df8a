package logs

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"slices"
	"time"
)

// A Source is a log that is read together with others.
type Source struct {
	Service string // several sources of one service stand side by side
	File    *File  // to follow, it must be the one that the Pump writes to
	Err     bool   // its stderr, kept apart
	From    string // a Cursor to go on from; "", or where that is gone: the lines that the Query asks for
}

// Read calls each with the lines of several logs, merged by when they were
// written; those of one log keep their order. With Follow it goes on with what is
// written until ctx ends, or q is Over, and calls each with nil whenever that is all
// for now; before the first time, with a Mark for each source. It returns ctx's
// error, or each's, as they are.
//
// It reads from the end backwards where only the last lines are asked for, and
// finds times in the indexes, so that what it costs does not depend on how much
// there is; but compressed files must be read from their begin. It has own
// descriptors: whoever reads slowly keeps nobody waiting.
func Read(ctx context.Context, sources []Source, q Query, each func(*Line) error) error {
	if !q.Since.IsZero() {
		q.Since = q.Since.Truncate(indexTick) // as exact as an index is
	}
	wake := make(chan struct{}, 1)
	var m merger
	defer func() { m.close() }()
	for i, src := range sources {
		grown := &waiter{c: wake}
		if q.Follow {
			stop := src.File.watch(grown) // before the first look, so that nothing falls between
			defer stop()
		}
		s, err := src.File.stream(ctx, &q, src.From)
		if err != nil {
			return err
		}
		s.service, s.err, s.grown, s.order = src.Service, src.Err, grown, i
		m.streams = append(m.streams, s)
	}
	if err := m.share(q.Lines); err != nil {
		return err
	}
	dirty := m.streams
	for marked := false; ; {
		if err := m.run(dirty, each); err != nil || !q.Follow {
			return err
		}
		if !marked {
			for _, s := range m.streams {
				if err := each(&Line{Service: s.service, Err: s.err, Mark: true, next: s.told()}); err != nil {
					return err
				}
			}
			marked = true
		}
		if err := each(nil); err != nil {
			return err
		}
		select {
		case <-wake:
		case <-q.Over:
			return m.rest(each)
		case <-ctx.Done():
			return ctx.Err()
		}
		dirty = nil
		for _, s := range m.streams {
			if s.grown.grown.Swap(false) {
				dirty = append(dirty, s)
			}
		}
	}
}

// A merger merges streams.
type merger struct {
	streams []*stream
	ready   heads
}

func (m *merger) close() {
	for _, s := range m.streams {
		s.close()
	}
}

// share goes to the last n lines of each service, counted over all its streams.
func (m *merger) share(n int) error {
	of := map[string][]*stream{}
	for _, s := range m.streams {
		of[s.service] = append(of[s.service], s)
	}
	for _, group := range of {
		last := map[*stream]int{group[0]: n}
		if len(group) > 1 {
			last = lastOf(group, n)
		}
		for _, s := range group {
			if err := s.tail(last[s]); err != nil {
				return fmt.Errorf("cannot read log: %w", err)
			}
		}
	}
	return nil
}

// lastOf is how many of the last n lines are in which stream.
func lastOf(group []*stream, n int) map[*stream]int {
	type line struct {
		s  *stream
		at time.Time
	}
	var all []line
	for _, s := range group {
		for _, at := range slices.Backward(s.found) {
			e, _ := at.vol.span(at.off)
			all = append(all, line{s, e.at})
		}
	}
	slices.SortStableFunc(all, func(a, b line) int { return a.at.Compare(b.at) })
	last := map[*stream]int{}
	for _, l := range all[max(0, len(all)-max(0, n)):] {
		last[l.s]++
	}
	return last
}

// run tells all lines that there are now; only in dirty there may be new ones.
func (m *merger) run(dirty []*stream, each func(*Line) error) error {
	for _, s := range dirty {
		if err := s.fill(); err != nil {
			return err
		}
		if s.head != nil {
			m.ready = append(m.ready, s)
		}
	}
	heap.Init(&m.ready)
	for len(m.ready) > 0 {
		s := m.ready[0]
		for part := true; part && s.head != nil; { // the pieces of a line are told together
			part = s.head.Part
			if err := each(s.head); err != nil {
				return err
			}
			s.head = nil
			if err := s.fill(); err != nil {
				return err
			}
		}
		if s.head != nil {
			heap.Fix(&m.ready, 0)
		} else {
			heap.Pop(&m.ready)
		}
	}
	return nil
}

// rest tells what there is now, and last lines that have no end, of streams that were
// followed.
func (m *merger) rest(each func(*Line) error) error {
	if err := m.run(m.streams, each); err != nil {
		return err
	}
	for _, s := range m.streams {
		s.follow = false
	}
	return m.run(m.streams, each)
}

// heads are streams that have a line, the one that was written first on top.
type heads []*stream

func (h heads) Len() int { return len(h) }
func (h heads) Less(i, j int) bool {
	return cmp.Or(h[i].head.Time.Compare(h[j].head.Time), h[i].order-h[j].order) < 0
}
func (h heads) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *heads) Push(x any)   { *h = append(*h, x.(*stream)) }
func (h *heads) Pop() any {
	last := len(*h) - 1
	s := (*h)[last]
	*h = (*h)[:last]
	return s
}
