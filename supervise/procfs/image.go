package procfs

import (
	"bytes"
	"fmt"
	"strconv"
)

// noRandomize is ADDR_NO_RANDOMIZE of personality(2).
const noRandomize = 0x0040000

// Image names what a process executes now: it is another one after each
// execve(2), even of the same file, for the kernel puts the stack elsewhere each
// time (startstack, field 28 of /proc/PID/stat). It is "" where that cannot be
// known: it takes the right to trace the process (see Shows), and a kernel that
// gives it random addresses.
func Image(pid int) string {
	var buf [1024]byte
	proc := "/proc/" + strconv.Itoa(pid)
	b, err := readFile(buf[:], proc+"/personality")
	if kind, err2 := strconv.ParseUint(string(bytes.TrimSpace(b)), 16, 32); err != nil || err2 != nil || kind&noRandomize != 0 {
		return ""
	}
	if b, err = readFile(buf[:], "/proc/sys/kernel/randomize_va_space"); err != nil || string(bytes.TrimSpace(b)) == "0" {
		return ""
	}
	if b, err = readFile(buf[:], proc+"/stat"); err != nil {
		return ""
	}
	// The state, field 3, is the first after the name, which may hold anything.
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(fields) < 26 || string(fields[25]) == "0" {
		return ""
	}
	return fmt.Sprintf("%s-%s", fields[23], fields[25])
}
