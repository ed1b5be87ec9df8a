package procfs

import (
	"os"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A process that has no handler for USR1 and blocks it in its main thread, the one that runs init, and in no other.
func init() {
	if os.Args[0] != role || len(os.Args) < 2 || os.Args[1] != "blocks" {
		return
	}
	var act [4]uint64 // SIG_DFL
	var set unix.Sigset_t
	set.Val[0] = 1 << (unix.SIGUSR1 - 1)
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGUSR1), uintptr(unsafe.Pointer(&act)), 0, 8, 0, 0)
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &set, nil); err != nil || errno != 0 {
		os.Exit(1)
	}
	os.Stdout.WriteString("ready\n")
	os.Stdin.Read(make([]byte, 1))
	os.Exit(0)
}

func TestCatchesWhatOneThreadBlocks(t *testing.T) {
	pid, _ := start(t, nil, "blocks")
	if caught, ignored, err := Catches(pid, syscall.SIGUSR1); caught || ignored || err != nil {
		t.Errorf("USR1: %v %v %v", caught, ignored, err)
	}
	if caught, _, err := Catches(pid, syscall.SIGHUP); !caught || err != nil {
		t.Errorf("HUP: %v %v", caught, err)
	}
}
