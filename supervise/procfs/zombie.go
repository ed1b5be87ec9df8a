package procfs

import (
	"bytes"
	"strconv"
	"syscall"
)

// zombieStatus reads how a process ended that its parent has not reaped yet, from
// the last field of /proc/PID/stat (exit_code, proc_pid_stat(5)). Without the
// right to trace it the kernel shows a 0 there. It is what there is before
// Linux 6.15, if one is quicker than the parent.
func zombieStatus(pid int, start uint64) (status syscall.WaitStatus, known bool) {
	b, err := readFile(make([]byte, 1024), "/proc/"+strconv.Itoa(pid)+"/stat")
	if err != nil {
		return 0, false
	}
	p, err := parseStat(b)
	if err != nil || p.State != 'Z' || p.Start != start {
		return 0, false
	}
	b = bytes.TrimRight(b, "\n")
	code, err := strconv.ParseUint(string(b[bytes.LastIndexByte(b, ' ')+1:]), 10, 32)
	return syscall.WaitStatus(code), err == nil
}
