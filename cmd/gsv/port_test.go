package main_test

import (
	"net"
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// ReservePort finds a port of 127.0.0.1 that nobody gets but who names it, until free is called. Its socket does not
// listen, so another with SO_REUSEADDR, which all the servers here set, can be bound beside it; the kernel gives the
// port to no bind to port 0 and no connect. A listener that is closed again reserves nothing.
func reservePort() (port string, free func(), err error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", nil, os.NewSyscallError("socket", err)
	}
	err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1))
	if err == nil {
		err = os.NewSyscallError("bind", unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	}
	var name unix.Sockaddr
	if err == nil {
		name, err = unix.Getsockname(fd)
	}
	if err != nil {
		unix.Close(fd)
		return "", nil, err
	}
	return strconv.Itoa(name.(*unix.SockaddrInet4).Port), func() { unix.Close(fd) }, nil
}

// FreePort is such a port, until the test has ended.
func freePort(t testing.TB) string {
	port, free, err := reservePort()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(free)
	return port
}

// FreeAddress is such a port with its address. Nothing listens there.
func freeAddress(t testing.TB) string { return net.JoinHostPort("127.0.0.1", freePort(t)) }
