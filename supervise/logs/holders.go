package logs

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Inode is what tells the pipe of a run from all others, as long as somebody has
// it open; 0 where that is not known.
func Inode(f *os.File) (inode uint64) {
	c, err := f.SyscallConn()
	if err != nil {
		return 0
	}
	_ = c.Control(func(fd uintptr) {
		var st unix.Stat_t
		if unix.Fstat(int(fd), &st) == nil {
			inode = st.Ino
		}
	})
	return inode
}

// Holders returns which processes have these pipes as their standard output or
// error, by the pipes' inodes. Without any it looks at nothing.
func Holders(inodes []uint64) map[uint64][]int {
	pids := map[uint64][]int{}
	if len(inodes) == 0 {
		return pids
	}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		for _, fd := range []int{1, 2} {
			inode := pipeAt(pid, fd)
			if inode != 0 && slices.Contains(inodes, inode) && !slices.Contains(pids[inode], pid) {
				pids[inode] = append(pids[inode], pid)
			}
		}
	}
	return pids
}

// pipeAt is the inode of the pipe that a process has at fd; 0: it has none there.
func pipeAt(pid, fd int) uint64 {
	link, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, fd))
	if err != nil {
		return 0
	}
	number, _ := strings.CutPrefix(link, "pipe:[")
	inode, _ := strconv.ParseUint(strings.TrimSuffix(number, "]"), 10, 64)
	return inode
}
