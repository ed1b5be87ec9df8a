package forward

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// left reports whether the receiver has closed its end: what is written then the
// kernel takes, and nobody gets.
func (l *link) left() bool {
	c, ok := l.Conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return true
	}
	gone := false
	err = raw.Control(func(fd uintptr) {
		var b [1]byte
		n, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		gone = err == nil && n == 0 || err != nil && err != unix.EAGAIN && err != unix.EINTR
	})
	return gone || err != nil
}

// bare takes the addresses off an error, and what was done: that is said already.
func bare(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok && op == err {
		err = op.Err
	}
	if call, ok := errors.AsType[*os.SyscallError](err); ok && call == err {
		err = call.Err
	}
	return err
}

func timedOut(err error) bool {
	n, ok := errors.AsType[net.Error](err)
	return ok && n.Timeout()
}

// A teller calls a function from a goroutine that is there while it has something
// to tell.
type teller struct {
	do func(Problem)

	mu    sync.Mutex
	queue []Problem // not nil: the goroutine is there
}

func (t *teller) add(p Problem) {
	if t.do == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.queue == nil {
		go t.loop()
	}
	t.queue = append(t.queue, p)
}

func (t *teller) loop() {
	for {
		t.mu.Lock()
		if len(t.queue) == 0 {
			t.queue = nil
			t.mu.Unlock()
			return
		}
		p := t.queue[0]
		t.queue = t.queue[1:]
		t.mu.Unlock()
		t.do(p)
	}
}
