package logs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"gsv/supervise/procfs"
)

// A Key names one output of a service's run: the service, the run's generation,
// and whether it is its standard error alone, where that goes elsewhere.
type Key struct {
	Name string
	Gen  int
	Err  bool
}

// errSuffix ends the Key of a standard error, and the stem of its log.
const errSuffix = ".err"

func (k Key) String() string {
	s := k.Name + "." + strconv.Itoa(k.Gen)
	if k.Err {
		s += errSuffix
	}
	return s
}

// Make makes the pipe of a run, and leaves no trace on disk. The caller closes
// both ends; both stay outside Go's poller.
//
// child is for the service's standard output and error. It is open for reading
// and writing and blocks: a service whose gsv is dead waits when the pipe is
// full, and gets no SIGPIPE even when nobody else holds the pipe.
//
// reader is for Add, and for whoever must outlive the Pump. It does not block
// (a Read of an empty pipe gives EAGAIN), and all its duplicates, in whatever
// process, share that: it is one description. So whoever gets a duplicate must
// not change its flags. os.NewFile puts a descriptor that does not block into
// Go's poller, where each write to the pipe wakes the process; it is none that
// should be read there.
//
// With uid >= 0 the pipe (mode 0600) is given to that user, so that the service
// can open /dev/stdout and /dev/stderr. As long as child or a copy of it is
// open, the pipe does not read as ended. Make needs /proc, and says so where it
// is missing.
func Make(key Key, uid int) (child, reader *os.File, err error) {
	child, reader, err = makePipe(key.String(), uid)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot make the output pipe of %s: %w", key.Name, err)
	}
	return child, reader, nil
}

func makePipe(name string, uid int) (child, reader *os.File, err error) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, os.NewSyscallError("pipe2", err)
	}
	// The writer that pipe2 gives is no reader; opened again by its link in
	// /proc it can be both, as a FIFO can (fifo_open in fs/pipe.c).
	both, err := open(unix.AT_FDCWD, self(ends[1]), unix.O_RDWR|unix.O_CLOEXEC, 0)
	unix.Close(ends[1])
	if err != nil {
		unix.Close(ends[0])
		return nil, nil, needsProc(&fs.PathError{Op: "open", Path: self(ends[1]), Err: err})
	}
	child = os.NewFile(uintptr(both), name)
	if reader, err = newReader(ends[0], name); err != nil {
		child.Close()
		return nil, nil, err
	}
	if uid >= 0 && uid != os.Geteuid() {
		if err := unix.Fchown(both, uid, -1); err != nil {
			child.Close()
			reader.Close()
			return nil, nil, os.NewSyscallError("fchown", err)
		}
	}
	return child, reader, nil
}

// newReader makes a File of fd, a description nobody else has, that does not
// block and is outside Go's poller: NewFile looks at O_NONBLOCK once.
func newReader(fd int, name string) (*os.File, error) {
	if err := unix.SetNonblock(fd, false); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if err := unix.SetNonblock(fd, true); err != nil {
		f.Close()
		return nil, os.NewSyscallError("fcntl", err)
	}
	return f, nil
}

func self(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

var errNoProc = errors.New("needs /proc, which is not mounted here, or not for this PID namespace")

// needsProc is errNoProc where that is the reason of err.
func needsProc(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		if _, e := os.Stat("/proc/self/fd"); e != nil {
			return errNoProc
		}
	}
	return err
}

// Regain returns a reader, as Make does, for the output of a process that an
// earlier gsv started, whose pipe nobody else holds any more. What the process
// wrote meanwhile is in the pipe. The caller knows that pid still is that
// process, and closes the reader.
//
// It takes the standard output of the process, or where the process has sent
// that elsewhere its standard error, and only what Make made: a pipe without a
// name that is open for reading and writing. A service's own pipe to another
// process is open for one of the two, and not taken. The error Is
// fs.ErrNotExist when the process is gone, or has closed its output.
func Regain(pid int) (*os.File, error) { return regainOne(pid, 1, 2) }

// RegainApart is Regain for a process whose standard error goes elsewhere than
// its standard output: it takes the one that is asked for, and no other.
func RegainApart(pid int, isErr bool) (*os.File, error) {
	if isErr {
		return regainOne(pid, 2)
	}
	return regainOne(pid, 1)
}

// regainOne takes the first of some descriptors that is a pipe of gsv's.
func regainOne(pid int, fds ...int) (*os.File, error) {
	f, err := regain(pid, fds[0])
	if err != nil {
		for _, fd := range fds[1:] {
			if f, e := regain(pid, fd); e == nil {
				return f, nil
			}
		}
		// A process that has ended can give EACCES too: its files in /proc are
		// root's (task_dump_owner in fs/proc/base.c).
		if p, e := procfs.Read(pid); errors.Is(e, unix.ESRCH) || e == nil && !p.Alive() {
			err = fmt.Errorf("it has ended: %w", fs.ErrNotExist)
		}
		return nil, fmt.Errorf("cannot regain the output of process %d: %w", pid, needsProc(err))
	}
	return f, nil
}

func regain(pid, n int) (*os.File, error) {
	path := fmt.Sprintf("/proc/%d/fd/%d", pid, n)
	refuse := func(why error) (*os.File, error) {
		return nil, &fs.PathError{Op: "open", Path: path, Err: why}
	}
	// Looked at before it is opened: to open a device can have effects.
	place, err := open(unix.AT_FDCWD, path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return refuse(err)
	}
	defer unix.Close(place)
	var st unix.Stat_t
	if err := unix.Fstat(place, &st); err != nil {
		return refuse(err)
	}
	link, err := os.Readlink(self(place))
	if err != nil {
		return nil, err
	}
	// A FIFO with a name has a path there.
	if st.Mode&unix.S_IFMT != unix.S_IFIFO || link != fmt.Sprintf("pipe:[%d]", st.Ino) {
		return refuse(fmt.Errorf("is not a pipe of gsv's (%s)", link))
	}
	flags, err := openFlags(pid, n)
	if err != nil {
		return nil, err
	}
	if flags&unix.O_ACCMODE != unix.O_RDWR {
		return refuse(errors.New("is not a pipe of gsv's, but one of the service's own"))
	}
	// O_NONBLOCK, for the last writer may have gone by now.
	fd, err := open(unix.AT_FDCWD, self(place), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return refuse(err)
	}
	return newReader(fd, path)
}

// openFlags returns the flags of a descriptor of another process (proc(5)).
func openFlags(pid, n int) (int, error) {
	path := fmt.Sprintf("/proc/%d/fdinfo/%d", pid, n)
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if octal, ok := strings.CutPrefix(line, "flags:"); ok {
			flags, err := strconv.ParseInt(strings.TrimSpace(octal), 8, 64)
			return int(flags), err
		}
	}
	return 0, &fs.PathError{Op: "read", Path: path, Err: errors.New("has no flags")}
}

// duplicate returns a descriptor of the reader of a pipe, of the Pump's own.
func duplicate(reader *os.File) (int, error) {
	// Not Fd, which would clear O_NONBLOCK of a File that Go opened.
	c, err := reader.SyscallConn()
	if err != nil {
		return -1, err
	}
	dup := -1
	if cerr := c.Control(func(fd uintptr) { dup, err = duplicateFD(int(fd)) }); cerr != nil {
		return -1, cerr
	}
	if err != nil {
		return -1, &fs.PathError{Op: "read", Path: reader.Name(), Err: err}
	}
	return dup, nil
}

func duplicateFD(fd int) (int, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return -1, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFIFO {
		return -1, errors.New("is not a pipe")
	}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		return -1, err
	}
	if flags&unix.O_ACCMODE != unix.O_RDONLY { // as a writer it would never see the end
		return -1, errors.New("is not open for reading only")
	}
	return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
}

// open is openat(2), not disturbed by the signals of Go's own scheduler.
func open(dir int, path string, flags int, mode uint32) (int, error) {
	for {
		fd, err := unix.Openat(dir, path, flags, mode)
		if err != unix.EINTR {
			return fd, err
		}
	}
}
