package procfs

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// blocks tells whether all threads of a process block a signal, or wait for it. One
// that does not gets it (signal(7)): Go programs that ask for signals block all
// others in one of their threads, be it the main one (runtime.ensureSigM).
func blocks(pid int, sig syscall.Signal) bool {
	all, any := true, false
	err := pids(fmt.Sprintf("/proc/%d/task", pid), func(tid int) {
		var buf [8192]byte
		b, err := readStatus(buf[:], tid)
		if err != nil {
			return // it has ended
		}
		blk, _ := mask(b, "SigBlk:\t")
		any = true
		all = all && (blk>>(sig-1)&1 != 0 || waitsFor(tid, sig))
	})
	return err == nil && any && all
}

// waitsFor tells whether the main thread of a process waits for a signal right
// now, by sigwaitinfo(2). Its status does not tell: the kernel unblocks what is
// waited for meanwhile (do_sigtimedwait, kernel/signal.c). The signals are in
// the process's own memory, at the first argument of its system call
// (proc_pid_syscall(5)).
func waitsFor(pid int, sig syscall.Signal) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", pid))
	if err != nil {
		return false
	}
	var number, set uint64
	if n, _ := fmt.Sscanf(strings.TrimSpace(string(text)), "%d 0x%x", &number, &set); n != 2 || number != unix.SYS_RT_SIGTIMEDWAIT {
		return false
	}
	var mask [8]byte
	local := []unix.Iovec{{Base: &mask[0], Len: uint64(len(mask))}}
	remote := []unix.RemoteIovec{{Base: uintptr(set), Len: len(mask)}}
	if n, err := unix.ProcessVMReadv(pid, local, remote, 0); err != nil || n != len(mask) {
		return false
	}
	return binary.NativeEndian.Uint64(mask[:])>>(sig-1)&1 != 0
}
