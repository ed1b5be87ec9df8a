// Package status is what gsv says about itself on the control socket: the JSON of every request and answer of /v1.
//
// It imports nothing of gsv, so that the supervisor, the HTTP server and the client share these types without sharing anything else.
// Fields are only ever added; a reader ignores those it does not know. Times are RFC 3339, durations are seconds, sizes are bytes,
// signals are names without "SIG".
package status

import "time"

// A State is what a service is doing, in one word.
type State string

// The states of a service, all there are.
const (
	Waiting   State = "waiting"   // wanted up, held back by a service it comes after
	Starting  State = "starting"  // the main process is there, readiness is not proven yet
	Running   State = "running"   // ready, or was and only lost its readiness
	Reloading State = "reloading" // running, with a reload in progress
	Stopping  State = "stopping"  // the stop sequence is under way
	Stopped   State = "stopped"   // nothing of it is left, and nothing is wanted
	Backoff   State = "backoff"   // ended, will be started again at next_start
	Exited    State = "exited"    // ended for good by its restart policy
	Fatal     State = "fatal"     // given up: start-limit was reached
	Invalid   State = "invalid"   // its file is bad and no earlier definition is known
)

// Alive says whether a main process is there in this state.
func (s State) Alive() bool {
	switch s {
	case Starting, Running, Reloading, Stopping:
		return true
	case Waiting, Stopped, Backoff, Exited, Fatal, Invalid:
	}
	return false
}

// A Service is one service as it is now.
type Service struct {
	Name        string     `json:"name"`
	Description string     `json:"description"`
	Preset      string     `json:"preset"`
	Groups      []string   `json:"groups"` // the names that @group stands for
	State       State      `json:"state"`
	Reason      string     `json:"reason,omitempty"` // why it is in this state, one clause, where there is more to say than the state
	Want        string     `json:"want"`             // "up", "down" or "once"
	Pid         int        `json:"pid"`              // the main process, 0 if there is none
	Generation  int        `json:"generation"`       // the number of its newest run, 0 before the first
	Ready       bool       `json:"ready"`
	Since       time.Time  `json:"since"`    // when the state began
	Restarts    int        `json:"restarts"` // starts that nobody asked for since an operator's last start
	Listen      []string   `json:"listen"`
	Release     string     `json:"release"`
	Stale       bool       `json:"stale"` // runs the code of an older release
	StaleReason string     `json:"stale_reason,omitempty"`
	Pending     bool       `json:"pending"` // its definition has changes that wait for a restart
	LastExit    *Exit      `json:"last_exit"`
	LastReload  *Reload    `json:"last_reload"`
	NextStart   *time.Time `json:"next_start"`                // set in backoff
	Workers     []Worker   `json:"workers,omitempty"`         // only where one service was asked for
	Main        *Worker    `json:"main,omitempty"`            // the main process; only where one service was asked for
	Scale       int        `json:"scale,omitempty"`           // how many workers more (or, below 0, fewer) ttin and ttou have asked for
	ScaleBase   int        `json:"scale_base,omitempty"`      // how many there would be without
	FileProblem string     `json:"file_problem,omitempty"`    // what is wrong with its service file, rendered with line, caret and hint; only for who may read, where one was asked for
	LogProblem  string     `json:"log_problem,omitempty"`     // what is wrong with its log now: output that is dropped, or waits
	Detected    bool       `json:"preset_detected,omitempty"` // the preset was seen in the command

	// Generations are its runs beside the one of Pid: one that is being tried, those that are going. Oldest first.
	Generations []Generation `json:"generations,omitempty"`
	Sockets     []Socket     `json:"sockets,omitempty"`     // those of [listen]; only where one service was asked for
	StatusText  string       `json:"status_text,omitempty"` // what the service says of itself (sd_notify, STATUS=)
	Watch       *Watch       `json:"watch,omitempty"`       // how its deployed files are watched; nil: they are not
}

// A Generation is a run of a service beside the one that serves.
type Generation struct {
	Generation int       `json:"generation"`
	Pid        int       `json:"pid"`
	Role       string    `json:"role"`             // Trying or Leaving
	Since      time.Time `json:"since"`            // when it was started, or told to go
	Reason     string    `json:"reason,omitempty"` // what it waits for, or what is being done about it
}

// The roles of a run beside the one that serves.
const (
	Trying  = "trying"  // started, and not proven yet
	Leaving = "leaving" // its successor serves, and it was told to go
)

// A Socket is one that gsv holds for a service, and how it is.
type Socket struct {
	Name     string `json:"name"`
	Address  string `json:"address"`            // "127.0.0.1:5000", "unix:/run/x.sock", "udp:127.0.0.1:53"
	Held     bool   `json:"held"`               // false: it is bound at the next start
	Queue    int    `json:"queue"`              // connections that wait to be accepted; of UDP: bytes that wait to be read
	Backlog  int    `json:"backlog,omitempty"`  // how many may
	Overflow int64  `json:"overflow,omitempty"` // connections or packets that found no room since it was bound; -1: not known
}

// Serves says whether the service does what is wanted of it: running and ready, or ended well where an end is what is wanted of it.
func (s *Service) Serves() bool {
	switch s.State {
	case Running, Reloading:
		return s.Ready
	case Exited:
		return s.Ready
	case Waiting, Starting, Stopping, Stopped, Backoff, Fatal, Invalid:
	}
	return false
}

// A Worker is a process of a service: its main process or one that this one has started.
type Worker struct {
	Pid        int       `json:"pid"`
	Started    time.Time `json:"started"`
	RSS        int64     `json:"rss"` // bytes
	PSS        int64     `json:"pss"` // bytes, 0 where the kernel does not tell
	Generation int       `json:"generation"`
	State      string    `json:"state,omitempty"`   // as in ps(1): "R", "S", "D", "T", "Z"
	Cwd        string    `json:"cwd,omitempty"`     // with " (deleted)" if it is gone
	Command    string    `json:"command,omitempty"` // its command line as it is now, made safe to show
	Catches    []string  `json:"catches,omitempty"` // signals it has handlers for, without "SIG"
}

// An Exit is how a run ended.
type Exit struct {
	Code    int       `json:"code"`             // 0 when a signal or an error ended it
	Signal  string    `json:"signal,omitempty"` // "KILL"; empty when it exited by itself
	Core    bool      `json:"core"`
	At      time.Time `json:"at"`
	Error   string    `json:"error,omitempty"`   // it never ran: the step that failed and why
	Unknown bool      `json:"unknown,omitempty"` // the kernel could not say how it ended
}

// A Reload is how the last reload went.
type Reload struct {
	Operation string    `json:"operation"`
	Result    string    `json:"result"` // OK or Failed
	Seconds   float64   `json:"seconds"`
	At        time.Time `json:"at"`               // when it ended
	Error     string    `json:"error,omitempty"`  // why it failed
	By        string    `json:"by,omitempty"`     // the user who asked
	Reason    string    `json:"reason,omitempty"` // as of its operation
	// Generation is the one that was tried, of a replacement: 0 if none was.
	Generation int `json:"generation,omitempty"`
}

// The results of an operation. It is empty while the operation goes on.
const (
	OK     = "ok"
	Failed = "failed"
)

// An Operation is one verb carried out on one service, from its acceptance to its end.
// Service is empty where the verb is about gsv as a whole.
type Operation struct {
	ID         string     `json:"id"`
	Verb       string     `json:"verb"` // the row's name, never an alias
	Service    string     `json:"service"`
	Signal     string     `json:"signal,omitempty"` // of a verb that sends a signal: which, without "SIG"
	As         string     `json:"as,omitempty"`     // the verb that was carried out in place of Verb: the hup of one that is down is a start
	Action     string     `json:"action,omitempty"` // of a verb that takes one: "pause"
	By         Caller     `json:"by"`
	Reason     string     `json:"reason,omitempty"` // why nobody had to ask for it: "137 files under /srv/app, first lib/App.pm"
	Started    time.Time  `json:"started"`
	Ended      time.Time  `json:"ended,omitzero"`
	Result     string     `json:"result"`            // "", OK or Failed
	Error      string     `json:"error,omitempty"`   // why it failed, one clause
	Log        []string   `json:"log,omitempty"`     // on failure, what the service wrote during this attempt; for a oneshot all it wrote
	Streams    bool       `json:"streams,omitempty"` // Log is what a oneshot writes, as it comes: its output, not a report
	OldWorkers int        `json:"old_workers"`
	NewWorkers int        `json:"new_workers"`
	Old        []int      `json:"old_pids,omitempty"`   // of a reload: the workers that were there before
	New        []int      `json:"new_pids,omitempty"`   // of a reload: the workers that are proven
	Pid        int        `json:"pid"`                  // the main process at the end (or now), 0 if there is none
	Generation int        `json:"generation"`           // of that process
	Release    string     `json:"release,omitempty"`    // of that process
	Tried      int        `json:"tried,omitempty"`      // of a replacement: the generation that was to serve
	Already    bool       `json:"already,omitempty"`    // it was so already, nothing was done
	Serving    bool       `json:"serving"`              // the service serves at the end, whether or not the operation failed
	Detail     string     `json:"detail,omitempty"`     // what more there is to say of a success: "6 workers new", "HUP sent to 812"
	Warning    string     `json:"warning,omitempty"`    // what else there is to say of a success, after the release: "2 old workers (812 815) …"
	Hint       string     `json:"hint,omitempty"`       // what to do, or what happens next
	Progress   string     `json:"progress,omitempty"`   // how far it is: "workers replaced 5/8"
	Bound      float64    `json:"bound,omitempty"`      // seconds after which the service's own limits end the operation, 0 = none
	NextStart  *time.Time `json:"next_start,omitempty"` // when gsv tries again by itself
}

// Done says whether the operation has ended.
func (o *Operation) Done() bool { return o.Result != "" }

// Seconds is how long the operation took, or has taken until now.
func (o *Operation) Seconds(now time.Time) float64 {
	if o.Done() {
		now = o.Ended
	}
	return now.Sub(o.Started).Seconds()
}

// A Caller is who asked, as the kernel says (SO_PEERCRED, SO_PEERGROUPS, at the time of connect).
type Caller struct {
	UID    uint32   `json:"uid"`
	User   string   `json:"user"` // the name of UID, or its number where there is no such user
	Pid    int      `json:"pid"`
	GID    uint32   `json:"-"`
	Groups []uint32 `json:"-"` // supplementary groups; GID need not be among them
}

// An Event is one thing that happened.
type Event struct {
	Seq       uint64     `json:"seq"` // counts up; a gap means that events were dropped, or that another supervisor goes on
	At        time.Time  `json:"at"`
	Service   string     `json:"service,omitempty"` // empty: gsv as a whole
	Kind      string     `json:"kind"`              // "state", "exit", "operation", "definition", "log", "watch", "gsv"
	State     State      `json:"state,omitempty"`   // of kind "state": the new one
	Text      string     `json:"text"`              // for people, one clause
	Pid       int        `json:"pid,omitempty"`
	Operation string     `json:"operation,omitempty"`
	Exit      *Exit      `json:"exit,omitempty"` // of kind "exit"
	Op        *Operation `json:"op,omitempty"`   // of kind "operation": how it ended, without its Log
}

// A History is operations that have ended, oldest first.
type History struct {
	Operations []Operation `json:"operations"`
}

// About is gsv as a whole.
type About struct {
	Version       string    `json:"version"`
	Pid           int       `json:"pid"` // the guardian: the process to signal
	SupervisorPid int       `json:"supervisor_pid"`
	Started       time.Time `json:"started"` // of the guardian
	Uptime        float64   `json:"uptime"`  // seconds, of the guardian
	BootID        string    `json:"boot_id"`
}
