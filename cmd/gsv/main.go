// Command gsv is a process supervisor: it keeps the services of a directory of
// service files running, and reloads, stops and shows them as gsvctl asks.
//
// It is two processes of this one program. The first, the guardian, is the
// parent of everything and holds what must not be lost. The second, the
// supervisor, does all the rest and may be killed at any moment. A third thing
// it can be, the guardian again, begins before main: see guardian.Become.
package main

import (
	"fmt"
	"os"

	"gsv/supervise/guardian"
)

func main() {
	var status int
	var err error
	switch {
	case len(os.Args) > 0 && os.Args[0] == guardian.SupervisorName:
		status, err = runSupervisor(os.Args[1:])
	case len(os.Args) > 1 && os.Args[1] == "check":
		status, err = check(os.Args[2:])
	case len(os.Args) > 1 && os.Args[1] == "version":
		fmt.Println("gsv " + version())
	default:
		status, err = guard(os.Args[1:])
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "gsv: %v\n", err)
	}
	os.Exit(status)
}

// Exit statuses of gsv where nothing could be begun.
const (
	exitFailed  = 1
	exitUsage   = 2
	exitInvalid = 8 // service files
)
