package supervise

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"gsv/supervise/definition"
	"gsv/supervise/lifecycle"
	"gsv/supervise/procfs"
	"gsv/supervise/status"
)

// findHeir looks for the process that the main process of a service has started
// as its own successor: a child that has executed a program since it was forked,
// the same as its parent's, or the one that the pid-file names. It may take long.
func findHeir(d *definition.Definition, pid int, old []lifecycle.Proc) (lifecycle.Proc, bool) {
	children, _, err := procfs.Descendants(pid, 1)
	if err != nil {
		return lifecycle.Proc{}, false
	}
	image, hint := procfs.Image(pid), readPidFile(d.PidFile)
	for _, p := range children {
		proc := lifecycle.Proc{Pid: p.Pid, Start: p.Start}
		if slices.Contains(old, proc) {
			continue
		}
		executed := image != "" && procfs.Image(p.Pid) != image
		if p.Pid == hint || executed && procfs.SameProgram(pid, p.Pid) {
			return proc, true
		}
	}
	return lifecycle.Proc{}, false
}

// A successor may end before a look has seen it, and the kernel tells its parent alone:
// the main process. nginx and unicorn, which have renamed their pid-file to make room for
// its own, rename it back then (ngx_reap_children; HttpServer#reap_all_workers).
// gunicorn says nothing: there it is reload-timeout that ends the wait.

// watchTakenBack watches the directory of a pid-file; nil if there is none, or it cannot.
func watchTakenBack(d *definition.Definition) *os.File {
	if d.PidFile == "" {
		return nil
	}
	events, err := watchDir(filepath.Dir(d.PidFile), unix.IN_MOVED_TO)
	if err != nil {
		return nil // then it is given up later
	}
	return events
}

// killWatched sends a signal; the one on which a successor is to come when the pid-file is
// watched. Where an earlier supervisor has surveyed, it is not yet.
func (s *Supervisor) killWatched(svc *service, k lifecycle.Kill) {
	r := svc.runs[k.Gen]
	if k.Op == "" || r == nil || svc.takenBack != nil || !svc.awaitsHeir() || svc.def.PidFile == "" {
		s.kill(svc, k)
		return
	}
	d, pid := svc.def, r.pid
	go func() {
		watched := make(chan *os.File, 1)
		go func() { watched <- watchTakenBack(d) }()
		var events *os.File
		select {
		case events = <-watched:
		case <-time.After(signalPatience): // its file system hangs
		}
		s.report(func() {
			if rl := svc.state.Reload; rl != nil && rl.Op == k.Op && rl.Stage == lifecycle.Signalling {
				s.readTakenBack(svc, k.Gen, d, pid, events)
				s.kill(svc, k)
			} else if events != nil {
				events.Close()
			}
		})
	}()
}

// readTakenBack has a reload fail when the main process takes its pid-file back. It
// takes events over, which may be nil.
func (s *Supervisor) readTakenBack(svc *service, gen int, d *definition.Definition, pid int, events *os.File) {
	if svc.takenBack != nil {
		svc.takenBack.Close()
	}
	if svc.takenBack = events; events == nil {
		return
	}
	go func() {
		if !isTakenBack(events, d.PidFile, pid) {
			return
		}
		s.report(func() {
			if svc.takenBack == events {
				s.step(svc, lifecycle.SuccessorEnded{Gen: gen})
			}
		})
	}()
}

// isTakenBack waits until a file that names pid is renamed to path; false if events are
// closed before.
func isTakenBack(events *os.File, path string, pid int) bool {
	for buf, name := make([]byte, 4096), filepath.Base(path); ; {
		n, err := events.Read(buf)
		if err != nil {
			return false
		}
		for b := buf[:n]; len(b) >= unix.SizeofInotifyEvent; {
			size := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(b[12:]))
			renamed, _, _ := bytes.Cut(b[unix.SizeofInotifyEvent:size], []byte{0})
			if string(renamed) == name && readPidFile(path) == pid {
				return true
			}
			b = b[size:]
		}
	}
}

// awaitsHeir reports whether a reload waits for the main process to start its successor.
func (svc *service) awaitsHeir() bool {
	rl := svc.state.Reload
	return rl != nil && rl.Method == lifecycle.ByUpgrade && rl.Next == 0 &&
		(rl.Stage == lifecycle.Surveying || rl.Stage == lifecycle.Signalling || rl.Stage == lifecycle.Proposed)
}

// dropTakenBack ends the watch of a pid-file that nobody waits for any more.
func (svc *service) dropTakenBack() {
	if svc.takenBack != nil && !svc.awaitsHeir() {
		svc.takenBack.Close()
		svc.takenBack = nil
	}
}

// adoptHeir makes a process that is there the main process of a run.
func (s *Supervisor) adoptHeir(svc *service, e lifecycle.Adopt) {
	r := &run{def: svc.def, n: uint64(e.Gen), born: e.Gen, launched: true, drained: true}
	for _, known := range svc.state.Runs {
		if old := svc.runs[known.Gen]; old != nil && known.Gen != e.Gen && known.Role != lifecycle.Leaving {
			r.born = old.born // it has the environment of the one that started it
		}
	}
	r.origin = recorded(svc.surveyed)
	svc.runs[e.Gen] = r
	s.isMain(r, e.Proc.Pid, e.Proc.Start)
	s.noteSession(r)
	s.mark(svc)
	s.save(svc)
	s.guardian.Adopt(svc.name, r.n, e.Proc.Pid, e.Proc.Start)
	s.watchReady(svc, e.Gen, false)
}

// heirOfEnded looks, when a main process has ended, whether it has left a
// successor that was asked for outside gsv, and has then called with it.
func (s *Supervisor) heirOfEnded(svc *service, gen int, r *run, left bool, then func(left bool)) {
	if !left && r.session == 0 || svc.def.Signals.Upgrade == 0 || svc.ending(gen) || svc.serving() != gen || s.end != nil {
		then(left)
		return
	}
	guardian, d, pid, session := s.guardian.Hello().Pid, svc.def, r.pid, r.pid
	if r.session != 0 {
		session = r.session
	}
	mains := map[int]bool{s.pid: true}
	for main := range s.mains {
		mains[main] = true
	}
	go func() {
		heir, found := orphanedHeir(d, guardian, session, mains)
		s.report(func() {
			if found && s.mains[heir.Pid] == 0 {
				s.event(status.Event{Service: svc.name, Kind: "gsv", Pid: heir.Pid, Text: fmt.Sprintf("main process %d has ended and left its successor %d, which serves on", pid, heir.Pid)})
				s.step(svc, lifecycle.Succeeded{Gen: gen, Next: heir})
				left = false // that it was
			}
			then(left)
		})
	}()
}

// orphanedHeir finds the successor that an ended main process has left: an orphan
// in its session that has children of its own, as a master has.
func orphanedHeir(d *definition.Definition, guardian, session int, mains map[int]bool) (lifecycle.Proc, bool) {
	orphans, err := procfs.Children(guardian)
	if err != nil {
		return lifecycle.Proc{}, false
	}
	hint := readPidFile(d.PidFile)
	for _, orphan := range orphans {
		p, err := procfs.Read(orphan)
		if err != nil || !p.Alive() || mains[orphan] || p.Session != session {
			continue
		}
		workers, _, err := procfs.Descendants(orphan, 1)
		if orphan == hint || err == nil && len(workers) > 0 {
			return lifecycle.Proc{Pid: p.Pid, Start: p.Start}, true
		}
	}
	return lifecycle.Proc{}, false
}
