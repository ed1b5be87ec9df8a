package guardian

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gsv/supervise/spawn"
)

// An Event is what the guardian tells a supervisor: Started, Ended, Empty, Signalled or Told.
type Event interface{ event() }

// Started tells that a run's main process exists. Its program may not have been executed yet: a failure to do so comes as Ended.
// A repeated start is answered by a Started again.
type Started struct {
	Key       string
	N         uint64
	Pid       int
	StartTime uint64 // in clock ticks since boot: field 22 of /proc/PID/stat; 0 if it could not be read
}

// Ended tells that a run's main process is gone and has been reaped. It comes again, to this supervisor or the next, until it is acknowledged.
type Ended struct {
	Key     string
	N       uint64
	Pid     int // 0: there never was one
	Status  syscall.WaitStatus
	Failure *spawn.Failure // why its program was never executed; nil if it was
	Unknown bool           // Status could not be learned: the process was not the guardian's child
	Left    bool           // something of its process group is left, if that is its own (see Client.Adopt); an Empty will follow
	Next    bool           // the armed start of the next run has been done: it will be told as any other (see Client.Arm)
	At      time.Time      // with a monotonic reading
}

// Empty tells that nothing is left of the process group of a run that ended, or that the group has been taken away from it: see Client.Adopt.
type Empty struct {
	Key string
	N   uint64
}

// Signalled answers a Signal. Errno is 0 if it was delivered, ESRCH if there was nobody (any more) to deliver it to.
type Signalled struct {
	Token uint64
	Errno syscall.Errno
}

// Told tells of a signal that the guardian itself was sent. It comes again until it is acknowledged with AckTold.
type Told struct {
	Seq    uint64
	Signal syscall.Signal
}

func (Started) event()   {}
func (Ended) event()     {}
func (Empty) event()     {}
func (Signalled) event() {}
func (Told) event()      {}

// Hello is what the guardian says of itself.
type Hello struct {
	Pid       int
	StartTime uint64 // of the guardian, as in Started
	Deaths    int    // how many supervisors ended before this one
}

// A Process is a run that the guardian knows: it runs, or its end is unacknowledged, or something of its group is left, or files are held for it.
type Process struct {
	Key       string
	N         uint64
	Pid       int
	StartTime uint64
	Ended     bool       // its main process is gone; an Ended comes as an event too unless Acked
	Acked     bool       // that has been acknowledged
	Left      bool       // something of its group is left
	Held      []*os.File // the files held for it until its release
}

// A File is passed with a start. It is closed once it has been sent, or never will be, unless it is Shared: a shared one
// stays its owner's, who must not close it while the Client is used.
type File struct {
	*os.File // nil among the child's files: a hole, the child has no file there
	Shared   bool
}

// event returns what m tells, or nil.
func (m *message) event() Event {
	switch m.kind {
	case kindStarted:
		return Started{Key: m.key, N: m.n, Pid: int(m.pid), StartTime: m.num}
	case kindEnded:
		e := Ended{
			Key: m.key, N: m.n, Pid: int(m.pid), Status: syscall.WaitStatus(m.status),
			Left: m.flags&flagLeft != 0, Unknown: m.flags&flagUnknown != 0, Next: m.flags&flagNext != 0,
			At: time.Now().Add(time.Duration(m.at) - boottime()),
		}
		if m.failure.Step != 0 {
			e.Failure = new(m.failure)
		}
		return e
	case kindEmpty:
		return Empty{Key: m.key, N: m.n}
	case kindSignalled:
		return Signalled{Token: m.num, Errno: m.failure.Errno}
	case kindTold:
		return Told{Seq: m.n, Signal: syscall.Signal(m.status)}
	}
	return nil
}

// boottime returns the time since boot, suspends included.
func boottime() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) // cannot fail: Linux 2.6.39
	return time.Duration(t.Nano())
}
