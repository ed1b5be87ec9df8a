package procfs

import (
	"bytes"
	"errors"
	"strconv"

	"golang.org/x/sys/unix"
)

// hasBeaten tells whether a process has beaten on the unlinked file that it has
// open and whose name begins with prefix.
//
// gunicorn makes such a file for each worker before it forks it (mkstemp(3):
// mode 0600, less the umask), and the worker beats on it in its loop, which it
// enters once it has loaded the application (gunicorn/workers/workertmp.py,
// base.py init_process): by a mode of 1 and 0 in turn, in newer versions by
// setting the file's times to the monotonic clock's.
func hasBeaten(p *Proc, prefix string) bool {
	beaten, err := allBeaten(p.Pid, prefix)
	if errors.Is(err, unix.EACCES) {
		// The worker became another user. Its parent has the files of all workers:
		// if each has beaten on its own, so has this one.
		beaten, err = allBeaten(p.PPid, prefix)
	}
	return err == nil && beaten
}

// allBeaten is about all such files that a process has. A new worker has its
// siblings' as well until it closes them, but is never without its own.
func allBeaten(pid int, prefix string) (bool, error) {
	var has, beaten bool
	err := withRights(pid, func() error {
		has, beaten = false, true
		return eachBeat(pid, prefix, &has, &beaten)
	})
	return has && beaten, err
}

func eachBeat(pid int, prefix string, has, beaten *bool) error {
	return eachFd("/proc/"+strconv.Itoa(pid)+"/fd", func(path string, target []byte) {
		name, unlinked := bytes.CutSuffix(target, []byte(" (deleted)"))
		name = name[bytes.LastIndexByte(name, '/')+1:]
		if !unlinked || !bytes.HasPrefix(name, []byte(prefix)) {
			return
		}
		var st unix.Stat_t
		if stat(path, &st) != nil {
			return // closed meanwhile
		}
		*has = true
		*beaten = *beaten && hasPulse(&st)
	})
}

func hasPulse(st *unix.Stat_t) bool {
	if st.Mode&0o7777 <= 1 {
		return true
	}
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) != nil {
		return false
	}
	// A file's time that is before that of the machine's start, as counted from 1970.
	return st.Mtim.Nano() <= now.Nano() && st.Mtim == st.Atim && st.Mtim != st.Ctim
}

// eachFd calls f with each file that a process has open, of which dir is the
// /proc/PID/fd: its path there, and what that links to, cut at 4 KiB. The error is
// EACCES where the caller may not trace the process: it may see then how many
// files there are, but not which.
func eachFd(dir string, f func(path string, target []byte)) error {
	buf := make([]byte, unix.PathMax)
	var refused error
	err := pids(dir, func(fd int) {
		path := dir + "/" + strconv.Itoa(fd)
		switch n, err := unix.Readlink(path, buf); err {
		case nil:
			f(path, buf[:n])
		case unix.EACCES, unix.EPERM:
			refused = unix.EACCES
		}
	})
	if err != nil {
		return gone(err)
	}
	return refused
}
