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
	DoReload              // replace the workers by new ones; a service that is wanted but down is started
	DoScale               // so many workers more, or fewer
	DoReplace             // as DoReload, by a new run beside the current one
)

// Command is an operator's wish. Its Op may be empty: then nobody waits for
// the result.
type Command struct {
	Op      OpID
	Verb    Verb
	Signal  syscall.Signal // for DoSignal
	NoCheck bool           // for what the check-command comes before: do without
	Count   int            // for DoSignal: how often, 0 is once; for DoScale: how many more, below 0 fewer
	Reset   bool           // for DoRestart: forget what DoScale asked for
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

// Succeeded says that run Gen's main process has started its own successor, Next.
type Succeeded struct {
	Gen  int
	Next Proc
}

// SuccessorEnded says that the successor that run Gen's main process has started on
// the signal of a reload has ended, and that nobody has seen it.
type SuccessorEnded struct{ Gen int }

// Overdue names what is left of run Gen, which has had its time to go.
type Overdue struct {
	Gen   int
	Procs []Proc
}

// Extend gives run Gen until then for what it does: to be ready, or to end.
type Extend struct {
	Gen   int
	Until time.Time
}

// Changed says that the policy is another one now.
type Changed struct{}

// Tick says that the time has passed; State.Deadline tells when one is due.
type Tick struct{}

// Checked says how the check-command that operation Op asked for has ended:
// Err is empty if it succeeded.
type Checked struct {
	Op  OpID
	Err string
}

// Surveyed answers Survey: what there is, and how it can be reloaded or scaled.
type Surveyed struct {
	Op      OpID
	Err     string // not empty: it cannot be done, nothing was signalled, and why
	Restart bool   // a reload is to be done by a restart
	Run     bool   // a reload is to be done by the reload-command
	Signal  syscall.Signal
	Workers []Worker
	Need    int // as many workers were there when all was well; 0: there are none

	// Of a change of the number of workers.
	Back   syscall.Signal // takes back one more worker; 0: nothing does
	Crew   Crew           // what was seen of the workers before
	Steady int            // how many there were when all was last well; 0: not known
}

// Census is what there is of run Gen's workers.
type Census struct {
	Gen     int
	Workers []Worker
	Solo    bool   // there are none, and the main process does their work
	Queue   int    // connections that wait to be accepted
	Ended   string // how the last worker that ended has ended, where that is known
}

// Answered answers Ask: Err is empty if the service is as it should be. Final says
// that it will not get better.
type Answered struct {
	Op    OpID
	Err   string
	Final bool
}

// Ailing says that run Gen does not do its work although its main process
// lives; with an empty Why that it does again.
type Ailing struct {
	Gen int
	Why string
}

func (Succeeded) event()      {}
func (SuccessorEnded) event() {}
func (Overdue) event()        {}
func (Extend) event()         {}
func (Checked) event()        {}
func (Surveyed) event()       {}
func (Census) event()         {}
func (Answered) event()       {}
func (Ailing) event()         {}
func (Command) event()        {}
func (Launched) event()       {}
func (Ready) event()          {}
func (Ended) event()          {}
func (Empty) event()          {}
func (Delivered) event()      {}
func (Changed) event()        {}
func (Tick) event()           {}

// An Effect is something to be done. Effects are carried out in their order.
type Effect interface{ effect() }

// StartRun asks for a process: run Gen.
type StartRun struct{ Gen int }

// Adopt makes a process that is there the main process of run Gen.
type Adopt struct {
	Gen  int
	Proc Proc
}

// Serve says that run Gen is the current one from now on.
type Serve struct{ Gen int }

// Name asks what is left of run Gen, before it is ended for its being late: answer
// with Overdue.
type Name struct{ Gen int }

// Kill sends a signal to run Gen: to its main process, or to its whole group.
// Op is set where an operation waits for the delivery: answer with Delivered.
type Kill struct {
	Gen    int
	Signal syscall.Signal
	Group  bool
	Op     OpID
	Count  int // how often, one after another was taken; 0 is once
}

// Check runs the check-command: answer with Checked.
type Check struct{ Op OpID }

// Survey looks at run Gen before a reload or a change of the number of its
// workers, once these have settled: answer with Surveyed.
type Survey struct {
	Op    OpID
	Gen   int
	Scale int // 0: before a reload; above 0: before more workers, below: fewer
}

// RunReload runs the reload-command: answer with Delivered.
type RunReload struct {
	Op  OpID
	Gen int
}

// Ask has the service asked, once its workers are there, whether it does its
// work: answer with Answered.
type Ask struct {
	Op  OpID
	Gen int
}

// End sends a signal to workers that do not go by themselves.
type End struct {
	Gen    int
	Procs  []Proc
	Signal syscall.Signal
	Hung   bool // they have not loaded their code
}

// Finish ends operation Op. Result says how, Why adds to it in words.
type Finish struct {
	Op     OpID
	Result Result
	Why    string
	Reload *Reload // the reload that served Op, as it ended; nil: none did
	Scaled *Scaling
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

func (Adopt) effect()     {}
func (Serve) effect()     {}
func (Name) effect()      {}
func (Check) effect()     {}
func (Survey) effect()    {}
func (RunReload) effect() {}
func (Ask) effect()       {}
func (End) effect()       {}
func (StartRun) effect()  {}
func (Kill) effect()      {}
func (Finish) effect()    {}
func (Shutdown) effect()  {}

// KillGrace is how long after a SIGKILL a stop is reported as failed: a
// process that is still there waits in the kernel (state D) and cannot be ended.
const KillGrace = 10 * time.Second

// CleanWait is how long what a crashed main process left behind gets after
// TERM, before KILL.
const CleanWait = 5 * time.Second
