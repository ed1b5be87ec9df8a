package supervise

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gsv/supervise/definition"
	"gsv/supervise/guardian"
	"gsv/supervise/lifecycle"
	"gsv/supervise/logs"
	"gsv/supervise/spawn"
	"gsv/supervise/status"
)

func TestDeadlinesComeInTheirOrder(t *testing.T) {
	var d deadlines
	var got []int
	base := time.Unix(100, 0)
	meant := true
	add := func(n int, ok func() bool) {
		d.add(base.Add(time.Duration(n)*time.Second), ok, func() { got = append(got, n) })
	}
	add(3, nil)
	add(1, func() bool { return meant })
	add(2, nil)
	add(9, nil)
	if next := d.next(); !next.Equal(base.Add(time.Second)) {
		t.Errorf("the next one is at %v", next)
	}
	meant = false // as when a service has moved on
	if next := d.next(); !next.Equal(base.Add(2 * time.Second)) {
		t.Errorf("a deadline that is not meant any more still counts: %v", next)
	}
	for range 3 {
		for _, do := range d.pop(base.Add(3*time.Second), 1) {
			do()
		}
	}
	if len(got) != 2 || got[0] != 2 || got[1] != 3 {
		t.Errorf("due: %v, want 2 and 3", got)
	}
	if next := d.next(); !next.Equal(base.Add(9 * time.Second)) {
		t.Errorf("left: %v", next)
	}
}

// A service that moves its deadline again and again leaves no more of them than it has.
func TestDeadlinesThatMoveAreForgotten(t *testing.T) {
	var d deadlines
	base := time.Unix(100, 0)
	last, did := 0, 0
	for i := range 100 * deadlinesMany {
		last = i
		d.add(base.Add(time.Hour-time.Duration(i)), func() bool { return last == i }, func() { did = i })
	}
	for i := range deadlinesMany {
		d.add(base.Add(time.Duration(i)*time.Minute), nil, func() {})
	}
	if n := len(d.heap); n > 2*deadlinesMany+1 {
		t.Errorf("%d deadlines are kept", n)
	}
	for _, do := range d.pop(base.Add(time.Hour), 100) {
		do()
	}
	if did != last {
		t.Errorf("the one that is meant, %d, was lost: %d", last, did)
	}
}

func TestJournalKeepsTheLast(t *testing.T) {
	const base = 1_000_000
	s := &Supervisor{journal: journal{last: base}}
	for range remembered + 10 {
		s.event(status.Event{Kind: "state"})
	}
	all := s.journal.after(0)
	if len(all) != remembered || all[0].Seq != base+11 || all[len(all)-1].Seq != base+remembered+10 {
		t.Errorf("%d events from %d to %d", len(all), all[0].Seq, all[len(all)-1].Seq)
	}
	for i, ev := range all[1:] {
		if ev.Seq != all[i].Seq+1 {
			t.Fatalf("event %d comes after %d", ev.Seq, all[i].Seq)
		}
	}
	if rest := s.journal.after(base + remembered + 8); len(rest) != 2 {
		t.Errorf("%d events after the last but two", len(rest))
	}
}

// inLoop makes a supervisor whose loop runs, and nothing else.
func inLoop(t *testing.T) *Supervisor {
	s := &Supervisor{calls: make(chan func()), done: make(chan struct{}), services: map[string]*service{}}
	go func() {
		for {
			select {
			case call := <-s.calls:
				call()
			case <-t.Context().Done():
				close(s.done)
				return
			}
		}
	}()
	return s
}

func TestEventsAreFollowed(t *testing.T) {
	s := inLoop(t)
	s.call(t.Context(), func() { s.event(eventOf("web", "state", "first")) })
	ctx, cancel := context.WithCancel(t.Context())
	var got []string
	err := s.Events(ctx, true, func(ev status.Event) error {
		got = append(got, ev.Text)
		switch ev.Text {
		case "first":
			go s.call(context.Background(), func() { s.event(eventOf("web", "state", "second")) })
		case "second":
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || strings.Join(got, " ") != "first second" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestFollowAnOperation(t *testing.T) {
	s := inLoop(t)
	op := &operation{Operation: status.Operation{ID: "1a2f", Verb: "stop"}, result: status.OK}
	s.call(t.Context(), func() { s.ops.add(op) })
	seen := 0
	got, err := s.Follow(t.Context(), "1a2f", func(o status.Operation) error {
		seen++
		go s.call(context.Background(), func() { s.ended(op) })
		return nil
	})
	if err != nil || got.Result != status.OK || seen != 1 {
		t.Errorf("got %+v, %v, after %d changes", got, err, seen)
	}
	var p *status.Problem
	if _, err := s.Follow(t.Context(), "none", nil); !errors.As(err, &p) || p.ExitCode != 4 {
		t.Errorf("an unknown operation: %v", err)
	}
}

func TestOperationsAreForgottenInTime(t *testing.T) {
	s := &Supervisor{}
	for range rememberedOps + 5 {
		op := &operation{Operation: status.Operation{ID: newID()}, result: status.OK}
		s.ops.add(op)
		s.ended(op)
	}
	if n := len(s.ops.byID); n != rememberedOps {
		t.Errorf("%d operations are remembered", n)
	}
}

func TestReached(t *testing.T) {
	up := lifecycle.Policy{}
	for _, tt := range []struct {
		name, what string
		state      lifecycle.State
		pid        int
		there, no  bool // reached; will not be by itself
	}{
		{"running is ready", "ready", lifecycle.State{Want: lifecycle.Up, Runs: []lifecycle.Run{{Phase: lifecycle.Running}}}, 1, true, false},
		{"starting is not ready", "ready", lifecycle.State{Want: lifecycle.Up, Runs: []lifecycle.Run{{Phase: lifecycle.Starting}}}, 1, false, false},
		{"starting runs", "running", lifecycle.State{Want: lifecycle.Up, Runs: []lifecycle.Run{{Phase: lifecycle.Starting}}}, 1, true, false},
		{"backoff may get ready", "ready", lifecycle.State{Want: lifecycle.Up, Idle: lifecycle.Backoff}, 0, false, false},
		{"backoff is not stopped", "stopped", lifecycle.State{Want: lifecycle.Up, Idle: lifecycle.Backoff}, 0, false, false},
		{"fatal will not", "ready", lifecycle.State{Want: lifecycle.Up, Idle: lifecycle.Fatal}, 0, false, true},
		{"fatal is stopped", "stopped", lifecycle.State{Want: lifecycle.Up, Idle: lifecycle.Fatal}, 0, true, false},
		{"stopped will not", "running", lifecycle.State{}, 0, false, true},
		{"stopping will not", "ready", lifecycle.State{Runs: []lifecycle.Run{{Phase: lifecycle.Stopping}}}, 1, false, true},
		{"restarting may", "ready", lifecycle.State{Want: lifecycle.Up, Runs: []lifecycle.Run{{Phase: lifecycle.Stopping}}}, 1, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			svc := &service{name: "web", state: tt.state, policy: up}
			v := status.Service{Pid: tt.pid, Ready: tt.state.Ready(up)}
			there, err := reached(svc, v, tt.what)
			if there != tt.there || (err != nil) != tt.no {
				t.Errorf("reached %v, %v", there, err)
			}
		})
	}
	if _, err := reached(&service{}, status.Service{}, "nonsense"); err == nil {
		t.Error("one can wait for nonsense")
	}
}

func TestFailuresSayWhatIsBehind(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	exec := func(e syscall.Errno) *spawn.Failure { return &spawn.Failure{Step: spawn.StepExec, Errno: e} }
	for _, tt := range []struct {
		program string
		failure *spawn.Failure
		want    string
	}{
		{"nosuch", exec(unix.ENOENT), "no such program in its PATH"},
		{dir + "/nosuch", exec(unix.ENOENT), "no such file or directory"},
		{file("perl", "#!/opt/perl -w\nx", 0o755), exec(unix.ENOENT), "its interpreter /opt/perl does not exist"},
		{file("dos", "#!/bin/sh\r\nx", 0o755), exec(unix.ENOENT), "DOS line ends"},
		{file("esc", "#!/opt/\x1b[31mperl\nx", 0o755), exec(unix.ENOENT), "its interpreter /opt/?[31mperl does not exist"},
		{file("elf", "\x7fELF", 0o755), exec(unix.ENOENT), "the dynamic linker"},
		{file("plain", "x", 0o644), exec(unix.EACCES), "chmod +x"},
		{dir, exec(unix.EACCES), "it is a directory"},
		{file("text", "x", 0o755), exec(unix.ENOEXEC), "begins with #!"},
		{"x", &spawn.Failure{Step: spawn.StepChdir, Errno: unix.ENOENT}, "cannot enter working-directory /gone"},
		{"x", &spawn.Failure{Step: spawn.StepFork, Errno: unix.EAGAIN}, "a limit on processes"},
	} {
		d := &definition.Definition{Command: []string{tt.program}, WorkingDirectory: "/gone"}
		if got := describeFailure(d, d.Command[0], tt.failure); !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q in it", tt.program, got, tt.want)
		}
	}
}

func TestStateSurvives(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "state"), 0o700); err != nil {
		t.Fatal(err)
	}
	st := store{dir: dir}
	exit := lifecycle.Exit{Signal: syscall.SIGSEGV, Core: true, At: now()}
	in := record{Definition: &source{"web.toml", "command = \"x\"\n"}, Since: now(),
		State: lifecycle.State{Want: lifecycle.Up, Gen: 7, Last: &exit, RetryAt: now().Add(time.Second),
			Runs: []lifecycle.Run{{Gen: 7, Phase: lifecycle.Stopping, Deadline: now(), Stop: []lifecycle.StopStep{{Signal: syscall.SIGKILL}}}}},
		Runs: map[int]runRecord{7: {Pid: 812, Start: 4711, Release: "41"}}, Operations: []status.Operation{{ID: "1a2f"}}}
	open := func() map[string]record {
		t.Helper()
		st = store{dir: dir}
		records, err := st.open()
		if err != nil {
			t.Fatal(err)
		}
		return records
	}
	put := func(name string, r *record) {
		t.Helper()
		if err := st.put(name, r); err != nil {
			t.Fatal(err)
		}
	}
	open()
	put("web", &record{Bad: "an older one"})
	put("gone", &in)
	put("web", &in)
	put("gone", nil)
	st.file.WriteAt([]byte(`{"name":"web","record":{"state":{"gen":9`), st.size) // the writer died here
	records := open()
	out := records["web"]
	if out.State.Gen != 7 || *out.State.Last != exit || !out.State.RetryAt.Equal(in.State.RetryAt) || out.Runs[7] != in.Runs[7] ||
		*out.Definition != *in.Definition || out.State.Runs[0].Stop[0].Signal != syscall.SIGKILL || out.Operations[0].ID != "1a2f" {
		t.Errorf("wrote %+v\nread %+v", in, out)
	}
	if len(records) != 1 {
		t.Errorf("%d services have state", len(records))
	}
	put("other", &in)
	if records := open(); len(records) != 2 {
		t.Errorf("%d services have state after a write that was cut off and another one", len(records))
	}
	for range 5000 {
		put("web", &in)
	}
	if !st.old() {
		t.Errorf("%d bytes for two services are not too many", st.size)
	}
	if err := st.replace(records); err != nil {
		t.Fatal(err)
	}
	put("other", &in)
	if records := open(); st.old() || len(records) != 2 || records["web"].State.Gen != 7 {
		t.Errorf("written anew: %d bytes, %d services", st.size, len(records))
	}
	if _, err := st.setAside(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "state.bad", "records")); err != nil {
		t.Error("state was not kept aside:", err)
	}
}

func TestPlan(t *testing.T) {
	parse := func(name, text string) *definition.Definition {
		d, problems := definition.Parse(name, name+".toml", []byte(text), definition.Defaults{})
		if d == nil {
			t.Fatal(problems)
		}
		return d
	}
	pump, err := logs.NewPump(logs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer pump.Close()
	s := &Supervisor{pump: pump, services: map[string]*service{}, opts: Options{LogDir: t.TempDir()}}
	for _, name := range []string{"changed", "gone", "live", "same"} {
		s.use(s.add(name), parse(name, "command = \"sleep 1\"\n"))
		s.services[name].state.Runs = []lifecycle.Run{{Gen: 1, Phase: lifecycle.Running}}
	}
	bad := []definition.Bad{{Name: "bad", Path: "bad.toml"}}
	defs := []*definition.Definition{
		parse("changed", "command = \"sleep 2\"\n"), parse("live", "command = \"sleep 1\"\nstop-timeout = \"1s\"\n"),
		parse("new", "command = \"sleep 1\"\n"), parse("same", "command = \"sleep 1\"\n"),
	}
	var got []string
	for _, p := range s.plan(defs, bad, nil) {
		got = append(got, p.Service+":"+p.Action)
	}
	if want := "changed:pending live:change new:add bad:invalid gone:remove"; strings.Join(got, " ") != want {
		t.Errorf("plan %q, want %q", got, want)
	}
	if p := s.guard(s.plan(nil, nil, nil), status.ApplyRequest{}); p == nil {
		t.Error("a plan that stops everything is not refused")
	}
	if p := s.guard(s.plan(nil, nil, nil), status.ApplyRequest{Force: true}); p != nil {
		t.Error("not even with force:", p)
	}
	if p := s.guard(s.plan(defs, bad, nil), status.ApplyRequest{}); p != nil {
		t.Error("a plan that stops one service is refused:", p)
	}
}

// A supervisor that is killed when an operation has ended, but not been told, has
// written that it ended.
func TestRestoredReloadIsTheLastOne(t *testing.T) {
	var o operations
	svc := &service{name: "web", lastReload: &status.Reload{Operation: "1", Result: status.OK}}
	at := time.Unix(1e9, 0)
	o.restore(svc, []status.Operation{
		{ID: "1", Verb: "hup", Service: "web", Result: status.OK, Started: at, Ended: at},
		{ID: "2", Verb: "hup", Service: "web", Result: status.Failed, Error: "no", Started: at, Ended: at},
		{ID: "3", Verb: "usr1", Service: "web", Result: status.OK, Started: at, Ended: at},
	})
	if last := svc.lastReload; last == nil || last.Operation != "2" || last.Result != status.Failed {
		t.Errorf("the last reload is said to be %+v", last)
	}
}

// Once the guardian is killed too, the records alone tell the next gsv what runs.
func TestStartIsOnDiskAtOnce(t *testing.T) {
	r := newWatchRig(t, "")
	dir := r.store.dir
	r.store.whole = true // the file about gsv is another matter
	if _, err := r.store.open(); err != nil {
		t.Fatal(err)
	}
	gen := r.svc.state.Gen
	r.svc.runs[gen] = &run{def: r.svc.def, n: uint64(gen), born: gen, launched: true}
	r.heard(guardian.Started{Key: "web", N: uint64(gen), Pid: 812, StartTime: 4711})
	if d := r.untilDue(); d > 0 {
		t.Fatalf("a run that has its process is written after %v", d)
	}
	r.tick()
	records, err := (&store{dir: dir}).open()
	if err != nil {
		t.Fatal(err)
	}
	if got := records["web"].Runs[gen]; got.Pid != 812 || got.Start != 4711 {
		t.Errorf("%+v", got)
	}
}
