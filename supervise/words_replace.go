package supervise

import (
	"fmt"

	"gsv/supervise/lifecycle"
)

// trialProgress is how far the run is that is tried.
func trialProgress(rl *lifecycle.Reload) string {
	switch {
	case rl.Next == 0:
		return "waits for the new main process"
	case rl.Failing:
		return fmt.Sprintf("generation %d has failed and is being ended", rl.Next)
	case rl.Need > 0 && !rl.Solo:
		return fmt.Sprintf("generation %d: workers %d/%d", rl.Next, rl.Settled, max(rl.Need, rl.Settled))
	}
	return fmt.Sprintf("generation %d is starting", rl.Next)
}

// finishReplace puts into an operation what came of a run that was tried.
func (s *Supervisor) finishReplace(svc *service, op *operation, rl *lifecycle.Reload) {
	for _, o := range rl.Old {
		op.Old = append(op.Old, o.Pid)
	}
	op.OldWorkers = rl.Need
	if op.Error == "" && rl.Fault == lifecycle.NoFault && rl.Exit == nil && rl.Stage == lifecycle.Taken {
		s.replaced(svc, op, rl)
		return
	}
	if rl.Stage == lifecycle.Taken { // it serves, but what ends of the old one
		op.Serving = op.Pid != 0
		return
	}
	if rl.Stage == lifecycle.Proposed {
		op.Tried = rl.Next
		op.Error, op.Hint = s.whyTrial(svc, rl), "mend the code and run this again"
	}
}

func (s *Supervisor) replaced(svc *service, op *operation, rl *lifecycle.Reload) {
	for _, m := range rl.Crew.Members {
		if !m.Between {
			op.New = append(op.New, m.Pid)
		}
	}
	op.NewWorkers = len(op.New)
	op.Detail = fmt.Sprintf("generation %d", rl.Next)
	switch {
	case op.NewWorkers == 0:
	case op.NewWorkers < rl.Need:
		op.Detail += fmt.Sprintf(", %s new (%d before)", plural(op.NewWorkers, "worker", "workers"), rl.Need)
	default:
		op.Detail += ", " + plural(op.NewWorkers, "worker", "workers") + " new"
	}
	if n := len(rl.Told); n > 0 {
		op.Warning = fmt.Sprintf("%s of generation %d (%s) still busy after %s %s ended", plural(n, "old process", "old processes"), rl.Gen, pidList(rl.Told),
			brief(svc.policy.Quit[0].Wait), map[bool]string{true: "was", false: "were"}[n == 1])
	}
	if _, most, lost := svc.queues(); lost > svc.overflowed {
		op.Warning = join(op.Warning, fmt.Sprintf("%s found no room in the accept queue (%d)", plural(int(lost-svc.overflowed), "connection", "connections"), most))
	}
}

// whyTrial says why a run that was tried has not come to serve.
func (s *Supervisor) whyTrial(svc *service, rl *lifecycle.Reload) string {
	who, timeout := fmt.Sprintf("generation %d", rl.Next), brief(svc.policy.ReloadTimeout)
	switch {
	case rl.Next == 0 && rl.Fault == lifecycle.Unseen:
		return "its new main process ended at once"
	case rl.Next == 0:
		return "no new main process came within " + timeout
	case rl.Exit != nil && rl.Exit.Failure != "":
		return who + " could not be started: " + rl.Exit.Failure
	case rl.Exit != nil:
		return fmt.Sprintf("%s %s after %s", who, describeExit(*rl.Exit), seconds(rl.Exit.Uptime))
	case rl.Fault == lifecycle.Churn:
		return fmt.Sprintf("workers of %s die at start (%s%d) and it was ended", who, lostText(rl), rl.Crew.Died)
	case rl.Why != "":
		return who + ": " + rl.Why + "; it was ended"
	}
	why := "was not ready"
	switch said := s.unready(svc, rl.Next); {
	case said != "" && !rl.Answered:
		if why = said; rl.Lost != "" {
			why += " (its workers end: " + rl.Lost + ")"
		}
	case rl.Solo:
	case rl.Crew.Workers() == 0 && svc.policy.Workers:
		why = "had no worker"
	case rl.Crew.Died > 0:
		why = fmt.Sprintf("had %d workers that ended before they had settled%s", rl.Crew.Died, lostText(rl))
	case svc.policy.Workers && rl.Settled < rl.Crew.Workers():
		why = fmt.Sprintf("had %d of %d workers that loaded their code", rl.Settled, rl.Crew.Workers())
	}
	return who + " " + why + " for " + timeout + " and was ended"
}

// lostText is how the last worker ended, with what parts it from the next word.
func lostText(rl *lifecycle.Reload) string {
	if rl.Lost == "" {
		return ""
	}
	return rl.Lost + ", "
}
