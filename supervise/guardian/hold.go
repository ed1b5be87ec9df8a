package guardian

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Hold has the guardian keep f open under a name, instead of what it kept under it before, until Unhold: whatever happens to supervisors.
// It is known before any Start that comes after it. f stays the caller's, who may close it at once. The guardian keeps the file description:
// it neither reads nor changes anything of it. Of a name, no more than 1024 bytes, nothing is understood; a longer one is not held.
// A closed f, or nil, is an Unhold. If the guardian is out of descriptors, it says so on its standard error, and what it kept before stays.
func (c *Client) Hold(name string, f *os.File) {
	if len(name) > maxKey {
		return
	}
	c.post(&packet{message: message{kind: kindHold, key: name}, keep: []File{{File: f, Shared: true}}})
}

// Unhold has the guardian close what it keeps under a name, if there is something.
func (c *Client) Unhold(name string) {
	if len(name) <= maxKey {
		c.post(&packet{message: message{kind: kindUnhold, key: name}})
	}
}

// Held returns copies of the files that the guardian kept when Running asked, by name; they are the caller's to close, the guardian's stay. One that
// could not be had for want of descriptors is not among them, and kept all the same. It is not to be called before Running has returned.
func (c *Client) Held() map[string]*os.File { return c.held }

// unpolled makes a file of fd that is no business of Go's poller, which would be woken by all that happens to it. The file description may be
// non-blocking, which is what os.NewFile goes by, and others use it: so it takes the place of one that is not.
func unpolled(fd int, name string) *os.File {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil || flags&unix.O_NONBLOCK == 0 {
		return os.NewFile(uintptr(fd), name)
	}
	blocking, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil { // out of descriptors: better polled than lost
		return os.NewFile(uintptr(fd), name)
	}
	f := os.NewFile(uintptr(blocking), name)
	if err := unix.Dup3(fd, blocking, unix.O_CLOEXEC); err != nil { // impossible: both are ours
		_ = f.Close()
		return os.NewFile(uintptr(fd), name)
	}
	_ = unix.Close(fd)
	return f
}

// hold keeps the file of q. If that was lost, what is there already may well be the same: a new supervisor holds again what it was handed.
func (g *guardian) hold(q request) {
	if q.lost {
		g.say("cannot hold " + strconv.Quote(q.key) + ": too many open files")
		return
	}
	g.unhold(q.key)
	if len(q.files) == 0 {
		return
	}
	if g.holds == nil {
		g.holds = map[string]int{}
	}
	g.holds[q.key] = q.files[0]
	closeAll(q.files[1:])
}

// keep holds the files of q for c, as if c had been started with them.
func (g *guardian) keep(c *child, q request) {
	if c == nil || len(c.held) > 0 || q.lost {
		closeAll(q.files)
		return
	}
	c.held = q.files
}

func (g *guardian) unhold(name string) {
	if fd, ok := g.holds[name]; ok {
		_ = unix.Close(fd)
		delete(g.holds, name)
	}
}

// listHolds tells a new supervisor what is held.
func (g *guardian) listHolds() {
	for name, fd := range g.holds {
		g.super.tellWith(&message{kind: kindHeld, key: name, files: 1}, []int{fd})
	}
}
