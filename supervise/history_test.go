package supervise

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gsv/supervise/status"
)

// keeping makes a supervisor whose loop runs and which keeps its events.
func keeping(t *testing.T, logDir, runDir string) *Supervisor {
	s := inLoop(t)
	s.opts, s.said = Options{LogDir: logDir, RunDir: runDir}, make(chan string, 100)
	s.call(t.Context(), s.openJournal)
	return s
}

// operate ends operations of a service.
func (s *Supervisor) operate(t *testing.T, service string, ids ...string) {
	s.call(t.Context(), func() {
		for _, id := range ids {
			at := time.Now()
			op := &operation{result: status.Failed, Operation: status.Operation{ID: id, Verb: "hup", Service: service, By: status.Caller{User: "deploy"},
				Started: at, Ended: at, Error: "check-command exited 255", Log: []string{"syntax error in " + id}}}
			s.ops.add(op)
			s.ended(op)
		}
	})
}

func (s *Supervisor) historyOf(t *testing.T, service string) (ids string) {
	t.Helper()
	list, err := s.History(t.Context(), service)
	if err != nil {
		t.Error(err)
	}
	for _, op := range list {
		ids += op.ID + " "
		if len(op.Log) != 1 || op.Log[0] != "syntax error in "+op.ID || op.By.User != "deploy" || op.Error == "" {
			t.Errorf("remembered as %+v", op)
		}
	}
	return strings.TrimSpace(ids)
}

// TestHistoryGoesOn: over the ends of supervisors, with events that never count backwards.
func TestHistoryGoesOn(t *testing.T) {
	logDir, runDir := filepath.Join(t.TempDir(), "log"), t.TempDir()
	s := keeping(t, logDir, runDir)
	s.operate(t, "web", "w1", "w2")
	s.operate(t, "db", "d1")
	s.call(t.Context(), func() { s.event(eventOf("web", "state", "running")) })
	s.closeJournal()
	first := s.journal.last

	s = keeping(t, logDir, runDir)
	events := s.journal.after(0)
	if len(events) != 4 || events[3].Text != "running" || events[0].Op == nil || events[0].Op.ID != "w1" || events[3].Seq != first {
		t.Errorf("remembered %+v", events)
	}
	s.operate(t, "web", "w3")
	if now := s.journal.after(first); len(now) != 1 || now[0].Operation != "w3" || now[0].Op.Log != nil {
		t.Errorf("the new one is %+v", now)
	}
	if got := s.historyOf(t, "web"); got != "w1 w2 w3" {
		t.Errorf("history of web: %s", got)
	}
	if got := s.historyOf(t, ""); got != "w1 w2 d1 w3" {
		t.Errorf("history: %s", got)
	}
	if got := s.historyOf(t, "none"); got != "" {
		t.Errorf("history of none: %s", got)
	}
	s.closeJournal()

	// Another gsv with the same directory.
	other := keeping(t, logDir, t.TempDir())
	if got := other.historyOf(t, ""); got != "" || len(other.journal.ring) > 0 {
		t.Errorf("another gsv's: %s", got)
	}
	other.closeJournal()
}

// TestTheClockGoesBack: Seq does not.
func TestTheClockGoesBack(t *testing.T) {
	var j journal
	j.last = 5
	j.fill([]status.Event{{Seq: 1000}, {Seq: 5000}})
	j.add(status.Event{Text: "new"})
	all := j.after(0)
	if len(all) != 3 || all[2].Seq <= 5000 || len(j.after(1000)) != 2 || len(j.after(all[2].Seq)) != 0 {
		t.Errorf("%+v", all)
	}
}

// TestARestoredOperationIsTold: one that ended before the supervisor was killed and is not on disk is added, once.
func TestARestoredOperationIsTold(t *testing.T) {
	logDir, runDir := filepath.Join(t.TempDir(), "log"), t.TempDir()
	s := keeping(t, logDir, runDir)
	s.operate(t, "web", "w1")
	s.closeJournal()
	at := time.Now().Round(time.Millisecond)
	restored := []status.Operation{
		{ID: "w3", Verb: "hup", Service: "web", Result: status.OK, Ended: at.Add(time.Second)},
		{ID: "w1", Verb: "hup", Service: "web", Result: status.Failed, Ended: at},
		{ID: "w2", Verb: "hup", Service: "web", Result: status.OK, Ended: at},
		{ID: "w4", Verb: "hup", Service: "web"},
	}
	for _, want := range []int{3, 3} {
		s = keeping(t, logDir, runDir)
		s.call(t.Context(), func() {
			s.ops.restore(&service{name: "web"}, restored)
			s.tellRestored()
		})
		if events := s.journal.after(0); len(events) != want || events[1].Operation != "w2" || events[2].Operation != "w3" || !events[1].At.Equal(at) {
			t.Errorf("events: %+v", events)
		}
		s.closeJournal()
	}
}

// TestHistoryIsBounded: the last thousand operations.
func TestHistoryIsBounded(t *testing.T) {
	logDir, runDir := filepath.Join(t.TempDir(), "log"), t.TempDir()
	var lines []byte
	at := time.Now()
	for i := range 1500 {
		op := status.Operation{ID: fmt.Sprint("op", i), Service: "web", Result: status.OK, Ended: at.Add(time.Duration(i) * time.Second)}
		lines = appendEvent(lines, runDir, &status.Event{Seq: uint64(i + 1), Kind: "operation", Operation: op.ID, Op: &op})
	}
	if err := os.MkdirAll(logDir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(logDir, eventsName), lines, 0o600); err != nil {
		t.Fatal(err)
	}
	s := keeping(t, logDir, runDir)
	list, err := s.History(t.Context(), "web")
	if err != nil || len(list) != 1000 || list[0].ID != "op500" || list[999].ID != "op1499" {
		t.Errorf("%d operations, %v", len(list), err)
	}
	if len(s.journal.ring) != remembered || s.journal.at(0).Seq != 501 {
		t.Errorf("%d events", len(s.journal.ring))
	}
	// What is of before the events that are remembered was told then.
	s.call(t.Context(), func() {
		for i := range s.journal.ring {
			s.journal.ring[i].At = at.Add(time.Hour)
		}
		s.ops.restore(&service{name: "web"}, []status.Operation{{ID: "op7", Result: status.OK, Ended: at}})
		s.tellRestored()
	})
	if s.journal.count != remembered {
		t.Error("an old operation was told again")
	}
	s.closeJournal()
}

// TestHistoryWithoutADisk: what lies in the way blocks nobody; what is in memory is told.
func TestHistoryWithoutADisk(t *testing.T) {
	logDir := t.TempDir()
	if err := unix.Mkfifo(filepath.Join(logDir, eventsName), 0o600); err != nil {
		t.Fatal(err)
	}
	s := keeping(t, logDir, t.TempDir())
	if said := <-s.said; !strings.Contains(said, "not a regular file") {
		t.Errorf("said %q", said)
	}
	s.operate(t, "web", "w1")
	if got := s.historyOf(t, "web"); got != "w1" {
		t.Errorf("history: %s", got)
	}
	s.closeJournal()
}

// TestOperationsInTheRingAreSmall: log lines are not kept twice in memory.
func TestOperationsInTheRingAreSmall(t *testing.T) {
	var j journal
	log := []string{"one"}
	j.add(status.Event{Op: &status.Operation{ID: "a", Log: log}})
	if got := j.at(0).Op; got.ID != "a" || got.Log != nil {
		t.Errorf("kept %+v", got)
	}
}

func TestLastOf(t *testing.T) {
	for _, tt := range []struct {
		lines string
		size  int
		want  string
	}{
		{"a,b,c", 100, "a,b,c"}, {"a,b,c", 4, "b,c"}, {"a,b,c", 3, "c"}, {"abc", 2, "bc"}, {"a,bcd", 3, "bcd"}, {"", 3, ""},
	} {
		got := strings.Join(lastOf(strings.Split(tt.lines, ","), tt.size), ",")
		if got != tt.want {
			t.Errorf("%q in %d: got %q, want %q", tt.lines, tt.size, got, tt.want)
		}
	}
}

// TestOperationEvent: what an event says of an operation, and what it carries of its log.
func TestOperationEvent(t *testing.T) {
	op := &operation{Operation: status.Operation{ID: "a", Verb: "hup", As: "restart", Service: "web", Result: status.OK, By: status.Caller{User: "deploy"},
		Log: slices.Repeat([]string{strings.Repeat("x", 99)}, 100)}}
	ev := operationEvent(op)
	if ev.Text != "hup, as restart, ok (by deploy)" || len(ev.Op.Log) != 40 || len(op.Log) != 100 {
		t.Errorf("%q, %d lines", ev.Text, len(ev.Op.Log))
	}
	src, err := json.Marshal(ev)
	if err != nil || !strings.Contains(string(src), `"op":{"id":"a"`) {
		t.Errorf("%s, %v", src, err)
	}
	op.As, op.Result, op.Error = "", status.Failed, "exit 255"
	if ev := operationEvent(op); ev.Text != "hup failed: exit 255 (by deploy)" {
		t.Errorf("%q", ev.Text)
	}
}

// BenchmarkOpenJournal is what the events of before cost a supervisor that begins.
func BenchmarkOpenJournal(b *testing.B) {
	logDir, runDir := filepath.Join(b.TempDir(), "log"), b.TempDir()
	e := newEventFile(logDir, runDir, func(line string) { b.Error(line) })
	for i := range remembered {
		e.put(status.Event{Seq: uint64(i + 1), At: time.Now(), Service: "web", Kind: "state", State: status.Running, Pid: 4711})
	}
	<-e.close()
	for b.Loop() {
		s := &Supervisor{opts: Options{LogDir: logDir, RunDir: runDir}, said: make(chan string, 1)}
		s.openJournal()
		if len(s.journal.ring) != remembered {
			b.Fatal("not all are there")
		}
		s.closeJournal()
	}
}

// BenchmarkEvent is what an event costs the loop.
func BenchmarkEvent(b *testing.B) {
	s := &Supervisor{opts: Options{LogDir: b.TempDir(), RunDir: b.TempDir()}, said: make(chan string, 1)}
	s.openJournal()
	b.ReportAllocs()
	for b.Loop() {
		s.event(status.Event{Service: "web", Kind: "state", State: status.Running, Pid: 4711})
	}
	s.closeJournal()
}
