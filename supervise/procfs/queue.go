package procfs

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Queue counts the connections that wait to be accepted on all the TCP sockets
// that a process listens on; 0 too where it listens on none. It takes the right
// to trace the process (see Shows), or the error is EACCES. It is ESRCH where
// there is no such process.
func Queue(pid int) (waiting int, err error) {
	proc := "/proc/" + strconv.Itoa(pid)
	sockets := make(map[uint64]bool)
	err = withRights(pid, func() error {
		return eachFd(proc+"/fd", func(_ string, target []byte) {
			if inode, ok := strings.CutPrefix(string(target), "socket:["); ok {
				if n, err := strconv.ParseUint(strings.TrimSuffix(inode, "]"), 10, 64); err == nil {
					sockets[n] = true
				}
			}
		})
	})
	if err == nil && len(sockets) > 0 {
		for _, name := range []string{"/net/tcp", "/net/tcp6"} {
			n, err2 := queued(proc+name, sockets)
			if err2 == unix.ESRCH && name == "/net/tcp6" && unix.Access(proc, unix.F_OK) == nil {
				break // a kernel without IPv6
			}
			waiting, err = waiting+n, err2
			if err != nil {
				break
			}
		}
	}
	if err != nil {
		return 0, fmt.Errorf("cannot tell who waits for process %d: %w", pid, err)
	}
	return waiting, nil
}

// queued adds up the accept queues of those sockets in a table of proc_net(5).
// Listening sockets come first in it (tcp_get_idx, net/ipv4/tcp_ipv4.c), so the
// rest, which may be long, is not read.
func queued(path string, sockets map[uint64]bool) (waiting int, err error) {
	fd, err := openFile(path)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	buf := make([]byte, 4<<10) // 150 bytes are a line
	n, first := 0, true
	for {
		m, err := unix.Read(fd, buf[n:])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return 0, err
		}
		n += m
		rest := buf[:n]
		for {
			line, after, whole := bytes.Cut(rest, []byte("\n"))
			if !whole {
				break
			}
			rest = after
			if first {
				first = false // the names of the columns
				continue
			}
			s, err := parseSocket(line)
			if err != nil {
				return 0, err
			}
			if !s.listens {
				return waiting, nil
			}
			if sockets[s.inode] {
				waiting += s.queue
			}
		}
		if m == 0 || len(rest) == len(buf) {
			return waiting, nil
		}
		n = copy(buf, rest)
	}
}

type socket struct {
	listens bool
	queue   int // of a socket that listens: connections to be accepted
	inode   uint64
}

// parseSocket reads a line of /proc/PID/net/tcp: "sl: local remote st
// tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode …". The rx_queue of a
// socket that listens, state 0A, is its sk_ack_backlog (get_tcp4_sock).
func parseSocket(line []byte) (socket, error) {
	f := bytes.Fields(line)
	if len(f) < 10 {
		return socket{}, errStat
	}
	_, rx, ok := bytes.Cut(f[4], []byte(":"))
	queue, err1 := strconv.ParseUint(string(rx), 16, 31)
	inode, err2 := strconv.ParseUint(string(f[9]), 10, 64)
	listens := string(f[3]) == "0A"
	if !ok || listens && err1 != nil || err2 != nil {
		return socket{}, errStat
	}
	return socket{listens, int(queue), inode}, nil
}
