package listen

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// bindTries bounds how often a path is looked at again because somebody put something there meanwhile.
const bindTries = 8

// openUnix binds at the path itself, not at another name that is renamed, because getsockname(2) tells servers where: some
// look for it in their configuration.
func openUnix(spec Spec) (fd int, path identity, err error) {
	if err := checkPath(spec.Address); err != nil {
		return -1, identity{}, err
	}
	dir, err := openDir(spec.Address)
	if err != nil {
		return -1, identity{}, err
	}
	defer unix.Close(dir)
	fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, identity{}, err
	}
	if path, err = bindUnix(fd, dir, spec); err != nil {
		unix.Close(fd)
		return -1, identity{}, err
	}
	if err = unix.Listen(fd, spec.backlog()); err != nil {
		err = errors.Join(err, path.unlink(spec.Address))
		unix.Close(fd)
		return -1, identity{}, err
	}
	return fd, path, nil
}

// openDir opens the directory of a path, so that it is one and the same for all that follows.
func openDir(path string) (fd int, err error) {
	dir := filepath.Dir(path)
	fd, err = open(unix.AT_FDCWD, dir, unix.O_PATH|unix.O_DIRECTORY)
	switch {
	case errors.Is(err, unix.ENOENT):
		return -1, fmt.Errorf("there is no directory %s: %w", missing(dir), err)
	case err != nil:
		return -1, fmt.Errorf("cannot enter %s: %w", dir, err)
	}
	return fd, nil
}

// missing is the first directory on the way to dir that is not there.
func missing(dir string) string {
	for {
		parent := filepath.Dir(dir)
		if _, err := os.Stat(parent); err == nil || parent == dir {
			return dir
		}
		dir = parent
	}
}

// open is openat(2), with O_CLOEXEC.
func open(dir int, name string, flags int) (fd int, err error) {
	for {
		fd, err = unix.Openat(dir, name, flags|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// bindUnix binds fd, with dir the directory of its path, and gives the path its mode and owner. Nobody can connect
// before it listens. On error the path is not left behind.
func bindUnix(fd, dir int, spec Spec) (identity, error) {
	if spec.Mode >= 0 {
		// The path gets what this and the umask allow (unix_bind_bsd, net/unix/af_unix.c): never more than it is to have.
		if err := unix.Fchmod(fd, uint32(spec.Mode)); err != nil {
			return identity{}, fmt.Errorf("cannot set the mode: %w", err)
		}
	}
	err := error(unix.EADDRINUSE)
	for n := 0; n < bindTries && err == unix.EADDRINUSE; n++ {
		if err := clear(dir, spec); err != nil {
			return identity{}, err
		}
		err = unix.Bind(fd, &unix.SockaddrUnix{Name: spec.Address}) // it does not follow a symbolic link
	}
	if err != nil {
		return identity{}, fmt.Errorf("cannot make the socket: %w", err)
	}
	file, id, err := ours(fd, dir, filepath.Base(spec.Address))
	if err != nil {
		retract(fd, spec.Address)
		return identity{}, err
	}
	defer unix.Close(file)
	if err := own(file, spec); err != nil {
		return identity{}, errors.Join(err, id.unlink(spec.Address))
	}
	return id, nil
}

// ours opens what has name in dir now, and makes sure that it is the socket that fd was bound to: who may write there,
// or turn a link on the way there, may have put another file in its place, whose owner and mode are not ours to change.
func ours(fd, dir int, name string) (file int, id identity, err error) {
	file, err = open(dir, name, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return -1, identity{}, fmt.Errorf("the socket was moved away while it was made: %w", err)
	}
	var st unix.Stat_t
	err = unix.Fstat(file, &st)
	if err == nil && (st.Mode&unix.S_IFMT != unix.S_IFSOCK || int(st.Uid) != os.Geteuid() || st.Nlink != 1) {
		err = errReplaced
	}
	if err == nil {
		var is bool
		if is, err = bound(fd, file, &st); err == nil && !is {
			err = errReplaced
		}
		if errors.Is(err, errNoDiag) {
			err = nil // a kernel without it: what was seen must do
		}
	}
	if err != nil {
		unix.Close(file)
		return -1, identity{}, err
	}
	return file, identity{st.Dev, st.Ino}, nil
}

// retract removes the socket from where its path leads now, if that is another directory than it was.
func retract(fd int, path string) {
	dir, err := openDir(path)
	if err != nil {
		return
	}
	defer unix.Close(dir)
	if file, id, err := ours(fd, dir, filepath.Base(path)); err == nil {
		unix.Close(file)
		_ = id.unlinkIn(dir, filepath.Base(path)) // Open fails anyway, and says more
	}
}

var errReplaced = errors.New("the socket was replaced by another file while it was made")

// own gives the path, open as file, its owner and mode. It goes by the descriptor, so no path is followed.
func own(file int, spec Spec) error {
	var st unix.Stat_t
	if err := unix.Fstat(file, &st); err != nil {
		return err
	}
	uid, gid := spec.UID, spec.GID
	if uid == int(st.Uid) {
		uid = -1
	}
	if gid == int(st.Gid) {
		gid = -1
	}
	if uid >= 0 || gid >= 0 {
		if err := unix.Fchownat(file, "", uid, gid, unix.AT_EMPTY_PATH); err != nil {
			return fmt.Errorf("cannot make user %d, group %d its owner: %w", spec.UID, spec.GID, err)
		}
	}
	if spec.Mode >= 0 && spec.Mode != int(st.Mode&0o7777) {
		// fchmod(2) does not take a descriptor of O_PATH.
		if err := unix.Chmod(fmt.Sprintf("/proc/self/fd/%d", file), uint32(spec.Mode)); err != nil {
			return fmt.Errorf("cannot set the mode to %04o: %w", spec.Mode, err)
		}
	}
	return nil
}

// An identity is the inode of a path. While a socket that is bound to it lives, it is no other file's. The zero value is
// that of none.
type identity struct{ dev, ino uint64 }

// unlink removes path if it has that inode; anything else there is left alone, and no error.
func (id identity) unlink(path string) error {
	if id == (identity{}) {
		return nil
	}
	dir, err := open(unix.AT_FDCWD, filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return ignoring(err, unix.ENOENT)
	}
	defer unix.Close(dir)
	return id.unlinkIn(dir, filepath.Base(path))
}

// unlinkIn is unlink for a name in a directory that is open.
func (id identity) unlinkIn(dir int, name string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return ignoring(err, unix.ENOENT)
	}
	if id != (identity{st.Dev, st.Ino}) {
		return nil
	}
	return ignoring(unix.Unlinkat(dir, name, 0), unix.ENOENT)
}

func ignoring(err, fine error) error {
	if errors.Is(err, fine) {
		return nil
	}
	return err
}

// Remove unlinks the path of a unix socket, if it is still this very socket, and closes. A second Remove is an error
// that wraps os.ErrClosed.
func (s *Socket) Remove() error {
	var err error
	if s.spec.Network == "unix" {
		// Before the close: after it the inode might be another's.
		err = s.control(func(int) error { return s.path.unlink(s.spec.Address) })
		if err != nil && !errors.Is(err, os.ErrClosed) {
			err = fmt.Errorf("cannot remove %s: %w", s.spec.Address, err)
		}
	}
	return errors.Join(err, s.Close())
}
