package logs

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"os"
	"slices"
	"sync"
)

// Options of a Pump. Both functions are called one at a time, in order, from a
// goroutine that reads nothing, so they may wait; nil ones are not called.
type Options struct {
	// Dir is a directory of the caller's own, closed to others (0700), where a
	// Printer keeps the begins of lines whose ends have not come, a file for each
	// run that has one: see Tidy. "": in memory only, and the death of this
	// process loses them.
	Dir string
	// LogDir is where most Files are. "": all are taken to be in one directory.
	LogDir string
	// Drained is told that all a run wrote is in its sink and that nobody has
	// its pipe open for writing any more; the Pump has let go of it. That may
	// be long after the run has ended, where something it left behind writes
	// on, and before, where the service closed its output.
	Drained func(Key)
	// Problem is told when output cannot be written, or a Lines is read slowly,
	// and when that is over.
	Problem func(Problem)
}

// A Problem says that a service's output is being dropped, or that the service
// waits, once when that begins (Err set) and once when it is over (Err nil).
type Problem struct {
	Name    string // the service; "" for all that write to a Lines
	Err     error  // why; nil: written again
	Dropped int64  // bytes lost; 0 when it begins
	Waits   bool   // nothing is dropped: who writes waits
	Note    error  // instead of all that: what else went wrong, and costs no output
}

// A Sink is where the output of runs goes: a *File or a *Printer.
type Sink interface {
	// drain moves about limit bytes of r's pipe at most. end: nobody can
	// write there any more, or it cannot be read.
	drain(r *run, s *scratch, limit int64) (n int64, end bool)
	attach(r *run, s *scratch)
	detach(r *run)
	finish(r *run, s *scratch) // nothing more is taken from r, by any Pump
	release()                  // close what is open; it is opened again when needed
}

// A run is one pipe being read. It belongs to the loop that reads it.
type run struct {
	key     Key
	path    string // Printer: of the file that keeps part, see partPath
	fd      int    // own descriptor, of a description that others have too
	slot    int32  // in loop.slots
	serial  int32  // tells an event of this run from one of an earlier user of the slot
	sink    Sink
	fresh   bool   // not seen empty yet: it may have ended before it was opened
	moved   int64  // bytes taken out of the pipe so far
	grown   bool   // the pipe has been given its full size, or may not have it
	room    int64  // bytes that the pipe can hold, as far as is known
	parked  bool   // not looked at: its sink cannot be written
	part    []byte // Printer: the begin of a line whose end has not come
	told    int    // Printer: how much of part is in its tail
	cut     bool   // Printer: part continues a line that was too long
	tap     *tap   // nil: none
	watch   *watch // nil: none
	spill   *spill // File, with timestamps: what is on its way; nil: none
	pending bool   // File: something in spill comes first
	marked  string // the file in which a tap has said what it saw; "": there is none
}

// A Pump reads the pipes of all runs, with one OS thread for those that go to
// files in the log directory and a second one, once there is one, for those that
// go to a Lines, where a slow reader may block it. Files elsewhere, which may be on
// a disk that hangs, have up to besides more. All methods may be called concurrently.
type Pump struct {
	tell *reporter
	dir  string // Options.Dir

	logDir string // Options.LogDir
	seed   maphash.Seed

	mu     sync.Mutex
	closed bool
	files  *loop
	lines  *loop          // nil until needed
	beside [besides]*loop // of files in other directories; nil until needed
	runs   map[Key]*loop
	taps   map[Key]*tap // to be set
	keep   *keeper

	watches map[string]func(key Key, line []byte) // of all runs of a service
}

const besides = 4

// NewPump starts a Pump. Close it.
func NewPump(o Options) (*Pump, error) {
	p := &Pump{dir: o.Dir, logDir: o.LogDir, seed: maphash.MakeSeed(), runs: map[Key]*loop{}}
	p.tell = startReporter(o)
	p.keep = newKeeper(p.note)
	undo(p.dir)
	l, err := startLoop(p)
	if err != nil {
		p.tell.stop()
		return nil, fmt.Errorf("cannot start reading output: %w", err)
	}
	p.files = l
	return p, nil
}

// Add begins to move what a run writes into its pipe to sink. All runs of a
// service share one sink; of those that have something to read, the one with
// the lowest generation goes first. A run that was being read by a Pump that
// died goes on where that one stopped.
//
// reader is from Make or Regain, or a duplicate of theirs from wherever it was
// kept; whether it blocks does not matter. Add duplicates it and changes none
// of its flags; the caller keeps its own, reads nothing from it while the Pump
// does, and closes it when it likes. A pipe that nobody has open for writing is
// read to its end, and Drained.
func (p *Pump) Add(key Key, reader *os.File, sink Sink) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.add(key, reader, sink); err != nil {
		return fmt.Errorf("cannot read the output of %s: %w", key.Name, err)
	}
	return nil
}

func (p *Pump) add(key Key, reader *os.File, sink Sink) error {
	if p.closed {
		return ErrClosed
	}
	if p.runs[key] != nil {
		return fmt.Errorf("run %d is being read already", key.Gen)
	}
	l, err := p.loopOf(sink)
	if err != nil {
		return err
	}
	fd, err := duplicate(reader)
	if err != nil {
		return err
	}
	r := &run{key: key, fd: fd, sink: sink, room: plenty}
	if l == p.lines {
		r.path = partPath(p.dir, key)
	}
	p.runs[key] = l
	show := p.watches[key.Name]
	l.post(func() { l.add(r, show) })
	return nil
}

// loopOf is the loop that reads what goes to a sink.
func (p *Pump) loopOf(sink Sink) (l *loop, err error) {
	at := &p.files
	switch sink := sink.(type) {
	case *Printer:
		at = &p.lines
	case *File:
		if p.logDir != "" && sink.dir != p.logDir {
			at = &p.beside[maphash.String(p.seed, sink.dir)%besides]
		}
	}
	if *at == nil {
		*at, err = startLoop(p)
	}
	return *at, err
}

// loops are those that there are.
func (p *Pump) loops() []*loop {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.started()
}

func (p *Pump) started() []*loop {
	return slices.DeleteFunc(append([]*loop{p.files, p.lines}, p.beside[:]...), func(l *loop) bool { return l == nil })
}

// ErrClosed is returned after Close.
var ErrClosed = errors.New("the log pump is closed")

// Sync returns when all that was in the pipe of a run when it was called has
// been written (the last line, if its end has not come, waits for it in a
// Printer), or ctx ends. A run that is not being read has nothing to wait for.
func (p *Pump) Sync(ctx context.Context, key Key) error {
	return p.do(ctx, key, (*loop).sync)
}

// Release lets go of a run though something may still write there: what is in
// the pipe is written, also a last line without its end, Drained follows, and
// whoever writes then fills the pipe and blocks.
func (p *Pump) Release(key Key) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := p.runs[key]; l != nil {
		l.post(func() {
			if r := l.sync(key); r != nil {
				l.end(r)
			}
		})
	}
}

// Reopen closes every log file, as when something else has moved it away: the
// next byte of a service goes to a new one. When it returns nothing is written
// to the old files any more.
func (p *Pump) Reopen(ctx context.Context) error {
	for _, l := range p.loops() {
		if err := p.wait(ctx, l, func() {
			for _, r := range l.runs {
				r.sink.release()
			}
		}); err != nil {
			return err
		}
	}
	return nil
}

func (p *Pump) do(ctx context.Context, key Key, f func(*loop, Key) *run) error {
	p.mu.Lock()
	l := p.runs[key]
	p.mu.Unlock()
	if l == nil {
		return nil
	}
	return p.wait(ctx, l, func() { f(l, key) })
}

func (p *Pump) wait(ctx context.Context, l *loop, f func()) error {
	done := make(chan struct{})
	l.post(func() { f(); close(done) })
	select {
	case <-done:
		return nil
	case <-l.done:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *Pump) drained(key Key) {
	p.mu.Lock()
	delete(p.runs, key)
	p.mu.Unlock()
	p.tell.add(func(o *Options) {
		if o.Drained != nil {
			o.Drained(key)
		}
	})
}

// note tells of what went wrong and costs no output.
func (p *Pump) note(name string, err error) { p.problem(Problem{Name: name, Note: err}) }

// Keep has the rotated files of a service compressed, and the oldest removed, as
// the Policy of its File says, from now on and at once; those of a standard error
// of its own too. Problems come as Notes. One that is kept so already costs little.
func (p *Pump) Keep(name string, f *File) {
	policy := f.policy.Load()
	stems := []string{f.stem}
	if policy.Files > 1 {
		stems = append(stems, f.stem+errSuffix)
	}
	p.keep.set(kept{name: name, dir: f.dir, stems: stems, policy: policy})
}

// Unkeep has the rotated files of a service left as they are.
func (p *Pump) Unkeep(f *File) { p.keep.forget(f.dir, f.stem) }

// Limit sets how many bytes the files of all services that are kept may take
// together: the oldest rotated ones go first. 0 = no limit.
func (p *Pump) Limit(total int64) { p.keep.limit(total) }

func (p *Pump) problem(pr Problem) {
	p.tell.add(func(o *Options) {
		if o.Problem != nil {
			o.Problem(pr)
		}
	})
}

// Close stops reading; what is in the pipes stays there. It does not wait for
// a standard output that blocks, nor for a running call of Options.
func (p *Pump) Close() error {
	p.mu.Lock()
	p.closed = true
	loops := p.started()
	p.mu.Unlock()
	p.keep.stop()
	for _, l := range loops {
		l.stop()
	}
	<-p.files.done
	p.tell.stop()
	return nil
}
