package forward

import (
	"encoding/binary"
	"time"
)

const (
	// A queue has room for this much, in bytes, and as much may be on its way.
	room = 512 << 10
	// A buffer that was larger goes when it is empty.
	keepable = 4 << 10
)

// A queue is messages one after the other, each with a head.
type queue []byte

const head = 8 + 8 + 4 + 1 + 1

// put appends a message; false: there is no room.
func (q *queue) put(m *message) bool {
	if len(*q)+head+len(m.text) > room {
		return false
	}
	q.add(m)
	return true
}

// add is put whatever there is.
func (q *queue) add(m *message) {
	b := *q
	b = binary.NativeEndian.AppendUint64(b, uint64(m.at.UnixMicro()))
	b = binary.NativeEndian.AppendUint64(b, uint64(m.gen))
	b = binary.NativeEndian.AppendUint32(b, uint32(len(m.text)))
	b = append(b, byte(m.stream), byte(m.severity))
	*q = append(b, m.text...)
}

// first is the first message, whose text is the queue's own, and what follows.
func (q queue) first() (m message, rest queue) {
	n := head + int(binary.NativeEndian.Uint32(q[16:]))
	m = message{
		at:     time.UnixMicro(int64(binary.NativeEndian.Uint64(q))),
		gen:    int(binary.NativeEndian.Uint64(q[8:])),
		stream: Stream(q[20]), severity: severity(q[21]),
		text: q[head:n:n],
	}
	return m, q[n:]
}

// count is how many messages there are.
func (q queue) count() (n int64) {
	for len(q) > 0 {
		_, q = q.first()
		n++
	}
	return n
}

// emptied is a buffer to be used again, or none if it would cost too much.
func emptied(b []byte) []byte {
	if cap(b) > keepable {
		return nil
	}
	return b[:0]
}
