package procfs

import (
	"errors"
	"fmt"
	"syscall"
)

// Pending tells whether a signal has been sent to a process and not been taken
// by it yet (ShdPnd and, of its main thread, SigPnd: proc_pid_status(5)).
func Pending(pid int, sig syscall.Signal) (bool, error) {
	if sig < 1 || sig > 64 {
		return false, fmt.Errorf("cannot tell whether signal %d is pending: there is none", int(sig))
	}
	var buf [8192]byte
	b, err := readStatus(buf[:], pid)
	if err != nil {
		return false, fmt.Errorf("cannot read the signals of process %d: %w", pid, err)
	}
	shared, err1 := mask(b, "ShdPnd:\t")
	own, err2 := mask(b, "SigPnd:\t")
	if err := errors.Join(err1, err2); err != nil {
		return false, fmt.Errorf("cannot read the signals of process %d: %w", pid, err)
	}
	return (shared|own)&(1<<(sig-1)) != 0, nil
}
