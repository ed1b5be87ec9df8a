package procfs

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Cmdline is the command line of a process for messages: words with spaces
// between, control characters shown as ?, at most 1 KiB. Where there is none
// (a kernel thread, a zombie, a process that is gone) it is [COMM], or "".
// It reads the process's memory: see Marked.
func Cmdline(pid int) string {
	var buf [1 << 10]byte
	b, err := readFile(buf[:], "/proc/"+strconv.Itoa(pid)+"/cmdline")
	if b = bytes.TrimRight(b, "\x00 "); err == nil && len(b) > 0 {
		return safe(bytes.ReplaceAll(b, []byte{0}, []byte{' '}))
	}
	if p, err := Read(pid); err == nil {
		return "[" + p.Comm + "]"
	}
	return ""
}

// Cwd is the directory a process works in, with " (deleted)" after it where it
// has been removed. It is the kernel's word, not made safe for printing.
func Cwd(pid int) (string, error) {
	var dir string
	err := withRights(pid, func() (err error) {
		dir, err = os.Readlink("/proc/" + strconv.Itoa(pid) + "/cwd")
		return err
	})
	if err != nil {
		return "", fmt.Errorf("cannot read the working directory of process %d: %w", pid, err)
	}
	return dir, nil
}

// Memory is what a process has in memory, in bytes: rss with all that it
// shares, pss with its share of that. pss is 0 where the caller may not know it
// (it takes the right to trace the process). It may wait for the process's
// memory: see Marked.
func Memory(pid int) (rss, pss int64, err error) {
	var buf [4096]byte
	b, err := readFile(buf[:], "/proc/"+strconv.Itoa(pid)+"/statm")
	if err != nil {
		return 0, 0, fmt.Errorf("cannot read the memory of process %d: %w", pid, err)
	}
	if f := bytes.Fields(b); len(f) > 1 {
		pages, _ := strconv.ParseInt(string(f[1]), 10, 64)
		rss = pages * int64(unix.Getpagesize())
	}
	b, err = readFile(buf[:], "/proc/"+strconv.Itoa(pid)+"/smaps_rollup")
	if err != nil {
		return rss, 0, nil
	}
	if _, after, ok := bytes.Cut(b, []byte("\nPss:")); ok {
		if f := bytes.Fields(after); len(f) > 0 {
			kb, _ := strconv.ParseInt(string(f[0]), 10, 64)
			pss = kb << 10
		}
	}
	return rss, pss, nil
}
