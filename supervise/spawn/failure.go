package spawn

import (
	"strconv"
	"syscall"
)

// A Step is one of the things done between fork and the first instruction of the new program. The zero value is none.
type Step uint8

// The steps, in the order in which a child takes them.
const (
	StepFork    Step = iota + 1 // making the child
	StepSession                 // setsid(2) or setpgid(2)
	StepFiles                   // putting its files in their places
	StepLimits                  // prlimit(2)
	StepGroups                  // setgroups(2)
	StepGID                     // setresgid(2)
	StepUID                     // setresuid(2)
	StepChdir                   // chdir(2) to Spec.Dir
	StepMask                    // unblocking its signals
	StepExec                    // execve(2), or finding no file to execute

	steps = StepExec
)

// String returns what the step does, to be read after "cannot".
func (s Step) String() string {
	switch s {
	case StepFork:
		return "fork"
	case StepSession:
		return "make a session"
	case StepFiles:
		return "pass files"
	case StepLimits:
		return "set limits"
	case StepGroups:
		return "set groups"
	case StepGID:
		return "set gid"
	case StepUID:
		return "set uid"
	case StepChdir:
		return "change directory"
	case StepMask:
		return "unblock signals"
	case StepExec:
		return "execute"
	}
	return "step " + strconv.Itoa(int(s))
}

// A Failure is why a child never became the program it was to be. It is an error, and unwraps to its Errno.
type Failure struct {
	Step  Step
	Errno syscall.Errno
}

// Error returns "cannot STEP: ERRNO".
func (f Failure) Error() string { return "cannot " + f.Step.String() + ": " + f.Errno.Error() }

// Unwrap returns the errno.
func (f Failure) Unwrap() error { return f.Errno }
