package main

import (
	"os"
	"strings"
	"unsafe"
)

// OwnArgs makes the strings of os.Args the program's own and returns the memory where
// they were, with a NUL after each: what /proc/PID/cmdline shows.
func ownArgs() []byte {
	size := 0
	for _, arg := range os.Args {
		size += len(arg) + 1
	}
	shown := unsafe.Slice(unsafe.StringData(os.Args[0]), size) // the runtime uses the kernel's strings as they lie there, one behind the other
	args := make([]string, len(os.Args))
	for i, arg := range os.Args {
		args[i] = strings.Clone(arg)
	}
	os.Args = args
	return shown
}

// SetTitle makes that memory show a title, as much of it as there is room for. The rest
// is NUL, as is the last byte: else the kernel would take the environment for more of
// it (get_mm_cmdline, fs/proc/base.c).
func setTitle(shown []byte, title string) {
	n := copy(shown[:len(shown)-1], title)
	clear(shown[n:])
}
