package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"gsv/control"
	"gsv/supervise/status"
)

// errEnded stops reading an answer that has said all it has to say.
var errEnded = errors.New("ended")

// verb does what changes services: one plain name by its own path, several in one request, so that all are checked before anything is done.
func (c *cli) verb(cmd *command) int {
	count, err := cmd.number("n", 0, 1, 1000)
	if err != nil {
		return c.usage(err)
	}
	wait := !cmd.has("no-wait")
	call := status.Call{ID: control.NewID(), Count: count, Signal: cmd.signal, Reset: cmd.has("reset"), Force: cmd.has("force"), OrStart: cmd.has("or-start"),
		NoCheck: cmd.has("no-check"), Action: cmd.action, For: cmd.flags["pause-for"], Wait: &wait}
	f := follower{cli: c, cmd: cmd, call: &call, seen: make(map[string]*seen)}
	if len(cmd.words) == 1 && control.Plain(cmd.words[0]) && !cmd.has("all") {
		f.one = cmd.words[0]
		path := "/v1/services/" + control.Escape(cmd.words[0]) + "/" + cmd.verb.Name
		if !wait {
			var op status.Operation
			if err := c.client.Do("POST", path, &call, &op); err != nil {
				return f.end(err)
			}
			f.take(&op)
			return f.end(nil)
		}
		return f.end(c.client.Lines("POST", path, &call, f.line))
	}
	call.Verb, call.Names, call.All = cmd.verb.Name, cmd.words, cmd.has("all")
	return f.end(c.client.Lines("POST", "/v1/services", &call, f.outcome))
}

// A follower shows operations as they go on and end.
type follower struct {
	*cli
	cmd   *command
	call  *status.Call
	one   string           // the service, where it is about one: the answer is operations, the last one ended
	seen  map[string]*seen // by operation
	order []string         // the keys of seen
	codes []int
	ended int
}

// seen is what was shown of an operation.
type seen struct {
	op    status.Operation
	lines int  // of its log
	said  bool // its verdict, or that it was accepted
}

// line takes a line of the answer about one service.
func (f *follower) line(src []byte) error {
	var op status.Operation
	if err := json.Unmarshal(src, &op); err != nil {
		return fmt.Errorf("cannot understand gsv's answer: %w", err)
	}
	f.take(&op)
	if op.Done() {
		return errEnded
	}
	return nil
}

// outcome takes a line of the answer about several.
func (f *follower) outcome(src []byte) error {
	var o status.Outcome
	if err := json.Unmarshal(src, &o); err != nil {
		return fmt.Errorf("cannot understand gsv's answer: %w", err)
	}
	switch {
	case o.Operation != nil:
		f.take(o.Operation)
	case o.Problem != nil:
		// After a supervisor's death all lines come again.
		key := "problem of " + o.Problem.Service
		if f.seen[key] == nil {
			f.seen[key] = &seen{said: true}
			f.codes = append(f.codes, f.fail(f.cmd, o.Problem))
		}
	}
	return nil
}

// take shows what is new of an operation.
func (f *follower) take(op *status.Operation) {
	s := f.seen[op.ID]
	if s == nil {
		s = &seen{}
		f.seen[op.ID] = s
		f.order = append(f.order, op.ID)
	}
	if s.said {
		return
	}
	s.op = *op
	switch {
	case op.Done():
		s.said = true
		f.ended++
		f.verdict(s)
	case f.call != nil && f.call.Wait != nil && !*f.call.Wait:
		s.said = true
		f.accepted(op)
	default:
		f.going(s)
	}
}

// going shows that an operation goes on: what a oneshot writes, and the live line.
func (f *follower) going(s *seen) {
	f.mayWait()
	if f.cmd.has("json") || f.cmd.has("quiet") {
		return
	}
	if len(s.op.Log) > s.lines {
		f.clear()
		for _, line := range s.op.Log[s.lines:] {
			fmt.Fprintln(f.out, f.safe(line))
		}
		s.lines = len(s.op.Log)
	}
	text := s.op.Service + ": " + s.op.Verb
	if s.op.Progress != "" {
		text = s.op.Service + ": " + s.op.Progress
	}
	if len(f.seen) > 1 {
		text = strconv.Itoa(f.ended) + " of " + strconv.Itoa(len(f.seen)) + " done; " + text
	}
	f.progress(f.safeErr(control.OneLine(text)) + "  " + control.Seconds(s.op.Seconds(f.now())))
}

// verdict shows how an operation ended.
func (f *follower) verdict(s *seen) {
	f.clear()
	op := &s.op
	code := control.Done
	if op.Result != status.OK {
		code = control.Failed
	}
	f.codes = append(f.codes, code)
	if f.cmd.has("json") {
		f.json(op)
		return
	}
	text := control.OneLine(control.Verdict(op, f.host, f.now()))
	if code == control.Done {
		if f.cmd.has("quiet") {
			if f.cmd.has("no-wait") { // it was done before anybody could wait for it
				fmt.Fprintln(f.out, op.ID)
			}
			return
		}
		for _, line := range op.Log[min(s.lines, len(op.Log)):] {
			fmt.Fprintln(f.out, f.safe(line))
		}
		fmt.Fprintln(f.out, f.safe(text))
		return
	}
	rest := op.Log[min(s.lines, len(op.Log)):]
	if op.Streams {
		for _, line := range rest {
			fmt.Fprintln(f.out, f.safe(line))
		}
		rest = nil
	}
	fmt.Fprintln(f.err, f.safeErr(text))
	for _, line := range rest {
		fmt.Fprintln(f.err, "  | "+f.safeErr(line))
	}
}

// accepted is all that --no-wait shows; with -q, for scripts, that is what `wait --op` takes.
func (f *follower) accepted(op *status.Operation) {
	f.codes = append(f.codes, control.Done)
	switch {
	case f.cmd.has("json"):
		f.json(op)
	case f.cmd.has("quiet"):
		fmt.Fprintln(f.out, op.ID)
	default:
		fmt.Fprintln(f.out, control.Accepted(op, f.host))
	}
}

// end gives the exit status, and names what has not ended.
func (f *follower) end(err error) int {
	f.clear()
	if err == errEnded {
		err = nil
	}
	code := control.Exit(err)
	if err != nil && code != control.TimedOut && code != control.Detached {
		return control.Worst(append(f.codes, f.fail(f.cmd, err))...)
	}
	open := 0
	for _, key := range f.order {
		if s := f.seen[key]; !s.said {
			open++
			if f.cmd.has("json") {
				f.json(&s.op)
			}
			fmt.Fprintln(f.err, f.safeErr(control.OneLine(control.Verdict(&s.op, f.host, f.now()))))
		}
	}
	switch {
	case err == nil && open > 0:
		fmt.Fprintln(f.err, "gsvctl: gsv said no more")
		code = control.Failed
	case err == nil && len(f.codes) == 0 && f.one != "":
		fmt.Fprintln(f.err, "gsvctl: gsv's answer was empty")
		code = control.Failed
	case err == nil && len(f.codes) == 0 && !f.cmd.has("quiet") && !f.cmd.has("json"):
		fmt.Fprintln(f.out, "gsvctl: there are no services")
	case err != nil && len(f.seen) == 0 && f.call != nil && f.one != "":
		fmt.Fprintf(f.err, "gsvctl: gsv has not answered; if it has taken this in, it goes on; verdict: gsvctl wait --op %s\n", f.call.ID)
	case err != nil && len(f.seen) == 0:
		fmt.Fprintln(f.err, "gsvctl: gsv has not answered; if it has taken this in, it goes on")
	}
	return control.Worst(append(f.codes, code)...)
}

// json prints a document on a line of its own.
func (c *cli) json(v any) {
	src, err := json.Marshal(v)
	if err != nil {
		panic("bug: cannot encode an answer: " + err.Error())
	}
	fmt.Fprintf(c.out, "%s\n", src)
}
