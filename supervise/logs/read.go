package logs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// MaxTail is how much Tail and Since return at most, in bytes.
const MaxTail = 4 << 20

// Tail returns the last n lines of a log file, and of those the last MaxTail
// bytes at most. A line without an end counts, as the last one. It reads from
// the end: the length of the file does not matter. A file that does not exist
// has no lines.
func Tail(path string, n int) ([]byte, error) { return Since(path, 0, n) }

// Since is Tail for what follows the first off bytes. Where the file has become
// shorter than off since, all of it counts.
func Since(path string, off int64, n int) ([]byte, error) {
	file, size, err := openLog(path)
	if file != nil {
		defer file.Close()
		var b []byte
		if b, err = lastLines(file, off, size, n); err == nil {
			return b, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read log: %w", err)
	}
	return nil, nil
}

// lastLines returns the last n lines, and MaxTail bytes, of file[off:end].
func lastLines(file *os.File, off, end int64, n int) ([]byte, error) {
	if off > end || off < 0 {
		off = 0
	}
	start, err := lineStart(file, max(off, end-MaxTail), end, n)
	if err != nil {
		return nil, err
	}
	b := make([]byte, end-start)
	m, err := file.ReadAt(b, start)
	if errors.Is(err, io.EOF) {
		err = nil // cut short meanwhile
	}
	return b[:m], err
}

// Attempt returns the last n lines of what run gen, one of the last two, has
// written to the file since this File was made; of what was in a file that has
// been moved away, nothing. A run that wrote nothing, or is not known, has no
// lines.
func (f *File) Attempt(gen, n int) ([]byte, error) {
	f.mu.Lock()
	origins := f.origins
	f.mu.Unlock()
	i := slices.IndexFunc(origins[:], func(o origin) bool { return o.gen == gen })
	if i < 0 || gen == 0 {
		return nil, nil
	}
	file, size, err := openLog(f.Path())
	if file == nil {
		if err != nil {
			err = fmt.Errorf("cannot read log: %w", err)
		}
		return nil, err
	}
	defer file.Close()
	at := identify(int(file.Fd()))
	off, end := int64(0), size // what it writes to the file that took the place of its own
	if origins[i].at == at {
		off = origins[i].off
	}
	if i == 1 {
		switch at {
		case origins[0].at:
			end = min(size, origins[0].off)
		case origins[1].at: // the next run began in another file, and that is gone
		default:
			end = 0 // all of it is the next run's
		}
	}
	b, err := lastLines(file, off, end, n)
	if err != nil {
		return nil, fmt.Errorf("cannot read log: %w", err)
	}
	return b, nil
}

// openLog opens a log file for reading, nil if there is none.
func openLog(path string) (*os.File, int64, error) {
	fd, err := open(unix.AT_FDCWD, path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	var st unix.Stat_t
	err = unix.Fstat(fd, &st)
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = errors.New("is not a regular file")
	}
	if err != nil {
		unix.Close(fd)
		return nil, 0, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	// Not Go's poller: NewFile takes a non-blocking file for one that polls.
	_ = unix.SetNonblock(fd, false)
	return os.NewFile(uintptr(fd), path), st.Size, nil
}

// lineStart returns where the last n lines of file[from:to] begin. n < 0: all.
func lineStart(file io.ReaderAt, from, to int64, n int) (int64, error) {
	if n < 0 {
		return from, nil
	}
	if n == 0 {
		return to, nil
	}
	buf := make([]byte, 32<<10)
	pos := to
	for pos > from {
		b := buf[:min(int64(len(buf)), pos-from)]
		if _, err := file.ReadAt(b, pos-int64(len(b))); err != nil {
			if errors.Is(err, io.EOF) {
				return pos, nil // cut short meanwhile
			}
			return 0, err
		}
		pos -= int64(len(b))
		for i := len(b) - 1; i >= 0; i-- {
			if b[i] != '\n' || pos+int64(i) == to-1 {
				continue
			}
			if n--; n == 0 {
				return pos + int64(i) + 1, nil
			}
		}
	}
	return from, nil
}

// Raw calls each with the bytes of the last n lines of the log (n < 0: all of
// it), rotated files and all, in pieces that need not end where lines do, valid
// until each returns, and where they are; the first time with none. With follow
// it goes on with what is written, until ctx ends; without, it ends where the
// log ended when it was called. From a Cursor, if what that is in is still there,
// it gives all there is instead of n lines. It returns ctx's error, or each's, as
// they are.
//
// It has own descriptors and offsets: whoever reads slowly keeps nobody waiting.
// A file that was moved away is read to its end before its successor; one that
// was cut short is read again from its begin. To follow, the File must be the
// one that the Pump writes to.
func (f *File) Raw(ctx context.Context, n int, follow bool, from string, each func(at Cursor, b []byte) error) error {
	var grown <-chan struct{}
	if follow {
		var stop func()
		grown, stop = f.Grown() // before the first look, so that nothing falls between
		defer stop()
	}
	r, err := f.stream(ctx, &Query{Lines: n, Follow: follow}, from)
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.tail(n); err != nil {
		return fmt.Errorf("cannot read log: %w", err)
	}
	if err := each(r.place(), nil); err != nil {
		return err
	}
	buf := make([]byte, 32<<10)
	for {
		n, err := r.more(buf)
		switch {
		case n > 0:
			at := r.place()
			at.off -= int64(n)
			err = each(at, buf[:n])
		case err == errTurn:
			err = r.turn()
		case err == io.EOF && !follow:
			return nil
		case err == io.EOF:
			err = nil
			select {
			case <-grown:
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		if err != nil {
			return err
		}
	}
}

// writes tells whether the Pump still writes to file, though it may have been
// moved away and another made in its place.
func (f *File) writes(file *os.File) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.at != identity{} && f.at == identify(int(file.Fd()))
}
