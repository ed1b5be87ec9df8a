package supervise

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"

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
		restored := &operation{Operation: op, svc: svc, result: op.Result}
		o.add(restored)
		if op.Done() {
			svc.remember(restored) // its end may have been written before that was
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

// Operation is the one of that id, as it is now.
func (s *Supervisor) Operation(id string) (op status.Operation, ok bool) {
	s.answer(func() {
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
