package logs

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// A File is the log file of one service, the sink of all its runs. It is opened
// when the first byte comes, and its directory made if it is missing; closed
// when no run is left. What is at its path must be a regular file of gsv's own
// user that has no second name; a symbolic link is not followed.
//
// When the file is removed or cut short by others, gsv goes on in a new one, or
// at the new end. Where it cannot write, it drops output: see Problem.
type File struct {
	dir, name string // name without .log

	// The loop's own:
	fd      int // -1: not open
	runs    []*run
	gap     int64 // bytes dropped since the last that was written
	copying bool  // the file system cannot splice

	mu       sync.Mutex
	at       identity // of what is open
	watchers []chan struct{}
	origins  [2]origin // of the newest runs, the newest first
}

// NewFile returns the File LOG-DIR/NAME.log. It touches no disk.
func NewFile(dir, name string) *File { return &File{dir: dir, name: name, fd: -1} }

// Path is the path of the log file, whether it exists or not.
func (f *File) Path() string { return filepath.Join(f.dir, f.base()) }

func (f *File) base() string { return f.name + ".log" }

// open opens the file, if it is not open.
func (f *File) open() error {
	if f.fd >= 0 {
		return nil
	}
	dir, err := openDir(f.dir)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	fd, err := openOwn(dir, f.base())
	if err != nil {
		return &fs.PathError{Op: "open", Path: f.Path(), Err: err}
	}
	f.fd = fd
	f.mu.Lock()
	f.at = identify(fd)
	f.mu.Unlock()
	return nil
}

func (f *File) release() {
	if f.fd >= 0 {
		unix.Close(f.fd)
		f.fd = -1
		f.mu.Lock()
		f.at = identity{}
		f.mu.Unlock()
	}
}

func (f *File) attach(r *run) {
	i, _ := slices.BinarySearchFunc(f.runs, r, func(a, b *run) int { return a.key.Gen - b.key.Gen })
	f.runs = slices.Insert(f.runs, i, r)
}

func (f *File) detach(r *run) {
	f.runs = slices.DeleteFunc(f.runs, func(x *run) bool { return x == r })
	if len(f.runs) == 0 {
		f.release()
	}
}

func (f *File) finish(*run, *scratch) {}

// drain reads the runs before r first, so that one's last words do not come
// after the next one's first.
func (f *File) drain(r *run, s *scratch, limit int64) (total int64, end bool) {
	for _, x := range f.runs {
		if x == r {
			break
		}
		n, _ := f.move(x, s, limit) // its end is told by an event of its own
		total += n
	}
	n, end := f.move(r, s, limit)
	total += n
	if total > 0 {
		f.nudge()
	}
	return total, end
}

// move moves from one pipe to the file.
func (f *File) move(r *run, s *scratch, limit int64) (total int64, end bool) {
	for total < limit {
		most, tapped := limit-total, r.tap != nil
		var n int64
		var err error
		if tapped {
			most, err = r.tapFirst(s, most)
		}
		if err == nil {
			n, err = f.write(r, s, most)
		}
		if err == unix.EAGAIN {
			r.fresh = false
			return total, false
		}
		if err != nil {
			n, end := f.drop(r, s, most, err)
			return total + n, end
		}
		if n == 0 {
			return total, true
		}
		total += n
		r.moved += n
		r.grow(n)
		if n < plenty && !r.fresh || tapped {
			break // most likely all; if not, epoll says so
		}
	}
	return total, false
}

// write moves once, to the end of the file as it is now.
func (f *File) write(r *run, s *scratch, limit int64) (int64, error) {
	if f.fd < 0 { // nothing to write, nothing to open
		if n, err := s.waits(r.fd); n == 0 {
			return 0, err
		}
	}
	end, err := f.end()
	if err != nil {
		return 0, err
	}
	start := end
	if f.gap > 0 {
		if end, err = f.mark(end); err != nil {
			return 0, err
		}
	}
	n, err := int64(0), error(unix.EINVAL)
	if !f.copying {
		off := end
		n, err = splice(r.fd, f.fd, &off, limit)
	}
	if err == unix.EINVAL {
		f.copying = true
		n, err = f.copy(r, s, end, limit)
	}
	if n > 0 && !r.begun {
		r.begun = true
		f.begin(r.key.Gen, end)
	}
	if f.gap > 0 {
		if n == 0 {
			_ = unix.Ftruncate(f.fd, start) // the mark goes with what it speaks of
		} else {
			f.recovered(s)
		}
	}
	return n, err
}

// copy does what splice does, where a file system cannot. A death in the middle
// doubles bytes, but loses none.
func (f *File) copy(r *run, s *scratch, off, limit int64) (int64, error) {
	b, err := s.peek(r.fd)
	if err != nil || len(b) == 0 {
		return 0, err
	}
	b = b[:min(int64(len(b)), limit)]
	n, err := pwrite(f.fd, b, off)
	if n == 0 {
		return 0, err
	}
	return s.discard(r.fd, int64(n))
}

// end is where the file ends, wherever others have put that since.
func (f *File) end() (int64, error) {
	for range 2 {
		if err := f.open(); err != nil {
			return 0, err
		}
		var st unix.Stat_t
		if err := unix.Fstat(f.fd, &st); err != nil {
			return 0, err
		}
		if st.Nlink > 0 {
			return st.Size, nil
		}
		f.release() // removed: nobody would read what we write there
	}
	return 0, unix.ENOENT
}

// mark says in the file that output is missing, and returns its new end.
func (f *File) mark(end int64) (int64, error) {
	var b []byte
	var last [1]byte
	if n, _ := unix.Pread(f.fd, last[:], end-1); end > 0 && n == 1 && last[0] != '\n' {
		b = append(b, '\n')
	}
	b = fmt.Appendf(b, "[gsv: %d bytes of output are missing here]\n", f.gap)
	n, err := pwrite(f.fd, b, end)
	if n < len(b) {
		_ = unix.Ftruncate(f.fd, end)
		if err == nil {
			err = unix.ENOSPC
		}
		return end, err
	}
	return end + int64(n), nil
}

func pwrite(fd int, b []byte, off int64) (int, error) {
	for {
		n, err := unix.Pwrite(fd, b, off)
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}

// drop throws away what cannot be written, because of why.
func (f *File) drop(r *run, s *scratch, limit int64, why error) (int64, bool) {
	n, err := s.discard(r.fd, limit)
	r.moved += n
	first := f.gap == 0
	f.gap += n
	if first && n > 0 {
		s.p.problem(Problem{Name: f.name, Err: fmt.Errorf("cannot write to %s: %w", f.Path(), bare(why))})
	}
	if err == unix.EAGAIN {
		r.fresh = false
	}
	// At the end of the pipe, or where its content cannot even be dropped,
	// there is nothing more to come from it.
	return n, n == 0 && err != unix.EAGAIN
}

// bare takes the path off an error: it is said already.
func bare(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok && p == err {
		return p.Err
	}
	return err
}

func (f *File) recovered(s *scratch) {
	s.p.problem(Problem{Name: f.name, Dropped: f.gap})
	f.gap = 0
}

// An origin is where in the file the output of a run begins.
type origin struct {
	gen int
	at  identity // the file; another may be at its path by now
	off int64
}

// begin remembers the origin of a run; those of the last two are kept.
func (f *File) begin(gen int, off int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.origins = [2]origin{{gen, f.at, off}, f.origins[0]}
}

// Grown returns a channel that gets a value after the file has grown, at most
// one at a time, until stop.
func (f *File) Grown() (grown <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.watchers = append(f.watchers, c)
	return c, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.watchers = slices.DeleteFunc(f.watchers, func(x chan struct{}) bool { return x == c })
	}
}

func (f *File) nudge() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.watchers {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}
