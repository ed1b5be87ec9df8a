package procfs

import (
	"bytes"
	"errors"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// withRights calls look, which looks at what takes the right to trace a process,
// and once more as the process's user where that is refused: root has the right
// only with CAP_SYS_PTRACE, which it lacks in most containers, a process's own
// user has it without (PTRACE_MODE_READ_FSCREDS, ptrace(2)). Look must do no
// more than look.
func withRights(pid int, look func() error) error {
	err := look()
	if !refused(err) {
		return err
	}
	uid, gid, err2 := owner(pid)
	if err2 != nil || uid == os.Geteuid() && gid == os.Getegid() {
		return err
	}
	// The user for files is the thread's alone (setfsuid(2)). One that does not get
	// its own back ends with its goroutine.
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		_ = unix.Setfsgid(gid) // what is refused shows below
		_ = unix.Setfsuid(uid)
		result := err
		if is(uid, gid) {
			result = look()
		}
		_ = unix.Setfsuid(os.Geteuid())
		_ = unix.Setfsgid(os.Getegid())
		if is(os.Geteuid(), os.Getegid()) {
			runtime.UnlockOSThread()
		}
		done <- result
	}()
	return <-done
}

// is tells whether this thread looks at files as that user. An id that there
// cannot be changes nothing, and the one that counts is returned.
func is(uid, gid int) bool {
	u, _ := unix.SetfsuidRetUid(-1)
	g, _ := unix.SetfsgidRetGid(-1)
	return u == uid && g == gid
}

func refused(err error) bool { return errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) }

// owner is whose a process is: its effective ids.
func owner(pid int) (uid, gid int, err error) {
	var buf [8192]byte
	b, err := readStatus(buf[:], pid)
	if err != nil {
		return 0, 0, err
	}
	id := func(name string) int {
		_, rest, _ := bytes.Cut(b, []byte("\n"+name+":\t"))
		rest, _, _ = bytes.Cut(rest, []byte("\n"))
		var n int
		if f := bytes.Fields(rest); len(f) == 4 { // real, effective, saved, file system
			n, err = strconv.Atoi(string(f[1]))
		} else {
			err = errStat
		}
		return n
	}
	uid, gid = id("Uid"), -1
	if err == nil {
		gid = id("Gid")
	}
	return uid, gid, err
}
