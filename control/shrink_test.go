package control

import (
	"syscall"
	"testing"
)

// shrink makes the queue of a listening socket as short as it gets.
func shrink(t *testing.T, raw syscall.RawConn) {
	t.Helper()
	var err error
	if e := raw.Control(func(fd uintptr) { err = syscall.Listen(int(fd), 0) }); e != nil || err != nil {
		t.Fatal(e, err)
	}
}
