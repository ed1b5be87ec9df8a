package procfs

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// Signal sends a signal to the process that has this pid and has started then
// (Read), and to no other that gets its pid meanwhile. The error is ESRCH where it has
// ended, reaped or not, and EPERM where it is another user's.
func Signal(pid int, start uint64, sig syscall.Signal) error {
	fd, err := open(pid, start)
	if err != nil {
		return fmt.Errorf("cannot send %s to process %d: %w", unix.SignalName(sig), pid, err)
	}
	defer unix.Close(fd)
	ends := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	if n, _ := unix.Poll(ends, 0); n > 0 {
		err = unix.ESRCH // of a zombie the kernel takes signals, and drops them
	} else if err = unix.PidfdSendSignal(fd, sig, nil, 0); err == nil {
		return nil
	}
	return fmt.Errorf("cannot send %s to process %d: %w", unix.SignalName(sig), pid, err)
}
