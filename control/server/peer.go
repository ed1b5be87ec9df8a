package server

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"os/user"
	"strconv"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"gsv/supervise/status"
)

// credentials asks the kernel who connected: SO_PEERCRED and SO_PEERGROUPS (unix(7), since Linux 4.13), as they were at connect(2).
func credentials(conn syscall.Conn) (status.Caller, error) {
	var c status.Caller
	raw, err := conn.SyscallConn()
	if err != nil {
		return c, err
	}
	var inner error
	err = raw.Control(func(fd uintptr) {
		cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		if err != nil {
			inner = err
			return
		}
		c.UID, c.GID, c.Pid = cred.Uid, cred.Gid, int(cred.Pid)
		c.Groups, inner = peerGroups(int(fd))
	})
	return c, errors.Join(err, inner)
}

// peerGroups reads SO_PEERGROUPS: an array of gid_t. Too small a buffer is ERANGE, with the size that is needed.
func peerGroups(fd int) ([]uint32, error) {
	buf := make([]byte, 4*32)
	for range 4 {
		size := uint32(len(buf))
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(unsafe.SliceData(buf))), uintptr(unsafe.Pointer(&size)), 0)
		switch {
		case errno == unix.ERANGE:
			buf = make([]byte, size)
			continue
		case errno == unix.ENOPROTOOPT || errno == unix.ENODATA: // an older kernel; no credentials were taken
			return nil, nil
		case errno != 0:
			return nil, errno
		}
		groups := make([]uint32, 0, size/4)
		for b := buf[:size]; len(b) >= 4; b = b[4:] {
			groups = append(groups, binary.NativeEndian.Uint32(b))
		}
		return groups, nil
	}
	return nil, unix.ERANGE
}

// listener gives connections with their caller known, and closes those of a user who has too many already.
type listener struct {
	net.Listener
	limit  int // connections of one user that is not privileged
	exempt func(uid uint32) bool

	mu   sync.Mutex
	open map[uint32]int // by uid, of those not exempt
}

// conn is a connection that knows who is behind it.
type conn struct {
	net.Conn
	caller status.Caller
	once   sync.Once
	free   func()
}

// Accept returns only the listener's own errors: a client that has gone already or may not have another connection is passed over.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		sc, ok := c.(syscall.Conn)
		if !ok {
			c.Close()
			continue
		}
		caller, err := credentials(sc)
		if err != nil || !l.admit(caller.UID) {
			c.Close()
			continue
		}
		return &conn{Conn: c, caller: caller, free: func() { l.leave(caller.UID) }}, nil
	}
}

func (l *listener) admit(uid uint32) bool {
	if l.exempt(uid) {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[uid] >= l.limit {
		return false
	}
	l.open[uid]++
	return true
}

func (l *listener) leave(uid uint32) {
	if l.exempt(uid) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[uid]--; l.open[uid] <= 0 {
		delete(l.open, uid)
	}
}

func (c *conn) Close() error {
	c.once.Do(c.free)
	return c.Conn.Close()
}

// callerKey is where a connection's context keeps its status.Caller.
type callerKey struct{}

// withCaller is http.Server's ConnContext.
func withCaller(ctx context.Context, c net.Conn) context.Context {
	if c, ok := c.(*conn); ok {
		return context.WithValue(ctx, callerKey{}, c.caller)
	}
	return ctx
}

// callerOf is who made the request, with the name of the user; false if that is not known: nothing is permitted then.
func callerOf(ctx context.Context) (status.Caller, bool) {
	c, ok := ctx.Value(callerKey{}).(status.Caller)
	if ok {
		c.User = userName(c.UID)
	}
	return c, ok
}

// userName is the name of a user, or the number where there is none. It is shown, never compared.
func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if uid == 0 {
		return "root"
	}
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}
