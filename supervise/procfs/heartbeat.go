package procfs

import (
	"bytes"
	"strconv"

	"golang.org/x/sys/unix"
)

// hasBeaten tells whether a process has beaten on each of the unlinked files
// that it has open and whose names begin with prefix, and has one.
//
// gunicorn makes such a file for each worker before it forks it (mkstemp(3):
// mode 0600, less the umask), and the worker beats on it in its loop, which it
// enters once it has loaded the application (gunicorn/workers/workertmp.py,
// base.py init_process): by a mode of 1 and 0 in turn, and since gunicorn 21
// by setting the file's times to the monotonic clock's. A worker has its
// siblings' files as well until it closes them, but never is without its own.
func hasBeaten(pid int, prefix string) bool {
	dir := "/proc/" + strconv.Itoa(pid) + "/fd"
	has, beaten := false, true
	err := eachFd(dir, func(path string, target []byte) {
		name, unlinked := bytes.CutSuffix(target, []byte(" (deleted)"))
		name = name[bytes.LastIndexByte(name, '/')+1:]
		if !unlinked || !bytes.HasPrefix(name, []byte(prefix)) {
			return
		}
		var st unix.Stat_t
		if stat(path, &st) != nil {
			return // closed meanwhile
		}
		has = true
		beaten = beaten && hasPulse(&st)
	})
	return err == nil && has && beaten
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
// /proc/PID/fd: its path there, and what that links to, cut at 4 KiB.
func eachFd(dir string, f func(path string, target []byte)) error {
	buf := make([]byte, unix.PathMax)
	return gone(pids(dir, func(fd int) {
		path := dir + "/" + strconv.Itoa(fd)
		if n, err := unix.Readlink(path, buf); err == nil {
			f(path, buf[:n])
		}
	}))
}
