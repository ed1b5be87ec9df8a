package supervise

import (
	"cmp"
	"fmt"
	"time"

	"gsv/supervise/lifecycle"
	"gsv/supervise/logs"
	"gsv/supervise/status"
)

// finish ends an operation as lifecycle has decided. A failure gets the log
// lines of the attempt first, which are read elsewhere.
func (s *Supervisor) finish(svc *service, f lifecycle.Finish) {
	s.dropHelper(f.Op, svc)
	op := s.ops.byID[f.Op]
	if op == nil || op.Done() {
		return
	}
	op.Pid, op.Generation, op.Progress = svc.pid(), svc.serving(), ""
	op.Serving = svc.state.Ready(svc.policy)
	op.Ended = time.Now().Round(time.Millisecond)
	result := status.OK
	switch f.Result {
	case lifecycle.Done:
		if op.Verb == "once" || op.Verb == "start" {
			op.Detail = s.outcome(svc)
		}
	case lifecycle.Superseded:
		result, op.Error = status.Failed, "another command undid it first"
	case lifecycle.Failed:
		result, op.Error = status.Failed, f.Why
		if said := s.unready(svc, svc.serving()); said != "" && f.Why == lifecycle.NotInTime {
			op.Error += ": " + said
		}
	}
	if reloads(op.Verb) && op.As != "restart" && f.Reload == nil && f.Result != lifecycle.Superseded {
		op.As = "start" // what it waited for had ended
	}
	if rl := f.Reload; rl != nil {
		s.finishReload(svc, op, rl)
	}
	if sc := f.Scaled; sc != nil {
		if f.Result == lifecycle.Done {
			op.Detail = workersText(sc.Now, svc.state.Scale)
		} else if op.Error == "" {
			op.Error, op.Hint = whyScaling(sc, svc.policy, svc.name)
		}
	}
	if scales(op.Verb) { // with some of its workers it serves on
		op.Serving = op.Serving || op.Pid != 0
	}
	if f.Result == lifecycle.Failed {
		s.explain(svc, op)
	}
	op.result = result
	if op.unwatch != nil {
		op.unwatch()
	}
	s.recall(svc, op)
	s.watchDone(svc, op)
	s.account(svc, op, f)
}

// recall has an operation that has ended kept in the record of its service.
func (s *Supervisor) recall(svc *service, op *operation) {
	if svc.recent = append(svc.recent, op.ID); len(svc.recent) > recordedOps {
		if old := s.ops.get(svc.recent[0]); old != nil {
			old.Log = nil // who waited for it has it
		}
		svc.recent = svc.recent[1:]
	}
}

// finishReload puts into an operation what the reload that served it has come to.
func (s *Supervisor) finishReload(svc *service, op *operation, rl *lifecycle.Reload) {
	if rl.Method != lifecycle.InPlace {
		s.finishReplace(svc, op, rl)
		return
	}
	tellReload(op, rl, svc.policy)
	if op.Error == "" {
		op.Error, op.Hint = whyReload(rl, svc.policy, now())
	}
	if rl.Stage >= lifecycle.Proving && rl.Need > 0 && svc.policy.Workers {
		op.Serving = op.Pid != 0 && rl.Serves(svc.policy)
	}
	if op.Error == "" && op.Verb == "hup" && op.As == "" && svc.next != nil {
		op.Warning = join(op.Warning, "changes of its file wait for a restart")
	}
	if op.Error == "" && svc.crew != nil {
		svc.crew.ends = nil // those were of the code of before
	}
	if r := svc.runs[rl.Gen]; op.Error == "" && rl.Stage >= lifecycle.Proving && r != nil {
		r.origin = recorded(svc.surveyed)
	}
}

// account reads what an operation's report says beside what is known here: log
// lines of the attempt, and the release.
func (s *Supervisor) account(svc *service, op *operation, f lifecycle.Finish) {
	failed := f.Result == lifecycle.Failed
	if full(op.Log) || !starts(op.Verb) && !(scales(op.Verb) && failed) {
		s.ended(op)
		return
	}
	attempt := 0
	for gen := range svc.runs {
		attempt = max(attempt, gen) // a next one is launched later
	}
	if f.Reload != nil && f.Reload.Next > 0 {
		attempt = f.Reload.Next
	}
	lines := 0
	switch {
	case svc.policy.Oneshot:
		lines = oneshotLines
	case failed && svc.said != nil:
		op.Log = svc.said
	case failed && f.Reload != nil && f.Reload.Stage > lifecycle.Waiting && f.Reload.Stage < lifecycle.Signalling && f.Why != "":
		// it was refused
	case scales(op.Verb) && (f.Scaled == nil || !f.Scaled.Sent):
		// nothing was sent
	case failed:
		lines = attemptLines
	}
	mark := int64(-1)
	if f.Reload != nil && f.Reload.Stage >= lifecycle.Signalling && f.Reload.Method != lifecycle.ByReplace {
		mark = svc.mark
	}
	if f.Scaled != nil && f.Scaled.Sent {
		mark = svc.mark
	}
	out := s.kept(svc)
	d, pid, from := svc.def, op.Pid, svc.runOrigin()
	if lines == 0 && (d.Preset == "none" || pid == 0) {
		s.ended(op)
		return
	}
	go func() {
		var text []string
		var p place
		read := make(chan func(), 2)
		go func() {
			var shown []string
			if lines > 0 && out != nil {
				shown = s.attemptLines(out, logs.Key{Name: svc.name, Gen: attempt}, mark, lines)
			}
			read <- func() { text = shown }
		}()
		go func() {
			var is place
			if pid != 0 && d.Preset != "none" {
				is = placeOf(d, d.Server(), pid, from)
			}
			read <- func() { p = is }
		}()
		late := time.NewTimer(accountTime)
		defer late.Stop()
		for range 2 {
			select {
			case take := <-read:
				take()
			case <-late.C: // its disk hangs; what is known must do
				late.Reset(0)
			}
		}
		s.report(func() {
			if lines > 0 {
				op.Log = text
			}
			op.Release = p.release
			if f.Reload != nil && f.Reload.Stage >= lifecycle.Proving && f.Result == lifecycle.Done && p.warning != "" {
				if op.Warning != "" {
					op.Warning += "; "
				}
				op.Warning += p.warning
			}
			s.ended(op)
		})
	}()
}

// accountTime bounds how long what has ended waits for what is said about it.
const accountTime = 2 * syncTime

func starts(verb string) bool {
	return verb == "start" || verb == "restart" || verb == "once" || reloads(verb)
}

func reloads(verb string) bool { return verb == "hup" || verb == "replace" }

func scales(verb string) bool { return verb == "ttin" || verb == "ttou" }

// outcome is what a oneshot has come to.
func (s *Supervisor) outcome(svc *service) string {
	if !svc.policy.Oneshot || svc.state.Last == nil {
		return ""
	}
	return fmt.Sprintf("%s after %s", describeExit(*svc.state.Last), seconds(svc.state.Last.Uptime))
}

// explain says why a start has failed, or what has ended the main process, and
// what happens next.
func (s *Supervisor) explain(svc *service, op *operation) {
	if !starts(op.Verb) && (!scales(op.Verb) || op.Pid != 0) {
		return
	}
	if last := svc.state.Last; op.Error == "" && last != nil {
		op.Error = describeExit(*last)
		if last.Failure == "" {
			op.Error += " after " + seconds(last.Uptime)
		}
		if reloads(op.Verb) && op.As != "start" && op.As != "restart" || scales(op.Verb) {
			op.Error = "main process " + op.Error
		}
	}
	switch svc.state.Phase() {
	case lifecycle.Backoff:
		at := wall(svc.state.RetryAt)
		op.NextStart = &at
	case lifecycle.Fatal:
		op.Hint = "given up (start-limit); mend it and run gsvctl start " + svc.name
		if wentAway(svc) && op.Hint == "" {
			op.Hint = "a program that goes into the background must be kept from it"
		}
	case lifecycle.Exited:
		op.Hint = "it is not started again (restart = \"no\" or \"on-failure\")"
	case lifecycle.Stopping:
		if run := svc.state.Current(); run != nil && run.Cause == lifecycle.Crashed && svc.state.Want == lifecycle.Up && svc.policy.Restart == lifecycle.Always {
			op.Hint = "what it left behind is being ended, then it is started again"
			if wentAway(svc) {
				op.Hint = "it went into the background, where it is being ended; keep it from that"
			}
		}
	}
}

// wentAway reports whether the main process ended well, and at once.
func wentAway(svc *service) bool {
	last := svc.state.Last
	return last != nil && last.Code == 0 && last.Signal == 0 && last.Failure == "" && !last.Unknown && last.Uptime < svc.policy.MinUptime
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
		svc.markLogs()
		s.mark(svc)
		s.save(svc)
	}
	s.event(operationEvent(op))
	op.tell()
}

// remember keeps how the last reload went, until a good start or restart.
func (svc *service) remember(op *operation) {
	verb := cmp.Or(op.As, op.Verb)
	switch {
	case reloads(verb) || reloads(op.Verb) && op.Result == status.Failed:
		svc.lastReload = &status.Reload{Operation: op.ID, Result: op.Result, Seconds: op.Seconds(op.Ended), At: op.Ended, Error: op.Error, By: op.By.User, Reason: op.Reason, Generation: op.Tried}
	case starts(op.Verb) && op.Result == status.OK && !op.Already:
		svc.lastReload = nil
	}
}
