package supervise

import (
	"slices"

	"gsv/supervise/guardian"
	"gsv/supervise/logs"
	"gsv/supervise/procfs"
)

// findings are the runs that the guardian knows.
type findings struct {
	processes []guardian.Process
	ended     []guardian.Ended // ends that nobody has acknowledged
	taken     []string         // services that have been brought together with theirs
	left      []logs.Key       // runs of whose output an earlier log pump left something on disk
	salvaged  map[logs.Key]bool
	orphaned  map[logs.Key][]procfs.Proc // what runs have left behind that ended unseen
}

// of are those of a service, in their order, for the last words of one come before
// the first words of the next.
func (f *findings) of(name string) []guardian.Process {
	list := slices.DeleteFunc(slices.Clone(f.processes), func(p guardian.Process) bool { return p.Key != name })
	slices.SortStableFunc(list, func(a, b guardian.Process) int { return genOfN(a.N) - genOfN(b.N) })
	return list
}

// has reports whether the guardian knows a run, or will.
func (f *findings) has(name string, gen int) bool {
	return slices.ContainsFunc(f.processes, func(p guardian.Process) bool { return p.Key == name && genOfN(p.N) == gen })
}
