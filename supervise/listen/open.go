package listen

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// Open binds a socket, and listens unless it is a UDP one. An error that is an *InUse tells who has the address. A unix
// socket that nobody listens on any more is removed first; anything else at the path is an error, and left alone.
func Open(spec Spec) (*Socket, error) {
	var fd int
	var path identity
	var err error
	switch spec.Network {
	case "tcp", "udp":
		fd, err = openInet(spec)
	case "unix":
		fd, path, err = openUnix(spec)
	default:
		err = fmt.Errorf("there is no network %q", spec.Network)
	}
	if err == nil {
		var s *Socket
		if s, err = newSocket(spec, fd, path); err == nil {
			return s, nil
		}
	}
	return nil, fmt.Errorf("cannot listen on %s: %w", spec, err)
}

// Private makes a TCP socket that listens on a free port of 127.0.0.1, and returns its "127.0.0.1:PORT".
func Private() (*os.File, string, error) {
	s, err := Open(Spec{Name: "private", Network: "tcp", Address: "127.0.0.1:0", Mode: -1, UID: -1, GID: -1})
	if err != nil {
		return nil, "", err
	}
	return s.file, s.Address(), nil
}

func openInet(spec Spec) (fd int, err error) {
	at, err := spec.addrPort()
	if err != nil {
		return -1, err
	}
	domain, sa, err := sockaddr(at)
	if err != nil {
		return -1, err
	}
	kind := unix.SOCK_STREAM
	if spec.Network == "udp" {
		kind = unix.SOCK_DGRAM
	}
	fd, err = unix.Socket(domain, kind|unix.SOCK_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.EAFNOSUPPORT):
		return -1, fmt.Errorf("this host has no IPv6: %w", err)
	case err != nil:
		return -1, err
	}
	if err := setOptions(fd, domain, spec); err != nil {
		unix.Close(fd)
		return -1, err
	}
	err = unix.Bind(fd, sa)
	if err == nil && spec.Network == "tcp" {
		err = unix.Listen(fd, spec.backlog()) // it too may find that another listens
	}
	if err != nil {
		unix.Close(fd)
		return -1, bindError(spec, at, err)
	}
	return fd, nil
}

// setOptions sets what must be set before bind(2).
func setOptions(fd, domain int, spec Spec) error {
	if spec.Network == "tcp" {
		// Connections of one that has ended do not bar the port. On UDP it would let others take it (socket(7)).
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
			return fmt.Errorf("cannot set SO_REUSEADDR: %w", err)
		}
	}
	if domain == unix.AF_INET6 {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, number(spec.V6Only)); err != nil {
			return fmt.Errorf("cannot set IPV6_V6ONLY: %w", err)
		}
	}
	if spec.ReusePort {
		return setReusePort(fd, true)
	}
	return nil
}

func setReusePort(fd int, on bool) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, number(on)); err != nil {
		return fmt.Errorf("cannot set SO_REUSEPORT: %w", err)
	}
	return nil
}

func number(on bool) int {
	if on {
		return 1
	}
	return 0
}

// backlog is what listen(2) is given; it takes net.core.somaxconn for what is more.
func (s Spec) backlog() int {
	if s.Backlog > 0 {
		return min(s.Backlog, math.MaxInt32)
	}
	return math.MaxInt32
}

// bindError says what bind(2) or listen(2) means with an error.
func bindError(spec Spec, at netip.AddrPort, err error) error {
	switch err {
	case unix.EADDRINUSE:
		return inetInUse(spec, at)
	case unix.EACCES:
		if first := unprivileged(); int(at.Port()) < first {
			return fmt.Errorf("%w: ports below %d take root or CAP_NET_BIND_SERVICE", err, first)
		}
	case unix.EADDRNOTAVAIL:
		return fmt.Errorf("there is no address %s on this host: %w", at.Addr(), err)
	}
	return err
}

// unprivileged is the first port that everybody may bind (ip(7), ip_unprivileged_port_start).
func unprivileged() int {
	first := 1024
	if text, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start"); err == nil {
		_, _ = fmt.Sscan(string(text), &first)
	}
	return first
}
