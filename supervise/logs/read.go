package logs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

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
