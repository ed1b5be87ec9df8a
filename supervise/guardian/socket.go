package guardian

import (
	"errors"
	"io"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// A socket is one end of the socketpair, non-blocking and on Go's poller. One goroutine may receive while one sends.
type socket struct {
	file *os.File // as file.Close and keeps the descriptor registered
	raw  syscall.RawConn
	buf  []byte
	oob  []byte
}

// newSocket takes fd over, which must be non-blocking.
func newSocket(fd int) (*socket, error) {
	s := &socket{file: os.NewFile(uintptr(fd), "guardian socket")}
	raw, err := s.file.SyscallConn()
	if err != nil {
		return nil, err
	}
	s.raw = raw
	return s, nil
}

// receive waits for a message and returns it with the files that came along; the caller owns these. The body is good until the next receive.
// At the other end's end it returns io.EOF. If files were lost, for want of descriptors, those that came are closed and lost is true.
func (s *socket) receive() (m message, files []int, lost bool, err error) {
	if s.buf == nil {
		s.buf = make([]byte, maxMessage+1)
		s.oob = make([]byte, unix.CmsgSpace(4*maxFiles))
	}
	var n, oobn, flags int
	rerr := s.raw.Read(func(fd uintptr) bool {
		for {
			n, oobn, flags, _, err = unix.Recvmsg(int(fd), s.buf, s.oob, unix.MSG_CMSG_CLOEXEC|unix.MSG_DONTWAIT)
			// A peer that ends with messages unread makes one ECONNRESET, which comes before what it has sent (unix_release_sock).
			if err != unix.EINTR && err != unix.ECONNRESET {
				return err != unix.EAGAIN
			}
		}
	})
	if err = errors.Join(rerr, err); err != nil {
		if errors.Is(err, os.ErrClosed) {
			err = io.EOF
		}
		return m, nil, false, err
	}
	if files, err = parseFiles(s.oob[:oobn]); err == nil {
		if n == 0 && flags&unix.MSG_TRUNC == 0 {
			closeAll(files)
			return m, nil, false, io.EOF
		}
		m, err = decode(s.buf[:n])
	}
	if flags&unix.MSG_TRUNC != 0 {
		err = errMessage
	}
	lost = flags&unix.MSG_CTRUNC != 0 || len(files) != int(m.files)
	if err != nil || lost {
		closeAll(files)
		files = nil
	}
	return m, files, lost, err
}

func parseFiles(oob []byte) ([]int, error) {
	if len(oob) == 0 {
		return nil, nil
	}
	list, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, errMessage
	}
	var files []int
	for i := range list {
		fds, err := unix.ParseUnixRights(&list[i])
		if err != nil {
			continue // another kind of control message: nobody asked for it
		}
		files = append(files, fds...)
	}
	return files, nil
}

// send waits until there is room and sends one encoded message with files.
func (s *socket) send(b []byte, files []int) error {
	oob := rights(files)
	var err error
	werr := s.raw.Write(func(fd uintptr) bool {
		err = sendNow(int(fd), b, oob)
		return err != unix.EAGAIN
	})
	runtime.KeepAlive(files)
	return errors.Join(werr, err)
}

// trySend sends one encoded message with files, or returns EAGAIN if there is no room.
func (s *socket) trySend(b []byte, files []int) error {
	var err error
	if cerr := s.raw.Control(func(fd uintptr) { err = sendNow(int(fd), b, rights(files)) }); cerr != nil {
		return cerr
	}
	runtime.KeepAlive(files)
	return err
}

// sendNow sends a message. Where too many files are on their way already, for an ordinary user's limit of files, it goes without: the receiver
// notices that they are lost.
func sendNow(fd int, b, oob []byte) error {
	for {
		err := unix.Sendmsg(fd, b, oob, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		switch {
		case err == unix.ETOOMANYREFS && len(oob) > 0:
			oob = nil
		case err != unix.EINTR:
			return err
		}
	}
}

func rights(files []int) []byte {
	if len(files) == 0 {
		return nil
	}
	return unix.UnixRights(files...)
}

// shutdown ends both directions: what was received already can still be read.
func (s *socket) shutdown() {
	_ = s.raw.Control(func(fd uintptr) { _ = unix.Shutdown(int(fd), unix.SHUT_RDWR) }) // fails only when it is over already
}

func (s *socket) close() { _ = s.file.Close() }

// closeAll closes files that are no holes.
func closeAll(files []int) {
	for _, fd := range files {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}
