package main

import (
	"os"
	"os/signal"
	"slices"
	"syscall"
	"unsafe"
)

// Sigaction is the kernel's struct sigaction on linux/amd64 and linux/arm64:
// handler, flags, restorer, mask.
type sigaction [4]uint64

// Caught are the signals that Starman's master handles. CHLD stays with the
// Go runtime throughout, which does no harm: its default action is nothing.
var caught = []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGTTIN, syscall.SIGTTOU}

// DefaultSignals takes back the handlers that the Go runtime installs at its
// start, so that a signal does to this process what it does to a Perl script,
// and SigCgt in /proc says what is handled and what would kill.
// But for keep: until Notify the runtime's handler ends the process too, and there
// is no moment between the two in which a signal could be lost.
func defaultSignals(keep []os.Signal) {
	for sig := syscall.Signal(1); sig <= 64; sig++ {
		if slices.Contains(keep, os.Signal(sig)) {
			continue
		}
		switch sig {
		case syscall.SIGKILL, syscall.SIGSTOP: // cannot be changed
		case syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGILL, syscall.SIGTRAP, syscall.SIGABRT, syscall.SIGSYS:
		case syscall.SIGURG, syscall.SIGPROF, syscall.SIGPIPE, syscall.SIGCHLD: // the runtime needs them
		case 32, 33, 34: // the C library's own
		default:
			setDefault(sig)
		}
	}
}

func setDefault(sig syscall.Signal) {
	var act sigaction
	_, _, _ = syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&act)), 0, 8, 0, 0)
}

// Catch delivers the given signals to the returned channel from now on. The
// runtime believes its handlers to be in place after defaultSignals, and would
// not install them again: ignoring each signal first makes it forget.
func catch(signals ...os.Signal) <-chan os.Signal {
	c := make(chan os.Signal, 64) // room for a burst: Notify drops what does not fit
	signal.Ignore(signals...)
	signal.Notify(c, signals...)
	return c
}
