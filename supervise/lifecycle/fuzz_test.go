package lifecycle

import (
	"reflect"
	"syscall"
	"testing"
	"time"
)

// FuzzStep drives a service by random events, as policies of all kinds, and
// holds it to what must always be true.
func FuzzStep(f *testing.F) {
	f.Add(uint16(0), []byte{0, 10, 20, 30, 40, 7, 3, 11, 90, 91, 92})
	f.Add(uint16(0xffff), []byte("start stop restart quit"))
	f.Add(uint16(0x2a5), []byte{0, 11, 12, 2, 12, 11, 0, 9, 9, 9, 12, 13, 5, 6})
	f.Fuzz(func(t *testing.T, kind uint16, events []byte) {
		h := &history{t: t, p: fuzzPolicy(kind), now: time.Unix(1e9, 0), waiting: map[OpID]bool{}, kept: map[int]bool{}}
		for i, b := range events[:min(len(events), 300)] {
			h.happen(i, b)
		}
	})
}

func fuzzPolicy(kind uint16) Policy {
	p := defaultPolicy()
	p.Oneshot, p.Main, p.Shutdown = kind&1 != 0, kind&2 != 0, kind&4 != 0
	p.Probe, p.Group = kind&8 != 0, kind&16 != 0
	p.Restart = Restart(kind >> 5 & 3 % 3)
	if kind&128 != 0 {
		p.StartLimit = 3
	}
	if kind&256 != 0 {
		p.Delay, p.DelayMax = 0, 0
	}
	if kind&512 != 0 {
		p.MinUptime, p.StartTimeout = 0, 0
	}
	p.Check, p.Ask = kind&1024 != 0, kind&2048 != 0
	p.Workers, p.Counts = kind&4096 != 0, kind&8192 != 0
	if kind&16384 != 0 {
		p.DrainTimeout = 0
	}
	p.Method = Method(kind >> 14 % 3)
	p.ByWorkers = p.Probe && p.Workers && kind&32768 != 0
	return p
}

type history struct {
	t       *testing.T
	p       Policy
	s       State
	now     time.Time
	waiting map[OpID]bool // operations not finished yet
	kept    map[int]bool  // runs that were started and of which something is left
	newest  int
}

func (h *history) happen(i int, b byte) {
	id := OpID(rune('a'+i%26)) + OpID(rune('0'+i/26%10)) + OpID(rune('0'+i/260))
	gen := h.s.Gen
	if b&64 != 0 {
		gen--
	}
	jitter := float64(int8(b)) / 128
	var ev Event
	switch b % 26 {
	case 0, 1, 2, 3, 4:
		ev = Command{Op: id, Verb: Verb(b % 26)}
	case 22:
		ev = Command{Op: id, Verb: DoReplace}
	case 23:
		if b&128 != 0 {
			ev = SuccessorEnded{Gen: gen}
		} else {
			ev = Succeeded{Gen: gen, Next: Proc{Pid: 1000 + i, Start: 1}}
		}
	case 24:
		ev = Overdue{Gen: gen, Procs: []Proc{{Pid: 99, Start: 1}}}
	case 25:
		ev = Extend{Gen: gen, Until: h.now.Add(time.Duration(b) * time.Second)}
	case 5:
		ev = Command{Op: id, Verb: DoSignal, Signal: syscall.SIGUSR1}
	case 6:
		ev = Command{Op: id, Verb: DoReload, NoCheck: b&32 != 0}
	case 7:
		ev = Launched{gen}
	case 8:
		ev = Ready{gen}
	case 9:
		ev = Ended{Gen: gen, Exit: Exit{Code: int(b >> 6)}, Left: b&32 != 0, Jitter: jitter}
	case 10:
		ev = Empty{Gen: gen, Jitter: jitter}
	case 11:
		h.now = h.now.Add(time.Duration(b) * time.Second)
		ev = Tick{}
	case 12:
		if d := h.s.Deadline(); !d.IsZero() && d.After(h.now) {
			h.now = d
		}
		ev = Tick{}
	case 13:
		h.recover()
		return
	case 14:
		h.p.Probe = !h.p.Probe
		ev = Changed{}
	case 15:
		ev = Command{Op: id, Verb: DoScale, Count: int(b>>5) - 3}
	case 16:
		ev = Checked{Op: h.pending(), Err: h.err(b)}
	case 17:
		ev = Surveyed{Op: h.pending(), Err: h.err(b), Signal: syscall.SIGHUP, Workers: h.crew(b), Need: len(h.crew(b)), Restart: b == 17+26*8, Back: syscall.SIGTTOU,
			Steady: int(b>>6) & 3, Crew: Crew{Died: int(b >> 7)}}
	case 18:
		ev = Delivered{Op: h.pending(), Err: h.err(b)}
	case 19, 20:
		h.now = h.now.Add(time.Second)
		ev = Census{Gen: gen, Workers: h.crew(b)}
	case 21:
		if b&64 != 0 {
			ev = Answered{Op: h.pending(), Err: h.err(b)}
		} else {
			ev = Ailing{Gen: gen, Why: h.err(b)}
		}
	}
	h.step(ev)
}

// pending is the operation whose answer may be awaited.
func (h *history) pending() OpID {
	switch {
	case h.s.Reload != nil:
		return h.s.Reload.Op
	case h.s.Scaling != nil:
		return h.s.Scaling.Op
	case len(h.s.Ops) > 0:
		return h.s.Ops[0].ID
	}
	return "nobody"
}

func (h *history) err(b byte) string {
	if b&128 != 0 {
		return "it could not be"
	}
	return ""
}

func (h *history) crew(b byte) []Worker {
	var list []Worker
	for n := range int(b>>5) & 3 {
		list = append(list, Worker{Proc: Proc{Pid: 100 + n + int(b>>7)*2, Start: 1}, Shows: b&16 != 0})
	}
	return list
}

func (h *history) step(ev Event) {
	before := h.s.clone()
	s, effects, err := Step(h.p, h.s, h.now, ev)
	if !reflect.DeepEqual(before, h.s.clone()) {
		h.t.Fatalf("%#v wrote through its state", ev)
	}
	c, isCommand := ev.(Command)
	if err != nil {
		if !isCommand || effects != nil || !reflect.DeepEqual(s, h.s) {
			h.t.Fatalf("%#v: error %v changed something", ev, err)
		}
		return
	}
	if isCommand {
		h.waiting[c.Op] = true
	}
	h.s = s
	h.carryOut(ev, effects)
	if isCommand && c.Verb == DoSignal && h.waiting[c.Op] && h.s.Phase() == before.Phase() {
		h.step(Delivered{Op: c.Op})
		if h.waiting[c.Op] {
			h.t.Fatalf("%v is not finished although it was delivered", c.Op)
		}
	}
}

func (h *history) recover() {
	var found []Found
	for gen := range h.kept {
		found = append(found, Found{Gen: gen, Since: h.now})
	}
	var effects []Effect
	h.s, effects = Recover(h.p, h.s, h.now, found)
	h.carryOut("recover", effects)
}

// carryOut checks the effects and what must be true between two events.
func (h *history) carryOut(ev any, effects []Effect) {
	for _, r := range h.s.Runs {
		h.kept[r.Gen] = true
	}
	for _, e := range effects {
		switch e := e.(type) {
		case StartRun:
			if e.Gen <= h.newest {
				h.t.Fatalf("%#v: gen %d started again", ev, e.Gen)
			}
			h.newest = e.Gen
		case Adopt:
			if e.Gen <= h.newest {
				h.t.Fatalf("%#v: gen %d given again", ev, e.Gen)
			}
			h.newest = e.Gen
		case Serve:
			if r := h.s.Current(); r == nil || r.Gen < e.Gen {
				h.t.Fatalf("%#v: run %d shall serve, and does not: %+v", ev, e.Gen, h.s)
			}
		case Kill:
			if !h.kept[e.Gen] {
				h.t.Fatalf("%#v: signal to run %d, which is gone", ev, e.Gen)
			}
		case Finish:
			if !h.waiting[e.Op] {
				h.t.Fatalf("%#v: operation %q finished, which nobody waits for", ev, e.Op)
			}
			delete(h.waiting, e.Op)
		}
	}
	for gen := range h.kept {
		if !hasRun(h.s, gen) {
			delete(h.kept, gen)
		}
	}
	h.roles(ev)
	if len(h.waiting) != len(h.s.Ops) {
		h.t.Fatalf("%#v: %d operations wait, the state knows %d", ev, len(h.waiting), len(h.s.Ops))
	}
	h.goesOn(ev)
	h.changing(ev)
}

// roles checks that one run serves and one at most is tried, and that those that
// leave are being ended.
func (h *history) roles(ev any) {
	n := map[Role]int{}
	for _, r := range h.s.Runs {
		n[r.Role]++
		if r.Role == Leaving && r.Phase != Stopping {
			h.t.Fatalf("%#v: run %d is to leave, and is not ended: %+v", ev, r.Gen, r)
		}
	}
	if n[Serving] > 1 || n[Trying] > 1 {
		h.t.Fatalf("%#v: too many runs: %+v", ev, h.s.Runs)
	}
	rl := h.s.Reload
	if t := h.s.Tried(); t != nil && (rl == nil || rl.Next != t.Gen || rl.Stage != Proposed || n[Serving] == 0) {
		h.t.Fatalf("%#v: run %d is tried, and nobody asked: %+v", ev, t.Gen, h.s)
	}
}

// goesOn checks that something will happen: a service that should move has a
// run that will be heard of, or a time at which it moves.
func (h *history) goesOn(ev any) {
	s := h.s
	switch s.Phase() {
	case Backoff:
		if s.RetryAt.IsZero() || s.Deadline().IsZero() {
			h.t.Fatalf("%#v: backoff without end", ev)
		}
	case Stopped:
		if s.Want != Down {
			h.t.Fatalf("%#v: stopped, but wanted %v", ev, s.Want)
		}
	case Exited, Fatal:
		if s.Want == Down {
			h.t.Fatalf("%#v: %v, but wanted down", ev, s.Phase())
		}
	case Stopping:
		r := s.Runs[len(s.Runs)-1]
		if r.Deadline.IsZero() && (len(r.Stop) != 1 || r.Stop[0].Signal != syscall.SIGKILL) {
			h.t.Fatalf("%#v: stopping without end: %+v", ev, r)
		}
	}
	if len(s.Runs) == 0 {
		for _, op := range s.Ops {
			if op.Verb != DoSignal && !op.Checking {
				h.t.Fatalf("%#v: operation %+v waits for ever: %+v", ev, op, s)
			}
		}
	}
}

// changing checks that a change of the workers is of the run that is there, is
// waited for, and will come to an end.
func (h *history) changing(ev any) {
	s := h.s
	if s.Reload != nil && s.Scaling != nil {
		h.t.Fatalf("%#v: a reload and a change of the number at once", ev)
	}
	waits := func(v Verb) (n int) {
		for _, op := range s.Ops {
			if op.Verb == v {
				n++
			}
		}
		return n
	}
	if rl := s.Reload; rl != nil {
		if !hasRun(s, rl.run()) || waits(DoReload) == 0 {
			h.t.Fatalf("%#v: a reload of nothing, or for nobody: %+v", ev, rl)
		}
		if rl.Stage >= Proving && rl.Stage != Taken && !rl.Failing && rl.Deadline.IsZero() && (rl.Stage != Draining || h.p.DrainTimeout > 0) {
			h.t.Fatalf("%#v: a reload without end: %+v", ev, rl)
		}
	} else if waits(DoReload) > 0 && s.Scaling == nil && s.Phase() == Running {
		h.t.Fatalf("%#v: nobody sees to the reloads that wait: %+v", ev, s)
	}
	if sc := s.Scaling; sc != nil && (!hasRun(s, sc.Gen) || !sc.Checking && sc.Sent && sc.Deadline.IsZero()) {
		h.t.Fatalf("%#v: a change without end: %+v", ev, sc)
	} else if sc != nil && (sc.Taken < 0 || sc.Taken > max(0, sc.Count)) {
		h.t.Fatalf("%#v: more is taken back than was asked for: %+v", ev, sc)
	}
	if s.Reload == nil && s.Scaling == nil && waits(DoScale) > 0 && s.Phase() == Running {
		h.t.Fatalf("%#v: nobody sees to the changes that wait: %+v", ev, s)
	}
}

func hasRun(s State, gen int) bool {
	for _, r := range s.Runs {
		if r.Gen == gen {
			return true
		}
	}
	return false
}
