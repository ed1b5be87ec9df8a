package main

import (
	"bufio"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"gsv/control"
	"gsv/supervise/status"
)

// why says in a paragraph how a service is, why, what happens next and what to do, and shows what it wrote.
func (c *cli) why(cmd *command) int {
	w := bufio.NewWriter(c.out)
	code := c.each(cmd, func(s *status.Service) int {
		if cmd.has("json") {
			c.json(listing{[]status.Service{*s}})
			return control.Done
		}
		if cmd.has("quiet") {
			return control.Done
		}
		failed := c.lastFailed(s)
		fmt.Fprintf(w, "%s@%s: %s\n", s.Name, c.host, c.line(strings.Join(reasons(s, failed, c.now()), " ")))
		c.fileProblem(w, s)
		if failed != nil {
			for _, line := range failed.Log {
				fmt.Fprintf(w, "  | %s\n", c.line(line))
			}
		}
		c.lastLines(w, "/v1/services/"+control.Escape(s.Name))
		w.Flush()
		return control.Done
	})
	return code
}

// lastFailed is the operation that is to blame: the failed reload that counts still, or the last thing that was asked for, if it failed. Who may
// not see the history is told the rest.
func (c *cli) lastFailed(s *status.Service) *status.Operation {
	var past status.History
	if err := c.client.Get("/v1/history?service="+control.Escape(s.Name), &past); err != nil {
		return nil
	}
	for i := len(past.Operations) - 1; i >= 0; i-- {
		op := &past.Operations[i]
		switch {
		case s.LastReload != nil && s.LastReload.Result == status.Failed && op.ID != s.LastReload.Operation:
		case op.Result == status.Failed:
			return op
		case lasting(op.Verb):
			return nil
		}
	}
	return nil
}

// lasting says whether a verb changes what a service is to do, so that an earlier failure does not matter any more.
func lasting(verb string) bool {
	switch verb {
	case "start", "stop", "restart", "once", "hup", "replace", "quit":
		return true
	}
	return false
}

// reasons is the paragraph, a sentence each: the state, its cause, what was asked for and failed, what happens next, what to do.
func reasons(s *status.Service, failed *status.Operation, now time.Time) []string {
	said := []string{stateOf(s, now)}
	say := func(format string, args ...any) { said = append(said, sentence(fmt.Sprintf(format, args...))) }
	if text := statusText(s); text != "" && s.State.Alive() {
		say("It says of itself: %s", text)
	}
	for i := range s.Generations {
		say("%s", generationText(&s.Generations[i], now))
	}
	if e := s.LastExit; e != nil && s.State != status.Invalid {
		say("Its last run ended %s ago: %s", control.Age(now.Sub(e.At)), control.ExitText(e))
	}
	switch r := s.LastReload; {
	case r != nil && r.Result == status.Failed:
		why, by, reason := r.Error, r.By, r.Reason
		if failed != nil && failed.ID == r.Operation {
			why, by = cmp.Or(failed.Error, why), cmp.Or(failed.By.User, by)
			reason = cmp.Or(failed.Reason, reason)
		}
		still := ""
		if r.Generation != 0 && s.Serves() {
			still = fmt.Sprintf(", and generation %d serves on", s.Generation)
		}
		say("The last reload%s failed %s ago, after %s (operation %s)%s: %s", from(by, reason), control.Age(now.Sub(r.At)), control.Seconds(r.Seconds), r.Operation, still,
			cmp.Or(why, "why is not known any more"))
	case failed != nil:
		say("The last %s%s failed %s ago, after %s (operation %s): %s", failed.Verb, from(failed.By.User, failed.Reason), control.Age(now.Sub(failed.Ended)),
			control.Seconds(failed.Seconds(now)), failed.ID, cmp.Or(failed.Error, "why is not known"))
	}
	switch {
	case s.Stale:
		say("It is STALE: %s", cmp.Or(s.StaleReason, "its code is of an older release"))
	case s.StaleReason != "":
		say("Whether its code is that of today's release is not known: %s", s.StaleReason)
	}
	if s.LogProblem != "" {
		say("Its log: %s", s.LogProblem)
	}
	if w := s.Watch; w != nil && (w.State != status.Watching && w.State != status.WatchOff && w.State != status.Polling || w.Trouble+w.Stalled+w.Pending != "") {
		say("Its deployed files: %s", control.WatchText(w, now))
	}
	if s.Pending {
		say("Changes of its service file wait for a restart")
	}
	if s.NextStart != nil {
		say("Next try %s", control.Until(*s.NextStart, now))
	}
	if todo := todo(s, failed); todo != "" {
		say("What to do: %s", todo)
	}
	return said
}

// stateOf is the first sentence.
func stateOf(s *status.Service, now time.Time) string {
	text := string(s.State)
	switch {
	case s.State == status.Exited && s.Ready:
		text += ", and did what it was to do,"
	case s.State.Alive() && s.State != status.Stopping && s.Ready:
		text += " and ready"
	case s.State.Alive() && s.State != status.Stopping:
		text += " and NOT READY"
	}
	if !s.Since.IsZero() {
		text += " for " + control.Age(now.Sub(s.Since))
	}
	var parts []string
	if s.Pid > 0 {
		parts = append(parts, fmt.Sprintf("pid %d", s.Pid))
	}
	if own, _ := crews(s); len(own) > 0 {
		parts = append(parts, workers(s)+" workers")
	}
	if s.Generation > 0 {
		parts = append(parts, fmt.Sprintf("generation %d", s.Generation))
	}
	if s.Release != "" {
		parts = append(parts, "release "+s.Release)
	}
	if s.Restarts > 0 {
		parts = append(parts, control.Several(s.Restarts, "restart"))
	}
	if len(parts) > 0 {
		text += " (" + strings.Join(parts, ", ") + ")"
	}
	ended := s.State == status.Backoff || s.State == status.Exited || s.State == status.Fatal
	if s.Reason != "" && !(ended && s.LastExit != nil) { // which is told next
		text += ": " + s.Reason
	}
	return sentence(text)
}

// todo is what an operator can do about it, "" if nothing need be done.
func todo(s *status.Service, failed *status.Operation) string {
	name := s.Name
	failedReload := s.LastReload != nil && s.LastReload.Result == status.Failed
	why, verb := "", "hup"
	if failedReload {
		why = s.LastReload.Error
	}
	if failed != nil {
		why, verb = cmp.Or(failed.Error, why), failed.Verb
	}
	starts := failed != nil && (verb == "start" || verb == "once" || verb == "restart")
	switch {
	case s.State == status.Invalid:
		return "mend its service file, then gsvctl apply"
	case s.State == status.Stopped && starts, s.State == status.Fatal, s.State == status.Exited && !s.Ready:
		return "mend it, then gsvctl start " + name
	case s.State == status.Stopped && s.Want == "down":
		return "gsvctl start " + name
	case s.State == status.Backoff && starts:
		return "mend it, then gsvctl start " + name + ", or wait"
	case s.State == status.Backoff:
		return "mend it, then gsvctl restart " + name + ", or wait"
	case (failedReload || failed != nil) && saysHow(why):
	case failed != nil && strings.Contains(failed.Hint, again):
		return strings.Replace(failed.Hint, again, ", then gsvctl "+verb+" "+name, 1)
	case failed != nil && failed.Hint != "":
		return failed.Hint
	case failedReload:
		return "mend the code, then gsvctl " + verb + " " + name
	case starts:
		return "mend it, then gsvctl " + verb + " " + name
	}
	switch {
	case s.Stale && !s.Pending && s.State == status.Running && holds(s):
		return "gsvctl replace " + name
	case s.Stale, s.Pending:
		return "gsvctl restart " + name
	case s.FileProblem != "":
		return "mend its service file, then gsvctl apply"
	}
	return ""
}

// holds says whether gsv holds sockets for the service, so that it can be replaced while it serves.
func holds(s *status.Service) bool {
	return slices.ContainsFunc(s.Sockets, func(k status.Socket) bool { return k.Held })
}

// again is how the hint of an operation ends that is to be repeated.
const again = " and run this again"

// saysHow says whether an error names the way out itself, such as "gsvctl restart web loads it" or a value of the key reload: another beside it
// would contradict it.
func saysHow(why string) bool {
	return strings.Contains(why, "gsvctl ") || strings.Contains(why, `reload = "`)
}

func from(user, reason string) string {
	if user == "" {
		return ""
	}
	if reason != "" {
		user += ": " + reason
	}
	return " (by " + user + ")"
}

// sentence ends with a full stop.
func sentence(text string) string {
	text = strings.TrimSpace(text)
	if strings.HasSuffix(text, ".") {
		return text
	}
	return text + "."
}

// workers is how many there are, and how that came about where somebody asked for more or fewer: "6 (4+2)".
func workers(s *status.Service) string {
	own, _ := crews(s)
	n := len(own)
	if s.Scale == 0 {
		return fmt.Sprint(n)
	}
	base := s.ScaleBase
	if base == 0 { // an older gsv's
		base = n - s.Scale
	}
	return fmt.Sprintf("%d (%d%+d)", n, base, s.Scale)
}
