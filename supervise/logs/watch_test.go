package logs

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// shown collects the lines that a watch gets, each with its run.
type shown struct {
	mu    sync.Mutex
	lines []string
}

func (s *shown) show(key Key, line []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, fmt.Sprintf("%s %s", key, line))
}

// want takes the lines that have come.
func (s *shown) want(t testing.TB, want ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.lines, want) {
		t.Errorf("shown %.300q, want %.300q", s.lines, want)
	}
	s.lines = nil
}

func TestWatchSeesEachLine(t *testing.T) {
	sinks(t, func(r *rig, sink Sink) {
		var s shown
		r.Watch("web", s.show)
		key := Key{Name: "web", Gen: 1}
		child := r.run(key, sink)
		long := strings.Repeat("x", maxLine)
		for _, part := range []string{"one\ntw", "o\n\nthree\n", "rea", "", "dy\n", long[1:], "x\n", long, "tail\n", "\xff\x00\r\n", "last"} {
			r.write(child, part)
			r.sync(key)
		}
		s.want(r, "web.1 one", "web.1 two", "web.1 ", "web.1 three", "web.1 ready", "web.1 "+long, "web.1 "+long, "web.1 tail", "web.1 \xff\x00\r")
		child.Close()
		<-r.drained
		s.want(r, "web.1 last")
	})
}

func TestWatchIsOfOneService(t *testing.T) {
	sinks(t, func(r *rig, sink Sink) {
		var s shown
		now := r.run(Key{Name: "web", Gen: 1}, sink)
		r.Watch("web", s.show)()
		then, other := r.run(Key{Name: "web", Gen: 2}, sink), r.run(Key{Name: "db", Gen: 1}, sink)
		r.write(other, "no\n")
		r.sync(Key{Name: "db", Gen: 1})
		r.write(now, "a\n")
		r.sync(Key{Name: "web", Gen: 1})
		r.write(then, "b\n")
		r.sync(Key{Name: "web", Gen: 2})
		s.want(r, "web.1 a", "web.2 b")
	})
}

// What was written before a change goes to whom it was for.
func TestWatchIsChanged(t *testing.T) {
	sinks(t, func(r *rig, sink Sink) {
		var first, second shown
		key := Key{Name: "web", Gen: 1}
		child := r.run(key, sink)
		r.write(child, "unseen\n")
		r.sync(key)
		r.Watch("web", first.show)()
		r.write(child, "one\ntwo\nbe")
		r.Watch("web", second.show)
		r.Watch("web", nil)
		r.Watch("web", second.show)()
		first.want(r, "web.1 one", "web.1 two")
		r.write(child, "gin\nthree\nfo")
		r.Watch("web", nil)()
		second.want(r, "web.1 be", "web.1 gin", "web.1 three", "web.1 fo")
		r.write(child, "ur\n")
		r.sync(key)
		first.want(r)
		second.want(r)

		r.Watch("web", first.show)()
		r.write(child, "ha")
		r.Watch("web", second.show)() // who gets its end gets its begin
		r.write(child, "lf\n")
		r.sync(key)
		first.want(r)
		second.want(r, "web.1 half")
		r.Watch("nobody", nil)()
	})
}

// Both are complete, however much is written: what is shown, and the log.
func TestWatchLosesNothing(t *testing.T) {
	r := newRig(t)
	file := NewFile(r.logs, "web")
	var s shown
	r.Watch("web", s.show)
	key := Key{Name: "web", Gen: 1}
	child := r.run(key, file)
	var text strings.Builder
	var want []string
	for i := range 100000 {
		fmt.Fprintf(&text, "%06d abcdefghijklmnopqrstuvwxyz\n", i)
		want = append(want, fmt.Sprintf("web.1 %06d abcdefghijklmnopqrstuvwxyz", i))
	}
	r.Tap(key, "x", false, func(line []byte) bool { return bytes.HasPrefix(line, []byte("050000")) })
	r.write(child, text.String())
	r.sync(key)
	s.want(t, want...)
	r.wantFile(file.Path(), text.String())
}

// A log that cannot be written is no reason to show nothing, nor to show it twice.
func TestWatchOfWhatIsDropped(t *testing.T) {
	r := newRig(t)
	if err := os.Mkdir(filepath.Join(r.logs, "web.log"), 0o700); err != nil {
		t.Fatal(err)
	}
	var s shown
	r.Watch("web", s.show)
	key := Key{Name: "web", Gen: 1}
	child := r.run(key, NewFile(r.logs, "web"))
	r.write(child, "one\ntwo\n")
	r.sync(key)
	s.want(t, "web.1 one", "web.1 two")
}

// What a Pump that died has left in a pipe, the next one shows; with a Lines the
// begin of a line too.
func TestWatchOfTheNextPump(t *testing.T) {
	sinks(t, func(r *rig, sink Sink) {
		key := Key{Name: "web", Gen: 1}
		child, reader := r.make(key)
		if err := r.Add(key, reader, sink); err != nil {
			r.Fatal(err)
		}
		r.write(child, "one\nbe")
		r.sync(key)
		r.Close()
		if l := r.lines; l != nil {
			<-l.done
		}
		r.write(child, "gin\ntwo\n")
		next, err := NewPump(Options{Dir: r.parts})
		if err != nil {
			r.Fatal(err)
		}
		defer next.Close()
		var s shown
		next.Watch("web", s.show)
		if err := next.Add(key, reader, sink); err != nil {
			r.Fatal(err)
		}
		if err := next.Sync(r.Context(), key); err != nil {
			r.Fatal(err)
		}
		begin := "be"
		if _, ok := sink.(*File); ok {
			begin = "" // it is in the file
		}
		s.want(r, "web.1 "+begin+"gin", "web.1 two")
	})
}

// After the end of the Pump nobody waits for it.
func TestWatchAfterClose(t *testing.T) {
	r := newRig(t)
	r.Close()
	r.Watch("web", func(Key, []byte) {})()
}

// FuzzSplitter: however the bytes come, the lines are the same, and all there is.
func FuzzSplitter(f *testing.F) {
	f.Add([]byte("one\ntwo\n\nthree"), []byte{1, 3, 200}, 1)
	f.Add([]byte("aaaa\nb"), []byte{255}, 30000)
	f.Fuzz(func(t *testing.T, text, cuts []byte, times int) {
		// Long lines come of repeating what is between newlines.
		text = bytes.ReplaceAll(text, []byte("a"), bytes.Repeat([]byte("a"), 1+times&0xffff))
		if len(text) > 1<<22 {
			t.Skip()
		}
		var want []string
		for line := range bytes.Lines(text) {
			line = bytes.TrimSuffix(line, []byte("\n"))
			for len(line) > maxLine {
				want = append(want, string(line[:maxLine]))
				line = line[maxLine:]
			}
			want = append(want, string(line))
		}
		var s splitter
		var got []string
		do := func(line []byte) { got = append(got, string(line)) }
		rest := text
		for i := 0; len(rest) > 0; i++ {
			n := len(rest)
			if len(cuts) > 0 {
				n = min(n, 1+int(cuts[i%len(cuts)])*int(cuts[i%len(cuts)]))
			}
			s.take(rest[:n], do)
			if len(s.part) > maxLine {
				t.Fatalf("it keeps %d bytes", len(s.part))
			}
			rest = rest[n:]
		}
		if len(s.part) > 0 {
			do(s.part)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%d lines, want %d", len(got), len(want))
		}
	})
}
