package logs

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// A File is the log file of one service, the sink of all its runs. It is opened
// when the first byte comes, and its directory made if it is missing; closed
// when no run is left. What is at its path must be a regular file of gsv's own
// user that has no second name; a symbolic link is not followed.
//
// Before it becomes larger than its Policy says, after a newline, it gets the
// name of a rotated file, and another takes its place. When the file is moved
// away, removed or cut short by others, gsv goes on in a new one, or at the new
// end. Where it cannot write, it drops output, or lets the service wait: see
// Problem.
type File struct {
	dir, base string // of its path
	stem      string // base without .log
	policy    atomic.Pointer[Policy]
	marked    atomic.Int64 // the next byte wants an entry of that time, in milliseconds, or later; 0: it does not
	entered   atomic.Int64 // of the newest entry, the same

	// The loop's own:
	fd      int    // -1: not open
	service string // whose it is
	wanted  int64  // marked, once it has been seen
	index   *index // nil: not open
	runs    []*run
	gap     int64     // bytes dropped since the last that was written
	copying bool      // the file system cannot splice
	old     bool      // its first line is as old as any may be: it is to be rotated
	fixed   time.Time // until then it cannot be rotated, which has been told
	last    time.Time // later than the time in the name of the last rotated file
	blocked blocked

	mu       sync.Mutex
	at       identity // of what is open
	watchers []*waiter
}

// asIs is the Policy of a File that has been given none.
var asIs Policy

// NewFile returns the File LOG-DIR/NAME.log, of the zero Policy. It touches no disk.
func NewFile(dir, name string) *File { return NewFileAt(filepath.Join(dir, name+logSuffix)) }

// NewFileAt is NewFile for any path.
func NewFileAt(path string) *File {
	f := &File{dir: filepath.Dir(path), base: filepath.Base(path), fd: -1}
	f.stem = strings.TrimSuffix(f.base, logSuffix)
	f.policy.Store(&asIs)
	return f
}

// Set gives the File a Policy, which counts from the next byte on.
func (f *File) Set(p Policy) { f.Share(&p) }

// Share is Set with a Policy that other Files have too, and that is not changed.
func (f *File) Share(p *Policy) { f.policy.Store(p) }

// Path is the path of the log file, whether it exists or not.
func (f *File) Path() string { return filepath.Join(f.dir, f.base) }

// open opens the file, if it is not open.
func (f *File) open(s *scratch) error {
	if f.fd >= 0 {
		return nil
	}
	dir, err := openDir(f.dir)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	p := f.policy.Load()
	fd, err := openOwn(dir, f.base, p.mode(), p.Group)
	if err != nil {
		return &fs.PathError{Op: "open", Path: f.Path(), Err: err}
	}
	f.fd = fd
	at := identify(fd)
	f.mu.Lock()
	f.at = at
	f.mu.Unlock()
	f.openIndex(s, dir, time.Now())
	return nil
}

// openIndex opens the index of what is open. Without one the log is written all
// the same.
func (f *File) openIndex(s *scratch, dir int, now time.Time) {
	f.index = &index{}
	err := f.index.open(dir, f.stem, f.at)
	switch {
	case err == nil:
	case errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT): // which the log says itself
		f.index.again = now.Add(time.Second)
	default:
		f.index.again = now.Add(time.Minute)
		s.p.note(f.service, fmt.Errorf("cannot keep the times of lines: %w", err))
	}
}

func (f *File) release() {
	if f.fd >= 0 {
		unix.Close(f.fd)
		f.fd, f.old = -1, false
		f.index.close()
		f.index = nil
		f.mu.Lock()
		f.at = identity{}
		f.mu.Unlock()
	}
}

func (f *File) attach(r *run, s *scratch) {
	f.service = r.key.Name
	r.takeUp(s.p.dir)
	i, _ := slices.BinarySearchFunc(f.runs, r, func(a, b *run) int { return a.key.Gen - b.key.Gen })
	f.runs = slices.Insert(f.runs, i, r)
}

func (f *File) detach(r *run) {
	r.spill.close()
	f.runs = slices.DeleteFunc(f.runs, func(x *run) bool { return x == r })
	if len(f.runs) == 0 {
		f.release()
	}
}

// A waiter is somebody who waits for a file to grow.
type waiter struct {
	c     chan struct{} // capacity 1; many may share it
	grown atomic.Bool   // this file has
}

func (f *File) watch(w *waiter) (stop func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.watchers = append(f.watchers, w)
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.watchers = slices.DeleteFunc(f.watchers, func(x *waiter) bool { return x == w })
	}
}

// Grown returns a channel that gets a value after the file has grown, at most
// one at a time, until stop.
func (f *File) Grown() (grown <-chan struct{}, stop func()) {
	w := &waiter{c: make(chan struct{}, 1)}
	return w.c, f.watch(w)
}

func (f *File) nudge() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, w := range f.watchers {
		w.grown.Store(true)
		select {
		case w.c <- struct{}{}:
		default:
		}
	}
}
