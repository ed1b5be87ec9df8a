package logs

import (
	"bytes"
	"slices"
)

// A watch sees all lines of a run on their way to the sink. It belongs to the loop
// that reads the run.
type watch struct {
	show  func(key Key, line []byte)
	lines splitter
	upTo  int64 // as run.moved, what has been seen
}

// Watch has show called with each line that the runs of a service write from about
// now on, those to come too, without its end, before the line is in the sink; nil
// ends that. It is called by the Pump's threads, so it must be quick and must not
// call the Pump; the line is valid until it returns. A line longer than 64 KiB
// comes in pieces of that; the last line of a run, if it has no end, when the run
// is over.
//
// Each line comes once, though it may wait long to be written, or be dropped. When
// this process is killed, the lines of the last moment come again from the next
// Pump: they have been seen and are in the pipe still. A line of which a part was
// in the file by then is shown without that part.
//
// settled waits until whoever saw the lines before is called no more: it has seen
// what was in the pipes when Watch was called. It may be called from anywhere but
// show.
//
// A service that nobody watches costs nothing; the lines of one that is watched
// are copied on their way.
func (p *Pump) Watch(name string, show func(key Key, line []byte)) (settled func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if show != nil {
		if p.watches == nil {
			p.watches = map[string]func(Key, []byte){}
		}
		p.watches[name] = show
	} else {
		delete(p.watches, name)
	}
	var settling []func()
	for _, l := range p.started() {
		done := make(chan struct{})
		l.post(func() { l.watch(name, show); close(done) })
		settling = append(settling, func() {
			select {
			case <-done:
			case <-l.done:
			}
		})
	}
	return func() {
		for _, wait := range settling {
			wait()
		}
	}
}

// watch has the runs of a service watched. What is in their pipes was written
// before, and is for whoever watched them then, if anybody did.
func (l *loop) watch(name string, show func(Key, []byte)) {
	var keys []Key
	for key := range l.runs {
		if key.Name == name {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b Key) int { return a.Gen - b.Gen })
	for _, key := range keys {
		r := l.runs[key]
		if r.watch != nil {
			r = l.sync(key)
		}
		if r != nil {
			r.watched(show)
		}
	}
}

// watched gives a run its watch; nil: none.
func (r *run) watched(show func(Key, []byte)) {
	switch w := r.watch; {
	case show == nil:
		w.end(r.key)
		r.watch = nil
	case w == nil:
		r.watch = &watch{show: show, upTo: r.moved}
	default:
		w.show = show
	}
}

// end shows what there is of a line that has no end.
func (w *watch) end(key Key) {
	if w != nil && len(w.lines.part) > 0 {
		w.show(key, w.lines.part)
		w.lines.part = nil
	}
}

// A splitter makes lines of what comes in pieces.
type splitter struct {
	part []byte // the begin of a line whose end has not come; at most maxLine
}

// take has do called with each line that ends in b, and with as much of a longer
// one as a line may have, and keeps what is left.
func (s *splitter) take(b []byte, do func(line []byte)) {
	for len(b) > 0 {
		line, rest, ended := bytes.Cut(b, []byte("\n"))
		switch space := maxLine - len(s.part); {
		case len(line) > space:
			s.part = append(s.part, line[:space]...)
			b = b[space:]
			do(s.part)
			s.part = s.part[:0]
			continue
		case !ended:
			s.part = append(s.part, line...)
			return
		case len(s.part) > 0:
			s.part = append(s.part, line...)
			do(s.part)
		default:
			do(line)
		}
		s.part, b = nil, rest // costs nothing while there is none
	}
}
