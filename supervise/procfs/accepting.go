package procfs

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Accepting tells whether the main thread of a process waits for a connection
// right now: in accept(2), or in flock(2) for its turn to do so. It takes the
// right to trace the process; false where that is missing.
func Accepting(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", pid)) // proc_pid_syscall(5)
	if err != nil {
		return false
	}
	var number uint64
	if n, _ := fmt.Sscanf(strings.TrimSpace(string(text)), "%d", &number); n != 1 {
		return false // "running"
	}
	return number == unix.SYS_ACCEPT || number == unix.SYS_ACCEPT4 || number == unix.SYS_FLOCK
}
