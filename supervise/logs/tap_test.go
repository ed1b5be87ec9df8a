package logs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// seen collects the lines that a tap gets, until it has got last.
type seen struct {
	mu    sync.Mutex
	lines []string
	last  string
	over  chan struct{}
}

func newSeen(last string) *seen { return &seen{last: last, over: make(chan struct{})} }

func (s *seen) look(line []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, string(line))
	if string(line) == s.last {
		close(s.over)
		return true
	}
	return false
}

func (s *seen) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lines)
}

// sinks calls test with a sink of each kind.
func sinks(t *testing.T, test func(r *rig, sink Sink)) {
	t.Run("file", func(t *testing.T) {
		r := newRig(t)
		test(r, NewFile(r.logs, "web"))
	})
	t.Run("lines", func(t *testing.T) {
		o := newOutput(t)
		t.Cleanup(o.close)
		test(newRig(t), o.As(Prefix))
	})
}

func TestTapSeesEachLine(t *testing.T) {
	sinks(t, func(r *rig, sink Sink) {
		key := Key{Name: "web", Gen: 1}
		child := r.run(key, sink)
		s := newSeen("ready")
		if r.Tap(key, "ready", false, s.look) {
			r.Fatal("what nobody has looked for was seen")
		}
		long := strings.Repeat("x", maxLine+5)
		for _, part := range []string{"one\ntw", "o\n\nthree\n", "rea", "d", "", "y now\n", long[:maxLine-1], long[maxLine-1:], "tail\n", "\xff\x00\n", "ready\nlater\n"} {
			r.write(child, part)
			r.sync(key)
		}
		<-s.over
		r.write(child, "much later\n")
		r.sync(key)
		if got, want := s.all(), []string{"one", "two", "", "three", "ready now", long[:maxLine], "\xff\x00", "ready"}; !slices.Equal(got, want) {
			r.Errorf("seen %.300q, want %.300q", got, want)
		}
	})
}

// What goes to the log is what would go there without a tap, however much at once.
func TestTapLosesNothing(t *testing.T) {
	r := newRig(t)
	file := NewFile(r.logs, "web")
	old, young := Key{Name: "web", Gen: 1}, Key{Name: "web", Gen: 2}
	a, b := r.run(old, file), r.run(young, file)
	none := func([]byte) bool { return false }
	r.Tap(old, "x", false, none)
	r.Tap(young, "x", false, none)
	text := strings.Repeat("0123456789\n", 40000)
	r.write(a, text)
	r.sync(old)
	r.write(b, text)
	r.sync(young)
	r.wantFile(file.Path(), text+text)
	a.Close()
	b.Close()
	for range 2 {
		<-r.drained
	}
}

// A line that comes from another run of the service does not count.
func TestTapIsOfOneRun(t *testing.T) {
	sinks(t, func(r *rig, sink Sink) {
		old, young := Key{Name: "web", Gen: 1}, Key{Name: "web", Gen: 2}
		a, b := r.run(old, sink), r.run(young, sink)
		s := newSeen("ready")
		r.Tap(young, "ready", false, s.look)
		r.write(a, "ready\n")
		r.sync(old)
		r.write(b, "first\n")
		r.sync(young)
		r.write(b, "ready\n")
		<-s.over
		if got, want := s.all(), []string{"first", "ready"}; !slices.Equal(got, want) {
			r.Errorf("seen %q, want %q", got, want)
		}
	})
}

func TestUntap(t *testing.T) {
	sinks(t, func(r *rig, sink Sink) {
		key := Key{Name: "web", Gen: 1}
		child := r.run(key, sink)
		s := newSeen("")
		r.Tap(key, "x", false, s.look)
		r.write(child, "one\n")
		r.sync(key)
		r.Untap(key)
		r.sync(key) // the thread knows
		r.write(child, "two\n")
		r.sync(key)
		if got := s.all(); !slices.Equal(got, []string{"one"}) {
			r.Errorf("seen %q", got)
		}
		r.Untap(Key{Name: "web", Gen: 7})
		r.Tap(Key{Name: "web", Gen: 8}, "x", false, s.look)
		r.Untap(Key{Name: "web", Gen: 8})
		if len(r.taps) != 0 {
			r.Errorf("%d taps of runs that there are not", len(r.taps))
		}
	})
}

// The Pump of a supervisor that died has seen it, or the next one does: the tap of
// a run that comes before it is added misses nothing that waits in its pipe.
func TestTapOfTheNextPump(t *testing.T) {
	sinks(t, func(r *rig, sink Sink) {
		key := Key{Name: "web", Gen: 1}
		child, reader := r.make(key)
		r.write(child, "ready\n")
		s := newSeen("ready")
		if r.Tap(key, "ready", true, s.look) {
			r.Fatal("seen before it was looked for")
		}
		if err := r.Add(key, reader, sink); err != nil {
			r.Fatal(err)
		}
		<-s.over
		r.sync(key)
		next := func(what string, again bool) bool {
			p, err := NewPump(Options{Dir: r.parts})
			if err != nil {
				r.Fatal(err)
			}
			defer p.Close()
			return p.Tap(key, what, again, s.look)
		}
		if !next("ready", true) {
			r.Error("the next Pump does not know that it was seen")
		}
		if next("other", true) {
			r.Error("something else was seen")
		}
		if next("ready", false) || next("ready", true) {
			r.Error("a new run of the number has seen what the old one saw")
		}
	})
}

func TestTapLeavesNothing(t *testing.T) {
	r := newRig(t)
	key := Key{Name: "web", Gen: 1}
	child := r.run(key, NewFile(r.logs, "web"))
	s := newSeen("ready")
	r.Tap(key, "ready", false, s.look)
	r.write(child, "ready\n")
	<-s.over
	r.sync(key)
	if list, err := os.ReadDir(r.parts); err != nil || len(list) != 1 || list[0].Name() != "web.1.seen" {
		t.Fatalf("kept: %v, %v", list, err)
	}
	child.Close()
	<-r.drained
	if list, err := os.ReadDir(r.parts); err != nil || len(list) != 0 {
		t.Errorf("left: %v, %v", list, err)
	}
	for _, name := range []string{"web.1.seen", "web.2.seen", "web.seen"} {
		if err := os.WriteFile(filepath.Join(r.parts, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := Tidy(r.parts, func(k Key) bool { return k.Gen == 2 }); err != nil {
		t.Fatal(err)
	}
	if list, err := os.ReadDir(r.parts); err != nil || len(list) != 2 {
		t.Errorf("after Tidy: %v, %v", list, err)
	}
}

// A log that cannot be written is no reason not to look.
func TestTapOfWhatIsDropped(t *testing.T) {
	r := newRig(t)
	key := Key{Name: "web", Gen: 1}
	if err := os.Mkdir(filepath.Join(r.logs, "web.log"), 0o700); err != nil {
		t.Fatal(err)
	}
	child := r.run(key, NewFile(r.logs, "web"))
	s := newSeen("ready")
	r.Tap(key, "ready", false, s.look)
	r.write(child, strings.Repeat("x", maxLine)+"\none\nready\n")
	<-s.over
	if got := s.all(); len(got) != 3 || got[1] != "one" {
		t.Errorf("seen %.100q", got)
	}
}
