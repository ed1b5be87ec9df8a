package listen

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// A Socket is one that gsv holds. Close or Remove ends it; the processes that it was handed on to keep theirs.
type Socket struct {
	spec  Spec
	file  *os.File
	inode uint64
	path  identity // of a unix socket's path; zero where that is not proven to be this socket
}

// Spec is what Open or Adopt was given.
func (s *Socket) Spec() Spec { return s.spec }

// File is the descriptor, the Socket's to close.
func (s *Socket) File() *os.File { return s.file }

// Inode names the socket on this host while anybody holds it: "socket:[INODE]" in /proc/PID/fd.
func (s *Socket) Inode() uint64 { return s.inode }

// Address is the Spec's, with the port that the kernel chose where that asks for port 0.
func (s *Socket) Address() string {
	at := s.spec.Address
	_ = s.control(func(fd int) error {
		if real, err := address(fd); err == nil {
			at = real
		}
		return nil
	})
	return at
}

// Close gives up the descriptor. A second Close is an error that wraps os.ErrClosed.
func (s *Socket) Close() error { return s.file.Close() }

// control calls f with the descriptor, which stays open meanwhile.
func (s *Socket) control(f func(fd int) error) error { return control(s.file, f) }

func control(file *os.File, f func(fd int) error) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	if raw.Control(func(fd uintptr) { err = f(int(fd)) }) != nil {
		return os.ErrClosed // its only error
	}
	return err
}

// unpolled makes a file of a descriptor, which it takes over. os.NewFile puts one that has O_NONBLOCK, which a server may
// have set on what we share, into the runtime's poller: then each connection would wake us. So the file is made of
// another, and gets this one in its place.
func unpolled(fd int, name string) (*os.File, error) {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err == nil && flags&unix.O_NONBLOCK == 0 {
		return os.NewFile(uintptr(fd), name), nil
	}
	defer unix.Close(fd)
	if err != nil {
		return nil, err
	}
	place, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(place), name)
	if err := control(file, func(place int) error { return unix.Dup3(fd, place, unix.O_CLOEXEC) }); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// newSocket makes a Socket of a descriptor, which it takes over.
func newSocket(spec Spec, fd int, path identity) (*Socket, error) {
	inode, err := inodeOf(fd)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	file, err := unpolled(fd, spec.String())
	if err != nil {
		return nil, err
	}
	return &Socket{spec: spec, file: file, inode: inode, path: path}, nil
}

// inodeOf is the inode of a socket; an error where it is none.
func inodeOf(fd int) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return 0, fmt.Errorf("it is %s, no socket", kind(st.Mode))
	}
	return st.Ino, nil
}

// kind says what a file is.
func kind(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return "a regular file"
	case unix.S_IFDIR:
		return "a directory"
	case unix.S_IFLNK:
		return "a symbolic link"
	case unix.S_IFSOCK:
		return "a socket"
	case unix.S_IFIFO:
		return "a FIFO"
	}
	return "a device" // or an anonymous inode, which has no type
}
