package logs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// CheckDir tells whether gsv would write logs in dir: it is a directory, or can
// be made, with its parents. Where gsv is root, others must not be able to
// change it: whoever can move a file of root's to NAME.log there would have
// gsv write what a service says to it.
func CheckDir(dir string) error {
	fd, err := openDir(dir)
	if err != nil {
		return fmt.Errorf("cannot use log directory: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.Faccessat(fd, ".", unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
		return fmt.Errorf("cannot use log directory: %w", &fs.PathError{Op: "write to", Path: dir, Err: err})
	}
	return nil
}

// openDir opens a log directory as one to make files in, and makes it if it is
// missing.
func openDir(dir string) (int, error) {
	fd, err := openDirThere(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return -1, err
		}
		fd, err = openDirThere(dir)
	}
	return fd, err
}

// openDirThere is openDir for one that is there.
func openDirThere(dir string) (int, error) {
	fd, err := open(unix.AT_FDCWD, dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	if err := safeDir(fd, dir); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func safeDir(fd int, dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return &fs.PathError{Op: "stat", Path: dir, Err: err}
	}
	if st.Uid != 0 {
		return fmt.Errorf("%s belongs to uid %d, who could have root write to other files; chown root %[1]s", dir, st.Uid)
	}
	if st.Mode&0o022 != 0 {
		return fmt.Errorf("%s can be changed by others than root (mode %04o); chmod go-w %[1]s", dir, st.Mode&0o7777)
	}
	return safeWay(fd, dir)
}

// safeWay looks at the directories on the way to one that is open: who could move
// one of them away could put a link to another of root's in its place. One that a
// group may change is taken to be so on purpose: /var/log is in some systems.
func safeWay(fd int, dir string) error {
	way, err := os.Readlink(self(fd))
	if err != nil || !filepath.IsAbs(way) {
		return nil // /proc is not there, and so no pipe is
	}
	for way != "/" {
		way = filepath.Dir(way)
		var st unix.Stat_t
		if err := unix.Lstat(way, &st); err != nil {
			return &fs.PathError{Op: "stat", Path: way, Err: err}
		}
		if st.Uid != 0 {
			return fmt.Errorf("%s, on the way to %s, belongs to uid %d, who could have root write to other files; chown root %[1]s", way, dir, st.Uid)
		}
		if st.Mode&0o002 != 0 && st.Mode&unix.S_ISVTX == 0 {
			return fmt.Errorf("%s, on the way to %s, can be changed by anybody (mode %04o); chmod o-w %[1]s", way, dir, st.Mode&0o7777)
		}
	}
	return nil
}

// openOwn opens a log file, and makes it, of that mode and group, if it is missing.
func openOwn(dir int, name string, mode uint32, group int) (int, error) {
	// Not O_APPEND, which splice(2) refuses.
	fd, err := openOwnAs(dir, name, unix.O_RDWR, mode)
	if err != unix.ENOENT {
		return fd, err
	}
	fd, err = openOwnAs(dir, name, unix.O_RDWR|unix.O_CREAT, mode)
	if err == nil && group > 0 {
		_ = unix.Fchown(fd, -1, group) // a user may not be in it, and would have no log at all
	}
	return fd, err
}

// openOwnAs opens a regular file that is gsv's own and has no other name; with
// O_CREAT it is made with exactly that mode if it is missing.
func openOwnAs(dir int, name string, how int, mode uint32) (int, error) {
	// O_NONBLOCK: a FIFO that lies there must not hold us.
	flags := how&^unix.O_CREAT | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC
	for {
		fd, err := open(dir, name, flags, 0)
		if err == nil {
			if err := own(fd); err != nil {
				unix.Close(fd)
				return -1, err
			}
			return fd, nil
		}
		if err == unix.ELOOP {
			return -1, errors.New("is a symbolic link")
		}
		if err != unix.ENOENT || how&unix.O_CREAT == 0 {
			return -1, err
		}
		fd, err = open(dir, name, flags|unix.O_CREAT|unix.O_EXCL, mode)
		if err == unix.EEXIST {
			continue // somebody was faster
		}
		if err == nil {
			_ = unix.Fchmod(fd, mode) // whatever the umask
		}
		return fd, err
	}
}

func own(fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return errors.New("is not a regular file")
	case int(st.Uid) != os.Geteuid():
		return fmt.Errorf("belongs to uid %d, not to gsv's (%d)", st.Uid, os.Geteuid())
	case st.Nlink > 1:
		return errors.New("has a second name (hard link)")
	}
	return nil
}

// An identity names a file, whatever its path: an inode number alone is used
// again at once. The zero value is no file.
type identity struct {
	dev, ino uint64
	born     unix.StatxTimestamp // zero where the file system does not know
}

// same reports whether st is of the file.
func (id identity) same(st *unix.Stat_t) bool { return id.dev == st.Dev && id.ino == st.Ino }

func identify(fd int) identity {
	var st unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_INO|unix.STATX_BTIME, &st); err != nil {
		return identity{}
	}
	id := identity{dev: unix.Mkdev(st.Dev_major, st.Dev_minor), ino: st.Ino}
	if st.Mask&unix.STATX_BTIME != 0 {
		id.born = st.Btime
	}
	return id
}
