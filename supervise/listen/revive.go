package listen

import (
	"errors"
	"fmt"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Revive undoes what a process that shares the socket may have done to it, and its successors cannot live with: a TCP
// socket that was shut down listens again, a UDP one that was connected takes from everybody. After an error the socket is
// of no use to anybody, as a unix one is that was shut down or has lost its path, and does not keep Open from its address.
func (s *Socket) Revive() error {
	err := s.control(func(fd int) error {
		switch s.spec.Network {
		case "udp":
			return disconnect(fd)
		case "unix":
			return s.reachable()
		}
		listens, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
		if err != nil || listens != 0 {
			return err
		}
		if err := unix.Listen(fd, s.spec.backlog()); err != nil {
			return err
		}
		return checkName(s.spec, fd) // see adoptable
	})
	if err != nil {
		return fmt.Errorf("cannot go on listening on %s: %w", s.spec, err)
	}
	return nil
}

// disconnect has a UDP socket take from everybody again (connect(2), AF_UNSPEC). It keeps its address.
func disconnect(fd int) error {
	if _, err := unix.Getpeername(fd); err != nil {
		return nil // as it should be
	}
	none := unix.RawSockaddr{Family: unix.AF_UNSPEC}
	if _, _, errno := unix.Syscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&none)), unsafe.Sizeof(none)); errno != 0 {
		return errno
	}
	return nil
}

// reachable tells whether clients reach a unix socket: its path is its own, and it was not shut down, which cannot be
// undone (unix_listen, net/unix/af_unix.c). Of one that was the path is removed.
func (s *Socket) reachable() error {
	if s.path != (identity{}) {
		dir, err := openDir(s.spec.Address)
		if err != nil {
			return err
		}
		defer unix.Close(dir)
		var st unix.Stat_t
		if err := unix.Fstatat(dir, filepath.Base(s.spec.Address), &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return fmt.Errorf("its path has been removed: %w", err)
		}
		if s.path != (identity{st.Dev, st.Ino}) {
			return fmt.Errorf("another file, %s, is at its path now", kind(st.Mode))
		}
	}
	shut := false
	// Where the kernel does not tell, it is taken to be as it was.
	_ = diagnose(uint32(s.inode), 0, func(d diagnosis) { shut = d.inode == uint32(s.inode) && d.shut })
	if shut {
		return errors.Join(ErrShut, s.path.unlink(s.spec.Address))
	}
	return nil
}
