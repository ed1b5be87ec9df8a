// Package server answers the control socket: HTTP and JSON for gsvctl, curl and whatever else people write.
//
// It decides who may do what (permit.go, one function), hands verbs to the supervisor and streams what comes of them. It owns no state
// of services: everything it knows it asks through the interfaces below, which the supervisor implements and the tests imitate.
//
// A request never makes anything else wait. Each connection has a goroutine of its own; a client that stalls, sends garbage or goes away
// costs that goroutine and no more, and one user that is neither root nor gsv's own has at most a fixed number of connections.
// An operation does not belong to the connection that asked for it: it goes on when that is gone.
package server

import (
	"context"

	"gsv/supervise/status"
)

// A Supervisor owns the services. Its methods may be called by many goroutines at once and return quickly: none waits for a service.
type Supervisor interface {
	// About is gsv as a whole.
	About() status.About
	// Services is every service by name, all as of one moment, without workers. The caller may change the slice, not what it points to.
	Services() []status.Service
	// Service is one service, with its workers; false if there is none of that name.
	Service(name string) (status.Service, bool)
	// Do accepts a request and starts its operation, or finds the one of the same ID, and returns at once; it may have ended already.
	// The verb is a row of the table that is about services, permission was granted. An error is a *status.Problem and means that nothing was done.
	Do(ctx context.Context, r status.Request) (status.Operation, error)
}

// Operations remembers the verbs under way, and those that ended a while ago.
type Operations interface {
	// Operation is the one of that id; false if none is remembered.
	Operation(id string) (status.Operation, bool)
	// Follow calls progress with the operation as it is, then at changes until it has ended, and returns it then. A slow progress may miss
	// changes but delays only itself. It ends early with ctx's error, or with progress's. An unknown id is a *status.Problem.
	Follow(ctx context.Context, id string, progress func(status.Operation) error) (status.Operation, error)
}

// A Journal tells what happened and what the services wrote. The callbacks may block for hours (a pager): that must delay nobody else.
type Journal interface {
	// Events calls each for the events remembered, oldest first, and if follow is set for every new one until ctx is done or each fails.
	Events(ctx context.Context, follow bool, each func(status.Event) error) error
	// History is the operations that have ended, oldest first, a bounded number of the last: of that service, or of all where it is "".
	// A service that is not there any more has one too.
	History(ctx context.Context, service string) ([]status.Operation, error)
	// Logs calls write with what the one service of the query wrote, byte for byte, and with Follow with what is added until ctx is done or write
	// fails. Of the query only Lines, Follow and From count. at is the cursor of p's first byte, "" if there is none; the first time p is empty.
	// write must not keep p. No log yet is no error.
	Logs(ctx context.Context, q status.LogQuery, write func(at string, p []byte) error) error
	// LogLines calls each with lines, those of several services merged by time, and with Follow with what is added until ctx is done or each
	// fails; with nil whenever that is all for now, and before that with a Mark for each stream. each must not keep the line.
	LogLines(ctx context.Context, q status.LogQuery, each func(*status.LogLine) error) error
}

// A Whole is gsv itself as something that can be told things.
type Whole interface {
	// Apply reads the service files again and returns when all that followed from it is done.
	// It goes on when ctx is done, and then returns ctx's error. A bad file is in the result; an error is a *status.Problem: nothing was done.
	Apply(ctx context.Context, r status.ApplyRequest) (status.ApplyResult, error)
	// Shutdown begins to stop every service and returns at once; gsv ends when that is done. Again is no error.
	Shutdown(ctx context.Context, by status.Caller) error
}

// A Policy knows the [allow] tables.
type Policy interface {
	// Allow is the table of a service: verb or role to users and "@groups". Nil if it has none; not to be changed. Known is false if there is no such service.
	Allow(name string) (table map[string][]string, known bool)
}

// A Waiter waits for services.
type Waiter interface {
	// WaitFor returns when the service is ready, running or stopped (what), as it is then. That it will not be without someone's help
	// (fatal, exited or stopped, with nothing that would start it) is a *status.Problem at once; else only ctx ends it.
	WaitFor(ctx context.Context, name, what string) (status.Service, error)
}

// A Gsv is all of it: what the supervisor implements.
type Gsv interface {
	Supervisor
	Operations
	Journal
	Whole
	Policy
	Waiter
}
