package supervise

import (
	"maps"
	"slices"
	"time"

	"gsv/supervise/guardian"
	"gsv/supervise/lifecycle"
	"gsv/supervise/listen"
	"gsv/supervise/logs"
	"gsv/supervise/procfs"
)

// startSlack is how much earlier than it was asked for a process may seem to have
// begun: the kernel counts in hundredths of a second.
const startSlack = 2 * time.Second / ticksPerSecond

// findStray finds the main process of a run that a gsv had started and not written
// down when it was killed: started anew, it would be there twice. It has one of the
// service's sockets, leads a group, and has lost the guardian, its parent. Where no
// socket is held, nor an output pipe made (see unborn), nothing tells whose it is.
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

// leftBehind are the processes in the group of a run whose main process has ended
// while there was no gsv. That group's number may be another's by now.
func leftBehind(name string, gen int, r runRecord) []procfs.Proc {
	group, err := procfs.Group(r.Pid)
	if err != nil {
		return nil
	}
	var pids []int
	for _, p := range group {
		pids = append(pids, p.Pid)
	}
	if r.Born != 0 {
		gen = r.Born
	}
	return slices.DeleteFunc(procfs.Marked(pids, name), func(p procfs.Proc) bool { return !procfs.InGeneration(p.Pid, gen) })
}

// adoptLeft finds what the main process of run gen has left behind. It is taken up
// as if a guardian had told of that end: what is left is to be ended before the next
// start, and has the output of the run, with its last words.
func (s *Supervisor) adoptLeft(svc *service, gen int, r runRecord, found *findings) {
	left := leftBehind(svc.name, gen, r)
	if len(left) == 0 {
		return
	}
	outputs := 1
	if svc.def.Log.Separate {
		outputs = 2
	}
	held, _ := regain(left[0].Pid, outputs) // else it has sent its output elsewhere
	p := guardian.Process{Key: svc.name, N: r.number(gen), Pid: r.Pid, StartTime: r.Start, Held: held, Ended: true, Acked: true, Left: true}
	found.processes = append(found.processes, p)
	found.ended = append(found.ended, guardian.Ended{Key: p.Key, N: p.N, Pid: p.Pid, Unknown: true, Left: true, At: time.Now()})
	found.orphaned[logs.Key{Name: svc.name, Gen: gen}] = left
}
