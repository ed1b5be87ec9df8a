package supervise

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"

	"golang.org/x/sys/unix"

	"gsv/supervise/definition"
	"gsv/supervise/guardian"
	"gsv/supervise/lifecycle"
	"gsv/supervise/status"
)

// A gift is what a run is started with to say that it is ready.
type gift struct {
	b     *birth
	files []guardian.File // of the child: the index is the number
	keep  []guardian.File // of the guardian
	held  []*os.File      // of those that the guardian kept, what came back
}

// By s6's convention a service says that it is ready by a newline to a descriptor
// that it has inherited (s6-notifywhenup.html); what comes before that is not looked
// at, and nothing after it.

func noNewline(d *definition.Definition) string {
	return fmt.Sprintf("has not written a newline to descriptor %d", d.Ready.FD)
}

// givePipe makes the descriptor. The numbers between it and the others stay free.
func givePipe(s *Supervisor, svc *service, gen int, r *run, g *gift) error {
	fd := r.def.Ready.FD
	if fd < len(g.files) {
		return fmt.Errorf("descriptor %d of ready.fd is one of its sockets, or of its output", fd)
	}
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("cannot make the pipe of ready.fd: %w", os.NewSyscallError("pipe2", err))
	}
	reader, writer := os.NewFile(uintptr(ends[0]), "ready.fd"), os.NewFile(uintptr(ends[1]), "ready.fd")
	if err := s.awaitNewline(svc, gen, r, reader); err != nil {
		reader.Close()
		writer.Close()
		return err
	}
	for len(g.files) < fd {
		g.files = append(g.files, guardian.File{})
	}
	g.files = append(g.files, guardian.File{File: writer})
	g.keep = append(g.keep, guardian.File{File: reader})
	return nil
}

func regainPipe(s *Supervisor, svc *service, gen int, r *run, g *gift) error {
	if len(g.held) == 0 {
		r.saw = "has nobody to write a newline to since its gsv was killed"
		return nil
	}
	return s.awaitNewline(svc, gen, r, g.held[0])
}

// awaitNewline says that a run is ready when it has written a newline to a pipe.
// The file stays the caller's.
func (s *Supervisor) awaitNewline(svc *service, gen int, r *run, pipe *os.File) error {
	reader, err := polled(pipe)
	if err != nil {
		return fmt.Errorf("cannot read the pipe of ready.fd: %w", err)
	}
	r.hearing = func() { reader.Close() }
	go func() {
		defer reader.Close()
		err := newline(reader)
		if errors.Is(err, os.ErrClosed) {
			return
		}
		s.report(func() {
			switch {
			case err == nil:
				s.proven(svc, gen, r)
			case !r.over && svc.runs[gen] == r:
				r.saw = fmt.Sprintf("has closed descriptor %d without a newline", r.def.Ready.FD)
				s.event(status.Event{Service: svc.name, Kind: "ready", Text: r.saw, Pid: r.pid})
			}
		})
	}()
	return nil
}

// polled is another descriptor of a pipe, for which Go's runtime waits.
func polled(pipe *os.File) (*os.File, error) {
	raw, err := pipe.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd := -1
	if e := raw.Control(func(old uintptr) {
		if fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 3); err == nil {
			err = unix.SetNonblock(fd, true) // nobody else reads from it
		}
	}); e != nil {
		err = e
	}
	if err != nil {
		if fd >= 0 {
			unix.Close(fd)
		}
		return nil, err
	}
	return os.NewFile(uintptr(fd), pipe.Name()), nil
}

// newline waits until there is a newline in a pipe, and leaves it there: whoever
// reads the pipe next finds it again. The error is os.ErrClosed when the file is
// closed, and another one when nobody can write there any more.
func newline(pipe *os.File) error {
	raw, err := pipe.SyscallConn()
	if err != nil {
		return err
	}
	var look [2]int
	if err := unix.Pipe2(look[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return os.NewSyscallError("pipe2", err)
	}
	defer unix.Close(look[0])
	defer unix.Close(look[1])
	buf := make([]byte, 4<<10)
	var failed error
	if err := raw.Read(func(fd uintptr) bool {
		for {
			n, err := unix.Tee(int(fd), look[1], len(buf), unix.SPLICE_F_NONBLOCK)
			switch {
			case err == unix.EINTR:
				continue
			case err == unix.EAGAIN:
				return false
			case err != nil:
				failed = os.NewSyscallError("tee", err)
				return true
			case n == 0:
				failed = errors.New("nobody writes there")
				return true
			}
			have, err := unix.Read(look[0], buf[:n])
			if err != nil || bytes.IndexByte(buf[:have], '\n') >= 0 {
				failed = os.NewSyscallError("read", err)
				return true
			}
			if _, err := unix.Read(int(fd), buf[:have]); err != nil {
				failed = os.NewSyscallError("read", err)
				return true
			}
		}
	}); err != nil {
		return os.ErrClosed
	}
	return failed
}

// A line of its output is what another service says that it is ready by.

func noLine(d *definition.Definition) string {
	return "has written no line that matches " + strconv.Quote(d.Ready.LogLine)
}

func tapNew(s *Supervisor, svc *service, gen int, r *run, _ *gift) error {
	return s.awaitLine(svc, gen, r, false)
}

func tapOld(s *Supervisor, svc *service, gen int, r *run, _ *gift) error {
	for _, known := range svc.state.Runs { // as it was when that was written
		if known.Gen == gen && known.Phase != lifecycle.Starting {
			return nil
		}
	}
	return s.awaitLine(svc, gen, r, true)
}

// tapNow is tapOld where that was not done before, or by another definition.
func tapNow(s *Supervisor, svc *service, gen int, r *run) {
	if err := s.awaitLine(svc, gen, r, true); err != nil {
		r.saw = err.Error()
	}
}

// awaitLine says that a run is ready when it writes a line that matches. again: an
// earlier supervisor may have seen it.
func (s *Supervisor) awaitLine(svc *service, gen int, r *run, again bool) error {
	pattern := r.def.Ready.LogLine
	if r.awaits == pattern {
		return nil
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return fmt.Errorf("cannot look for a line of its output: %w", err)
	}
	key := svc.logKey(gen)
	r.awaits, r.saw = pattern, noLine(r.def)
	r.hearing = func() { s.pump.Untap(key) }
	proven := func() {
		if r.awaits == pattern {
			s.proven(svc, gen, r)
		}
	}
	// A successor that a main process has started itself writes to the same pipe.
	seen := s.pump.Tap(key, strconv.Itoa(gen)+" "+pattern, again, func(line []byte) bool {
		if !re.Match(bytes.TrimSuffix(line, []byte("\r"))) {
			return false
		}
		go s.report(proven)
		return true
	})
	if seen {
		s.due.add(now(), nil, proven) // when the service is known again
	}
	return nil
}

// dropReady ends what waits for a run to say that it is ready, when it is over.
func (r *run) dropReady() {
	if r.probe != nil {
		r.probe()
		r.probe = nil
	}
	if r.hearing != nil {
		r.hearing()
		r.hearing = nil
	}
}
