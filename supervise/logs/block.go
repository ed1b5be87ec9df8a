package logs

import (
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// While a File cannot be written and its Policy says Block, its pipes are not
// read: they fill, and the services wait. No kernel tells when a disk has room
// again, so it is tried again after blockedFirst, then each time after twice as
// long, up to blockedMost.
const (
	blockedFirst = 100 * time.Millisecond
	blockedMost  = 5 * time.Second
)

type blocked struct {
	now   bool          // nothing is tried
	delay time.Duration // until the next try; 0: it can be written
}

// block has the services of the File wait, because of why.
func (f *File) block(s *scratch, why error) {
	b := &f.blocked
	if b.delay == 0 {
		s.p.problem(Problem{Name: f.service, Waits: true, Err: fmt.Errorf("the service waits until its log can be written: cannot write to %s: %w", f.Path(), bare(why))})
		b.delay = blockedFirst
	} else {
		b.delay = min(2*b.delay, blockedMost)
	}
	b.now = true
	time.AfterFunc(b.delay, func() { s.l.post(func() { f.tryAgain(s.l) }) })
}

func (f *File) tryAgain(l *loop) {
	f.blocked.now = false
	for _, r := range slices.Clone(f.runs) {
		if r.parked && l.runs[r.key] == r {
			l.unpark(r)
		}
	}
}

// unblock says that the File can be written.
func (f *File) unblock(s *scratch) {
	if f.blocked.delay != 0 {
		f.blocked = blocked{}
		s.p.problem(Problem{Name: f.service, Waits: true})
	}
}

// park has the loop not look at a run until unpark.
func (l *loop) park(r *run) {
	if !r.parked {
		r.parked = true
		_ = unix.EpollCtl(l.epfd, unix.EPOLL_CTL_DEL, r.fd, nil)
	}
}

func (l *loop) unpark(r *run) {
	r.parked = false
	l.begin(r)
}
