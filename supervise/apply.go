package supervise

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"gsv/supervise/definition"
	"gsv/supervise/lifecycle"
	"gsv/supervise/status"
)

// A planned is one step of an apply.
type planned struct {
	status.Step
	def *definition.Definition // what the service gets; nil: it gets none
	bad string                 // what is wrong with its file
}

// Apply reads the service files again and does what follows from it.
func (s *Supervisor) Apply(ctx context.Context, r status.ApplyRequest) (status.ApplyResult, error) {
	type answer struct {
		result status.ApplyResult
		err    error
	}
	done := make(chan answer, 1)
	go func() { // it goes on when ctx is done
		began := time.Now()
		result, err := s.doApply(r)
		if !r.DryRun {
			ev := wholeEvent("apply", result.ID, r.By, began, applyFault(result, err))
			s.call(context.Background(), func() { s.event(ev) })
		}
		done <- answer{result, err}
	}()
	select {
	case a := <-done:
		return a.result, a.err
	case <-ctx.Done():
		return status.ApplyResult{}, ctx.Err()
	}
}

func (s *Supervisor) doApply(r status.ApplyRequest) (status.ApplyResult, error) {
	s.applying <- struct{}{} // one after another
	defer func() { <-s.applying }()
	if r.ID == "" {
		r.ID = newID()
	}
	result := status.ApplyResult{ID: r.ID, DryRun: r.DryRun, Steps: []status.Step{}}
	defs, bad, err := s.opts.Load()
	if err != nil {
		return result, problem(409, 8, "", err.Error()+"; nothing was changed")
	}
	for _, b := range bad {
		if len(r.Names) == 0 || slices.Contains(r.Names, b.Name) {
			result.Problems = append(result.Problems, b.Problems.String())
		}
	}
	var fresh *definition.Settings
	if len(r.Names) == 0 {
		var wrong string
		if fresh, wrong = s.freshSettings(); wrong != "" {
			result.Problems = append(result.Problems, wrong)
		}
	}
	var plan []planned
	var refused *status.Problem
	ctx := context.Background()
	if err := s.call(ctx, func() {
		for _, name := range r.Names {
			known := func(d *definition.Definition) bool { return d.Name == name }
			isBad := func(b definition.Bad) bool { return b.Name == name }
			if s.services[name] == nil && !slices.ContainsFunc(defs, known) && !slices.ContainsFunc(bad, isBad) {
				refused = problem(404, 4, name, "no such service, and no such service file")
				return
			}
		}
		if fresh != nil {
			result.Settings = s.settings.Diff(fresh)
		}
		plan = s.plan(defs, bad, r.Names)
		refused = s.guard(plan, r)
	}); err != nil {
		return result, problem(503, 6, "", err.Error())
	}
	if refused != nil && !r.DryRun {
		return result, refused
	}
	var ops []string
	for i := range plan {
		p := &plan[i]
		switch {
		case p.Action != status.Pend:
		case r.Restart:
			p.Action = status.Restart
		case p.def.Reload == definition.ByReplace && p.def.Type != definition.Oneshot:
			p.Action = status.Replace
		}
		result.Steps = append(result.Steps, p.Step)
		if p.def != nil && len(p.def.Warnings) > 0 {
			result.Warnings = append(result.Warnings, p.def.Warnings.String())
		}
	}
	if r.DryRun {
		if refused != nil {
			result.Error, result.Hint = refused.Detail, refused.Hint
		}
		return result, nil
	}
	if err := s.call(ctx, func() {
		if s.end != nil {
			refused = problem(503, 1, "", "gsv is being ended; nothing was changed")
			return
		}
		if fresh != nil {
			s.changeSettings(fresh, result.Settings)
		}
		for _, p := range plan {
			if id := s.carryOutPlanned(p, r); id != "" {
				ops = append(ops, id)
			} else {
				ops = append(ops, "")
			}
		}
	}); err != nil {
		return result, problem(503, 6, "", err.Error())
	}
	if refused != nil {
		return result, refused
	}
	for i, id := range ops {
		if id == "" {
			continue
		}
		op, err := s.Follow(ctx, id, func(status.Operation) error { return nil })
		if err == nil && op.Result == status.Failed {
			result.Steps[i].Error, result.Steps[i].Log = op.Error, op.Log
		}
	}
	return result, nil
}

// applyFault is why an apply is no success; "" if it is one.
func applyFault(r status.ApplyResult, err error) string {
	var faults []string
	if err != nil {
		faults = append(faults, err.Error())
	}
	if n := len(r.Problems); n > 0 {
		faults = append(faults, plural(n, "file is", "files are")+" bad")
	}
	for _, step := range r.Steps {
		if step.Error != "" {
			faults = append(faults, step.Service+": "+step.Error)
		}
	}
	return strings.Join(faults, "; ")
}

// guard refuses a plan that would stop everything that runs.
func (s *Supervisor) guard(plan []planned, r status.ApplyRequest) *status.Problem {
	running, removed := 0, 0
	for _, svc := range s.services {
		if len(svc.state.Runs) > 0 {
			running++
		}
	}
	for _, p := range plan {
		if svc := s.services[p.Service]; p.Action == status.Remove && svc != nil && len(svc.state.Runs) > 0 {
			removed++
		}
	}
	if removed == 0 || removed < running || r.Force {
		return nil
	}
	p := problem(409, 1, "", fmt.Sprintf("this would stop every running service (%d); nothing was changed", running))
	p.Hint = "are the service directories right? --force does it nevertheless"
	return p
}

// plan compares service files with what is there. names: only these; none: all.
func (s *Supervisor) plan(defs []*definition.Definition, bad []definition.Bad, names []string) []planned {
	var plan []planned
	seen := map[string]bool{}
	wanted := func(name string) bool {
		seen[name] = true
		return len(names) == 0 || slices.Contains(names, name)
	}
	for _, d := range defs {
		if !wanted(d.Name) {
			continue
		}
		if step, ok := s.planOne(d); ok {
			plan = append(plan, step)
		}
	}
	for _, b := range bad {
		if !wanted(b.Name) {
			continue
		}
		text := b.Problems.String()
		action := status.Keep
		if svc := s.services[b.Name]; svc == nil || svc.def == nil {
			action = status.Bad
		}
		plan = append(plan, planned{Step: status.Step{Service: b.Name, Action: action}, bad: text})
	}
	for _, name := range s.names {
		if svc := s.services[name]; !seen[name] && !svc.gone && (len(names) == 0 || slices.Contains(names, name)) {
			plan = append(plan, planned{Step: status.Step{Service: name, Action: status.Remove}})
		}
	}
	return plan
}

func (s *Supervisor) planOne(d *definition.Definition) (planned, bool) {
	p := planned{Step: status.Step{Service: d.Name, Action: status.Change}, def: d}
	svc := s.services[d.Name]
	if svc == nil || svc.def == nil || svc.gone {
		p.Action = status.Add
		return p, true
	}
	if svc.def.Equal(d) {
		return p, svc.next != nil || svc.bad != ""
	}
	for _, change := range svc.def.Diff(d) {
		p.Keys = append(p.Keys, change.Key)
		if !change.Live && len(svc.state.Runs) > 0 {
			p.Action = status.Pend
		}
	}
	if svc.next != nil && svc.next.Equal(d) {
		return p, p.Action == status.Pend
	}
	return p, true
}

// carryOutPlanned does a step of a plan and returns the id of the operation it
// begins, if any.
func (s *Supervisor) carryOutPlanned(p planned, r status.ApplyRequest) string {
	s.apply(p, true)
	svc := s.services[p.Service]
	verb, name := lifecycle.DoStart, "start"
	switch {
	case svc == nil:
		return ""
	case p.Action == status.Remove:
		verb, name = lifecycle.DoStop, "stop"
	case p.Action == status.Restart:
		verb, name = lifecycle.DoRestart, "restart"
	case p.Action == status.Replace:
		verb, name = lifecycle.DoReplace, "replace"
	case p.Action == status.Add && svc.def != nil && svc.def.Autostart:
	default:
		return ""
	}
	op := &operation{svc: svc, Operation: status.Operation{ID: newID(), Verb: name, Service: svc.name, By: r.By,
		Started: time.Now().Round(time.Millisecond)}}
	s.ops.add(op)
	svc.markLogs()
	if err := s.step(svc, lifecycle.Command{Op: lifecycle.OpID(op.ID), Verb: verb, NoCheck: verb == lifecycle.DoStart}); err != nil {
		s.ops.drop(op)
		return ""
	}
	return op.ID
}

// apply takes a step of a plan over into what is known of its service.
func (s *Supervisor) apply(p planned, tell bool) {
	svc := s.services[p.Service]
	if svc == nil && p.Action != status.Remove {
		svc = s.add(p.Service)
	}
	switch p.Action {
	case status.Keep, status.Bad:
		svc.bad = p.bad
	case status.Remove:
		svc.gone = true
	case status.Pend, status.Restart, status.Replace:
		svc.bad = ""
		s.useLater(svc, p.def)
	default:
		svc.bad, svc.gone = "", false
		s.use(svc, p.def)
	}
	for _, r := range svc.runs { // each goes on by what it was started by
		if p.def != nil && r.def != nil {
			r.def = r.def.WithLive(p.def)
		}
	}
	if len(svc.state.Runs) > 0 && p.def != nil {
		s.step(svc, lifecycle.Changed{})
		s.watchAgain(svc)
	}
	if svc.armed != 0 {
		s.disarm(svc) // it was by the definition of before
	}
	s.arm(svc)
	s.mark(svc)
	if tell {
		s.event(eventOf(p.Service, "definition", p.Action))
	}
}
