package guardian

import (
	"fmt"
	"os"
	"slices"
)

// Name is what Become calls the guardian's process: its argv[0].
const Name = "gsv-guardian"

// The files of a guardian that Become has made.
const (
	becomeFirst = 3 // the first of Options.Files
	becomeLast  = 4
)

// A guardian is only as large as what has been initialised in it: one that
// takes over here, before the packages that it does not use (the HTTP server,
// the TOML reader) are initialised, needs a quarter of the memory. That is why
// this package, alone, has an init: packages are initialised in the order of
// what they import (Go specification, Package initialization).
func init() {
	if len(os.Args) == 0 || os.Args[0] != Name {
		return
	}
	var files []*os.File
	for fd := uintptr(becomeFirst); fd <= becomeLast; fd++ {
		files = append(files, os.NewFile(fd, "from gsv"))
	}
	status, err := Run(Options{
		Argv:    append([]string{SupervisorName}, os.Args[1:]...),
		Files:   files,
		Forward: slices.Contains(os.Args[1:], "--"),
		Stderr:  os.Stderr,
	})
	if err != nil {
		fmt.Fprintf(os.Stderr, "gsv: %v\n", err)
		os.Exit(1)
	}
	os.Exit(status)
}

// SupervisorName is the argv[0] of the supervisor of such a guardian, whose
// other arguments are the guardian's.
const SupervisorName = "gsv-supervisor"
