package procfs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// Group returns the live members of a process group, by pid, from one look
// through /proc. One that was born meanwhile may be missing.
func Group(pgid int) ([]Proc, error) {
	return scan(func(p *Proc) bool { return p.Pgrp == pgid })
}

// Session returns the live members of a session as Group does.
func Session(sid int) ([]Proc, error) {
	return scan(func(p *Proc) bool { return p.Session == sid })
}

func scan(want func(*Proc) bool) ([]Proc, error) {
	var procs []Proc
	err := pids("/proc", func(pid int) {
		// An error is a process that ended, or that hidepid= hides.
		if p, err := Read(pid); err == nil && p.Alive() && want(&p) {
			procs = append(procs, p)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("cannot list processes: %w", err)
	}
	slices.SortFunc(procs, func(a, b Proc) int { return a.Pid - b.Pid })
	return procs, nil
}

// pids calls f with each number that is a name in dir.
func pids(dir string, f func(int)) error {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: dir, Err: err}
	}
	defer unix.Close(fd)
	buf := make([]byte, 32<<10)
	var names []string
	for {
		n, err := unix.ReadDirent(fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return &os.PathError{Op: "readdir", Path: dir, Err: err}
		}
		if n == 0 {
			return nil
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names[:0])
		for _, name := range names {
			if pid, err := strconv.ParseUint(name, 10, 31); err == nil {
				f(int(pid))
			}
		}
	}
}

// Children returns the pids of a process's children, those of all its threads,
// zombies among them, in order. The error is ESRCH where there is no such
// process.
func Children(pid int) ([]int, error) {
	dir := "/proc/" + strconv.Itoa(pid) + "/task"
	var children []int
	var failed error
	err := pids(dir, func(tid int) {
		b, err := os.ReadFile(dir + "/" + strconv.Itoa(tid) + "/children")
		switch {
		case errors.Is(err, unix.ESRCH), errors.Is(err, unix.ENOENT) && unix.Access(dir+"/"+strconv.Itoa(tid), unix.F_OK) != nil:
			return // the thread has ended, its children are its siblings'
		case err != nil:
			failed = err
			return
		}
		for word := range bytes.FieldsSeq(b) {
			if child, err := strconv.Atoi(string(word)); err == nil {
				children = append(children, child)
			}
		}
	})
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil, fmt.Errorf("cannot list the children of process %d: %w", pid, unix.ESRCH)
	case err != nil:
		return nil, fmt.Errorf("cannot list the children of process %d: %w", pid, err)
	case failed != nil:
		return childrenByScan(pid) // a kernel without CONFIG_PROC_CHILDREN
	}
	slices.Sort(children)
	return slices.Compact(children), nil
}

func childrenByScan(pid int) ([]int, error) {
	var children []int
	err := pids("/proc", func(other int) {
		if p, err := Read(other); err == nil && p.PPid == pid {
			children = append(children, other)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("cannot list the children of process %d: %w", pid, err)
	}
	slices.Sort(children)
	return children, nil
}

// Marked returns those of pids, alive, whose environment says GSV_SERVICE=name:
// processes of a service that left its session, found again among orphans. A
// process may have overwritten its environment; then it is not found.
//
// Reading another's memory may wait for a dead file system: not for a goroutine
// that must not.
func Marked(pids []int, name string) []Proc {
	var procs []Proc
	entry := []byte("\x00GSV_SERVICE=" + name + "\x00")
	for _, pid := range pids {
		before, err := Read(pid)
		if err != nil || !before.Alive() || !hasEntry(pid, entry) {
			continue
		}
		// The pid may have become another's between the two.
		if after, err := Read(pid); err == nil && after.Start == before.Start && after.Alive() {
			procs = append(procs, after)
		}
	}
	return procs
}

// InSession adds to procs those of pids, alive, that are in a session and not among
// them; in session 0 is nobody.
func InSession(procs []Proc, pids []int, session int) []Proc {
	if session == 0 {
		return procs
	}
	procs = slices.Clone(procs)
	for _, pid := range pids {
		known := slices.ContainsFunc(procs, func(p Proc) bool { return p.Pid == pid })
		if p, err := Read(pid); !known && err == nil && p.Alive() && p.Session == session {
			procs = append(procs, p)
		}
	}
	return procs
}

// InGeneration reports whether a process's environment says GSV_GENERATION=gen.
// What holds for Marked holds here.
func InGeneration(pid, gen int) bool {
	return hasEntry(pid, []byte("\x00GSV_GENERATION="+strconv.Itoa(gen)+"\x00"))
}

// hasEntry looks for entry, between its NULs, in /proc/PID/environ, which may
// be megabytes.
func hasEntry(pid int, entry []byte) bool {
	fd, err := openFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return contains(func(b []byte) (int, error) { return unix.Read(fd, b) }, entry)
}

func contains(read func([]byte) (int, error), entry []byte) bool {
	buf := make([]byte, len(entry)+16<<10)
	n := 1 // buf[0] is the NUL before the first entry
	for {
		m, err := read(buf[n:])
		if err == unix.EINTR {
			continue
		}
		if err != nil || m <= 0 {
			return false
		}
		n += m
		if bytes.Contains(buf[:n], entry) {
			return true
		}
		// Keep what may be the begin of it.
		kept := min(n, len(entry)-1)
		copy(buf, buf[n-kept:n])
		n = kept
	}
}
