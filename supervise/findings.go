package supervise

import (
	"slices"

	"gsv/supervise/guardian"
)

// findings are the runs that the guardian knows.
type findings struct {
	processes []guardian.Process
	ended     []guardian.Ended // ends that nobody has acknowledged
	taken     []string         // services that have been brought together with theirs
}

// has reports whether the guardian knows a run, or will.
func (f *findings) has(name string, gen int) bool {
	return slices.ContainsFunc(f.processes, func(p guardian.Process) bool { return p.Key == name && genOfN(p.N) == gen })
}
