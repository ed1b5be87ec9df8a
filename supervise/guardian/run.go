package guardian

import (
	"io"
	"os"
)

// Options are what Run needs.
type Options struct {
	// Argv is the supervisor's. What is executed is this very image, /proc/self/exe: Argv[0] tells it what to be.
	// After three deaths before it was serving, "--set-aside-state" is appended.
	Argv []string
	// Files are inherited by every supervisor as fds 4, 5 and so on. Its fd 3 is the socket for Dial, 0 to 2 are the guardian's.
	Files []*os.File
	// Forward makes every signal be told: a second TERM, INT or QUIT does not end everything at once.
	Forward bool
	// Stderr is told when a supervisor ends and is started again. nil: nobody is.
	Stderr io.Writer
}

// Run is the guardian: it returns when a supervisor has asked it to exit, with the status that it asked for.
func Run(o Options) (status int, err error) {
	g, err := newGuardian(o)
	if err != nil {
		return 1, err
	}
	return g.loop(), nil
}
