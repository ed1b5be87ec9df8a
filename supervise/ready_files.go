package supervise

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"regexp"

	"golang.org/x/sys/unix"

	"gsv/supervise/definition"
	"gsv/supervise/guardian"
	"gsv/supervise/lifecycle"
	"gsv/supervise/logs"
	"gsv/supervise/notify"
)

// notifies reports whether a service says by sd_notify what it does.
func notifies(d *definition.Definition) bool {
	return d.Ready.Notify || d.Type == definition.Notify
}

// readyFiles adds to a start what run gen needs to say that it is ready: files
// that it inherits, their names in its environment, and our ends of them, which
// the guardian keeps for the supervisors to come (readyHeld).
func (s *Supervisor) readyFiles(svc *service, gen int, b *birth, files, keep []guardian.File) (_, _ []guardian.File, err error) {
	d := svc.runs[gen].def
	switch fd := d.Ready.FD; {
	case notifies(d):
		sock, err := notify.Listen()
		if err != nil {
			return files, keep, err
		}
		held, err := sock.File()
		if err != nil {
			sock.Close()
			return files, keep, err
		}
		b.spec.Env = withVariables(b.spec.Env, []string{"NOTIFY_SOCKET=" + sock.Name()})
		s.hear(svc, gen, sock)
		return files, append(keep, guardian.File{File: held}), nil
	case fd > 0:
		if fd < len(files) {
			return files, keep, fmt.Errorf("ready.fd = %d is a socket's, or an output's", fd)
		}
		var ends [2]int
		if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
			return files, keep, os.NewSyscallError("pipe2", err)
		}
		reader, writer := os.NewFile(uintptr(ends[0]), "ready.fd"), os.NewFile(uintptr(ends[1]), "ready.fd")
		if err := s.awaitNewline(svc, gen, reader); err != nil {
			reader.Close()
			writer.Close()
			return files, keep, err
		}
		for len(files) < fd {
			files = append(files, guardian.File{})
		}
		return append(files, guardian.File{File: writer}), append(keep, guardian.File{File: reader}), nil
	}
	return files, keep, nil
}

// readyHeld takes up the files that readyFiles has had kept, of a run of an
// earlier supervisor's. They are the caller's to close.
func (s *Supervisor) readyHeld(svc *service, gen int, held []*os.File) {
	d := svc.runs[gen].def
	switch {
	case notifies(d):
		sock, err := notify.Adopt(held[0])
		if err != nil {
			s.say(svc.name + ": " + err.Error())
			return
		}
		s.hear(svc, gen, sock)
	case d.Ready.FD > 0:
		if err := s.awaitNewline(svc, gen, held[0]); err != nil {
			s.say(svc.name + ": " + err.Error())
		}
	}
}

// awaitNewline says that a run is ready when it writes a newline to a pipe
// (s6-notifywhenup's convention). The file stays the caller's.
func (s *Supervisor) awaitNewline(svc *service, gen int, pipe *os.File) error {
	fd, err := dup(pipe)
	if err != nil {
		return err
	}
	if err := unix.SetNonblock(fd, true); err != nil { // for the runtime to wait for it; nobody else reads
		unix.Close(fd)
		return err
	}
	r, reader := svc.runs[gen], os.NewFile(uintptr(fd), "ready.fd")
	r.hearing = func() { reader.Close() }
	go func() {
		defer reader.Close()
		_, err := bufio.NewReaderSize(reader, 64).ReadSlice('\n')
		for err == bufio.ErrBufferFull {
			_, err = bufio.NewReaderSize(reader, 64).ReadSlice('\n')
		}
		s.report(func() {
			if err != nil {
				r.saw = fmt.Sprintf("has closed descriptor %d without a newline", r.def.Ready.FD)
				return
			}
			r.accepts = true
			s.readyIfSo(svc, gen)
			s.save(svc) // it is said once
		})
	}()
	return nil
}

func dup(f *os.File) (fd int, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	if err2 := raw.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 3) }); err2 != nil {
		return -1, err2
	}
	return fd, err
}

// watchLog says that a run is ready when a line of its output matches.
func (s *Supervisor) watchLog(ctx context.Context, svc *service, gen int, pattern string) {
	file, ok := svc.out.(*logs.File)
	re, err := regexp.Compile(pattern)
	r := svc.runs[gen]
	if err != nil || !ok {
		r.saw = "its output is not kept, so no line of it can be looked for"
		return
	}
	go func() {
		grown, stop := file.Grown()
		defer stop()
		for {
			text, err := file.Attempt(gen, -1)
			for _, line := range splitLines(text) {
				if err == nil && re.MatchString(line) {
					s.report(func() {
						r.accepts = true
						s.readyIfSo(svc, gen)
					})
					return
				}
			}
			s.report(func() { r.saw = "has written no line that matches " + pattern })
			select {
			case <-grown:
			case <-ctx.Done():
				return
			case <-s.done:
				return
			}
		}
	}()
}

// dropReady ends what waits for a run to say something, when it is over.
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

// stillReloading is what a service says of a reload that it has not done; "" if
// nothing.
func (svc *service) stillReloading() string {
	live := svc.state.Live()
	if live == nil || svc.runs[live.Gen] == nil || !svc.runs[live.Gen].reloading {
		return ""
	}
	return "says that it is still reloading"
}

// extend gives a run the time that it asks for.
func (s *Supervisor) extend(svc *service, gen int, m notify.Message) {
	if m.Extend > 0 {
		s.step(svc, lifecycle.Extend{Gen: gen, Until: now().Add(m.Extend)})
	}
}
