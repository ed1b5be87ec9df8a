package listen

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Queue is what waits at a socket.
type Queue struct {
	Waiting  int   // connections to be accepted; of a UDP socket, bytes of memory that datagrams take that were not read
	Max      int   // as many may wait; of a TCP or unix socket one more may
	Overflow int64 // what did not fit since it was bound: tries to connect, each of which TCP repeats, or datagrams; -1 where it is not known: of a unix socket, and of one with TCP_DEFER_ACCEPT (tcp(7)), as unicorn makes it
}

// Queue asks the kernel. The error is ErrShut where the socket does not listen any more.
func (s *Socket) Queue() (q Queue, err error) {
	err = s.control(func(fd int) error {
		switch s.spec.Network {
		case "tcp":
			q, err = tcpQueue(fd)
		case "udp":
			q, err = udpQueue(fd)
		default:
			q, err = s.unixQueue()
		}
		return err
	})
	if err != nil {
		return Queue{}, fmt.Errorf("cannot tell who waits at %s: %w", s.spec, err)
	}
	return q, nil
}

// ErrShut is that a socket that has listened does not any more: a process that shares it has called shutdown(2), and
// connections are refused. Adopt and Revive make it listen again.
var ErrShut = errors.New("it does not listen any more: a process has shut it down")

// tcpQueue asks for struct tcp_info, which tells of a socket that listens how many wait as tcpi_unacked, and how many
// may as tcpi_sacked (tcp_get_info, net/ipv4/tcp.c).
func tcpQueue(fd int) (Queue, error) {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return Queue{}, err
	}
	if info.State != tcpListen {
		return Queue{}, ErrShut
	}
	mem, err := memInfo(fd)
	if err != nil {
		return Queue{}, err
	}
	q := Queue{Waiting: int(info.Unacked), Max: int(info.Sacked), Overflow: int64(mem[unix.SK_MEMINFO_DROPS])} // tcp_listendrop, include/net/tcp.h
	// With it, the end of each handshake that brings no data yet counts as well (tcp_check_req, net/ipv4/tcp_minisocks.c).
	if deferred, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT); err != nil || deferred != 0 {
		q.Overflow = -1
	}
	return q, nil
}

func udpQueue(fd int) (Queue, error) {
	mem, err := memInfo(fd)
	if err != nil {
		return Queue{}, err
	}
	return Queue{Waiting: int(mem[unix.SK_MEMINFO_RMEM_ALLOC]), Max: int(mem[unix.SK_MEMINFO_RCVBUF]),
		Overflow: int64(mem[unix.SK_MEMINFO_DROPS])}, nil
}

func (s *Socket) unixQueue() (q Queue, err error) {
	found, listens := false, false
	err = diagnose(uint32(s.inode), showRqlen, func(d diagnosis) {
		q = Queue{Waiting: int(d.waiting), Max: int(d.max), Overflow: -1}
		found, listens = d.hasQueue, d.listens
	})
	switch {
	case err != nil:
		return Queue{}, err
	case !found:
		return Queue{}, errNoDiag
	case !listens:
		return Queue{}, ErrShut
	}
	return q, nil
}

// memInfo is SO_MEMINFO (Linux 4.12): indexed by SK_MEMINFO_*, linux/sock_diag.h.
func memInfo(fd int) (mem [unix.SK_MEMINFO_VARS]uint32, err error) {
	size := uint32(unsafe.Sizeof(mem))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&mem)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return mem, fmt.Errorf("cannot read SO_MEMINFO: %w", errno)
	}
	return mem, nil
}
