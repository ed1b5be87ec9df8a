package notify

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// prefix begins the names of all sockets, after the @.
const prefix = "gsv/notify/"

const (
	most   = 1000 // messages taken in a window
	window = time.Second
)

// A Socket is where one service's messages come in. One goroutine reads it, by
// Peek and Drop; Name, File and Close may be called by any.
type Socket struct {
	name   string
	file   *os.File
	raw    syscall.RawConn
	closed chan struct{}
	once   sync.Once // of Close

	buf   []byte
	oob   []byte
	began time.Time // the window
	taken int       // messages in it
}

// Listen makes a socket with a name of its own.
func Listen() (*Socket, error) {
	var id [16]byte
	rand.Read(id[:])
	return Open("@" + prefix + hex.EncodeToString(id[:]))
}

// Open makes the socket that had this name, once nobody holds it any more. It is
// an error if the name is not one of Listen's.
func Open(name string) (*Socket, error) {
	if !ours(name) {
		return nil, fmt.Errorf("cannot make a notify socket: %q is no name for one", name)
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot make a notify socket: %w", os.NewSyscallError("socket", err))
	}
	// Before it has a name: of a message that came earlier the sender would not be known.
	if err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PASSCRED, 1); err != nil {
		err = os.NewSyscallError("setsockopt", err)
	} else if err = unix.Bind(fd, &unix.SockaddrUnix{Name: name}); err != nil {
		err = os.NewSyscallError("bind", err)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("cannot make a notify socket: %w", err)
	}
	return newSocket(fd, name)
}

// Adopt is the socket that f is a descriptor of, as File has given it away. f
// stays the caller's. It is an error if f is no such socket.
func Adopt(f *os.File) (*Socket, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("cannot take over a notify socket: %w", err)
	}
	fd, name := -1, ""
	if e := raw.Control(func(old uintptr) {
		if name, err = nameOf(int(old)); err == nil {
			fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0)
		}
	}); e != nil {
		err = e
	}
	if err != nil {
		return nil, fmt.Errorf("cannot take over a notify socket: %w", err)
	}
	return newSocket(fd, name)
}

// nameOf is the name of a descriptor that is one of ours.
func nameOf(fd int) (string, error) {
	if kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); err != nil || kind != unix.SOCK_DGRAM {
		return "", errors.New("it is another kind of file")
	}
	address, err := unix.Getsockname(fd)
	if err != nil {
		return "", os.NewSyscallError("getsockname", err)
	}
	if a, ok := address.(*unix.SockaddrUnix); ok && ours(a.Name) {
		return a.Name, nil
	}
	return "", errors.New("it is another socket")
}

func ours(name string) bool {
	id, ok := strings.CutPrefix(name, "@"+prefix)
	b, err := hex.DecodeString(id)
	return ok && err == nil && len(b) == 16
}

// newSocket takes fd over.
func newSocket(fd int, name string) (*Socket, error) {
	s := &Socket{name: name, file: os.NewFile(uintptr(fd), "notify socket"), closed: make(chan struct{}),
		buf: make([]byte, maxMessage+1), oob: make([]byte, unix.CmsgSpace(unix.SizeofUcred))}
	var err error
	if s.raw, err = s.file.SyscallConn(); err != nil {
		s.file.Close()
		return nil, fmt.Errorf("cannot use a notify socket: %w", err)
	}
	return s, nil
}

// Name is what NOTIFY_SOCKET is to be: "@…".
func (s *Socket) Name() string { return s.name }

// File is another descriptor of the socket, which keeps it and what waits in it.
// It is the caller's to close, and to read from by Adopt alone.
func (s *Socket) File() (f *os.File, err error) {
	if e := s.raw.Control(func(fd uintptr) {
		var n int
		if n, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0); err == nil {
			f = os.NewFile(uintptr(n), "notify socket")
		}
	}); e != nil {
		err = e
	}
	if err != nil {
		return nil, fmt.Errorf("cannot duplicate a notify socket: %w", err)
	}
	return f, nil
}

// Close ends a Peek that waits. The socket is gone when all its descriptors are.
func (s *Socket) Close() {
	s.once.Do(func() {
		close(s.closed)
		s.file.Close()
	})
}

// Peek waits for the next message and says who sent it; until Drop it is the next
// one again. The error is os.ErrClosed (errors.Is) after Close. The sender is the
// zero value if the kernel did not tell.
func (s *Socket) Peek() (Message, Sender, error) {
	if !s.pace() {
		return Message{}, Sender{}, os.ErrClosed
	}
	var n, oobn, flags int
	if err := s.do(func(fd int) (err error) {
		n, oobn, flags, _, err = unix.Recvmsg(fd, s.buf, s.oob, unix.MSG_PEEK|unix.MSG_CMSG_CLOEXEC)
		return err
	}); err != nil {
		return Message{}, Sender{}, fmt.Errorf("cannot read a notify socket: %w", err)
	}
	from := sender(s.oob[:oobn])
	if flags&unix.MSG_TRUNC != 0 { // the rest of it might change what it says
		return Message{}, from, nil
	}
	return Parse(s.buf[:n]), from, nil
}

// Drop takes the message of the last Peek out of the socket.
func (s *Socket) Drop() error {
	var one [1]byte
	if err := s.do(func(fd int) error {
		_, _, _, _, err := unix.Recvmsg(fd, one[:], nil, 0)
		return err
	}); err != nil {
		return fmt.Errorf("cannot read a notify socket: %w", err)
	}
	return nil
}

// do waits until f does not give EAGAIN any more.
func (s *Socket) do(f func(fd int) error) error {
	var err error
	if e := s.raw.Read(func(fd uintptr) bool {
		for err = unix.EINTR; err == unix.EINTR; {
			err = f(int(fd))
		}
		return err != unix.EAGAIN
	}); e != nil {
		select {
		case <-s.closed:
			return os.ErrClosed
		default:
			return e
		}
	}
	return os.NewSyscallError("recvmsg", err)
}

// pace waits where more has come than is taken; false: the socket was closed.
func (s *Socket) pace() bool {
	t := time.Now()
	if t.Sub(s.began) >= window {
		s.began, s.taken = t, 0
	}
	if s.taken++; s.taken <= most {
		return true
	}
	over := time.NewTimer(window - t.Sub(s.began))
	defer over.Stop()
	select {
	case <-over.C:
		s.began, s.taken = time.Now(), 1
		return true
	case <-s.closed:
		return false
	}
}

// sender reads the control data of a message.
func sender(oob []byte) Sender {
	list, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return Sender{}
	}
	for i := range list {
		if c, err := unix.ParseUnixCredentials(&list[i]); err == nil {
			return Sender{Pid: int(c.Pid), UID: c.Uid, GID: c.Gid}
		}
	}
	return Sender{}
}
