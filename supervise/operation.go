package supervise

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"gsv/supervise/lifecycle"
	"gsv/supervise/status"
)

// operations are the verbs under way and the last that have ended.
type operations struct {
	byID  map[lifecycle.OpID]*operation
	ended []lifecycle.OpID // oldest first
}

const (
	rememberedOps = 512  // that have ended, of all services
	recordedOps   = 4    // that have ended, in the file of each service
	recordedBytes = 4096 // of log, in the file of each service: more is not kept
	attemptLines  = 20   // of log, shown with a failure
	oneshotLines  = 1000 // of log, shown of a oneshot
)

// An operation is a verb being carried out on a service.
type operation struct {
	status.Operation
	svc     *service
	left    int           // signals still to be sent
	late    bool          // its signal is sent once the service is ready: whether it is caught is not known yet
	result  string        // how it has ended, while its log lines are still being read
	changed chan struct{} // closed at the next change; nil: nobody waits
	unwatch func()        // ends the reading of what a oneshot writes; nil: nobody reads
}

func newID() string {
	var b [4]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

func (o *operations) get(id string) *operation { return o.byID[lifecycle.OpID(id)] }

func (o *operations) add(op *operation) {
	if o.byID == nil {
		o.byID = map[lifecycle.OpID]*operation{}
	}
	o.byID[lifecycle.OpID(op.ID)] = op
}

func (o *operations) drop(op *operation) { delete(o.byID, lifecycle.OpID(op.ID)) }

func (o *operations) more(id lifecycle.OpID) bool {
	op := o.byID[id]
	return op != nil && op.left > 0
}

// of is what is kept on disk of a service's operations.
func (o *operations) of(svc *service) []status.Operation {
	var list []status.Operation
	for _, op := range svc.state.Ops {
		if o := o.byID[op.ID]; o != nil {
			op := o.Operation
			op.Log = nil // read again
			list = append(list, op)
		}
	}
	for _, id := range svc.recent {
		if o := o.get(id); o != nil {
			op := o.Operation
			op.Result = o.result
			if len(strings.Join(op.Log, "\n")) > recordedBytes {
				op.Log = nil
			}
			list = append(list, op)
		}
	}
	return list
}

// restore takes up the operations of a supervisor that was killed. One that
// had ended but for its log lines ends without them.
func (o *operations) restore(svc *service, list []status.Operation) {
	for _, op := range list {
		o.add(&operation{Operation: op, svc: svc, result: op.Result})
		if op.Done() {
			o.ended = append(o.ended, lifecycle.OpID(op.ID))
			svc.recent = append(svc.recent, op.ID)
		}
	}
}

func (op *operation) wait() <-chan struct{} {
	if op.changed == nil {
		op.changed = make(chan struct{})
	}
	return op.changed
}

func (op *operation) tell() {
	if op.changed != nil {
		close(op.changed)
		op.changed = nil
	}
}

// finish ends an operation as lifecycle has decided. A failure gets the log
// lines of the attempt first, which are read elsewhere.
func (s *Supervisor) finish(svc *service, f lifecycle.Finish) {
	op := s.ops.byID[f.Op]
	if op == nil || op.Done() {
		return
	}
	op.Pid, op.Generation = svc.pid(), svc.state.Gen
	op.Serving = svc.state.Ready(svc.policy)
	op.Ended = time.Now().Round(time.Millisecond)
	result, attempt := status.OK, 0
	for gen := range svc.runs {
		attempt = max(attempt, gen) // a next one is launched later
	}
	switch f.Result {
	case lifecycle.Done:
		if op.Verb == "once" || op.Verb == "start" {
			op.Detail = s.outcome(svc)
		}
	case lifecycle.Superseded:
		result, op.Error = status.Failed, "another command undid it first"
	case lifecycle.Failed:
		result, op.Error = status.Failed, f.Why
		s.explain(svc, op)
	}
	op.result = result
	if op.unwatch != nil {
		op.unwatch()
	}
	if svc.recent = append(svc.recent, op.ID); len(svc.recent) > recordedOps {
		if old := s.ops.get(svc.recent[0]); old != nil {
			old.Log = nil // who waited for it has it
		}
		svc.recent = svc.recent[1:]
	}
	if full(op.Log) {
		s.ended(op)
		return
	}
	if starts(op.Verb) && (result == status.Failed && f.Result == lifecycle.Failed || svc.policy.Oneshot) {
		n := attemptLines
		if svc.policy.Oneshot {
			n = oneshotLines
		}
		s.attemptLog(svc, attempt, n, func(lines []string) {
			op.Log = lines
			s.ended(op)
		})
		return
	}
	s.ended(op)
}

func starts(verb string) bool {
	return verb == "start" || verb == "restart" || verb == "once" || verb == "hup"
}

// outcome is what a oneshot has come to.
func (s *Supervisor) outcome(svc *service) string {
	if !svc.policy.Oneshot || svc.state.Last == nil {
		return ""
	}
	return fmt.Sprintf("%s after %s", describeExit(*svc.state.Last), seconds(svc.state.Last.Uptime))
}

// explain says why a start has failed and what happens next.
func (s *Supervisor) explain(svc *service, op *operation) {
	if !starts(op.Verb) {
		return
	}
	if last := svc.state.Last; op.Error == "" && last != nil {
		op.Error = describeExit(*last)
		if last.Failure == "" {
			op.Error += " after " + seconds(last.Uptime)
		}
	}
	switch svc.state.Phase() {
	case lifecycle.Backoff:
		at := wall(svc.state.RetryAt)
		op.NextStart = &at
	case lifecycle.Fatal:
		op.Hint = "given up (start-limit); mend it and run gsvctl start " + svc.name
	case lifecycle.Exited:
		op.Hint = "it is not started again (restart = \"no\" or \"on-failure\")"
	}
}

// ended makes the end of an operation known.
func (s *Supervisor) ended(op *operation) {
	op.Result = op.result
	id := lifecycle.OpID(op.ID)
	s.ops.ended = append(s.ops.ended, id)
	if len(s.ops.ended) > rememberedOps {
		delete(s.ops.byID, s.ops.ended[0])
		s.ops.ended = s.ops.ended[1:]
	}
	if svc := op.svc; svc != nil {
		svc.remember(op)
		s.mark(svc)
		s.save(svc)
	}
	s.event(operationEvent(op))
	op.tell()
}

// remember keeps how the last reload went, until a good start or restart.
func (svc *service) remember(op *operation) {
	switch {
	case op.Verb == "hup" && op.As == "":
		svc.lastReload = &status.Reload{Operation: op.ID, Result: op.Result, Seconds: op.Seconds(op.Ended), At: op.Ended}
	case starts(op.Verb) && op.Result == status.OK && !op.Already:
		svc.lastReload = nil
	}
}

// Operation is the one of that id, as it is now.
func (s *Supervisor) Operation(id string) (op status.Operation, ok bool) {
	s.call(context.Background(), func() {
		if o := s.ops.get(id); o != nil {
			op, ok = o.Operation, true
		}
	})
	return op, ok
}

// Follow calls progress with the operation as it is, then at its changes until
// it has ended, and returns it then.
func (s *Supervisor) Follow(ctx context.Context, id string, progress func(status.Operation) error) (status.Operation, error) {
	for {
		var op status.Operation
		var changed <-chan struct{}
		if err := s.call(ctx, func() {
			if o := s.ops.get(id); o != nil {
				op = o.Operation
				if !op.Done() {
					changed = o.wait()
				}
			}
		}); err != nil {
			return op, err
		}
		switch {
		case op.ID == "":
			return op, &status.Problem{Type: "gsv:no-operation", Title: "no such operation", Status: 404, ExitCode: 4,
				Detail: fmt.Sprintf("no operation %q is remembered", id)}
		case op.Done():
			return op, nil
		}
		if err := progress(op); err != nil {
			return op, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return op, ctx.Err()
		case <-s.done:
			return op, errEnded
		}
	}
}
