package logs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A Key names one run of a service: the service and the run's generation.
type Key struct {
	Name string
	Gen  int
}

func (k Key) String() string { return k.Name + "." + strconv.Itoa(k.Gen) }

// Path is where Make puts the FIFO of a run. Names do not end in .DIGITS, so
// no two keys share a path.
func Path(dir string, key Key) string { return filepath.Join(dir, key.String()) }

// Make makes the FIFO of a run, Path(dir, key), with mode 0600, and opens it
// twice. child is for the service's standard output and error: O_RDWR, so that
// opening never waits, with a file description of its own that blocks. keep is
// for whoever must outlive the Pump: a reader that is never read. Both are
// outside Go's poller; the caller closes both.
//
// With uid >= 0 the FIFO is given to that user. dir must be the caller's own
// and closed to others (0700). A FIFO that is there already, because the
// caller died between Make and the start of the run, is used again: the run
// may be writing to it.
//
// As long as child or a copy of it is open, the FIFO does not read as ended;
// Add the run to the Pump before child is closed.
func Make(dir string, key Key, uid int) (child, keep *os.File, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("cannot make the output FIFO of %s: %w", key.Name, err)
		}
	}()
	path := Path(dir, key)
	if err := unix.Mkfifo(path, 0o600); err != nil && !errors.Is(err, unix.EEXIST) {
		return nil, nil, &fs.PathError{Op: "mkfifo", Path: path, Err: err}
	}
	child, err = openFIFO(path, unix.O_RDWR)
	if err != nil {
		return nil, nil, err
	}
	// Does not wait for a writer: child is one.
	keep, err = openFIFO(path, unix.O_RDONLY)
	if err != nil {
		child.Close()
		return nil, nil, err
	}
	if uid >= 0 && uid != os.Geteuid() {
		// By descriptor, so that it is this FIFO whatever happens to its name.
		if err := unix.Fchown(int(child.Fd()), uid, -1); err != nil {
			child.Close()
			keep.Close()
			return nil, nil, &fs.PathError{Op: "chown", Path: path, Err: err}
		}
	}
	return child, keep, nil
}

// openFIFO opens a FIFO outside Go's poller: os.OpenFile would set O_NONBLOCK
// on the description, and the service would get EAGAIN on its standard output.
func openFIFO(path string, flags int) (*os.File, error) {
	fd, err := rawOpenFIFO(path, flags)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

func rawOpenFIFO(path string, flags int) (int, error) {
	fd, err := open(unix.AT_FDCWD, path, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return -1, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFIFO {
		unix.Close(fd)
		return -1, &fs.PathError{Op: "open", Path: path, Err: errors.New("is not a FIFO")}
	}
	return fd, nil
}

// open is openat(2), not disturbed by the signals of Go's own scheduler.
func open(dir int, path string, flags int, mode uint32) (int, error) {
	for {
		fd, err := unix.Openat(dir, path, flags, mode)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// Remove removes what Make and the Pump left in dir for a run that is drained.
// What is not there is no error.
func Remove(dir string, key Key) error {
	path := Path(dir, key)
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if perr := os.Remove(path + partSuffix); perr != nil && !errors.Is(perr, fs.ErrNotExist) {
		err = errors.Join(err, perr)
	}
	return err
}

// List returns the runs that have a FIFO in dir, in no order: after a crash,
// those that nobody knows any more can be removed.
func List(dir string) ([]Key, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot list output FIFOs: %w", err)
	}
	var keys []Key
	for _, e := range entries {
		if e.Type() != fs.ModeNamedPipe {
			continue
		}
		dot := strings.LastIndexByte(e.Name(), '.')
		if dot < 1 {
			continue
		}
		gen, err := strconv.Atoi(e.Name()[dot+1:])
		if err != nil || gen < 0 {
			continue
		}
		keys = append(keys, Key{e.Name()[:dot], gen})
	}
	return keys, nil
}
