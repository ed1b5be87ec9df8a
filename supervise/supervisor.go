package supervise

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"gsv/supervise/definition"
	"gsv/supervise/guardian"
	"gsv/supervise/logs"
	"gsv/supervise/procfs"
	"gsv/supervise/watch"
)

// Options are what a Supervisor is made of.
type Options struct {
	Guardian *guardian.Client

	// Load reads the service files, at the start of gsv and for apply. Its
	// error means that nothing could be read, and nothing changes.
	Load     func() ([]*definition.Definition, []definition.Bad, error)
	Defaults definition.Defaults
	// Settings reads gsv.toml, whenever Load reads service files; nil: there is
	// none. It returns nil, with what is wrong, for one that cannot be used.
	Settings func() (*definition.Settings, definition.Problems)

	RunDir, LogDir string // absolute; RunDir is there
	Version        string
	Environ        []string  // gsv's own, of which services inherit
	Stderr         io.Writer // gets what gsv says, a line at a time
	Stdout         *os.File  // gets the output of services with output = "stdout"

	// Direct is the name of the service of `gsv -- COMMAND`, which has gsv's
	// own stdin, stdout and stderr and gets every signal that gsv gets; "" if
	// there is none.
	Direct string
	// ShutdownTimeout bounds the orderly end; 0: only the services' own stop
	// sequences do.
	ShutdownTimeout time.Duration
	// SetAside makes the supervisor begin without the state that it finds,
	// which is kept under another name: it may be what killed it before.
	SetAside bool
}

// A Supervisor owns every service. Its exported methods may be called from any
// goroutine; what they do happens in the one that is in Run.
type Supervisor struct {
	opts     Options
	guardian *guardian.Client
	pump     *logs.Pump
	stdout   *logs.Lines
	files    map[string]*logs.File // of logs, by their paths
	policies map[logs.Policy]*logs.Policy
	trouble  trouble // with stdout
	printing sync.WaitGroup
	closing  sync.WaitGroup // forwarders that still send
	said     chan string    // to gsv's stderr; never waited for

	calls   chan func() // asked for by others: verbs, status
	reports chan func() // what the supervisor's own goroutines found out
	done    chan struct{}

	settings  definition.Settings // of gsv.toml, that hold
	services  map[string]*service
	names     []string       // of services, sorted
	gens      map[string]int // the newest run of services that are forgotten, which something may still hold
	due       deadlines
	launching int      // starts that the guardian has not answered
	toLaunch  []func() // starts that wait for those
	quiet     quiet
	mains     map[int]int // pids of main processes, and of how many runs each is
	suspects  []suspect
	looking   bool // somebody looks for what has escaped
	store     store
	tokens    map[uint64]delivery // signals on their way
	token     uint64
	ops       operations
	held      map[string]*os.File // sockets that an earlier supervisor bound and that nobody has taken up yet
	helpers   map[string]*helper  // commands that are run for operations
	helped    uint64              // helpers so far
	places    places
	ends      *procfs.Ends // of workers; nil: none was watched yet
	unwatched bool         // it was said that a worker cannot be watched
	journal   journal
	started   time.Time // gsv itself, on the deadlines' clock
	bootID    string
	pid       int
	null      *os.File // /dev/null
	end       *ending  // not nil: gsv is being ended
	begun     bool     // begin is done: every service is known
	applying  chan struct{}

	watcher    watcher                              // nil: no service needed one yet
	newWatcher func(watch.Options) (watcher, error) // nil: nothing can be watched
}

// errEnded is the answer to whoever waits for something when gsv ends: it says
// nothing of that.
var errEnded error = problem(503, 6, "", "gsv has ended")

// New makes a Supervisor. Nothing happens before Run.
func New(o Options) (*Supervisor, error) {
	s := &Supervisor{
		opts: o, guardian: o.Guardian, said: make(chan string, 256),
		calls: make(chan func()), reports: make(chan func()), done: make(chan struct{}),
		services: map[string]*service{}, tokens: map[uint64]delivery{}, mains: map[int]int{},
		store: store{dir: o.RunDir}, journal: journal{last: uint64(time.Now().UnixMilli())}, applying: make(chan struct{}, 1), started: now(), pid: os.Getpid(),
	}
	s.newWatcher = func(o watch.Options) (watcher, error) { return watch.New(o) }
	var err error
	if s.bootID, err = procfs.BootID(); err != nil {
		return nil, err
	}
	if s.pump, err = logs.NewPump(logs.Options{Dir: filepath.Join(o.RunDir, "log"), LogDir: o.LogDir, Drained: s.drained, Problem: s.logProblem}); err != nil {
		return nil, err
	}
	if s.stdout, err = logs.NewLines(o.Stdout); err != nil {
		s.pump.Close()
		return nil, err
	}
	return s, nil
}

// Run supervises until an orderly end is done, and returns gsv's exit status.
// It returns an error if it could not begin, and ErrGuardian when the guardian
// is gone: the services live on then, and the next gsv takes them over.
func (s *Supervisor) Run(ctx context.Context) (int, error) {
	defer s.closeWatcher()
	defer s.lastWords()
	defer s.closeJournal()
	defer s.pump.Close()
	defer s.lastLines()
	s.printing.Go(s.print)
	if err := s.begin(); err != nil {
		return 0, err
	}
	s.guardian.Serving()
	s.quiet.busy()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for s.end == nil || !s.end.over {
		timer.Reset(s.untilDue())
		select {
		case call := <-s.calls:
			s.quiet.busy()
			call()
		case ev, ok := <-s.guardian.Events:
			if !ok {
				for len(s.store.dirty) > 0 { // the next gsv knows what runs by this alone
					s.flush()
				}
				return 0, ErrGuardian
			}
			s.quiet.busy()
			s.heard(ev)
		case report := <-s.reports:
			s.quiet.busy()
			report()
		case <-timer.C:
			s.tick()
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	s.store.clear()
	return s.end.status, nil
}

// ErrGuardian says that the guardian has ended.
var ErrGuardian = errors.New("the guardian has ended")

// call has f done by the loop and waits for it.
func (s *Supervisor) call(ctx context.Context, f func()) error {
	ready := make(chan struct{})
	select {
	case s.calls <- func() { f(); close(ready) }:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.done:
		return errEnded
	}
	<-ready
	return nil
}

// answer is call for an answer that cannot say that gsv has ended. Whoever asks then
// is cut off by the end of the process, and told by that; nothing else is true.
func (s *Supervisor) answer(f func()) {
	if s.call(context.Background(), f) != nil {
		select {}
	}
}

// report has f done by the loop, from a goroutine of the supervisor's own.
func (s *Supervisor) report(f func()) {
	select {
	case s.reports <- f:
	case <-s.done:
	}
}

// untilDue is how long nothing will happen by itself. The timer of a service
// that has none is years away.
func (s *Supervisor) untilDue() time.Duration {
	next := s.due.next()
	if at := s.store.flushAt; !at.IsZero() && (next.IsZero() || at.Before(next)) {
		next = at
	}
	if at := s.quiet.at; !at.IsZero() && (next.IsZero() || at.Before(next)) {
		next = at
	}
	if next.IsZero() {
		return 1 << 62
	}
	return max(0, next.Sub(now()))
}

// dueBatch is how many deadlines are seen to before the loop looks at something else.
const dueBatch = 16

func (s *Supervisor) tick() {
	t := now()
	if at := s.store.flushAt; !at.IsZero() && !t.Before(at) {
		s.quiet.busy()
		s.flush()
	}
	for _, do := range s.due.pop(t, dueBatch) {
		s.quiet.busy()
		do()
	}
	s.quiet.tick(t)
}

// say writes a line to gsv's stderr, and never waits for it: what a slow
// reader has no room for is dropped there. Events and histories have it all.
func (s *Supervisor) say(line string) {
	select {
	case s.said <- line:
	default:
	}
}

// lastWords ends the printing, which nobody waits for otherwise, and at the end
// no longer than a reader needs that reads at all.
func (s *Supervisor) lastWords() {
	close(s.done)
	printed := make(chan struct{})
	go func() { s.printing.Wait(); close(printed) }()
	select {
	case <-printed:
	case <-time.After(time.Second):
	}
}

func (s *Supervisor) print() {
	for {
		select {
		case line := <-s.said:
			io.WriteString(s.opts.Stderr, "gsv: "+line+"\n")
		case <-s.done:
			for {
				select {
				case line := <-s.said:
					io.WriteString(s.opts.Stderr, "gsv: "+line+"\n")
				default:
					return
				}
			}
		}
	}
}
