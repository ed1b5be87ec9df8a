package listen

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Regain takes a copy of a socket out of a living process (pidfd_getfd(2), Linux 5.6), by its inode (Socket.Inode). The error
// is ESRCH where there is no such process, ENOENT where it does not have that socket, EPERM or EACCES where we may
// not: it takes the right to trace the process (ptrace(2)), and ENOSYS where the kernel cannot.
func Regain(pid int, inode uint64) (*os.File, error) {
	file, err := regain(pid, inode)
	if err != nil {
		return nil, fmt.Errorf("cannot get socket %d back from process %d: %w", inode, pid, err)
	}
	return file, nil
}

func regain(pid int, inode uint64) (*os.File, error) {
	if pid < 1 {
		return nil, unix.ESRCH
	}
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(pidfd)
	fds, err := socketsOf(pid, []uint64{inode})
	if errors.Is(err, unix.ENOENT) {
		return nil, unix.ESRCH // it has ended since
	}
	if err != nil {
		return nil, err
	}
	err = fmt.Errorf("it does not have it: %w", unix.ENOENT)
	for _, n := range fds {
		fd, err2 := unix.PidfdGetfd(pidfd, n, 0) // with FD_CLOEXEC
		switch {
		case errors.Is(err2, unix.EBADF):
			continue // closed since
		case err2 != nil:
			return nil, err2
		}
		// It may have another there by now, or be another process than the one we looked at.
		if got, err := inodeOf(fd); err != nil || got != inode {
			unix.Close(fd)
			continue
		}
		return unpolled(fd, fmt.Sprintf("socket:[%d]", inode))
	}
	return nil, err
}
