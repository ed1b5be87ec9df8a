package logs

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const spliceFlags = unix.SPLICE_F_NONBLOCK | unix.SPLICE_F_MOVE

// A scratch is what the thread of a loop uses for one run after the other.
type scratch struct {
	p    *Pump
	l    *loop
	null int // /dev/null

	// For peek; made at its first use.
	buf  []byte
	pipe [2]int
	out  []byte    // what is to be written, where it is not what was read
	at   time.Time // Printer: when the bytes that are looked at were read
}

func newScratch(l *loop) (*scratch, error) {
	null, err := open(unix.AT_FDCWD, os.DevNull, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: os.DevNull, Err: err}
	}
	return &scratch{p: l.p, l: l, null: null, pipe: [2]int{-1, -1}}, nil
}

func (s *scratch) close() {
	for _, fd := range []int{s.null, s.pipe[0], s.pipe[1]} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// peek returns a copy of the first bytes in a pipe, valid until the next call,
// and leaves them there: tee(2) to a pipe of its own, and read that. EAGAIN: it
// is empty; no bytes and no error: it has ended.
func (s *scratch) peek(fd int) ([]byte, error) {
	if err := s.openPipe(); err != nil {
		return nil, err
	}
	if s.buf == nil {
		s.buf = make([]byte, 64<<10)
	}
	n, err := tee(fd, s.pipe[1], len(s.buf))
	if n <= 0 || err != nil {
		return nil, err
	}
	for have := 0; have < int(n); {
		m, err := unix.Read(s.pipe[0], s.buf[have:n])
		if err == unix.EINTR {
			continue
		}
		if err != nil || m == 0 {
			// The pages of a file, cut short after a service spliced them.
			s.forgetPipe()
			return nil, unix.EIO
		}
		have += m
	}
	return s.buf[:n], nil
}

// forgetPipe has peek begin with a fresh pipe: this one may hold bytes that
// cannot be read.
func (s *scratch) forgetPipe() {
	unix.Close(s.pipe[0])
	unix.Close(s.pipe[1])
	s.pipe = [2]int{-1, -1}
}

func (s *scratch) openPipe() error {
	if s.pipe[0] >= 0 {
		return nil
	}
	return os.NewSyscallError("pipe2", unix.Pipe2(s.pipe[:], unix.O_CLOEXEC|unix.O_NONBLOCK))
}

// waits tells how many bytes a pipe holds, and takes none: EAGAIN where there
// are none yet, none and no error where it has ended.
func (s *scratch) waits(fd int) (int, error) {
	n, err := unix.IoctlGetInt(fd, unix.TIOCINQ) // FIONREAD
	if n > 0 || err != nil {
		return n, err
	}
	if err := s.openPipe(); err != nil {
		return 0, err
	}
	one, err := tee(fd, s.pipe[1], 1)
	if one > 0 { // written since
		s.forgetPipe()
		return int(one), nil
	}
	return 0, err
}

// discard takes n bytes at most out of a pipe, and returns how many. Not by
// read(2): that would throw the rest of a packet away where the service made
// the pipe one of packets (O_DIRECT).
func (s *scratch) discard(fd int, n int64) (int64, error) {
	var done int64
	for done < n {
		m, err := splice(fd, s.null, nil, n-done)
		if m > 0 {
			done += m
			continue
		}
		return done, err
	}
	return done, nil
}

// splice moves up to n bytes from a pipe to a file at *off, in one system call
// but for a signal that came first. EAGAIN: the pipe is empty; 0: it has ended.
func splice(from, to int, off *int64, n int64) (int64, error) {
	for {
		m, err := unix.Splice(from, nil, to, off, int(min(n, 1<<30)), spliceFlags)
		if err != unix.EINTR {
			return m, err
		}
	}
}

func tee(from, to, n int) (int64, error) {
	for {
		m, err := unix.Tee(from, to, n, unix.SPLICE_F_NONBLOCK)
		if err != unix.EINTR {
			return m, err
		}
	}
}

// grow gives a pipe that was found half full, or fuller, room for a megabyte,
// so that its writer waits less. Beyond a quota of the user's the kernel
// refuses (pipe(7), pipe-user-pages-soft), and it stays as it is.
func (r *run) grow(n int64) {
	if r.grown || n < plenty/2 {
		return
	}
	r.grown = true
	if size, err := unix.FcntlInt(uintptr(r.fd), unix.F_SETPIPE_SZ, 1<<20); err == nil {
		r.room = int64(size)
	}
}
