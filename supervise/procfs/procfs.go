// Package procfs tells what processes there are, from /proc (proc(5)).
//
// Every answer is about a moment that is over: the process may have ended, and
// its pid may be another's. Whoever acts on one compares StartTime, or holds a
// pidfd.
package procfs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Proc is one process, as /proc/PID/stat describes it.
type Proc struct {
	Pid     int
	Start   uint64 // start time in clock ticks since boot (field 22); with Pid it names a process for good
	PPid    int
	Pgrp    int
	Session int
	State   byte   // R S D T Z …; Z and X are dead
	Comm    string // at most 15 bytes, chosen by the process; control characters are shown as ?
}

// Alive is false for a process that has ended and waits to be reaped.
func (p Proc) Alive() bool { return p.State != 'Z' && p.State != 'X' && p.State != 'x' }

// Read reads /proc/PID/stat. The error is ESRCH (errors.Is) where there is no
// such process.
func Read(pid int) (Proc, error) {
	var buf [1024]byte // at most 52 numbers of 20 digits, mostly a third of that
	b, err := readFile(buf[:], "/proc/"+strconv.Itoa(pid)+"/stat")
	if err != nil {
		return Proc{}, fmt.Errorf("cannot read the state of process %d: %w", pid, err)
	}
	p, err := parseStat(b)
	if err != nil {
		return Proc{}, fmt.Errorf("cannot read the state of process %d: %w", pid, err)
	}
	return p, nil
}

// StartTime is the Start of Read: clock ticks since boot.
func StartTime(pid int) (uint64, error) {
	p, err := Read(pid)
	return p.Start, err
}

var errStat = errors.New("not the format of proc(5)")

// parseStat reads the line "PID (COMM) S PPID PGRP SESSION …". COMM is chosen
// by the process and may hold spaces, parentheses and newlines; nothing after
// it does.
func parseStat(b []byte) (Proc, error) {
	left, right := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if left < 2 || right < left || b[left-1] != ' ' {
		return Proc{}, errStat
	}
	pid, err := strconv.ParseUint(string(b[:left-1]), 10, 31)
	if err != nil {
		return Proc{}, errStat
	}
	p := Proc{Pid: int(pid), Comm: safe(b[left+1 : right])}
	rest := b[right+1:]
	for field := 3; field <= 22; field++ {
		if len(rest) < 2 || rest[0] != ' ' {
			return Proc{}, errStat
		}
		word, after := rest[1:], []byte(nil)
		if i := bytes.IndexAny(word, " \n"); i >= 0 {
			word, after = word[:i], word[i:]
		}
		rest = after
		switch field {
		case 3:
			if len(word) != 1 {
				return Proc{}, errStat
			}
			p.State = word[0]
		case 4:
			p.PPid, err = strconv.Atoi(string(word))
		case 5:
			p.Pgrp, err = strconv.Atoi(string(word))
		case 6:
			p.Session, err = strconv.Atoi(string(word))
		case 22:
			p.Start, err = strconv.ParseUint(string(word), 10, 64)
		}
		if err != nil {
			return Proc{}, errStat
		}
	}
	return p, nil
}

// safe makes what a process says of itself fit to be printed on a line.
func safe(b []byte) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' || r == '\ufffd' {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(string(b), "?"))
}

// readFile reads a file of /proc into buf, which may be too short, in one read
// where it fits. Without package os: no poller, no finalizer, no allocation.
func readFile(buf []byte, path string) ([]byte, error) {
	fd, err := openFile(path)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	n := 0
	for n < len(buf) {
		m, err := unix.Read(fd, buf[n:])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		if m == 0 {
			break
		}
		n += m
	}
	return buf[:n], nil
}

// openFile opens a file of /proc/PID. A process that is gone is ESRCH, whether
// it went before or after the open.
func openFile(path string) (int, error) {
	for {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		switch err {
		case nil:
			return fd, nil
		case unix.EINTR:
		case unix.ENOENT:
			return -1, unix.ESRCH
		default:
			return -1, err
		}
	}
}

// Catches tells whether a process takes a signal, or ignores it. It takes one
// that it has a handler for, one that all of its threads block, to fetch it by
// sigwaitinfo(2) or signalfd(2), and one that its main thread waits for. Neither:
// the signal does what it does by default, which for most is to kill.
func Catches(pid int, sig syscall.Signal) (caught, ignored bool, err error) {
	if sig < 1 || sig > 64 {
		return false, false, fmt.Errorf("cannot tell the use of signal %d: there is none", int(sig))
	}
	var buf [8192]byte // Groups: may be long, and comes before the signals
	b, err := readStatus(buf[:], pid)
	if err == nil {
		caught, ignored, err = catches(b, sig)
	}
	if cgt, _ := mask(b, "SigCgt:\t"); caught && cgt>>(sig-1)&1 == 0 {
		caught = blocks(pid, sig)
	}
	if err != nil {
		return false, false, fmt.Errorf("cannot read the signals of process %d: %w", pid, err)
	}
	return caught || !ignored && waitsFor(pid, sig), ignored, nil
}

func catches(status []byte, sig syscall.Signal) (caught, ignored bool, err error) {
	cgt, err1 := mask(status, "SigCgt:\t")
	ign, err2 := mask(status, "SigIgn:\t")
	blk, err3 := mask(status, "SigBlk:\t")
	if err := errors.Join(err1, err2, err3); err != nil {
		return false, false, errStat
	}
	bit := uint64(1) << (sig - 1)
	return (cgt|blk&^ign)&bit != 0, ign&bit != 0, nil
}

// readStatus reads /proc/PID/status, whose length has no bound worth a buffer:
// 65536 supplementary groups are allowed.
func readStatus(buf []byte, pid int) ([]byte, error) {
	path := "/proc/" + strconv.Itoa(pid) + "/status"
	b, err := readFile(buf, path)
	for err == nil && len(b) == len(buf) && len(buf) < 2<<20 {
		buf = make([]byte, 4*len(buf))
		b, err = readFile(buf, path)
	}
	return b, err
}

func mask(status []byte, field string) (uint64, error) {
	_, after, ok := bytes.Cut(status, []byte("\n"+field))
	if !ok || len(after) < 16 {
		return 0, errStat
	}
	return strconv.ParseUint(string(after[:16]), 16, 64)
}

// BootID names this boot of the kernel: pids and start times of another mean
// nothing.
func BootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("cannot tell which boot this is: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// Boottime is the time since boot, suspension included (CLOCK_BOOTTIME): with
// BootID, a moment that means the same to the next process.
func Boottime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic("bug: clock_gettime: " + err.Error()) // there since Linux 2.6.39
	}
	return time.Duration(ts.Nano())
}
