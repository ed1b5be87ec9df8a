package main_test

import (
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// piped [VAR=VALUE…] [ARG…]
func wordPiped(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, false, args, 0, "piped [VAR=VALUE…] [ARG…]")
	vars, args := assignments(args)
	ts.Check(unix.Mkfifo(ts.MkAbs("gsv.pipe"), 0o600))
	// It is its own reader too, so that it neither waits for one nor gets EPIPE.
	ts.Check(of(ts).start(ts.MkAbs("."), []string{"sh", "-c", `exec "$0" "$@" 1<>gsv.pipe`}, vars, args))
}
