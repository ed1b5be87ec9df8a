// Package servertest imitates the supervisor for tests of the control socket and its clients.
package servertest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"gsv/control"
	"gsv/supervise/status"
)

// A Fake is a supervisor without processes. Verbs are done at once and well, unless Script says otherwise or they are held.
// Its methods may be called by many goroutines at once; the fields are set before it serves, or by Configure.
type Fake struct {
	// Script is called for each new operation and says how it ends; what it leaves without a result goes on until Finish. Nil = all is well.
	Script func(r status.Request, op *status.Operation) error
	// Allows are the [allow] tables by service.
	Allows map[string]map[string][]string
	// Log is what each service wrote, a line a second since LogStart. Cursors are offsets.
	Log map[string]string
	// Past is operations of before.
	Past []status.Operation
	// Result is what Apply answers.
	Result status.ApplyResult
	// Requests gets every request that Do accepted, if it is not nil.
	Requests chan status.Request

	mu       sync.Mutex
	changed  chan struct{}
	services []status.Service
	ops      map[string]status.Operation
	history  []status.Event
	applies  []status.ApplyRequest
	ended    bool
}

// New makes a fake with running services of these names.
func New(names ...string) *Fake {
	f := &Fake{changed: make(chan struct{}), ops: make(map[string]status.Operation)}
	for i, name := range names {
		f.services = append(f.services, status.Service{Name: name, State: status.Running, Want: "up", Pid: 100 + i, Generation: 1, Ready: true,
			Since: time.Now().Add(-time.Minute)})
	}
	slices.SortFunc(f.services, func(a, b status.Service) int { return strings.Compare(a.Name, b.Name) })
	return f
}

// update changes something and tells those who wait.
func (f *Fake) update(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	close(f.changed)
	f.changed = make(chan struct{})
}

// look reads something, and gives a channel that is closed at the next change.
func (f *Fake) look(read func()) <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	read()
	return f.changed
}

// Configure sets fields while it serves.
func (f *Fake) Configure(set func(*Fake)) { f.update(func() { set(f) }) }

// Set changes a service.
func (f *Fake) Set(name string, change func(*status.Service)) {
	f.update(func() {
		for i := range f.services {
			if f.services[i].Name == name {
				change(&f.services[i])
			}
		}
	})
}

// Finish changes an operation that goes on, or ends it.
func (f *Fake) Finish(id string, change func(*status.Operation)) {
	f.update(func() {
		op := f.ops[id]
		change(&op)
		if op.Done() && op.Ended.IsZero() {
			op.Ended = time.Now()
		}
		f.ops[id] = op
	})
}

// FinishAll is Finish of every operation that goes on.
func (f *Fake) FinishAll(change func(*status.Operation)) {
	f.update(func() {
		for id, op := range f.ops {
			if !op.Done() {
				change(&op)
				op.Ended = time.Now()
				f.ops[id] = op
			}
		}
	})
}

// Happen adds an event.
func (f *Fake) Happen(e status.Event) {
	f.update(func() {
		e.Seq = uint64(len(f.history) + 1)
		f.history = append(f.history, e)
	})
}

// Applies is every request to apply so far.
func (f *Fake) Applies() (all []status.ApplyRequest) {
	f.look(func() { all = slices.Clone(f.applies) })
	return all
}

// Ended says whether Shutdown was called.
func (f *Fake) Ended() (ended bool) {
	f.look(func() { ended = f.ended })
	return ended
}

// Ending returns once Shutdown was called, or with the error of ctx.
func (f *Fake) Ending(ctx context.Context) error {
	return f.until(ctx, func() bool { return f.ended })
}

// until waits for something to be so.
func (f *Fake) until(ctx context.Context, so func() bool) error {
	for {
		yes := false
		next := f.look(func() { yes = so() })
		if yes {
			return nil
		}
		select {
		case <-next:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// About is server.Supervisor's.
func (f *Fake) About() status.About {
	return status.About{Version: "test", Pid: 1, SupervisorPid: 2, Uptime: 3, BootID: "boot"}
}

// Services is server.Supervisor's.
func (f *Fake) Services() (all []status.Service) {
	f.look(func() { all = slices.Clone(f.services) })
	return all
}

// Service is server.Supervisor's.
func (f *Fake) Service(name string) (s status.Service, ok bool) {
	f.look(func() {
		for i := range f.services {
			if f.services[i].Name == name {
				s, ok = f.services[i], true
				if s.Workers == nil && s.Pid != 0 {
					s.Workers = []status.Worker{{Pid: s.Pid + 1000, Generation: 1}}
				}
			}
		}
	})
	return s, ok
}

// Do is server.Supervisor's.
func (f *Fake) Do(_ context.Context, r status.Request) (op status.Operation, err error) {
	var requests chan status.Request
	f.update(func() {
		requests = f.Requests
		known := false
		if op, known = f.ops[r.ID]; known {
			return
		}
		op = status.Operation{ID: r.ID, Verb: r.Verb, Service: r.Service, Signal: r.Signal, Action: r.Action, By: r.By, Started: time.Now(), Result: status.OK, Pid: 100, Serving: true}
		if f.Script != nil {
			op.Result = ""
			err = f.Script(r, &op)
		}
		if err == nil {
			if op.Done() {
				op.Ended = time.Now()
			}
			f.ops[r.ID] = op
		}
	})
	if err == nil && requests != nil {
		requests <- r
	}
	return op, err
}

// Operation is server.Operations'.
func (f *Fake) Operation(id string) (op status.Operation, ok bool) {
	f.look(func() { op, ok = f.ops[id] })
	return op, ok
}

// Follow is server.Operations'.
func (f *Fake) Follow(ctx context.Context, id string, progress func(status.Operation) error) (status.Operation, error) {
	for {
		var op status.Operation
		var ok bool
		next := f.look(func() { op, ok = f.ops[id] })
		if !ok {
			return op, &status.Problem{Detail: "there is no such operation", ExitCode: control.Failed}
		}
		if op.Done() {
			return op, nil
		}
		if err := progress(op); err != nil {
			return op, err
		}
		select {
		case <-next:
		case <-ctx.Done():
			return op, ctx.Err()
		}
	}
}

// Events is server.Journal's.
func (f *Fake) Events(ctx context.Context, follow bool, each func(status.Event) error) error {
	for n := 0; ; {
		var some []status.Event
		next := f.look(func() { some = f.history[n:] })
		n += len(some)
		for _, e := range some {
			if err := each(e); err != nil {
				return err
			}
		}
		if !follow {
			return nil
		}
		select {
		case <-next:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// History is server.Journal's: Past, then what Do has begun and what has ended of it.
func (f *Fake) History(_ context.Context, service string) (list []status.Operation, err error) {
	f.look(func() {
		list = slices.Clone(f.Past)
		for _, op := range f.ops {
			if op.Done() {
				list = append(list, op)
			}
		}
	})
	list = slices.DeleteFunc(list, func(op status.Operation) bool { return service != "" && op.Service != service })
	slices.SortStableFunc(list, func(a, b status.Operation) int { return a.Ended.Compare(b.Ended) })
	return list, nil
}

// Apply is server.Whole's.
func (f *Fake) Apply(_ context.Context, r status.ApplyRequest) (result status.ApplyResult, err error) {
	f.update(func() {
		f.applies = append(f.applies, r)
		result = f.Result
		result.ID, result.DryRun = r.ID, r.DryRun
	})
	return result, nil
}

// Shutdown is server.Whole's.
func (f *Fake) Shutdown(context.Context, status.Caller) error {
	f.update(func() { f.ended = true })
	return nil
}

// Allow is server.Policy's.
func (f *Fake) Allow(name string) (map[string][]string, bool) {
	_, known := f.Service(name)
	return f.Allows[name], known
}

// WaitFor is server.Waiter's.
func (f *Fake) WaitFor(ctx context.Context, name, what string) (status.Service, error) {
	var fatal error
	err := f.until(ctx, func() bool {
		for _, s := range f.services {
			switch {
			case s.Name != name:
			case s.State == status.Fatal && what != "stopped":
				fatal = &status.Problem{Service: name, Detail: "is fatal", ExitCode: control.Failed}
				return true
			case what == "ready":
				return s.Ready
			case what == "running":
				return s.State == status.Running
			default:
				return s.State == status.Stopped
			}
		}
		return false
	})
	s, _ := f.Service(name)
	if err == nil {
		err = fatal
	}
	return s, err
}
