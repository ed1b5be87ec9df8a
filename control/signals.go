package control

import (
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Signal reads a signal's name, with or without "SIG" in any case, or its number, and gives its name without "SIG".
// The null signal and the real-time signals are none.
func Signal(word string) (string, bool) {
	if n, err := strconv.Atoi(word); err == nil {
		name := strings.TrimPrefix(unix.SignalName(syscall.Signal(n)), "SIG")
		return name, name != ""
	}
	n := unix.SignalNum("SIG" + strings.TrimPrefix(strings.ToUpper(word), "SIG"))
	return strings.TrimPrefix(unix.SignalName(n), "SIG"), n != 0
}
