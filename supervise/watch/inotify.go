package watch

import (
	"bytes"
	"encoding/binary"
	"os"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// What is asked of the kernel: of a directory on the way only that it stays, of
// one that holds a link or will hold what is not there yet also its names, of one
// that holds a watched file also what becomes of that, and of one that is watched
// itself all but attributes.
const (
	maskSelf = unix.IN_DELETE_SELF | unix.IN_MOVE_SELF
	maskName = maskSelf | unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO
	maskTree = maskName | unix.IN_MODIFY | unix.IN_CLOSE_WRITE
	maskFile = maskTree | unix.IN_ATTRIB
)

// An inotify is one instance of the kernel's, shared by all services. A directory
// has one watch, whoever asks for it.
type inotify struct {
	file     *os.File
	add      func(fd int, path string, mask uint32) (int, error) // addWatch; of tests another
	overflow func()                                              // called when the kernel has dropped events

	reading sync.Mutex // held until what was read has been told
	buf     [64 << 10]byte

	mu      sync.Mutex
	users   map[int32][]user // by watch descriptor
	removed int              // how many watches have been
}

// A user is told what happens in a directory: either is set.
type user struct {
	service *service
	dir     *dir
	way     *way
}

// An event is what a service is told: by the kernel, or by its methods.
type event struct {
	user
	name string
	mask uint32 // of inotify
	wd   int32
	call call
}

func newInotify() (*inotify, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, err
	}
	return &inotify{file: os.NewFile(uintptr(fd), "inotify"), add: addWatch, users: map[int32][]user{}}, nil
}

// watch has a user told of a directory. It may wait for the disk.
func (in *inotify) watch(path string, mask uint32, u user) (wd int32, err error) {
	conn, err := in.file.SyscallConn()
	if err != nil {
		return -1, err
	}
	for {
		in.mu.Lock()
		removed := in.removed
		in.mu.Unlock()
		n := 0
		if cerr := conn.Control(func(fd uintptr) {
			n, err = in.add(int(fd), path, mask|unix.IN_ONLYDIR|unix.IN_DONT_FOLLOW|unix.IN_EXCL_UNLINK|unix.IN_MASK_ADD)
		}); cerr != nil {
			return -1, cerr
		}
		if err != nil {
			return -1, err
		}
		in.mu.Lock()
		wd = int32(n)
		// If one was removed meanwhile it may have been this one, unless somebody else has
		// it, who will be told.
		if in.removed == removed || in.users[wd] != nil {
			if !slices.Contains(in.users[wd], u) {
				in.users[wd] = append(in.users[wd], u)
			}
			in.mu.Unlock()
			return wd, nil
		}
		in.mu.Unlock()
	}
}

// unwatch ends that, and the watch when nobody else has it.
func (in *inotify) unwatch(wd int32, u user) {
	in.mu.Lock()
	users := slices.DeleteFunc(in.users[wd], func(other user) bool { return other == u })
	_, had := in.users[wd]
	if len(users) > 0 {
		in.users[wd] = users
	} else {
		delete(in.users, wd)
		in.removed++
	}
	in.mu.Unlock()
	if !had || len(users) > 0 {
		return
	}
	if conn, err := in.file.SyscallConn(); err == nil {
		// Who takes it up again in this moment is told IN_IGNORED.
		conn.Control(func(fd uintptr) { unix.InotifyRmWatch(int(fd), uint32(wd)) })
	}
}

// run tells users what happens until the instance is closed.
func (in *inotify) run() {
	conn, err := in.file.SyscallConn()
	if err != nil {
		return
	}
	conn.Read(func(fd uintptr) bool {
		for in.read(int(fd)) > 0 {
		}
		return false // wait until there is more
	})
}

// pump tells users what has happened by now, without waiting: not what happens
// meanwhile, which may have no end.
func (in *inotify) pump() {
	conn, err := in.file.SyscallConn()
	if err != nil {
		return
	}
	conn.Control(func(fd uintptr) {
		queued, err := unix.IoctlGetInt(int(fd), unix.TIOCINQ) // FIONREAD
		for err == nil {
			n := in.read(int(fd))
			if queued -= n; n == 0 || queued <= 0 {
				return
			}
		}
	})
}

// read tells users a part of what the kernel has to tell, and returns its length; 0:
// that was nothing.
func (in *inotify) read(fd int) int {
	in.reading.Lock()
	defer in.reading.Unlock()
	n, err := unix.Read(fd, in.buf[:])
	for err == unix.EINTR {
		n, err = unix.Read(fd, in.buf[:])
	}
	n = max(n, 0)
	for b := in.buf[:n]; len(b) >= unix.SizeofInotifyEvent; {
		e := event{
			wd:   int32(binary.NativeEndian.Uint32(b)),
			mask: binary.NativeEndian.Uint32(b[4:]),
		}
		size := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(b[12:]))
		name, _, _ := bytes.Cut(b[unix.SizeofInotifyEvent:size], []byte{0})
		e.name = string(name)
		b = b[size:]
		if e.mask&unix.IN_Q_OVERFLOW != 0 {
			in.overflow()
			continue
		}
		in.mu.Lock()
		users := in.users[e.wd]
		if e.mask&unix.IN_IGNORED != 0 {
			delete(in.users, e.wd)
			in.removed++
		}
		for _, u := range users {
			e.user = u
			u.service.post(e)
		}
		in.mu.Unlock()
	}
	return n
}
