package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"gsv/supervise/definition"
	"gsv/supervise/lifecycle"
	"gsv/supervise/notify"
	"gsv/supervise/procfs"
)

// Each probe that a service file can ask for has its row, and only one.
func TestChecksAreComplete(t *testing.T) {
	for name, ready := range map[string]definition.Ready{
		"tcp": {TCP: "127.0.0.1:80"}, "unix": {Unix: "/s"}, "http": {HTTP: definition.HTTP{Network: "tcp", Address: "127.0.0.1:80", Path: "/"}},
		"private http": {HTTP: definition.HTTP{Path: "/"}}, "exec": {Exec: []string{"true"}}, "notify": {Notify: true}, "fd": {FD: 3}, "log-line": {LogLine: "x"},
	} {
		d := &definition.Definition{Ready: ready}
		c := checkOf(d)
		switch {
		case c == nil:
			t.Errorf("%s has no check", name)
		case (c.try == nil) == (c.give == nil):
			t.Errorf("%s is asked, and tells: one of the two", name)
		case c.give != nil && (c.waits == nil || c.regain == nil):
			t.Errorf("%s does not say what it waits for, or is not taken up again", name)
		case !probed(d):
			t.Errorf("%s does not count as a probe", name)
		}
	}
	if checkOf(&definition.Definition{Type: definition.Notify}) == nil {
		t.Error(`type = "notify" has no check`)
	}
	if c := checkOf(&definition.Definition{Ready: definition.Ready{Workers: true}}); c != nil || checkOf(&definition.Definition{}) != nil {
		t.Error("there is a check where workers, or time, tell")
	}
}

// tries makes a try that gives these errors one after another, and notes when.
func tries(began time.Time, at *[]time.Duration, results ...error) func(context.Context) error {
	return func(context.Context) error {
		*at = append(*at, time.Since(began))
		return results[min(len(*at), len(results))-1]
	}
}

func TestAsking(t *testing.T) {
	no, other := errors.New("no"), errors.New("other")
	const ms = time.Millisecond
	for _, tt := range []struct {
		name    string
		a       asking
		results []error
		at      []time.Duration
		saw     string
	}{
		{"at once", asking{pause: 5 * ms, most: 20 * ms}, []error{nil}, []time.Duration{0}, ""},
		{"more and more seldom", asking{pause: 5 * ms, most: 20 * ms}, []error{no, no, other, other, no, nil}, []time.Duration{0, 5 * ms, 15 * ms, 35 * ms, 55 * ms, 75 * ms}, "no other no"},
		{"seldom from the first on", asking{pause: 20 * ms, most: 20 * ms}, []error{no, no, nil}, []time.Duration{0, 20 * ms, 40 * ms}, "no"},
		{"less than the first pause", asking{pause: 5 * ms, most: ms}, []error{no, no, nil}, []time.Duration{0, ms, 2 * ms}, "no"},
		{"an answer at once is another's", asking{fresh: true, lives: time.Second, pause: 5 * ms, most: 20 * ms}, []error{nil, nil}, []time.Duration{0, time.Second}, ""},
		{"one that came later is not", asking{fresh: true, lives: time.Second, pause: 5 * ms, most: 20 * ms}, []error{no, nil}, []time.Duration{0, 5 * ms}, "no"},
		{"the other has gone", asking{fresh: true, lives: time.Second, pause: 5 * ms, most: 20 * ms}, []error{nil, no, nil}, []time.Duration{0, time.Second, time.Second + 10*ms}, "no"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var at []time.Duration
				var saw []string
				tt.a.try = tries(time.Now(), &at, tt.results...)
				if !tt.a.ask(t.Context(), nil, func(s string) { saw = append(saw, s) }) {
					t.Error("it gave up")
				}
				if got := strings.Join(saw, " "); got != tt.saw {
					t.Errorf("saw %q, want %q", got, tt.saw)
				}
				for i := range max(len(at), len(tt.at)) {
					if i >= len(at) || i >= len(tt.at) || at[i] != tt.at[i] {
						t.Fatalf("tried at %v, want %v", at, tt.at)
					}
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		a := asking{pause: ms, most: ms, try: func(context.Context) error {
			if n++; n == 3 {
				cancel()
			}
			return no
		}}
		if a.ask(ctx, nil, func(string) {}) || n != 3 {
			t.Errorf("asked %d times though nobody wants to know", n)
		}
		done := make(chan struct{})
		close(done)
		n = 10
		if a.ask(t.Context(), done, func(string) {}) || n > 11 {
			t.Errorf("asked %d times though gsv ends", n-10)
		}
	})
}

// A newline is found, wherever it is, and is there for the next who looks.
func TestNewline(t *testing.T) {
	pipe := func() (r, w *os.File) {
		t.Helper()
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close(); w.Close() })
		return r, w
	}
	found := func(r *os.File) chan error {
		p, err := polled(r)
		if err != nil {
			t.Fatal(err)
		}
		c := make(chan error, 1)
		go func() {
			defer p.Close()
			c <- newline(p)
		}()
		return c
	}
	r, w := pipe()
	c := found(r)
	for _, text := range []string{"", "part", strings.Repeat("x", 60<<10), "y\nmore"} {
		w.WriteString(text)
	}
	if err := <-c; err != nil {
		t.Error(err)
	}
	if err := <-found(r); err != nil {
		t.Error("the next one does not find it:", err)
	}

	r, w = pipe()
	c = found(r)
	w.WriteString("almost")
	w.Close()
	if err := <-c; err == nil || errors.Is(err, os.ErrClosed) {
		t.Errorf("a pipe that was closed without one: %v", err)
	}

	r, _ = pipe()
	p, err := polled(r)
	if err != nil {
		t.Fatal(err)
	}
	c = make(chan error, 1)
	go func() { c <- newline(p) }()
	p.Close()
	if err := <-c; !errors.Is(err, os.ErrClosed) {
		t.Errorf("a file that was closed: %v", err)
	}

	// As much as a pipe takes, and more, before it.
	r, w = pipe()
	if _, err := unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, 1<<20); err != nil {
		t.Log(err)
	}
	c = found(r)
	w.WriteString(strings.Repeat("x", 3<<20) + "\n")
	if err := <-c; err != nil {
		t.Error(err)
	}
}

func TestFailedExec(t *testing.T) {
	for _, tt := range []struct {
		why   string
		lines []string
		want  string
	}{
		{"", []string{"all is well"}, ""},
		{"ready.exec exited 1", nil, "failed ready.exec, which exited 1"},
		{"ready.exec exited 1", []string{"one", "no\x1b[31m luck\t", " "}, "failed ready.exec, which exited 1 (no [31m luck)"},
		{"ready.exec did not end within 2s and was ended", nil, "failed ready.exec, which did not end within 2s and was ended"},
		{"cannot run the ready.exec: no", nil, "could not be asked: cannot run the ready.exec: no"},
	} {
		if got := failedExec(tt.why, tt.lines); got != tt.want {
			t.Errorf("%q is said as %q, want %q", tt.why, got, tt.want)
		}
	}
	if got := shownLine(strings.Repeat("é", 1000)); len(got) > complaintMax {
		t.Errorf("%d bytes are shown", len(got))
	}
}

func TestSpeaker(t *testing.T) {
	// Run 7 is the successor that the main process of run 6 has started itself; 8
	// is beside them.
	svc := &service{name: "web", runs: map[int]*run{
		6: {pid: 100, start: 1000, born: 6}, 7: {pid: 120, start: 1200, born: 6, session: 100}, 8: {pid: 200, start: 2000, born: 8}, 9: {born: 9},
	}}
	p := func(pid, start, session int) procfs.Proc {
		return procfs.Proc{Pid: pid, Start: uint64(start), Session: session, Pgrp: session}
	}
	main, heir, top := p(100, 1000, 100), p(120, 1200, 100), procfs.Proc{Pid: 1}
	for _, tt := range []struct {
		name string
		line []procfs.Proc
		want int
	}{
		{"main process", []procfs.Proc{main, top}, 6},
		{"worker", []procfs.Proc{p(101, 1001, 100), main, top}, 6},
		{"successor", []procfs.Proc{heir, main, top}, 7},
		{"worker of the successor", []procfs.Proc{p(121, 1201, 100), heir, main, top}, 7},
		{"own session below", []procfs.Proc{p(130, 1300, 130), p(101, 1001, 100), main, top}, 6},
		{"orphan in the session", []procfs.Proc{p(210, 2100, 200), top}, 8},
		{"below an orphan in the session", []procfs.Proc{p(211, 2101, 211), p(210, 2100, 200), top}, 8},
		{"another with the pid", []procfs.Proc{{Pid: 200, Start: 9999, Session: 5, Pgrp: 5}, top}, 0},
		{"stranger", []procfs.Proc{p(300, 3000, 300), p(1, 1, 1)}, 0},
		{"nobody", nil, 0},
	} {
		if gen, r := svc.speaker(tt.line); gen != tt.want || (r != nil) != (tt.want != 0) {
			t.Errorf("%s: run %d, want %d", tt.name, gen, tt.want)
		}
	}
	if gen, _ := svc.youngest(6); gen != 7 {
		t.Errorf("the newest of those born with 6 is %d", gen)
	}
	if gen, r := svc.youngest(5); gen != 0 || r != nil {
		t.Errorf("the newest of none is %d", gen)
	}
}

// One of type "notify-reload" has begun its reload when it says so, not when it said so before.
func TestReloadIsAnswered(t *testing.T) {
	svc := &service{name: "web", runs: map[int]*run{1: {pid: 100, def: &definition.Definition{Type: definition.NotifyReload}}}}
	svc.state.Runs = []lifecycle.Run{{Gen: 1, Phase: lifecycle.Running}}
	r := svc.runs[1]
	svc.state.Reload = &lifecycle.Reload{Gen: 1, Sent: now()}
	monotonic := func(ago time.Duration) string {
		var ts unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", (time.Duration(ts.Nano())-ago)/time.Microsecond)
	}
	for _, tt := range []struct{ said, want string }{
		{"", "has not said RELOADING=1"},
		{monotonic(time.Minute), "has not said RELOADING=1"},
		{"RELOADING=1", ""},
		{monotonic(-time.Minute), ""}, // no clock is so wrong as not to count
	} {
		r.told = told{}
		if tt.said != "" {
			r.told.Answered = saidAt(notify.Parse([]byte(tt.said)))
		}
		if got := svc.stillReloading(); got != tt.want {
			t.Errorf("after %q it %q, want %q", tt.said, got, tt.want)
		}
	}
	r.told = told{}
	if r.def = (&definition.Definition{Type: definition.Notify}); svc.stillReloading() != "" {
		t.Error("one that need not say that it reloads is waited for")
	}
}

// What runs say of themselves is each one's own, and shown is that of the one that serves.
func TestToldIsOfEachRun(t *testing.T) {
	s := &Supervisor{services: map[string]*service{}, store: store{}}
	svc := &service{name: "web", runs: map[int]*run{6: {pid: 100, def: &definition.Definition{}}, 7: {pid: 200, def: &definition.Definition{}}}}
	svc.state.Runs = []lifecycle.Run{{Gen: 6, Phase: lifecycle.Running}, {Gen: 7, Phase: lifecycle.Starting, Role: lifecycle.Trying}}
	say := func(gen int, text string) {
		m := notify.Parse([]byte(text))
		m.State = 0 // nothing that would be saved
		s.notified(svc, gen, svc.runs[gen], m, svc.runs[gen].pid)
	}
	say(6, "STATUS=serves")
	say(7, "STATUS=loads")
	if got := svc.statusText(); got != "serves" {
		t.Errorf("it says %q", got)
	}
	svc.runs[6].told.Reloading = true
	if svc.stillReloading() == "" {
		t.Error("it does not reload")
	}
	svc.runs[6].over = true
	say(6, "STATUS=gone")
	if got := svc.statusText(); got != "serves" {
		t.Errorf("a run that is over says %q", got)
	}
	svc.runs[6].told = told{Stopping: true}
	if got := svc.statusText(); got != "stopping" {
		t.Errorf("it says %q", got)
	}
}
