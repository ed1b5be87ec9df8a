package listen

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A Spec is what a socket is to be. Two that are equal (==) ask for the same socket.
type Spec struct {
	Name      string // what the service file calls it
	Network   string // "tcp", "udp" or "unix" (a stream socket)
	Address   string // "HOST:PORT" with a numeric host, or an absolute path of at most 107 bytes
	V6Only    bool   // "[::]:PORT" does not take IPv4
	Backlog   int    // connections that may wait; 0 is as many as the kernel allows, which also bounds others (net.core.somaxconn)
	Mode      int    // of a unix socket's path, 0 to 0777; -1 leaves what the umask allows
	UID, GID  int    // of a unix socket's path; -1 leaves them
	ReusePort bool   // SO_REUSEPORT (socket(7)): others of the same user may bind it too; no effect on a unix socket
}

// String is the address as a service file has it: "127.0.0.1:5000", "unix:/run/x.sock", "udp:127.0.0.1:53".
func (s Spec) String() string {
	if s.Network == "tcp" {
		return s.Address
	}
	return s.Network + ":" + s.Address
}

// maxPath is the longest path of a socket: sun_path without the NUL after it, which not all servers can do without (unix(7)).
const maxPath = 107

// checkPath tells what is wrong with the path of a unix socket.
func checkPath(path string) error {
	switch {
	case !filepath.IsAbs(path):
		return errors.New("the path is not absolute")
	case len(path) > maxPath:
		return fmt.Errorf("the path has %d bytes, a unix socket's at most %d", len(path), maxPath)
	case strings.ContainsRune(path, 0):
		return errors.New("the path has a NUL in it")
	case strings.HasSuffix(path, "/"), strings.HasSuffix(path, "/."), strings.HasSuffix(path, "/.."):
		return errors.New("the path is a directory's")
	}
	return nil
}

// addrPort is the address of a socket of the Internet.
func (s Spec) addrPort() (netip.AddrPort, error) {
	at, err := netip.ParseAddrPort(s.Address)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%q is no numeric HOST:PORT", s.Address)
	}
	return at, nil
}

// sockaddr is an address as bind(2) takes it, with its family.
func sockaddr(at netip.AddrPort) (domain int, sa unix.Sockaddr, err error) {
	if at.Addr().Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}, nil
	}
	zone, err := zoneID(at.Addr().Zone())
	if err != nil {
		return 0, nil, err
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Port: int(at.Port()), Addr: at.Addr().As16(), ZoneId: zone}, nil
}

// zoneID is the index of the interface that a zone names, of "%eth0" or "%2".
func zoneID(zone string) (uint32, error) {
	if zone == "" {
		return 0, nil
	}
	if n, err := strconv.ParseUint(zone, 10, 31); err == nil {
		return uint32(n), nil
	}
	i, err := net.InterfaceByName(zone)
	if err != nil {
		return 0, fmt.Errorf("there is no interface %s on this host", zone)
	}
	return uint32(i.Index), nil
}

// address is what getsockname(2) tells, in the form of Spec.Address.
func address(fd int) (string, error) {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return "", err
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)).String(), nil
	case *unix.SockaddrInet6:
		addr := netip.AddrFrom16(sa.Addr)
		if sa.ZoneId != 0 {
			addr = addr.WithZone(strconv.Itoa(int(sa.ZoneId)))
		}
		return netip.AddrPortFrom(addr, uint16(sa.Port)).String(), nil
	case *unix.SockaddrUnix:
		return sa.Name, nil
	}
	return "", errors.New("it is no socket of the Internet and none of a path")
}
