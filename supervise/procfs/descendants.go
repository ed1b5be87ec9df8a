package procfs

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Descendants returns the live processes that are exactly depth levels below a
// process, in order of their parents and pids: with depth 1 its children, with
// 2 its grandchildren; and those between, top first. Below one that is about
// to end they become another's and are missing. The error is ESRCH where there
// is no such process; one that ended, whose zombie is still there, has none.
func Descendants(pid, depth int) (workers, between []Proc, err error) {
	if depth < 1 {
		return nil, nil, fmt.Errorf("bug: descendants %d levels below process %d", depth, pid)
	}
	if workers, err = live(pid); err != nil {
		return nil, nil, err
	}
	for range depth - 1 {
		between = append(between, workers...)
		parents := workers
		workers = nil
		for _, p := range parents {
			children, err := live(p.Pid)
			if err != nil && !errors.Is(err, unix.ESRCH) {
				return nil, nil, err
			}
			workers = append(workers, children...)
		}
	}
	return workers, between, nil
}

// looksAgain bounds how often live looks, where children end faster than it does.
const looksAgain = 8

// live returns a process's live children. While the kernel lists them, the end of
// one just listed can hide the next one (get_children_proc, fs/proc/array.c):
// that it is gone shows that, and then we look again.
func live(pid int) ([]Proc, error) {
	for n := 1; ; n++ {
		children, err := Children(pid)
		if err != nil {
			return nil, err
		}
		procs := make([]Proc, 0, len(children))
		hidden := false
		for _, child := range children {
			p, err := Read(child)
			switch {
			case err != nil || p.PPid != pid:
				hidden = true
			case p.Alive():
				procs = append(procs, p)
			}
		}
		if !hidden || n == looksAgain {
			return procs, nil
		}
	}
}
