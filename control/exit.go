package control

// The exit statuses of gsvctl, all there are. 255 is ssh's own and never used.
const (
	Done         = 0 // done and verified, or already so
	Failed       = 1
	Usage        = 2
	NotRunning   = 3   // `status NAME` of one that is not running or not ready
	NoService    = 4   // no such service
	TimedOut     = 5   // the caller's --timeout passed, the operation goes on
	NoAnswer     = 6   // gsv cannot be reached
	NotPermitted = 7   //
	Invalid      = 8   // invalid configuration
	Stale        = 9   // `status NAME` of one that serves, but whose last reload failed or which is stale
	Detached     = 130 // by Ctrl-C, the operation goes on
)

// Worst is the exit status of several services: the first of 7 4 8 1 5 3 9 that occurs. What is about gsvctl itself comes before all of these.
func Worst(statuses ...int) int {
	for _, s := range []int{Detached, NoAnswer, Usage, NotPermitted, NoService, Invalid, Failed, TimedOut, NotRunning, Stale} {
		for _, t := range statuses {
			if s == t {
				return s
			}
		}
	}
	for _, t := range statuses {
		if t != Done {
			return Failed
		}
	}
	return Done
}
