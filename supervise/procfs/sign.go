package procfs

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Sign is what a process shows to others once it has come somewhere, as a
// worker that has loaded its code. What is set must all be so; the zero value
// is shown by every process that lives.
type Sign struct {
	Title     string         // its Title begins with this
	Thread    string         // one of its Threads has a name that begins with this
	Heartbeat string         // it has beaten on an unlinked file whose name begins with this (gunicorn)
	Catches   syscall.Signal // it has a handler for this signal
	Defaults  syscall.Signal // it has no handler for this signal (any more): ignores it, or leaves it to the kernel
}

// Shows tells whether a process shows a sign. False is also a process that has
// ended, and one that the caller may not look at: a Heartbeat needs the right
// to trace it or its parent (ptrace(2): the same user since its exec and no
// fewer capabilities, or CAP_SYS_PTRACE, which root in a container often lacks);
// everybody can see the rest, unless hidepid= hides it. A Title may wait for
// the process's memory: see Marked.
func Shows(pid int, s Sign) bool {
	p, err := Read(pid)
	if err != nil || !p.Alive() {
		return false // the rest would tell of a zombie, which has no handlers any more
	}
	if s.Catches != 0 || s.Defaults != 0 {
		caught, err := caught(pid)
		if err != nil || s.Catches != 0 && caught&bit(s.Catches) == 0 || s.Defaults != 0 && caught&bit(s.Defaults) != 0 {
			return false
		}
	}
	if s.Title != "" && !strings.HasPrefix(Title(pid), s.Title) {
		return false
	}
	if s.Thread != "" && !hasThread(pid, s.Thread) {
		return false
	}
	if s.Heartbeat != "" && !hasBeaten(&p, s.Heartbeat) {
		return false
	}
	if s == (Sign{}) {
		return true
	}
	// What was seen may be that of another process, or of the end.
	after, err := Read(pid)
	return err == nil && after.Start == p.Start && after.Alive()
}

// bit is that of a signal in a mask of /proc/PID/status, 0 for a number that
// is none.
func bit(sig syscall.Signal) uint64 {
	if sig < 1 || sig > 64 {
		return 0
	}
	return 1 << (sig - 1)
}

// Title is the first 4 KiB of a process's command line, which it may have
// overwritten, as setproctitle(3) does: words with spaces between, control
// characters shown as ?. It is "" for a process that has none (a zombie) or is
// gone. It reads the process's memory: see Marked.
func Title(pid int) string {
	var buf [4 << 10]byte
	b, err := readFile(buf[:], "/proc/"+strconv.Itoa(pid)+"/cmdline")
	if err != nil {
		return ""
	}
	b = bytes.TrimRight(b, "\x00 ")
	for i, c := range b {
		if c == 0 {
			b[i] = ' '
		}
	}
	return safe(b)
}

// Threads returns the names of a process's threads (pthread_setname_np(3)): at
// most 15 bytes each, control characters shown as ?, in no order. The error is
// ESRCH where there is no such process.
func Threads(pid int) ([]string, error) {
	var names []string
	err := threads(pid, func(name []byte) bool {
		names = append(names, safe(name))
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("cannot list the threads of process %d: %w", pid, err)
	}
	return names, nil
}

func hasThread(pid int, prefix string) (found bool) {
	err := threads(pid, func(name []byte) bool {
		found = bytes.HasPrefix(name, []byte(prefix))
		return !found
	})
	return err == nil && found
}

// threads calls f with the name of each thread, until it returns false.
func threads(pid int, f func(name []byte) bool) error {
	dir := "/proc/" + strconv.Itoa(pid) + "/task"
	var buf [64]byte // kernel threads have longer names than others
	more := true
	err := pids(dir, func(tid int) {
		if !more {
			return
		}
		if b, err := readFile(buf[:], dir+"/"+strconv.Itoa(tid)+"/comm"); err == nil {
			more = f(bytes.TrimSuffix(b, []byte("\n")))
		}
	})
	return gone(err)
}

// gone is ESRCH for a directory below /proc/PID that is not there.
func gone(err error) error {
	if os.IsNotExist(err) {
		return unix.ESRCH
	}
	return err
}

// SameProgram tells whether two processes run the same file. It is false where
// that cannot be known: it takes the right to trace both, as a Heartbeat does.
func SameProgram(a, b int) bool {
	var of [2]unix.Stat_t
	for i, pid := range [2]int{a, b} {
		if withRights(pid, func() error { return stat("/proc/"+strconv.Itoa(pid)+"/exe", &of[i]) }) != nil {
			return false
		}
	}
	return of[0].Dev == of[1].Dev && of[0].Ino == of[1].Ino
}

func stat(path string, st *unix.Stat_t) error {
	for {
		if err := unix.Stat(path, st); err != unix.EINTR {
			return err
		}
	}
}

// Caught returns the signals that a process has handlers for, in order (SigCgt,
// proc_pid_status(5)). The error is ESRCH where there is no such process.
func Caught(pid int) ([]syscall.Signal, error) {
	mask, err := caught(pid)
	if err != nil {
		return nil, fmt.Errorf("cannot read the signals of process %d: %w", pid, err)
	}
	var signals []syscall.Signal
	for sig := syscall.Signal(1); sig <= 64; sig++ {
		if mask&bit(sig) != 0 {
			signals = append(signals, sig)
		}
	}
	return signals, nil
}

func caught(pid int) (uint64, error) {
	var buf [8192]byte
	b, err := readStatus(buf[:], pid)
	if err != nil {
		return 0, err
	}
	return mask(b, "SigCgt:\t")
}
