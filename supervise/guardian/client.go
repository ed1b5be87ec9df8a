package guardian

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gsv/supervise/spawn"
)

// maxStarts is how many starts may be unanswered; the others wait in the client.
const maxStarts = 16

// A Client is the supervisor's end. Its methods but for Dial, Running and Exit never block; they may be called by any goroutine.
type Client struct {
	// Events are what the guardian tells, in its order. It is closed when the guardian is gone: the supervisor must end then.
	Events <-chan Event

	socket *socket
	hello  Hello
	held   map[string]*os.File // set by Running
	events chan Event

	mu      sync.Mutex
	queue   []*packet        // to be sent
	waiting []*packet        // starts that wait for others to be answered
	asked   map[run]struct{} // starts that were queued and not answered
	sending bool             // the sender has packets, or will have: nobody else may send
	over    bool             // the guardian is gone, or Exit was called
	nudge   chan struct{}    // for the sender; holds one
	drained chan struct{}    // closed by the sender at its end
	leaving chan struct{}    // closed by Exit: nobody need read events
}

// A run is one incarnation of a service.
type run struct {
	key string
	n   uint64
}

// Dial takes the socket with number fd over, 3 for a supervisor that Run has started, says hello and waits for the answer.
// A supervisor must go on to Running within 30 seconds of its start.
func Dial(fd int) (*Client, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, fmt.Errorf("cannot use the guardian's socket: %w", err)
	}
	unix.CloseOnExec(fd)
	s, err := newSocket(fd)
	if err != nil {
		return nil, fmt.Errorf("cannot use the guardian's socket: %w", err)
	}
	c := &Client{
		socket: s, events: make(chan Event, 64), asked: map[run]struct{}{},
		nudge: make(chan struct{}, 1), drained: make(chan struct{}), leaving: make(chan struct{}),
	}
	c.Events = c.events
	m, err := c.ask(kindHello)
	if err == nil && m.kind != kindHello {
		err = errMessage
	}
	if err != nil {
		s.close()
		return nil, fmt.Errorf("cannot greet the guardian: %w", err)
	}
	c.hello = Hello{Pid: int(m.pid), StartTime: m.num, Deaths: int(m.n)}
	go c.send()
	return c, nil
}

// ask sends a message without arguments, before there is a sender, and returns the next message.
func (c *Client) ask(k kind) (message, error) {
	if err := c.socket.send((&message{kind: k}).append(nil), nil); err != nil {
		return message{}, err
	}
	m, _, _, err := c.socket.receive()
	return m, err
}

// Hello returns what the guardian said at Dial.
func (c *Client) Hello() Hello { return c.hello }

// Running returns the runs that the guardian knows, with copies of the files that are held for them, which are the caller's to close. It must be
// called once, before Events is read: events come only after it.
func (c *Client) Running() ([]Process, error) {
	c.post(&packet{message: message{kind: kindRunning}})
	var list []Process
	for {
		m, files, _, err := c.socket.receive()
		if err != nil {
			return nil, fmt.Errorf("cannot learn what is running: %w", err)
		}
		switch m.kind {
		case kindProcess:
			var held []*os.File // none of them if one was lost on the way
			for _, fd := range files {
				held = append(held, unpolled(fd, "held for "+m.key))
			}
			list = append(list, Process{
				Key: m.key, N: m.n, Pid: int(m.pid), StartTime: m.num, Held: held,
				Ended: m.flags&flagEnded != 0, Acked: m.flags&flagAcked != 0, Left: m.flags&flagLeft != 0,
			})
		case kindHeld:
			if len(files) == 0 {
				continue // lost on the way
			}
			if c.held == nil {
				c.held = map[string]*os.File{}
			}
			c.held[m.key] = unpolled(files[0], m.key)
		case kindListed:
			go c.receive()
			return list, nil
		}
	}
}

// Start starts run n of key: files[i] becomes its fd i, which is closed if files[i] is the zero File; keep is held open by the guardian until Release.
// It is answered by Started, and by Ended sooner or later; by Ended alone if it never became a process.
// A start of a run that the guardian knows is answered again and not done again. No more than 252 files and a key of no more than 1024 bytes.
func (c *Client) Start(key string, n uint64, spec *spawn.Spec, files, keep []File) {
	p := &packet{message: message{kind: kindStart, key: key, n: n}, spec: spec.AppendTo(nil), files: files, keep: keep}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		p.close()
		return
	}
	if len(c.asked) >= maxStarts {
		c.waiting = append(c.waiting, p)
		return
	}
	c.ready(p)
}

// Arm has the guardian start run n of key by itself, at once, when the main process of run n-1 ends and leaves nothing of its process group.
// That is told by an Ended of run n-1 with Next, followed by what answers a Start of run n. It is not done, and not told, if run n-1 has no main
// process when this arrives or leaves something, once a shutdown has begun, or if the guardian is short of descriptors; a new supervisor finds nothing armed.
// Another Arm of run n replaces it; Disarm, and a Start or Adopt of run n, drop it. Several runs of a key may be there at a time, and an Arm
// of one that is there already is dropped: nothing follows run n-1 then. The arguments are those of Start.
func (c *Client) Arm(key string, n uint64, spec *spawn.Spec, files, keep []File) {
	c.post(&packet{message: message{kind: kindArm, key: key, n: n}, spec: spec.AppendTo(nil), files: files, keep: keep})
}

// Disarm takes an Arm back, if run n was not started by it yet.
func (c *Client) Disarm(key string, n uint64) {
	c.post(&packet{message: message{kind: kindDisarm, key: key, n: n}})
}

// Signal sends sig to the main process of a run, or to its whole process group. A Signalled with the token answers, if that is not 0.
// The main process of a run that ended, and a group of which nothing is left, are nobody: ESRCH. A start that still waits is sent first.
func (c *Client) Signal(token uint64, key string, n uint64, sig syscall.Signal, group bool) {
	m := message{kind: kindSignal, key: key, n: n, num: token, status: uint32(sig)}
	if group {
		m.flags = flagGroup
	}
	c.post(&packet{message: m})
}

// Stop is Signal with a CONT after it, for one that is paused hears of nothing else. Nothing answers.
func (c *Client) Stop(key string, n uint64, sig syscall.Signal, group bool) {
	m := message{kind: kindSignal, key: key, n: n, status: uint32(sig), flags: flagWake}
	if group {
		m.flags |= flagGroup
	}
	c.post(&packet{message: m})
}

// Ack says that the end of a run is known for good: it will not be told again.
func (c *Client) Ack(key string, n uint64) {
	c.post(&packet{message: message{kind: kindAck, key: key, n: n}})
}

// Release closes the files that are held for a run.
func (c *Client) Release(key string, n uint64) {
	c.post(&packet{message: message{kind: kindRelease, key: key, n: n}})
}

// AckTold says that a Told has been acted on: it will not be told again.
func (c *Client) AckTold(seq uint64) {
	c.post(&packet{message: message{kind: kindAck, n: seq}})
}

// Serving says that this supervisor has recovered: earlier deaths no longer count against the next one.
func (c *Client) Serving() { c.post(&packet{message: message{kind: kindServing}}) }

// Adopt makes a process that the guardian did not start the main process of a run. It is answered as a Start is. If the process is gone, or
// another one with a different start time has its pid, Ended says so, with Unknown. A process that is not the guardian's child ends with Unknown
// on Linux before 6.15, unless it became one because its parent ended first. Only a process that leads its group has a group to be signalled.
//
// A process in the group of another run takes that group away from that run, for good: a clean-up of the one must not hit the other. From then on
// that run is its main process alone: it has no group to be signalled, it leaves nothing, and if it has ended already, Empty says so before
// the Adopt is answered. Who wants the rest of such a group gone must signal each process; only the guardian's own end by a second TERM reaches it.
func (c *Client) Adopt(key string, n uint64, pid int, startTime uint64) {
	c.post(&packet{message: message{kind: kindAdopt, key: key, n: n, pid: int32(pid), num: startTime}})
}

// Keep has the guardian hold files for a run until Release, as Start's keep is held: for one that was adopted. Of a run that has some it
// changes nothing, nor does it of one that the guardian does not know.
func (c *Client) Keep(key string, n uint64, keep []File) {
	c.post(&packet{message: message{kind: kindKeep, key: key, n: n}, keep: keep})
}

// Exit ends gsv: the guardian ends with status as soon as this process has. Exit returns when that, and all before it, has been sent.
// Nothing may be asked of the guardian afterwards. It is to be called once.
func (c *Client) Exit(status int) {
	close(c.leaving)
	c.post(&packet{message: message{kind: kindExit, status: uint32(status)}, last: true})
	<-c.drained
}

// post queues a message. Before one about a run whose start still waits, that start is queued.
func (c *Client) post(p *packet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		p.close()
		return
	}
	if p.last {
		c.over = true
		c.queue = append(c.queue, c.waiting...)
		c.waiting = nil
	}
	if p.key != "" && len(c.waiting) > 0 {
		r := run{p.key, p.n}
		if p.kind == kindArm {
			r.n--
		}
		c.hurry(r)
	}
	c.enqueue(p)
}

// enqueue has a packet sent: at once if that does not have to wait, else by the sender, after those before it. The caller holds mu.
func (c *Client) enqueue(p *packet) {
	if !c.sending && !p.last && c.now(p) {
		return
	}
	p.own()
	c.queue = append(c.queue, p)
	c.sending = true
	c.wake()
}

// now sends a packet if there is room for it, and reports whether it did. What is out of the ordinary is left to the sender.
func (c *Client) now(p *packet) bool {
	if len(p.spec) > maxInline {
		return false
	}
	var fds []int
	if p.kind.carries() {
		var err error
		if fds, err = p.seal(); err != nil {
			return false
		}
	}
	if c.socket.trySend(p.append(nil), fds) != nil {
		return false
	}
	p.close()
	return true
}

// hurry queues the start of r if it waits. The caller holds mu.
func (c *Client) hurry(r run) {
	for i, p := range c.waiting {
		if p.key == r.key && p.n == r.n {
			c.waiting = append(c.waiting[:i:i], c.waiting[i+1:]...)
			c.ready(p)
			return
		}
	}
}

// ready queues a start. The caller holds mu.
func (c *Client) ready(p *packet) {
	c.asked[run{p.key, p.n}] = struct{}{}
	c.enqueue(p)
}

// answered lets the next start go.
func (c *Client) answered(r run) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.asked, r)
	for len(c.waiting) > 0 && len(c.asked) < maxStarts {
		p := c.waiting[0]
		c.waiting[0] = nil
		c.waiting = c.waiting[1:]
		c.ready(p)
	}
}

func (c *Client) wake() {
	select {
	case c.nudge <- struct{}{}:
	default: // it will look anyway
	}
}

// send is the sender: it empties the queue until the guardian is gone or Exit was sent.
func (c *Client) send() {
	defer close(c.drained)
	for {
		c.mu.Lock()
		queue := c.queue
		c.queue = nil
		c.sending = len(queue) > 0
		gone := c.over && len(queue) == 0
		c.mu.Unlock()
		for i, p := range queue {
			if err := c.deliver(p); err != nil {
				c.abandon(queue[i+1:])
				return
			}
			if p.last {
				return
			}
		}
		if gone {
			return
		}
		<-c.nudge
	}
}

// deliver sends a packet. A start that cannot be sent has failed, and only that, an armed one is dropped, and what cannot be kept is not; any other loss makes an error,
// as the guardian and the supervisor would no longer agree.
func (c *Client) deliver(p *packet) error {
	defer p.close()
	if !p.kind.carries() {
		return c.socket.send(p.append(nil), nil)
	}
	fds, err := p.seal()
	if err == nil {
		err = c.socket.send(p.append(nil), fds)
	}
	if p.flags&flagSpecFile != 0 {
		_ = unix.Close(fds[len(fds)-1])
	}
	if err == nil {
		return nil
	}
	errno := syscall.EIO
	if p.kind == kindHold || !errors.As(err, &errno) || errno == syscall.EPIPE || errno == syscall.ECONNRESET {
		return err
	}
	if p.kind == kindArm || p.kind == kindKeep {
		return nil
	}
	c.answered(run{p.key, p.n})
	select {
	case c.events <- Ended{Key: p.key, N: p.n, Failure: &spawn.Failure{Step: spawn.StepFiles, Errno: errno}, At: time.Now()}:
	case <-c.leaving:
	}
	return nil
}

// abandon ends the client when the guardian is gone: rest are the packets that were taken from the queue.
func (c *Client) abandon(rest []*packet) {
	c.socket.shutdown() // so that receive ends
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	for _, list := range [...][]*packet{rest, c.queue, c.waiting} {
		for _, p := range list {
			p.close()
		}
	}
	c.queue, c.waiting = nil, nil
}

// receive turns messages into events until the guardian is gone.
func (c *Client) receive() {
	defer close(c.events)
	for {
		m, _, _, err := c.socket.receive()
		if err != nil {
			break
		}
		switch m.kind {
		case kindStarted, kindEnded:
			c.answered(run{m.key, m.n})
		}
		if e := m.event(); e != nil {
			c.events <- e
		}
	}
	c.abandon(nil)
	c.wake()
	<-c.drained // it sends events too
	c.socket.close()
}
