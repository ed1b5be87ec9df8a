package supervise

import (
	"fmt"
	"strconv"
	"time"

	"gsv/supervise/lifecycle"
)

// reloadProgress is how far a reload is, in words.
func reloadProgress(rl *lifecycle.Reload) string {
	switch rl.Stage {
	case lifecycle.Waiting:
		return "waits until it is ready"
	case lifecycle.Checking:
		return "runs the check-command"
	case lifecycle.Draining:
		return fmt.Sprintf("workers replaced %d/%d, %d old ones still busy", rl.Settled, max(rl.Need, rl.Settled), len(rl.Left))
	case lifecycle.Surveying, lifecycle.Signalling:
		return "counts its workers"
	case lifecycle.Proposed:
		return trialProgress(rl)
	case lifecycle.Taken:
		return fmt.Sprintf("generation %d serves, %d is leaving", rl.Next, rl.Gen)
	case lifecycle.Proving, lifecycle.Asking:
	}
	if rl.Need == 0 {
		return ""
	}
	return fmt.Sprintf("workers replaced %d/%d", min(rl.Settled, rl.Need), rl.Need)
}

// tellReload puts into an operation what came of its reload.
func tellReload(op *operation, rl *lifecycle.Reload, p lifecycle.Policy) {
	for _, o := range rl.Old {
		op.Old = append(op.Old, o.Pid)
	}
	for _, m := range rl.Crew.Members {
		if !m.Between {
			op.New = append(op.New, m.Pid)
		}
	}
	op.OldWorkers, op.NewWorkers = rl.Need, len(op.New)
	switch {
	case op.Error != "" || rl.Stage < lifecycle.Proving:
	case rl.Need == 0:
		op.Detail = "the signal was taken by " + strconv.Itoa(op.Pid) + "; it has no workers to prove the new code"
	case rl.Crew.Born == 0 && rl.Best == 0:
		op.Detail = fmt.Sprintf("the signal was taken by %d; its %s not replaced, so nothing proves the new code", op.Pid, plural(rl.Need, "child was", "children were"))
	case op.NewWorkers < rl.Need:
		op.Detail = fmt.Sprintf("%s new (%d before)", plural(op.NewWorkers, "worker", "workers"), rl.Need)
	default:
		op.Detail = plural(op.NewWorkers, "worker", "workers") + " new"
	}
	if len(rl.Told) > 0 {
		op.Warning = fmt.Sprintf("%s (%s) still busy after %s %s ended", plural(len(rl.Told), "old worker", "old workers"), pidList(rl.Told),
			brief(p.DrainTimeout), map[bool]string{true: "was", false: "were"}[len(rl.Told) == 1])
	}
}

// whyReload says why a reload has failed.
func whyReload(rl *lifecycle.Reload, p lifecycle.Policy, t time.Time) (why, hint string) {
	const mend = "mend the code and run this again"
	switch rl.Fault {
	case lifecycle.NoFault:
		return "", ""
	case lifecycle.Churn:
		how := ""
		if rl.Lost != "" {
			how = rl.Lost + ", "
		}
		return fmt.Sprintf("new workers die at start (%s%d in %s)", how, rl.Crew.Died, seconds(t.Sub(rl.Since))), mend
	case lifecycle.Stays:
		return fmt.Sprintf("old processes (%s) are still there after %s", pidList(rl.Left), brief(p.DrainTimeout)), "preset or [ready] workers = true says that they are workers, which hup may end"
	}
	why, hint = late(rl), mend
	why += " within " + brief(p.ReloadTimeout)
	if rl.Queue > 0 {
		why += fmt.Sprintf("; %s to be accepted", plural(rl.Queue, "connection waits", "connections wait"))
	}
	if rl.Unsure {
		why += "; the supervisor was restarted meanwhile, and whether the signal was delivered is not known"
	}
	return why, hint
}

// late is what has not come about in time.
func late(rl *lifecycle.Reload) string {
	switch n := rl.Crew.Workers(); {
	case rl.Crew.Born == 0 && len(rl.Left) == len(rl.Old):
		return "no worker was replaced"
	case rl.Settled >= rl.Need && len(rl.Left) > 0:
		return fmt.Sprintf("old processes (%s) did not end", pidList(rl.Left))
	case rl.Crew.Died > rl.Need:
		how := ""
		if rl.Lost != "" {
			how = ", " + rl.Lost
		}
		return fmt.Sprintf("%d new workers ended before they had settled%s, and %d of %d settled", rl.Crew.Died, how, rl.Settled, rl.Need)
	case n == 0:
		return "no new worker came"
	}
	return fmt.Sprintf("%d of %d new workers loaded their code", rl.Settled, rl.Need)
}

// whyScaling says why the number of workers is not as it was to be.
func whyScaling(sc *lifecycle.Scaling, p lifecycle.Policy, name string) (why, hint string) {
	switch sc.Fault {
	case lifecycle.NoWorkers:
		return "it has no workers; nothing was sent", ""
	case lifecycle.LastOne:
		why = fmt.Sprintf("has %s, and one must stay; nothing was sent", plural(sc.From, "worker", "workers"))
		if sc.From > 1 {
			hint = fmt.Sprintf("gsvctl ttou -n %d %s", sc.From-1, name)
		}
		return why, hint
	case lifecycle.Churn:
		how := "again and again"
		if sc.Lost != "" {
			how = sc.Lost
		}
		return "new workers die at start (" + how + ")" + takenBack(sc), "mend the code and run this again"
	case lifecycle.Miscount:
		why = fmt.Sprintf("%s, not %d, after %s", plural(sc.Now, "worker", "workers"), sc.To(), brief(p.ReloadTimeout))
		if sc.Taken > 0 {
			why = fmt.Sprintf("%d of %s did not settle within %s", sc.Taken, plural(sc.Count, "new worker", "new workers"), brief(p.ReloadTimeout)) + takenBack(sc)
		}
		return why, ""
	}
	return "", ""
}

// takenBack says what became of workers that were asked for and came to nothing.
func takenBack(sc *lifecycle.Scaling) string {
	text := ""
	switch {
	case sc.Taken == 0:
		return ""
	case sc.Count == 1:
		text = ", and was taken back"
	case sc.Taken == sc.Count:
		text = fmt.Sprintf(", and all %d were taken back", sc.Count)
	default:
		text = fmt.Sprintf(", and %d of %d %s taken back", sc.Taken, sc.Count, map[bool]string{true: "was", false: "were"}[sc.Taken == 1])
	}
	if sc.Unsteady {
		return text + fmt.Sprintf(", but still %d of %d have settled", sc.Settled, sc.To()-sc.Taken)
	}
	return text + ": " + plural(sc.Now, "worker", "workers")
}

// workersText is "6 workers (4+2)".
func workersText(n int, sc lifecycle.Scale) string {
	text := plural(n, "worker", "workers")
	if sc.Delta != 0 {
		text += fmt.Sprintf(" (%d%+d)", sc.Base, sc.Delta)
	}
	return text
}

// join puts two clauses after each other; either may be "".
func join(a, b string) string {
	if a != "" && b != "" {
		a += "; "
	}
	return a + b
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

func pidList(procs []lifecycle.Proc) string {
	text := ""
	for i, p := range procs {
		if i > 0 {
			text += " "
		}
		text += strconv.Itoa(p.Pid)
	}
	return text
}

// brief writes a configured duration as it may have been configured: "2m", "1m30s", "500ms".
func brief(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if n := len(text) - len(zero); n > 0 && text[n:] == zero {
			text = text[:n+1]
		}
	}
	return text
}

// seconds writes a duration for people.
func seconds(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", max(0, d).Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}
