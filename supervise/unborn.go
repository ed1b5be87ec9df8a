package supervise

import (
	"maps"
	"os"
	"slices"

	"gsv/supervise/guardian"
	"gsv/supervise/logs"
	"gsv/supervise/procfs"
	"gsv/supervise/status"
)

// unborn are the output pipes, by their inodes, of runs whose processes are not
// known: by service and run. When the guardian is killed too, nobody knows of a
// process that it has just started, be it on its own (see arm), and started anew it
// would be there twice. So its pipe is on disk before, and who has that is it.
type unborn map[string]map[int]uint64

func (u unborn) add(name string, gen int, pipe uint64) {
	if u[name] == nil {
		u[name] = map[int]uint64{}
	}
	u[name][gen] = pipe
}

// willBear notes the pipe of a run that is about to be started.
func (s *Supervisor) willBear(key logs.Key, child *os.File) {
	if err := s.store.append(entry{Name: key.Name, Gen: key.Gen, Pipe: logs.Inode(child)}); err != nil {
		s.say(key.Name + ": " + err.Error())
	}
}

// unborn are the pipes of a service's runs whose processes are not known yet.
func (svc *service) unborn() map[int]uint64 {
	pipes := unborn{}
	if svc.spare != nil && svc.spare.pipe != 0 {
		pipes.add(svc.name, svc.spare.gen, svc.spare.pipe)
	}
	for gen, r := range svc.runs {
		if r.pid == 0 && r.pipe != 0 {
			pipes.add(svc.name, gen, r.pipe)
		}
	}
	return pipes[svc.name]
}

// adoptUnborn has the guardian watch the processes that a gsv had started and not
// written down when it was killed.
func (s *Supervisor) adoptUnborn(records map[string]record, found *findings) {
	type birth struct {
		name string
		gen  int
	}
	births := map[uint64]birth{}
	for name, pipes := range s.store.pipes {
		for gen, pipe := range pipes {
			if !found.has(name, gen) && records[name].Runs[gen].Pid == 0 {
				births[pipe] = birth{name, gen}
			}
		}
	}
	s.store.pipes = nil
	for pipe, pids := range logs.Holders(slices.Collect(maps.Keys(births))) {
		p, ok := eldest(pids)
		if !ok {
			continue
		}
		b := births[pipe]
		s.guardian.Adopt(b.name, uint64(b.gen), p.Pid, p.Start)
		found.processes = append(found.processes, guardian.Process{Key: b.name, N: uint64(b.gen), Pid: p.Pid, StartTime: p.Start})
		s.event(status.Event{Service: b.name, Kind: "gsv", Pid: p.Pid, Text: "taken over from a gsv that was killed when it had just started it"})
	}
}

// eldest is the one of these processes that has started the others: it leads a
// group, and none of them is its parent.
func eldest(pids []int) (first procfs.Proc, ok bool) {
	for _, pid := range pids {
		p, err := procfs.Read(pid)
		if err != nil || !p.Alive() || p.Pgrp != pid || slices.Contains(pids, p.PPid) {
			continue
		}
		if !ok || p.Start < first.Start {
			first, ok = p, true
		}
	}
	return first, ok
}
