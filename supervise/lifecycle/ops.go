package lifecycle

import "slices"

// awaited reports whether an operation waits for a run that is not asked for yet.
func (m *machine) awaited() bool {
	return slices.ContainsFunc(m.s.Ops, func(op Op) bool { return isUp(op.Verb) && op.Gen > m.s.Gen })
}

// upOps are the operations that run gen can fulfil.
func (m *machine) upOps(gen int) []Op {
	var ops []Op
	for _, op := range m.s.Ops {
		if isUp(op.Verb) && !op.Checking && op.Gen <= gen {
			ops = append(ops, op)
		}
	}
	return ops
}

func isUp(v Verb) bool { return v == DoStart || v == DoOnce || v == DoRestart }

// fail ends the operations that waited for run gen to be ready.
func (m *machine) fail(gen int, why string) {
	for _, op := range m.upOps(gen) {
		m.finish(op, Failed, why)
	}
}

// failChanges ends the reload and the change of the number of workers of run
// gen, whose main process is gone or comes to nothing, and those that wait for
// their turn.
func (m *machine) failChanges(gen int, why string) {
	rl := m.s.Reload
	if rl != nil && rl.run() != gen {
		rl = nil
	}
	if rl != nil {
		m.s.Reload = nil
	}
	sc := m.s.Scaling
	if sc != nil && sc.Gen == gen {
		m.s.Scaling = nil
	}
	for _, op := range slices.Clone(m.s.Ops) {
		if op.Verb == DoReload || op.Verb == DoScale {
			m.drop(op)
			finish := Finish{Op: op.ID, Result: Failed, Why: why, Reload: rl}
			if sc != nil && sc.Op == op.ID {
				finish.Scaled = sc
			}
			m.emit(finish)
		}
	}
}

// supersede ends the operations of these verbs: another command undoes them.
func (m *machine) supersede(verbs ...Verb) {
	if slices.Contains(verbs, DoReload) {
		m.s.Reload = nil
		if t := m.s.Tried(); t != nil {
			t.Role = Leaving
		}
	}
	if slices.Contains(verbs, DoScale) {
		m.s.Scaling = nil
	}
	for _, op := range slices.Clone(m.s.Ops) {
		if slices.Contains(verbs, op.Verb) {
			m.finish(op, Superseded, "")
		}
	}
}

func (m *machine) wait(op Op) {
	if op.ID != "" {
		m.s.Ops = append(m.s.Ops, op)
	}
}

func (m *machine) drop(op Op) {
	m.s.Ops = slices.DeleteFunc(m.s.Ops, func(o Op) bool { return o.ID == op.ID })
}

func (m *machine) finish(op Op, result Result, why string) {
	m.drop(op)
	m.emitFinish(op.ID, result, why)
}

func (m *machine) emitFinish(id OpID, result Result, why string) {
	if id != "" {
		m.emit(Finish{Op: id, Result: result, Why: why})
	}
}

func (m *machine) delivered(ev Delivered) {
	if rl := m.s.Reload; rl != nil && rl.Op == ev.Op && rl.Stage == Signalling {
		m.sent(ev.Err)
		return
	}
	if sc := m.s.Scaling; sc != nil && sc.Op == ev.Op && !sc.Sent && !sc.Checking {
		m.scaleSent(ev.Err)
		return
	} else if sc != nil && sc.Op == ev.Op && sc.Taking {
		m.takenBack(ev.Err)
		return
	}
	for _, op := range m.s.Ops {
		if op.ID == ev.Op && op.Verb == DoSignal {
			result := Done
			if ev.Err != "" {
				result = Failed
			}
			m.finish(op, result, ev.Err)
			return
		}
	}
}
