package watch

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Who may write where a service's files are may put a link in the place of a
// directory at any moment, and gsv may be root. So what is opened below a watched
// path is opened without any link on its way, and is not waited for.

// openAt opens a path that no link is part of.
func openAt(path string, flags int) (fd int, err error) {
	flags |= unix.O_NOFOLLOW | unix.O_CLOEXEC
	how := unix.OpenHow{Flags: uint64(flags), Resolve: unix.RESOLVE_NO_SYMLINKS}
	for {
		fd, err = unix.Openat2(unix.AT_FDCWD, path, &how)
		if err == unix.ENOSYS || err == unix.EPERM { // before Linux 5.6, and where a sandbox does not know of it
			fd, err = unix.Open(path, flags, 0)
		}
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// openDir opens a directory to read the names in it.
func openDir(path string) (*os.File, error) {
	fd, err := openAt(path, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// openRead opens a regular file; of any other it waits for nobody.
func openRead(path string) (fd int, err error) {
	return openAt(path, unix.O_RDONLY|unix.O_NONBLOCK)
}

// addWatch is unix.InotifyAddWatch of a directory.
func addWatch(fd int, path string, mask uint32) (int, error) {
	dir, err := openAt(path, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return -1, err
	}
	defer unix.Close(dir)
	wd, err := unix.InotifyAddWatch(fd, "/proc/self/fd/"+strconv.Itoa(dir)+"/.", mask)
	if err == unix.ENOENT { // there is no /proc, or the directory is gone
		return unix.InotifyAddWatch(fd, path, mask)
	}
	return wd, err
}

// isOpen says whether somebody has a file open to write to it, as far as it may be
// known: the kernel gives no lease to read then (fcntl(2)). It is given back at once.
func isOpen(path string) bool {
	fd, err := openRead(path)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	_, err = unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_RDLCK)
	if err == nil {
		unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_UNLCK)
	}
	return err == unix.EAGAIN
}
