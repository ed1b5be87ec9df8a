package guardian

import (
	"fmt"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// Name is what Become calls the guardian's process: its argv[0].
const Name = "gsv-guardian"

// The files of a guardian that Become has made.
const (
	becomeFirst = 3 // the first of Options.Files
	becomeLast  = 4
)

// The runtime of a guardian has one processor from its beginning. Each has a cache for small objects, and giving one up later takes half
// a megabyte if packages were initialised on it. The value is one that nobody else would write.
const (
	procs   = "GOMAXPROCS"
	oneProc = "01"
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
	if os.Getenv(procs) == oneProc {
		_ = os.Unsetenv(procs) // it is not for the supervisor
	}
	// What is executed is /proc/self/exe, and ps would show "exe" (proc_pid_comm(5)).
	_ = os.WriteFile("/proc/self/comm", []byte("gsv"), 0)
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

// Become turns this process into a guardian with these two files (see
// Options.Files), by executing its own image again; args are what the
// supervisor gets as arguments. It returns only if that fails.
func Become(args []string, files [becomeLast - becomeFirst + 1]*os.File) error {
	var high [len(files)]int // out of each other's way
	for i, f := range files {
		fd, err := number(f)
		if err == nil {
			high[i], err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, becomeLast+1)
		}
		if err != nil {
			return fmt.Errorf("cannot pass on %s: %w", f.Name(), err)
		}
	}
	for i, fd := range high {
		if err := unix.Dup3(fd, becomeFirst+i, 0); err != nil {
			return fmt.Errorf("cannot pass on %s: %w", files[i].Name(), err)
		}
	}
	env := os.Environ()
	if _, set := os.LookupEnv(procs); !set {
		env = append(env, procs+"="+oneProc)
	}
	err := syscall.Exec("/proc/self/exe", append([]string{Name}, args...), env)
	return fmt.Errorf("cannot execute gsv again (is /proc mounted?): %w", err)
}
