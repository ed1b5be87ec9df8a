package logs

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"gsv/supervise/terminal"
)

// A Lines writes the output of many services to one file, gsv's own standard
// output: whole lines, never two mixed. As gives the sink of one service.
//
// When its reader is slow, the services wait. When it cannot be written (its
// reader has gone), output is dropped. See Problem for both. What goes to a
// terminal is made harmless, to anything else bytes go as they are.
type Lines struct {
	out    *os.File
	fd     int
	screen bool // a terminal
	wait   patience

	// The loop's own:
	gap  int64 // bytes dropped since the last that was written
	open bool  // what was written last is not the end of a line
	last Key   // the run that wrote it
}

// NewLines returns a Lines that writes to out, which must stay open, and whose
// modes it leaves as they are. All runs of a Pump share one Lines.
func NewLines(out *os.File) (*Lines, error) {
	w := &Lines{out: out}
	// Not Fd, which would clear O_NONBLOCK for all who share the description.
	c, err := out.SyscallConn()
	if err == nil {
		err = c.Control(func(fd uintptr) { w.fd = int(fd) })
	}
	if err != nil {
		return nil, fmt.Errorf("cannot write output: %w", err)
	}
	_, err = unix.IoctlGetTermios(w.fd, unix.TCGETS)
	w.screen = err == nil
	return w, nil
}

// write writes b, which is of run r, however long that takes. goesOn: b goes on
// with the line that r has begun; else what is no end of a line gets one first.
func (w *Lines) write(r *run, s *scratch, b []byte, goesOn bool) {
	if len(b) == 0 {
		return
	}
	if w.screen {
		b = terminal.HarmlessBytes(b)
	}
	ended := 0
	if w.open && (!goesOn || w.last != r.key || w.gap > 0) {
		b = append([]byte{'\n'}, b...)
		ended = 1
	}
	w.last = r.key
	w.wait.begin(s.p)
	left := w.put(s, b)
	w.wait.end()
	w.gap += int64(min(left, len(b)-ended))
}

// put writes b, and returns how many bytes of it could not be written.
func (w *Lines) put(s *scratch, b []byte) int {
	for len(b) > 0 {
		n, err := unix.Write(w.fd, b)
		switch {
		case n > 0:
			w.open = b[n-1] != '\n'
			b = b[n:]
			if w.gap > 0 {
				s.p.problem(Problem{Dropped: w.gap})
				w.gap = 0
			}
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			// Somebody who shares the description has made it non-blocking.
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLOUT}}, -1)
		default:
			if w.gap == 0 {
				s.p.problem(Problem{Err: fmt.Errorf("cannot write to %s: %w", w.out.Name(), err)})
			}
			return len(b)
		}
	}
	return 0
}
