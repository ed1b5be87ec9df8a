package logs

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"
)

// Attempt returns the last n lines (n < 0: all) of what run gen wrote, as far as
// it is kept. A run that wrote nothing, or is not known, has no lines.
func (p *Printer) Attempt(gen, n int) ([]byte, error) {
	p.tail.mu.Lock()
	defer p.tail.mu.Unlock()
	return tailOf(p.tail.of(gen), n), nil
}

// Mark returns what Since wants to tell what is written from now on. It may be
// kept on disk, and means the same to a later process.
func (p *Printer) Mark() int64 {
	t := p.tail
	t.mu.Lock()
	defer t.mu.Unlock()
	t.asked = time.Now().UnixMilli()
	if n := len(t.entries); n > 0 {
		t.asked = max(t.asked, t.entries[n-1].at.UnixMilli()+1)
	}
	return t.asked
}

// Since returns the last n lines (n < 0: all) of what was written since a mark,
// as far as it is kept.
func (p *Printer) Since(mark int64, n int) ([]byte, error) {
	t := p.tail
	t.mu.Lock()
	defer t.mu.Unlock()
	off := t.to
	if i := slices.IndexFunc(t.entries, func(e entry) bool { return e.at.UnixMilli() >= mark }); i >= 0 {
		off = t.entries[i].off
	}
	return tailOf(t.since(off), n), nil
}

// Read calls each with the last n lines (n < 0: all) that are kept. With follow
// it goes on with lines that are written, once they have ended, until ctx ends, or
// over is closed, for there is no more to come (nil: never); who reads too slowly for
// what is kept misses some. It returns ctx's error, or each's, as they are.
func (p *Printer) Read(ctx context.Context, n int, follow bool, over <-chan struct{}, each func([]byte) error) error {
	t := p.tail
	grown, stop := p.Grown() // before the first look, so that nothing falls between
	defer stop()
	t.mu.Lock()
	b, off := t.since(0), t.to
	if follow {
		b = t.slice(t.start(), t.to)
	}
	t.mu.Unlock()
	b = tailOf(b, n)
	for {
		if len(b) > 0 {
			if err := each(b); err != nil {
				return err
			}
		}
		if ctx.Err() != nil || !follow {
			return ctx.Err()
		}
		select {
		case <-grown:
		case <-over:
			follow = false
		case <-ctx.Done():
			return ctx.Err()
		}
		t.mu.Lock()
		if off < t.from {
			off = t.start()
		}
		b, off = t.slice(off, t.to), t.to
		t.mu.Unlock()
	}
}

// Grown returns a channel that gets a value after something was written, at
// most one at a time, until stop.
func (p *Printer) Grown() (grown <-chan struct{}, stop func()) { return p.tail.grown.watch() }

// tailOf returns the last n lines of b, all if n < 0. A line without an end
// counts.
func tailOf(b []byte, n int) []byte {
	start, _ := lineStart(bytes.NewReader(b), 0, int64(len(b)), n)
	return b[start:]
}

// A growth tells those who wait for more.
type growth struct {
	mu       sync.Mutex
	watchers []chan struct{}
}

func (g *growth) watch() (grown <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.watchers = append(g.watchers, c)
	return c, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.watchers = slices.DeleteFunc(g.watchers, func(x chan struct{}) bool { return x == c })
	}
}

func (g *growth) nudge() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.watchers {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}
