package server

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"gsv/control"
	"gsv/supervise/status"
)

// maxCount bounds the -n of ttin and ttou: each is a signal.
const maxCount = 1000

// maxPause bounds what a watch is paused for; without a duration it is for ever.
const maxPause = 366 * 24 * time.Hour

// verb is POST /v1/services/{name}/{verb}.
func (s *Server) verb(w http.ResponseWriter, r *http.Request, c status.Caller) error {
	row, err := verbOf(r.PathValue("verb"))
	if err != nil {
		return err
	}
	var call status.Call
	if err := s.read(w, r, &call); err != nil {
		return err
	}
	if call.Verb != "" || len(call.Names) > 0 || call.All {
		return usage(`"verb", "names" and "all" belong to POST /v1/services`, "")
	}
	name := r.PathValue("name")
	request, err := requestOf(row, &call, c)
	if err != nil {
		return err
	}
	if _, known := s.gsv.Allow(name); !known {
		return noService(name)
	}
	if !s.may(askOf(row, &call), name, c) {
		return notPermitted(c, askOf(row, &call).String(), name)
	}
	ctx, cancel, err := bounded(r.Context(), call.Timeout)
	if err != nil {
		return err
	}
	defer cancel()
	request.Service = name
	op, err := s.do(ctx, request)
	if err != nil {
		return err
	}
	if call.Wait != nil && !*call.Wait {
		return answer(w, http.StatusAccepted, op)
	}
	return s.follow(ctx, w, r, op)
}

// do hands a request to the supervisor and makes sure that what comes back is about it.
func (s *Server) do(ctx context.Context, r status.Request) (status.Operation, error) {
	op, err := s.gsv.Do(ctx, r)
	if err != nil {
		var p *status.Problem
		if errors.As(err, &p) && p.Service == "" {
			q := *p
			q.Service = r.Service
			return op, &q
		}
		return op, err
	}
	if op.Verb != r.Verb || op.Service != r.Service {
		return op, &status.Problem{Detail: "operation " + r.ID + " is " + op.Verb + " of " + op.Service, Service: r.Service, ExitCode: control.Failed,
			Hint: "an id names one operation; use another"}
	}
	return op, nil
}

// follow answers with the ended operation, or with its progress and then with it. The operation goes on whatever becomes of this.
func (s *Server) follow(ctx context.Context, w http.ResponseWriter, r *http.Request, op status.Operation) error {
	if !wantsLines(r) {
		ended, err := s.gsv.Follow(ctx, op.ID, func(status.Operation) error { return nil })
		switch {
		case errors.Is(err, context.DeadlineExceeded) && r.Context().Err() == nil:
			if now, ok := s.gsv.Operation(op.ID); ok {
				op = now
			}
			return answer(w, http.StatusAccepted, op)
		case err != nil:
			return err
		case ended.Result == status.Failed:
			return &status.Problem{Service: ended.Service, Detail: ended.Error, Hint: ended.Hint, ExitCode: control.Failed, Operation: &ended}
		}
		return answer(w, http.StatusOK, ended)
	}
	out := stream{w: w}
	ended, err := s.gsv.Follow(ctx, op.ID, func(now status.Operation) error {
		if now.Done() { // comes as the last line
			return nil
		}
		return out.line(now)
	})
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return nil
	case err != nil && !out.begun:
		return err
	case err != nil:
		// The client must not take what it has for the whole answer: cut it off, so that it asks again.
		panic(http.ErrAbortHandler)
	}
	_ = out.line(ended) // an error means that the client has gone
	return nil
}

// several is POST /v1/services: one verb on several services. Nothing is done unless all of them are there and permitted.
func (s *Server) several(w http.ResponseWriter, r *http.Request, c status.Caller) error {
	var call status.Call
	if err := s.read(w, r, &call); err != nil {
		return err
	}
	row, err := verbOf(call.Verb)
	if err != nil {
		return err
	}
	request, err := requestOf(row, &call, c)
	if err != nil {
		return err
	}
	if len(call.Names) == 0 && !call.All {
		return usage("no services are named", `"names" or "all": true`)
	}
	names, unknown := control.Expand(call.Names, call.All, s.gsv.Services())
	var denied []string
	for _, name := range names {
		if !s.may(askOf(row, &call), name, c) {
			denied = append(denied, name)
		}
	}
	switch {
	case len(denied) > 0:
		return notPermitted(c, askOf(row, &call).String(), strings.Join(denied, ", "))
	case len(unknown) > 0:
		return noService(strings.Join(unknown, ", "))
	}
	ctx, cancel, err := bounded(r.Context(), call.Timeout)
	if err != nil {
		return err
	}
	defer cancel()
	out := outcomes{stream: stream{w: w}}
	out.begin("application/x-ndjson")
	wait := call.Wait == nil || *call.Wait
	var wg sync.WaitGroup
	for _, name := range names {
		mine := request
		mine.Service, mine.ID = name, request.ID+"-"+name
		op, err := s.do(ctx, mine)
		if err != nil {
			out.problem(name, err)
			continue
		}
		if !wait {
			out.line(status.Outcome{Operation: &op})
			continue
		}
		wg.Go(func() {
			ended, err := s.gsv.Follow(ctx, op.ID, func(now status.Operation) error {
				if now.Done() {
					return nil
				}
				return out.line(status.Outcome{Operation: &now})
			})
			if err == nil {
				out.line(status.Outcome{Operation: &ended})
			} else if ctx.Err() == nil {
				out.problem(name, err)
			}
		})
	}
	wg.Wait()
	return nil
}

// outcomes is a stream that several write to.
type outcomes struct {
	mu sync.Mutex
	stream
}

func (o *outcomes) line(v status.Outcome) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.stream.line(v)
}

func (o *outcomes) problem(service string, err error) {
	var p *status.Problem
	if !errors.As(err, &p) {
		p = &status.Problem{Detail: err.Error()}
	}
	q := complete(*p)
	q.Service = service
	_ = o.line(status.Outcome{Problem: &q}) // an error means that the client has gone
}

// verbOf finds the row of a verb that can be asked of a service.
func verbOf(word string) (*control.Verb, error) {
	row := control.Lookup(word)
	switch {
	case row == nil:
		hint := ""
		if near := control.Closest(word); near != "" {
			hint = "did you mean " + near + "?"
		}
		return nil, &status.Problem{Status: http.StatusNotFound, Title: "no such verb", Detail: "there is no verb " + quote(word), Hint: hint, ExitCode: control.Usage}
	case row.Later:
		return nil, notYet(row.Name)
	case row.Class != control.Service:
		return nil, &status.Problem{Status: http.StatusNotFound, Title: "no such verb", Detail: row.Name + " is not asked of a service in this way", ExitCode: control.Usage}
	}
	return row, nil
}

// validID is what an operation may be called: it stands in file names and on command lines.
var validID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// requestOf checks what came with a verb. What the verb does not take is an error.
func requestOf(row *control.Verb, call *status.Call, c status.Caller) (status.Request, error) {
	r := status.Request{ID: call.ID, Verb: row.Name, Count: call.Count, Signal: row.Signal, Reset: call.Reset, Force: call.Force, OrStart: call.OrStart, NoCheck: call.NoCheck, By: c}
	if r.ID == "" {
		r.ID = control.NewID()
	}
	if !validID.MatchString(r.ID) {
		return r, usage("the id may be letters, digits, \".\", \"_\" and \"-\", up to 128", "")
	}
	for _, f := range []struct {
		set  bool
		flag string
	}{{call.Count != 0, "n"}, {call.Reset, "reset"}, {call.Force, "force"}, {call.OrStart, "or-start"}, {call.NoCheck, "no-check"}} {
		if f.set && !control.HasFlag(row, f.flag) {
			return r, usage(row.Name+" does not take "+quote(f.flag), "")
		}
	}
	if control.HasFlag(row, "n") {
		r.Count = max(r.Count, 1)
		if call.Count < 0 || call.Count > maxCount {
			return r, usage("the count must be 1 to 1000", "")
		}
	}
	if row.Args == control.ActionNames || call.Action != "" || call.For != "" {
		if err := actionOf(&r, row, call); err != nil {
			return r, err
		}
	}
	if row.Args == control.SignalNames {
		var ok bool
		if r.Signal, ok = control.Signal(call.Signal); !ok {
			return r, usage("there is no signal "+quote(call.Signal), "names and numbers as kill -l lists them")
		}
	} else if call.Signal != "" {
		return r, usage(row.Name+" does not take a signal", "")
	}
	return r, nil
}

// actionOf checks what the verb watch is to do, and for how long.
func actionOf(r *status.Request, row *control.Verb, call *status.Call) error {
	switch {
	case row.Args != control.ActionNames:
		return usage(row.Name+` does not take "action" and "for"`, "")
	case call.Action != status.Pause && call.Action != status.Resume:
		return usage("the action must be pause or resume, not "+quote(call.Action), "")
	case call.For != "" && call.Action == status.Resume:
		return usage("resume does not take "+quote("for"), "")
	}
	r.Action = call.Action
	if call.For == "" {
		return nil
	}
	d, err := time.ParseDuration(call.For)
	if err != nil || d <= 0 || d > maxPause {
		return usage("\"for\" is no duration up to a year: "+quote(call.For), `"10m"`)
	}
	r.For = d
	return nil
}

func askOf(row *control.Verb, call *status.Call) ask {
	return ask{verb: row, force: call.Force, orStart: call.OrStart}
}

// String names the verb, and what it takes more than the verb's own permission for.
func (a ask) String() string {
	switch {
	case a.force:
		return a.verb.Name + " --force"
	case a.orStart:
		return a.verb.Name + " --or-start"
	}
	return a.verb.Name
}

// bounded is ctx for as long as the caller wants to wait; "" = as long as it takes.
func bounded(ctx context.Context, timeout string) (context.Context, context.CancelFunc, error) {
	if timeout == "" {
		return ctx, func() {}, nil
	}
	d, err := time.ParseDuration(timeout)
	if err != nil || d <= 0 {
		return nil, nil, usage("the timeout is no duration: "+quote(timeout), `"60s"`)
	}
	ctx, cancel := context.WithTimeout(ctx, d)
	return ctx, cancel, nil
}
