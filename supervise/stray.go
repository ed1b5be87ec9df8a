package supervise

import (
	"maps"
	"slices"
	"time"

	"gsv/supervise/lifecycle"
	"gsv/supervise/listen"
	"gsv/supervise/procfs"
)

// startSlack is how much earlier than it was asked for a process may seem to have
// begun: the kernel counts in hundredths of a second.
const startSlack = 2 * time.Second / ticksPerSecond

// findStray finds the main process of a run that a gsv had started and not written
// down when it was killed: started anew, it would be there twice. It has one of the
// service's sockets, leads a group, and has lost the guardian, its parent. Where
// no socket is held, nothing tells whose it is.
func findStray(rec record, gen int) (runRecord, bool) {
	at := slices.IndexFunc(rec.State.Runs, func(r lifecycle.Run) bool { return r.Gen == gen && !r.Born })
	known := rec.Runs[gen]
	if at < 0 || known.Pid != 0 || len(rec.Sockets) == 0 {
		return known, false
	}
	holders := listen.Holders(slices.Collect(maps.Values(rec.Sockets)))
	slices.Sort(holders)
	for _, pid := range holders {
		p, err := procfs.Read(pid)
		if err != nil || !p.Alive() || p.Pgrp != pid || slices.Contains(holders, p.PPid) ||
			sinceTicks(p.Start).Add(startSlack).Before(rec.State.Runs[at].Since) || ofAnother(rec, gen, pid) {
			continue
		}
		known.Pid, known.Start = pid, p.Start
		return known, true
	}
	return known, false
}

// ofAnother reports whether a process is of another run than gen, as far as it tells.
func ofAnother(rec record, gen, pid int) bool {
	for other, r := range rec.Runs {
		born := r.Born
		if born == 0 {
			born = other
		}
		if other != gen && (r.Pid == pid || procfs.InGeneration(pid, born)) {
			return true
		}
	}
	return false
}
