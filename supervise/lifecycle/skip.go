package lifecycle

// Skip is s after gen has been used for a run that was over before anything
// could be decided about it: no other run gets that number.
func Skip(s State, gen int) State {
	s.Gen = max(s.Gen, gen)
	return s
}
