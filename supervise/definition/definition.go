package definition

import (
	"reflect"
	"syscall"
	"time"
)

// A Definition is what one service file means, with every default filled in. Nothing in it
// may be changed once it was made. The zero value is not valid.
type Definition struct {
	Name   string // of the service: the stem of the file's name
	Path   string // of the file, as it was named; "" for [Command]
	Source []byte // the file as read: Parse(Name, Path, Source, same Defaults) gives an equal Definition

	Command     []string // never empty; Command[0] without a slash is looked up in the service's PATH
	Description string

	Preset         string // "starman" or "none"
	PresetDetected bool   // Preset was seen in the command, not written in the file

	Type      Type
	Main      bool  // gsv ends with this service, and with its exit status
	OnEnd     OnEnd // when the service has ended for good
	Autostart bool
	Groups    []string // as written, without "@"

	WorkingDirectory string            // "" = gsv's; not resolved here, for it is resolved anew at each start
	Environment      map[string]string // the [environment] table
	EnvironmentFiles []EnvironmentFile // in the order they are read
	Inherit          Inherit           // what of gsv's own environment the service gets

	User                string   // name or number; "" = gsv's
	Group               string   // name or number; "" = User's primary group, or gsv's
	SupplementaryGroups []string // names or numbers; nil = not set: User's groups, or gsv's
	Umask               int      // 0 to 0777

	Restart            Restart
	RestartDelay       time.Duration // after the first failure in a row
	RestartDelayMax    time.Duration // the delay never grows beyond; a run this long counts as healthy: the next start is at once
	RestartDelayFactor float64       // from one delay to the next; at least 1
	StartLimit         int           // failures within StartLimitInterval after which the service is fatal; 0 = never
	StartLimitInterval time.Duration

	MinUptime    time.Duration // a run that ends sooner has failed; without [ready] the service is ready after it
	StartTimeout time.Duration // until ready; 0 = none
	SuccessExit  []ExitMatch   // ends that are no failure; nil or empty = none is

	StopSequence []StopStep // always ends with {SIGKILL, 0}
	KillMode     KillMode
	Signals      PresetSignals

	Reload        Method        // how hup is done
	ReloadCommand []string      // of Reload == ByCommand
	ReloadTimeout time.Duration // how long a reload may go on without progress
	DrainTimeout  time.Duration // how long old workers may stay after the new ones are proven; 0 = for ever
	StaleRelease  Stale
	CheckCommand  []string // nil: the preset's, unless NoCheck
	NoCheck       bool     // check-command = []
	CheckTimeout  time.Duration
	Workers       Workers

	Listen  []Socket // in the order of the file
	PidFile string   // absolute; "" = none

	Ready Ready
	Allow map[string][]string // verb or role ("read" "operate" "all") to users and "@groups"
	Log   Log
	Watch Watch

	// Warnings are what should be said about a file that can be used nevertheless. They may
	// depend on the moment (is there such a user?), so Equal does not look at them.
	Warnings Problems
}

// Type is the kind of a service.
type Type uint8

// Kinds of services.
const (
	Simple       Type = iota // its process runs until it is stopped
	Oneshot                  // its process ends by itself; after success the service counts as ready
	Notify                   // it says by sd_notify that it is ready
	Forking                  // its process goes into the background: what is there when it has ended is the service
	NotifyReload             // Notify, and it answers a reload by RELOADING=1
)

func (t Type) String() string {
	return [...]string{"simple", "oneshot", "notify", "forking", "notify-reload"}[t]
}

// Notifies reports whether a service of that type says by sd_notify that it is ready.
func (t Type) Notifies() bool { return t == Notify || t == NotifyReload }

// OnEnd says what the end for good of a service means for gsv.
type OnEnd uint8

// What the end of a service leads to.
const (
	Nothing  OnEnd = iota
	Shutdown       // gsv stops all others and exits with status 10
)

func (o OnEnd) String() string { return [...]string{"nothing", "shutdown"}[o] }

// Restart says after which ends a service is started again.
type Restart uint8

// Restart policies.
const (
	Always    Restart = iota // after any end, exit 0 too
	OnFailure                // after an end that is not among SuccessExit
	No
)

func (r Restart) String() string { return [...]string{"always", "on-failure", "no"}[r] }

// KillMode says who gets the signals of the stop sequence.
type KillMode uint8

// Kill modes.
const (
	Mixed KillMode = iota // the main process; then what outlives it
	Group                 // the whole process group from the first step on
)

func (k KillMode) String() string { return [...]string{"mixed", "group"}[k] }

// Output says where a service's output goes.
type Output uint8

// Outputs.
const (
	File    Output = iota // LOG-DIR/NAME.log, or Log.Path
	Stdout                // gsv's stdout
	Discard               // nowhere
)

func (o Output) String() string { return [...]string{"file", "stdout", "none"}[o] }

// Format says how lines look on gsv's stdout.
type Format uint8

// Formats.
const (
	Prefix Format = iota // "NAME | line"
	JSON                 // an object a line
	Raw                  // as the service wrote them
)

func (f Format) String() string { return [...]string{"prefix", "json", "raw"}[f] }

// Log is the [log] table.
type Log struct {
	Output    Output
	Format    Format        // of Output == Stdout
	Path      string        // of the file; a relative one counts from LOG-DIR; "" = LOG-DIR/NAME.log
	Mode      int           // of the files, 0 to 0777
	Group     string        // of the files, name or number; "" = gsv's
	Separate  bool          // standard error has a file of its own, NAME.err.log or beside Path
	MaxSize   int64         // bytes at which a file is rotated; 0 = never
	Keep      int           // rotated files that are kept; 0 = all
	MaxAge    time.Duration // how long lines are kept; 0 = for ever
	MaxTotal  int64         // bytes of all files together; 0 = no limit
	Compress  bool          // rotated files are compressed
	Timestamp bool          // the time before each line
	Block     bool          // on a full disk the service waits
	Syslog    string        // "unix", "unix:/PATH", "udp://HOST:PORT" or "tcp://HOST:PORT"; "" = not forwarded
	Journal   bool          // forwarded to the journal
}

// Watch is the [watch] table. Nothing is watched where it has neither Paths nor a Stamp.
type Watch struct {
	Paths    []string      // files, directories with all below, globs, links; as written: a relative one counts from WorkingDirectory
	Ignore   []string      // patterns as in .gitignore of what does not count
	Debounce time.Duration // how long nothing may change before a deploy counts as settled
	MaxDelay time.Duration // after which it is said what still changes; 0 = never
	Stamp    string        // a file whose change alone counts, as Paths; "" = none
	Poll     time.Duration // from one look to the next, where the kernel does not tell; 0 = it does
	Action   Action        // what is done
}

// On reports whether anything is watched.
func (w Watch) On() bool { return len(w.Paths) > 0 || w.Stamp != "" }

// An Action is a verb that can be carried out without an operator.
type Action struct {
	Verb   string // its name, never an alias
	Signal string // of a verb that sends a signal: which, without "SIG"
}

// An EnvironmentFile is read at each start.
type EnvironmentFile struct {
	Path     string
	Optional bool // may be missing (a "-" before the path)
}

// Inherit says which variables of gsv's own environment a service gets: all, or those whose
// names match one of Names, in which "*" stands for any number of characters. NOTIFY_SOCKET,
// LISTEN_* and WATCHDOG_* are meant for gsv itself and are never passed on.
type Inherit struct {
	All   bool
	Names []string
}

// An ExitMatch is one way to end: by Signal if it is not 0, else with exit status Code.
type ExitMatch struct {
	Code   int
	Signal syscall.Signal
}

// A StopStep is a signal and how long to wait for the end after it.
type StopStep struct {
	Signal syscall.Signal
	Wait   time.Duration
}

// PresetSignals are the meanings that the preset's server gives to signals.
type PresetSignals struct {
	Reload    syscall.Signal // hup
	Graceful  syscall.Signal // quit: end after the requests that are being answered
	ScaleUp   syscall.Signal // ttin: one worker more
	ScaleDown syscall.Signal // ttou: one worker less
	Reopen    syscall.Signal // open the log files anew; 0 = it has no such signal
	Upgrade   syscall.Signal // execute the program anew as a new main process beside this one; 0 = it has no such signal
}

// Ready is the [ready] table: what proves that a service serves. At most one of Workers to
// LogLine is set. With no probe it is that it lived for MinUptime.
type Ready struct {
	Workers  bool              // its workers have settled: they show their Sign, and lived for MinUptime after it
	TCP      string            // "HOST:PORT" that accepts a connection; "" = not asked
	Unix     string            // path of a socket that accepts a connection; "" = not asked
	HTTP     HTTP              // a request that is answered well; zero = not asked
	Exec     []string          // a command that succeeds; nil = not asked
	Notify   bool              // it says so by sd_notify(3)
	FD       int               // it writes a newline to this descriptor; 0 = not asked
	LogLine  string            // a regular expression (RE2) that a line of its output matches; "" = not asked
	Interval time.Duration     // from one try to the next
	Timeout  time.Duration     // of one try
	Statuses []StatusRange     // of HTTP: those that count as well
	Headers  map[string]string // of HTTP: sent along
}

// HTTP is what a readiness check asks for. The zero value is nothing.
type HTTP struct {
	Network string // "tcp" or "unix"; "" = the private socket of the generation
	Address string // "HOST:PORT", or the path of a socket
	Host    string // of the Host header; "" = Address
	Path    string // with the query; begins with a slash
}

// IsZero reports whether nothing is asked.
func (h HTTP) IsZero() bool { return h == HTTP{} }

// Private reports whether it is asked at the private socket of a generation.
func (h HTTP) Private() bool { return h.Network == "" && h.Path != "" }

// A StatusRange is HTTP statuses from From to To, both included.
type StatusRange struct{ From, To int }

// A Socket is a [listen.NAME] table: a socket that gsv binds, holds, and hands on to each process.
type Socket struct {
	Name      string
	Network   string // "tcp", "udp" or "unix"
	Address   string // "HOST:PORT" with a numeric host ("[::]:80" takes IPv4 too unless V6Only), or an absolute path
	V6Only    bool
	Backlog   int    // connections that may wait; 0 = as many as the kernel allows (net.core.somaxconn)
	Mode      int    // of a unix socket, 0 to 0777
	Owner     string // of a unix socket, name or number; "" = the service's user
	Group     string // the same; "" = the service's group
	ReusePort bool   // SO_REUSEPORT
}

// Defaults is what a file's meaning depends on beside the file itself. The zero value is
// gsv as an ordinary process, with verbs in [allow] not checked.
type Defaults struct {
	// Container is set as PID 1 and for `gsv -- COMMAND`: output goes to stdout and the whole
	// environment is inherited unless the file says otherwise.
	Container bool
	// LogDir is the log directory, absolute: what relative paths of logs count from.
	LogDir string
	// Verbs are the names that [allow] takes beside "read", "operate" and "all"; nil takes any.
	Verbs []string
	// Actions are the verbs that watch.action takes, their aliases too; nil takes any word.
	Actions map[string]Action
}

// Equal says if both definitions mean the same and come from the same source.
func (d *Definition) Equal(o *Definition) bool {
	if d == nil || o == nil {
		return d == o
	}
	a, b := *d, *o
	a.Warnings, b.Warnings = nil, nil
	return reflect.DeepEqual(a, b)
}
