package control

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"gsv/supervise/status"
)

// Verdict is the one line that says how an operation stands: service, host, and what came of it. It ends without a newline.
func Verdict(op *status.Operation, host string, now time.Time) string {
	var b strings.Builder
	b.WriteString(op.Service + "@" + host + ": ")
	row := Lookup(cmp.Or(op.As, op.Verb))
	if row == nil { // a newer gsv's
		row = &Verb{Past: op.Verb + " done", Noun: op.Verb}
	}
	switch op.Result {
	case status.OK:
		good(&b, row, op, now)
		if op.Warning != "" {
			b.WriteString("; " + op.Warning)
		}
	case status.Failed:
		bad(&b, row, op)
	default:
		b.WriteString("not finished after " + Seconds(op.Seconds(now)) + " and going on")
		if op.Progress != "" {
			b.WriteString(", " + op.Progress)
		}
		b.WriteString("; verdict: gsvctl wait --op " + op.ID)
		return b.String()
	}
	if op.NextStart != nil {
		b.WriteString("; next try " + Until(*op.NextStart, now))
	}
	if op.Hint != "" {
		b.WriteString("; " + op.Hint)
	}
	if op.Reason != "" {
		b.WriteString("; by " + op.By.User + ": " + op.Reason)
	}
	return b.String()
}

// Accepted is the verdict of --no-wait.
func Accepted(op *status.Operation, host string) string {
	return op.Service + "@" + host + ": " + op.Verb + " accepted, not finished and going on; verdict: gsvctl wait --op " + op.ID
}

// good says that it was done.
func good(b *strings.Builder, row *Verb, op *status.Operation, now time.Time) {
	signal := row.Signal != "" || row.Args == SignalNames
	past := row.Past
	if signal && op.Signal != "" {
		past = op.Signal + " sent"
	}
	watch := row.Args == ActionNames
	if watch {
		past += " " + op.Action + "d" // paused, resumed
	}
	if op.Already && row.Already != "" {
		past = row.Already
	}
	b.WriteString(past)
	detail, more, _ := strings.Cut(op.Detail, "; ") // what takes the time stands before it
	switch {
	case detail != "":
		b.WriteString(", " + detail)
	case op.Pid > 0 && !watch:
		b.WriteString(", pid " + strconv.Itoa(op.Pid))
	}
	if !signal && !watch && !op.Already {
		b.WriteString(" in " + Seconds(op.Seconds(now)))
	}
	if op.Release != "" {
		b.WriteString(", release " + op.Release)
	}
	if more != "" {
		b.WriteString("; " + more)
	}
}

// bad says that it failed and what serves now.
func bad(b *strings.Builder, row *Verb, op *status.Operation) {
	lasting := map[string]bool{"start": true, "once": true, "restart": true, "hup": true, "replace": true}[row.Name]
	switch {
	case lasting && op.Serving:
		past := row.Past
		b.WriteString("NOT " + past + ", ")
		switch {
		case op.Tried != 0 && op.Generation > 0 && op.Release != "":
			fmt.Fprintf(b, "generation %d (release %s) ", op.Generation, op.Release)
		case op.Release != "":
			b.WriteString("release " + op.Release + " ")
		case op.Generation > 0:
			fmt.Fprintf(b, "generation %d ", op.Generation)
		default:
			b.WriteString("it ")
		}
		b.WriteString("still serves")
	case lasting:
		b.WriteString(row.Noun + " FAILED, " + op.Service + " is DOWN")
	case (row.Name == "ttin" || row.Name == "ttou") && !op.Serving:
		b.WriteString(row.Noun + " FAILED, " + op.Service + " is DOWN")
	default:
		b.WriteString(row.Noun + " FAILED")
	}
	if op.Error != "" {
		b.WriteString(": " + op.Error)
	}
}

// Seconds shows a number of seconds as verdicts do: "20 ms", "0.4 s", "20 s", "4m10s".
func Seconds(s float64) string {
	switch {
	case s < 0.0995:
		return strconv.Itoa(int(max(s, 0)*1000+0.5)) + " ms"
	case s < 9.95:
		return strconv.FormatFloat(s, 'f', 1, 64) + " s"
	case s < 119.5:
		return strconv.Itoa(int(s+0.5)) + " s"
	}
	return Age(time.Duration(s * float64(time.Second)))
}

// Several is a number of things: "1 restart", "2 restarts".
func Several(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return strconv.Itoa(n) + " " + noun
}

// Until says when something will be, as seen from now.
func Until(at, now time.Time) string {
	if d := at.Sub(now); d > 0 {
		return "in " + Seconds(d.Seconds())
	}
	return "now"
}

// Ago says how long since something was, in its greatest unit: "12 s ago", "3 min ago", "5 h ago", "3 d ago".
func Ago(d time.Duration) string {
	s := int64(max(d, 0) / time.Second)
	switch {
	case s < 60:
		return strconv.FormatInt(s, 10) + " s ago"
	case s < 3600:
		return strconv.FormatInt(s/60, 10) + " min ago"
	case s < 86400:
		return strconv.FormatInt(s/3600, 10) + " h ago"
	}
	return strconv.FormatInt(s/86400, 10) + " d ago"
}

// Age shows how long something has lasted, in its two greatest units: "12s", "4m10s", "3h5m", "3d4h".
func Age(d time.Duration) string {
	s := int64(max(d, 0) / time.Second)
	switch {
	case s < 60:
		return strconv.FormatInt(s, 10) + "s"
	case s < 3600:
		return strconv.FormatInt(s/60, 10) + "m" + strconv.FormatInt(s%60, 10) + "s"
	case s < 86400:
		return strconv.FormatInt(s/3600, 10) + "h" + strconv.FormatInt(s%3600/60, 10) + "m"
	}
	return strconv.FormatInt(s/86400, 10) + "d" + strconv.FormatInt(s%86400/3600, 10) + "h"
}

// ApplyExit is the exit status of an apply, and why it is not Done.
func ApplyExit(r *status.ApplyResult) (code int, why string) {
	var failed []string
	for _, step := range r.Steps {
		if step.Error != "" {
			failed = append(failed, step.Service+": "+step.Error)
		}
	}
	switch {
	case len(r.Problems) == 1:
		return Invalid, "there is a problem in the files"
	case len(r.Problems) > 0:
		return Invalid, "there are problems in the files"
	case r.Error != "":
		return Failed, r.Error
	case len(failed) > 0:
		return Failed, strings.Join(failed, "; ")
	}
	return Done, ""
}
