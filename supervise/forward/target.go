package forward

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	dialTimeout  = 10 * time.Second
	writeTimeout = 10 * time.Second // of a receiver that takes nothing
	closeTimeout = time.Second
	// A connection that carries messages one after the other is given about this
	// much at once, in bytes.
	chunk = 32 << 10
)

var errSlow = errors.New("the receiver is too slow")

// A target is one receiver and what waits for it. What is not under mu belongs to
// the goroutine that sends, of which there is one while something waits.
type target struct {
	to   string // for people
	form form
	dial dialer

	firstDelay, maxDelay time.Duration // before it is tried again

	ctx    context.Context // ends when Close gives up
	cancel context.CancelFunc

	mu      sync.Mutex
	waiting queue
	gap     int64 // lines dropped since; they follow what waits
	gapGen  int   // of the newest of those
	lost    int64 // lines dropped since the last problem was over
	told    int   // of this problem: 0 nothing, 1 that lines wait, 2 that they are dropped
	why     error // the last failure; nil: none since something was sent
	sending bool  // the goroutine is there
	closed  bool

	closing chan struct{} // closed when closed is set
	running sync.WaitGroup
	tell    teller

	link     *link
	release  func() bool // has Close forget the link
	spare    []byte      // a buffer for waiting
	out      []byte      // what is written next
	one      []byte      // a message of it
	failures int         // since something was sent
}

func newTarget(to string, f form, dial dialer, problem func(Problem)) *target {
	t := &target{to: to, form: f, dial: dial, firstDelay: 100 * time.Millisecond, maxDelay: 30 * time.Second,
		closing: make(chan struct{}), tell: teller{do: problem}}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t
}

// offer takes a message, or counts it.
func (t *target) offer(m *message) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	// After a gap nothing is taken, though it had room, until the gap has its place.
	if t.gap > 0 || !t.waiting.put(m) {
		t.gap++
		t.gapGen = m.gen
		t.lost++
		t.troubled(2)
		return
	}
	if !t.sending {
		t.sending = true
		t.running.Go(t.send)
	}
}

// troubled tells of a problem, unless that much was told. mu is held.
func (t *target) troubled(level int) {
	if t.told >= level {
		return
	}
	t.told = level
	why := t.why
	if why == nil {
		why = errSlow
	}
	t.tell.add(Problem{To: t.to, Err: why, Dropping: level == 2})
}

// send is the goroutine: it sends until nothing waits.
func (t *target) send() {
	for {
		batch := t.take()
		if batch == nil {
			return
		}
		rest := batch
		for len(rest) > 0 {
			var err error
			if rest, err = t.sendSome(rest); err != nil && !t.failed(err) {
				t.giveUp(rest)
				return
			}
		}
		t.spare = batch
	}
}

// take is what waits, with what is to be said of a gap; nil: nothing, and the
// goroutine ends.
func (t *target) take() queue {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.waiting) == 0 {
		if t.told > 0 {
			t.tell.add(Problem{To: t.to, Dropped: t.lost})
			t.told, t.lost = 0, 0
		}
		t.stopped()
		return nil
	}
	batch := t.waiting
	t.waiting, t.spare = t.spare[:0], nil
	if t.gap > 0 {
		text := fmt.Appendf(nil, "[gsv: %d lines are missing here]", t.gap)
		if t.gap == 1 {
			text = []byte("[gsv: a line is missing here]")
		}
		batch.add(&message{at: time.Now(), gen: t.gapGen, severity: warning, text: text})
		t.gap = 0
	}
	return batch
}

// stopped notes the end of the goroutine. mu is held.
func (t *target) stopped() {
	t.sending = false
	t.out, t.one, t.spare = emptied(t.out), emptied(t.one), emptied(t.spare)
	t.waiting = emptied(t.waiting)
}

// giveUp counts what Close did not wait for.
func (t *target) giveUp(rest queue) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lost += rest.count() + t.waiting.count()
	why := t.why
	if why == nil {
		why = errSlow
	}
	t.tell.add(Problem{To: t.to, Err: why, Dropping: true, Dropped: t.lost})
	t.waiting = nil
	t.stopped()
}

// failed notes that the receiver does not take anything and waits until it is
// tried again; false: it is not, for Close has begun.
func (t *target) failed(err error) bool {
	t.unlink()
	select {
	case <-t.closing:
		return false
	default:
	}
	delay := min(t.firstDelay<<min(t.failures, 20), t.maxDelay)
	t.failures++
	t.mu.Lock()
	t.why = err
	// Not of a receiver that is just being restarted.
	if delay >= 10*t.firstDelay || timedOut(err) {
		t.troubled(1)
	}
	t.mu.Unlock()
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.closing: // once more
	}
	return true
}

func (t *target) unlink() {
	if t.link != nil {
		t.release()
		t.link.Close()
		t.link = nil
	}
}

// connect makes sure that there is a link that somebody listens to, as far as
// that can be seen.
func (t *target) connect() error {
	if l := t.link; l != nil && (!l.until.IsZero() && time.Now().After(l.until) || l.framing != datagrams && l.left()) {
		t.unlink()
	}
	if t.link != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(t.ctx, dialTimeout)
	defer cancel()
	l, err := t.dial(ctx)
	if err != nil {
		return fmt.Errorf("cannot connect: %w", bare(err))
	}
	t.link = l
	t.release = context.AfterFunc(t.ctx, func() { _ = l.SetWriteDeadline(time.Unix(1, 0)) })
	return nil
}

// sendSome sends the first messages of q and returns those that were not sent.
func (t *target) sendSome(q queue) (queue, error) {
	if err := t.connect(); err != nil {
		return q, err
	}
	if err := t.link.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return q, err
	}
	if err := t.ctx.Err(); err != nil { // or else release sees to it
		return q, err
	}
	send := t.stream
	if t.link.framing == datagrams {
		send = t.datagrams
	}
	rest, err := send(q)
	if len(rest) < len(q) {
		t.succeeded()
	}
	if err != nil {
		return rest, fmt.Errorf("cannot write: %w", bare(err))
	}
	return rest, nil
}

func (t *target) succeeded() {
	if t.failures > 0 {
		t.failures = 0
		t.mu.Lock()
		t.why = nil
		t.mu.Unlock()
	}
}

// stream writes a chunk of messages. Of one that was written in part the whole is
// sent again, on another connection.
func (t *target) stream(q queue) (queue, error) {
	t.out = t.out[:0]
	rest := q
	for len(rest) > 0 && len(t.out) < chunk {
		var m message
		m, rest = rest.first()
		t.out = t.framed(t.out, &m)
	}
	n, err := t.link.Write(t.out)
	if err == nil {
		return rest, nil
	}
	left := q
	for len(left) > len(rest) { // those that were written as a whole need it no more
		m, after := left.first()
		if n -= len(t.framed(t.out[:0], &m)); n < 0 {
			break
		}
		left = after
	}
	return left, err
}

// framed appends a message as the link wants it.
func (t *target) framed(b []byte, m *message) []byte {
	if t.link.framing == ended {
		m.text = oneLine(m.text)
		return append(t.form(b, m), '\n')
	}
	t.one = t.form(t.one[:0], m)
	b = strconv.AppendInt(b, int64(len(t.one)), 10)
	b = append(b, ' ')
	return append(b, t.one...)
}

// datagrams sends a chunk of messages, one by one.
func (t *target) datagrams(q queue) (queue, error) {
	for end := len(q) - chunk; len(q) > 0 && len(q) > end; {
		rest, err := t.datagram(q)
		if err != nil {
			return q, err
		}
		q = rest
	}
	return q, nil
}

// datagram sends one message; of one that is too long for a datagram, as much as
// there is room for.
func (t *target) datagram(q queue) (queue, error) {
	m, rest := q.first()
	for refused := false; ; {
		t.out = t.form(t.out[:0], &m)
		_, err := t.link.Write(t.out)
		switch {
		case err == nil:
			return rest, nil
		case errors.Is(err, syscall.EMSGSIZE):
			if len(m.text) == 0 {
				return rest, nil // nothing of it can ever be sent
			}
			m.text = m.text[:len(m.text)-max(1, len(m.text)/8)]
		case t.link.lossy && errors.Is(err, syscall.ECONNREFUSED):
			// Said of the message before, which is lost; of this nothing is known.
			if refused {
				return rest, nil
			}
			refused = true
		default:
			return q, err
		}
	}
}

// close ends the target, when what waits is sent or soon.
func (t *target) close() {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return
	}
	t.closed = true
	close(t.closing)
	t.mu.Unlock()
	done := make(chan struct{})
	go func() {
		t.running.Wait()
		t.unlink()
		close(done)
	}()
	timer := time.NewTimer(closeTimeout)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
	t.cancel()
}
