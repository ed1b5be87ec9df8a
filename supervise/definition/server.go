package definition

import "syscall"

// Method says how a service is reloaded.
type Method uint8

// Methods of reload.
const (
	BySignal  Method = iota // Signals.Reload to the main process
	ByRestart               // a restart
	ByCommand               // ReloadCommand
	NoReload                // not at all: hup is refused
	ByReplace               // a new generation beside the old one, which goes when the new one is proven
	ByUpgrade               // Signals.Upgrade: the server starts its successor by itself ("usr2")
)

func (m Method) String() string {
	return [...]string{"signal", "restart", "command", "none", "replace", "usr2"}[m]
}

// Stale says what a reload does when the code would be loaded from an old release directory.
type Stale uint8

// What to do about a stale release.
const (
	RefuseStale  Stale = iota
	RestartStale       // restart, which enters the directory of today
	IgnoreStale        // the directory means nothing: never stale
)

func (s Stale) String() string { return [...]string{"refuse", "restart", "ignore"}[s] }

// Workers is what is known of a server's workers without asking it. The zero value is a service
// of which nothing is known: its children may be anything.
type Workers struct {
	Depth int  // 1: workers are the main process's children; 2: its grandchildren; 0: not known
	Sign  Sign // what a worker shows once it has loaded its code
	Solo  Sign // what the main process shows if it does the work itself, without workers; zero: it never does
	// Failure is a regular expression of a line in the log that says that a reload has
	// failed though the workers were replaced; "" = there is none.
	Failure string
	// Deaf: a worker that waits for a connection may have been told to end and not
	// have taken note of it; Signals.Reload sent to itself wakes it.
	Deaf bool
	// Keeps: old ones serve on for as long as new ones do not come to be. Overlaps: that
	// depends; the server may end them all the same, after a time.
	Keeps, Overlaps bool
}

// A Sign is what a process shows to others once it has come somewhere: all of the fields that
// are set. The zero value is a process that shows nothing.
type Sign struct {
	Title     string         // its command line begins with this
	Thread    string         // one of its threads has a name that begins with this
	Heartbeat string         // it has beaten on an unlinked file whose name begins with this (gunicorn)
	Catches   syscall.Signal // it has a handler for this signal
	Defaults  syscall.Signal // it has no handler for this signal (any more)
}

// IsZero reports whether the sign is none.
func (s Sign) IsZero() bool { return s == Sign{} }

// Relation says if something is so, as far as is known.
type Relation uint8

// Relations.
const (
	Unknown Relation = iota
	IsSo
	NotSo
)

func (r Relation) String() string { return [...]string{"unknown", "yes", "no"}[r] }

// A Server is what a preset knows of a command and of the files that it names, at the moment.
type Server struct {
	// Preload is why the server's own reload cannot load new code, as a clause that begins
	// with what causes it ("--preload-app keeps the code of the start"); "" if it can.
	Preload string
	// Relative: code is loaded relative to the working directory, which the server does not
	// enter again.
	Relative Relation
	Code     string // the directory that the application is loaded from, absolute, links not resolved; "" = not known
}

// Private reports whether the service's server takes an inherited socket that its own configuration
// does not name. Each generation then gets one more than those of [listen], at which it alone can be asked.
func (d *Definition) Private() bool {
	p := presetByName(d.Preset)
	return p.private != nil && len(d.Listen) > 0 && p.private(d, invoked(d.Command, d.Preset))
}

// Counts reports whether a reload sets the number of the server's workers to what its own
// configuration says, so that there may be more or fewer of them after it.
func (d *Definition) Counts() bool { return presetByName(d.Preset).counts }
