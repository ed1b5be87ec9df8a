package listen

import (
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// clear makes way for a socket: one that is at its path and that nobody has any more is removed. Anything else there is
// an error.
func clear(dir int, spec Spec) error {
	name := filepath.Base(spec.Address)
	file, err := open(dir, name, unix.O_PATH|unix.O_NOFOLLOW)
	if err == unix.ENOENT {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(file)
	var st unix.Stat_t
	if err := unix.Fstat(file, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return fmt.Errorf("%s is in the way: it is left alone", kind(st.Mode))
	}
	if err := living(file, &st, spec); err != nil {
		return err
	}
	if err := (identity{st.Dev, st.Ino}).unlinkIn(dir, name); err != nil {
		return fmt.Errorf("cannot remove the socket that nobody has any more: %w", err)
	}
	return nil
}

// living is an *InUse if some process has the socket at that path, open as file, and nil if none has.
func living(file int, st *unix.Stat_t, spec Spec) error {
	all, err := boundTo(file, st)
	if err != nil && !errors.Is(err, errNoDiag) {
		return err
	}
	if len(all) > 0 {
		return unixInUse(spec, all[0].uid, []uint64{uint64(all[0].inode)})
	}
	// The kernel has none in this network namespace, or does not tell.
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	switch err := unix.Connect(fd, &unix.SockaddrUnix{Name: fmt.Sprintf("/proc/self/fd/%d", file)}); err {
	case unix.ECONNREFUSED:
		return nil
	case nil:
		peer, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED) // who called listen(2)
		if err != nil {
			return err
		}
		e := unixInUse(spec, int(peer.Uid), namedUnix(spec.Address))
		if len(e.Pids) == 0 && peer.Pid > 0 {
			e.name([]int{int(peer.Pid)})
		}
		return e
	case unix.EAGAIN, unix.EPROTOTYPE: // so many wait that no more can; a socket of another type
		return unixInUse(spec, -1, namedUnix(spec.Address))
	default:
		return fmt.Errorf("there is a socket, and whether anybody has it cannot be told: %w", err)
	}
}
