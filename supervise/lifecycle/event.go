package lifecycle

import (
	"syscall"
	"time"
)

// An Event is something that happened to a service.
type Event interface{ event() }

// Verb is what an operator can ask of a service.
type Verb uint8

const (
	DoStart   Verb = iota // be up: done when ready
	DoStop                // be down: done when nothing is left
	DoQuit                // be down, by the server's graceful stop
	DoOnce                // run, and do not start again: done when ready; a oneshot when it has ended
	DoRestart             // stop, then start: done when the new run is ready
	DoSignal              // one signal to the main process, nothing else: done when delivered
	DoReload              // the reload signal; a service that is wanted but down is started
)

// Command is an operator's wish. Its Op may be empty: then nobody waits for
// the result.
type Command struct {
	Op     OpID
	Verb   Verb
	Signal syscall.Signal // for DoSignal and DoReload
}

// Launched says that the process of run Gen exists. Whether its program could
// be executed is not known yet: an Ended with a Failure tells.
type Launched struct{ Gen int }

// Ready says that run Gen's readiness check succeeded.
type Ready struct{ Gen int }

// Ended says that run Gen's main process has ended, or could not be started.
// Jitter (-1 to 1) spreads the next start by up to a tenth.
type Ended struct {
	Gen    int
	Exit   Exit // Uptime is set by Step, and At where it is zero
	Left   bool // others of its processes are still there
	Jitter float64
}

// Empty says that nothing of run Gen is left. Jitter is as in Ended.
type Empty struct {
	Gen    int
	Jitter float64
}

// Delivered says what became of the signal that operation Op asked for: Err is
// empty if it was delivered.
type Delivered struct {
	Op  OpID
	Err string
}

// Changed says that the policy is another one now.
type Changed struct{}

// Tick says that the time has passed; State.Deadline tells when one is due.
type Tick struct{}

func (Command) event()   {}
func (Launched) event()  {}
func (Ready) event()     {}
func (Ended) event()     {}
func (Empty) event()     {}
func (Delivered) event() {}
func (Changed) event()   {}
func (Tick) event()      {}

// An Effect is something to be done. Effects are carried out in their order.
type Effect interface{ effect() }

// StartRun asks for a process: run Gen.
type StartRun struct{ Gen int }

// Kill sends a signal to run Gen: to its main process, or to its whole group.
// Op is set where an operation waits for the delivery: answer with Delivered.
type Kill struct {
	Gen    int
	Signal syscall.Signal
	Group  bool
	Op     OpID
}

// Finish ends operation Op. Result says how, Why adds to it in words.
type Finish struct {
	Op     OpID
	Result Result
	Why    string
}

// Result is how an operation ended.
type Result uint8

const (
	Done       Result = iota // done, or already so
	Failed                   // what was asked for did not come about
	Superseded               // another command undid it first
)

// Shutdown says that gsv shall end, because this service has.
type Shutdown struct{}

func (StartRun) effect() {}
func (Kill) effect()     {}
func (Finish) effect()   {}
func (Shutdown) effect() {}

// KillGrace is how long after a SIGKILL a stop is reported as failed: a
// process that is still there waits in the kernel (state D) and cannot be ended.
const KillGrace = 10 * time.Second

// CleanWait is how long what a crashed main process left behind gets after
// TERM, before KILL.
const CleanWait = 5 * time.Second
