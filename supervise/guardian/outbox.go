package guardian

import (
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// An outbox sends messages in order without ever waiting: what finds no room is sent by a goroutine.
type outbox struct {
	socket *socket

	mu       sync.Mutex
	buf      []byte
	queue    []letter
	flushing bool // the goroutine is there
	over     bool
}

// A letter is a message that waits, with duplicates of the files to send along.
type letter struct {
	b     []byte
	files []int
}

func newOutbox(s *socket) *outbox { return &outbox{socket: s} }

// put sends a message with files, which stay the caller's.
func (o *outbox) put(m *message, files []int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over {
		return
	}
	o.buf = m.append(o.buf[:0])
	if !o.flushing && o.socket.trySend(o.buf, files) != unix.EAGAIN {
		return // sent; or its reader is gone, and the next one will ask
	}
	o.queue = append(o.queue, letter{slices.Clone(o.buf), duplicates(files)})
	if !o.flushing {
		o.flushing = true
		go o.flush()
	}
}

// flush sends the queue, and ends when it is empty.
func (o *outbox) flush() {
	for {
		o.mu.Lock()
		queue := o.queue
		o.queue = nil
		if len(queue) == 0 {
			o.flushing = false
			o.mu.Unlock()
			return
		}
		o.mu.Unlock()
		for _, l := range queue {
			_ = o.socket.send(l.b, l.files) // as in put
			closeAll(l.files)
		}
	}
}

func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, l := range o.queue {
		closeAll(l.files)
	}
	o.over, o.queue = true, nil
}

// duplicates returns copies of files; one that cannot be made is missing, and the receiver notices.
func duplicates(files []int) []int {
	var copies []int
	for _, fd := range files {
		if c, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0); err == nil {
			copies = append(copies, c)
		}
	}
	return copies
}
