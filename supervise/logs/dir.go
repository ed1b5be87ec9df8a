package logs

import (
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A Dir is a log directory in which gsv keeps files of its own besides logs.
// Close it. Its methods may be called by many goroutines at once; all of them
// may hang with the disk.
type Dir struct {
	fd   int
	path string
}

// OpenDir opens a log directory, and makes it if it is missing. It is an error
// if others than gsv could change it, as with CheckDir.
func OpenDir(path string) (*Dir, error) {
	fd, err := openDir(path)
	if err != nil {
		return nil, err
	}
	return &Dir{fd, path}, nil
}

// Close gives the directory back. Files that were opened stay open.
func (d *Dir) Close() error { return unix.Close(d.fd) }

// Open opens a regular file with flags as of open(2). What is there may have
// been put there by somebody else: a symbolic link, a FIFO or a device, a file
// of another user's and one with a second name are errors, and nothing is done
// to them. With O_CREAT a file that is missing is made with that mode, whatever
// the umask; without, it is an error that is fs.ErrNotExist.
func (d *Dir) Open(name string, flags int, mode uint32) (*os.File, error) {
	fd, err := openOwnAs(d.fd, name, flags, mode)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: filepath.Join(d.path, name), Err: err}
	}
	// Not Go's poller: NewFile takes a non-blocking file for one that polls.
	_ = unix.SetNonblock(fd, false)
	return os.NewFile(uintptr(fd), name), nil
}

// Rename gives a file of the directory another name there, in place of what has it.
func (d *Dir) Rename(from, to string) error {
	if err := unix.Renameat(d.fd, from, d.fd, to); err != nil {
		return &os.LinkError{Op: "rename", Old: filepath.Join(d.path, from), New: filepath.Join(d.path, to), Err: err}
	}
	return nil
}

// Is reports whether f is the file that has that name now.
func (d *Dir) Is(name string, f *os.File) bool {
	var here, there unix.Stat_t
	return unix.Fstatat(d.fd, name, &here, unix.AT_SYMLINK_NOFOLLOW) == nil && unix.Fstat(int(f.Fd()), &there) == nil &&
		here.Dev == there.Dev && here.Ino == there.Ino
}
