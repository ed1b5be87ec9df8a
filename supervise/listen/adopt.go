package listen

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Adopt makes a Socket of a descriptor that somebody has held, perhaps after a Spec that differed: its backlog, its mode and
// owner, and reuse-port become this Spec's. It is an error where it is another socket than this Spec's, or where its path is
// gone or another's. Adopt takes file over; on error it is still the caller's.
func Adopt(spec Spec, file *os.File) (*Socket, error) {
	var s *Socket
	err := control(file, func(fd int) error {
		path, err := adoptable(spec, fd)
		if err != nil {
			return err
		}
		own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return err
		}
		s, err = newSocket(spec, own, path)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot go on listening on %s: %w", spec, err)
	}
	_ = file.Close() // there is another descriptor of it
	return s, nil
}

// adoptable checks that fd is the socket that spec asks for, and makes it so.
func adoptable(spec Spec, fd int) (identity, error) {
	if _, err := inodeOf(fd); err != nil {
		return identity{}, err
	}
	domain, err := checkKind(spec, fd)
	if err != nil {
		return identity{}, err
	}
	if err := checkName(spec, fd); err != nil {
		return identity{}, err
	}
	if domain == unix.AF_INET6 {
		only, err := unix.GetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
		if err != nil {
			return identity{}, err
		}
		if at, err := spec.addrPort(); err != nil || at.Addr().IsUnspecified() && (only != 0) != spec.V6Only {
			return identity{}, errors.Join(errors.New("whether it takes IPv4 too cannot be changed any more"), err)
		}
	}
	if spec.Network != "unix" {
		if err := setReusePort(fd, spec.ReusePort); err != nil {
			return identity{}, err
		}
	}
	var path identity
	if spec.Network == "unix" {
		if path, err = adoptPath(spec, fd); err != nil {
			return identity{}, err
		}
	}
	if spec.Network != "udp" {
		// Also where it has listened: that changes the backlog. And one that a server has shut down listens again.
		if err := unix.Listen(fd, spec.backlog()); err != nil {
			return identity{}, fmt.Errorf("cannot listen: %w", err)
		}
		// One that was shut down has lost a port that the kernel chose (tcp_set_state, net/ipv4/tcp.c).
		if err := checkName(spec, fd); err != nil {
			return identity{}, err
		}
	}
	return path, nil
}

func checkKind(spec Spec, fd int) (domain int, err error) {
	domain, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return 0, err
	}
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return 0, err
	}
	protocol, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
	if err != nil {
		return 0, err
	}
	inet := domain == unix.AF_INET || domain == unix.AF_INET6
	var is bool
	switch spec.Network {
	case "tcp":
		is = inet && kind == unix.SOCK_STREAM && protocol == unix.IPPROTO_TCP
	case "udp":
		is = inet && kind == unix.SOCK_DGRAM && protocol == unix.IPPROTO_UDP
	case "unix":
		is = domain == unix.AF_UNIX && kind == unix.SOCK_STREAM
	}
	if !is {
		return 0, errors.New("it is a socket of another kind")
	}
	if _, err := unix.Getpeername(fd); err == nil {
		return 0, errors.New("it is a connection")
	}
	return domain, nil
}

// checkName checks that fd is bound where spec asks for.
func checkName(spec Spec, fd int) error {
	has, err := address(fd)
	if err != nil {
		return err
	}
	if spec.Network == "unix" {
		if has != spec.Address {
			return fmt.Errorf("its path is %q", has)
		}
		return nil
	}
	want, err := spec.addrPort()
	if err != nil {
		return err
	}
	_, sa, err := sockaddr(want)
	if err != nil {
		return err
	}
	real, err := unix.Getsockname(fd)
	if err != nil {
		return err
	}
	same := false
	switch want := sa.(type) {
	case *unix.SockaddrInet4:
		got, ok := real.(*unix.SockaddrInet4)
		same = ok && got.Addr == want.Addr && samePort(want.Port, got.Port)
	case *unix.SockaddrInet6:
		got, ok := real.(*unix.SockaddrInet6)
		same = ok && got.Addr == want.Addr && got.ZoneId == want.ZoneId && samePort(want.Port, got.Port)
	}
	if !same {
		return fmt.Errorf("its address is %s", has)
	}
	return nil
}

// samePort tells whether a port is what was asked for: 0 asks for any that is bound.
func samePort(want, got int) bool { return got != 0 && (want == got || want == 0) }

// adoptPath proves that the path is the socket, and sets its mode and owner. The identity is zero where the kernel
// cannot tell; then they stay as they are.
func adoptPath(spec Spec, fd int) (identity, error) {
	dir, err := openDir(spec.Address)
	if err != nil {
		return identity{}, err
	}
	defer unix.Close(dir)
	file, err := open(dir, filepath.Base(spec.Address), unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return identity{}, fmt.Errorf("its path has been removed: %w", err)
	}
	defer unix.Close(file)
	var st unix.Stat_t
	if err := unix.Fstat(file, &st); err != nil {
		return identity{}, err
	}
	switch is, err := bound(fd, file, &st); {
	case errors.Is(err, errNoDiag):
		return identity{}, nil
	case err != nil:
		return identity{}, err
	case !is:
		return identity{}, fmt.Errorf("another file, %s, is at its path now", kind(st.Mode))
	}
	return identity{st.Dev, st.Ino}, own(file, spec)
}
