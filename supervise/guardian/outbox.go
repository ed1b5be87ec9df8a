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
	queue    [][]byte
	flushing bool // the goroutine is there
	over     bool
}

func newOutbox(s *socket) *outbox { return &outbox{socket: s} }

func (o *outbox) put(m *message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over {
		return
	}
	o.buf = m.append(o.buf[:0])
	if !o.flushing && o.socket.trySend(o.buf, nil) != unix.EAGAIN {
		return // sent; or its reader is gone, and the next one will ask
	}
	o.queue = append(o.queue, slices.Clone(o.buf))
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
		for _, b := range queue {
			_ = o.socket.send(b, nil) // as in put
		}
	}
}

func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.over, o.queue = true, nil
}
