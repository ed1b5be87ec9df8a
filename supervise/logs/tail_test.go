package logs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func wantKept(t *testing.T, what string, got []byte, err error, want string) {
	t.Helper()
	if err != nil || string(got) != want {
		t.Errorf("%s: %q, %v; want %q", what, clip(got), err, clip([]byte(want)))
	}
}

// all is what Read gives of what is kept.
func all(t *testing.T, p *Printer, n int) []byte {
	t.Helper()
	var b []byte
	if err := p.Read(t.Context(), n, false, nil, func(some []byte) error { b = append(b, some...); return nil }); err != nil {
		t.Error(err)
	}
	return b
}

func TestTailKnowsTheRuns(t *testing.T) {
	r := newRig(t)
	out := newOutput(t)
	p := out.As(JSON)
	one, two := r.run(Key{Name: "web", Gen: 1}, p), r.run(Key{Name: "web", Gen: 2}, p)
	r.write(one, "a\nb")
	r.sync(Key{Name: "web", Gen: 1})
	r.write(two, "x\x00\xff\ny\nbeg")
	r.sync(Key{Name: "web", Gen: 2})
	r.write(one, "b\nlast")
	r.sync(Key{Name: "web", Gen: 1})
	r.write(two, "in")
	r.sync(Key{Name: "web", Gen: 2})
	got, err := p.Attempt(1, -1)
	wantKept(t, "run 1", got, err, "a\nbb\nlast")
	got, err = p.Attempt(2, 2)
	wantKept(t, "run 2", got, err, "y\nbegin")
	got, err = p.Attempt(3, -1)
	wantKept(t, "run 3", got, err, "")
	wantKept(t, "all", all(t, p, -1), nil, "a\nx\x00\xff\ny\nbb\nlast\nbegin")
	wantKept(t, "two", all(t, p, 2), nil, "last\nbegin")
	one.Close()
	<-r.drained
	got, err = p.Attempt(1, 1)
	wantKept(t, "run 1 at its end", got, err, "last\n")
	two.Close()
	<-r.drained
	out.close()
}

// What nobody can read is kept all the same.
func TestTailOfWhatIsDropped(t *testing.T) {
	r := newRig(t)
	out := newPipeOutput(t)
	out.r.Close()
	p := out.As(Prefix)
	key := Key{Name: "web", Gen: 1}
	child := r.run(key, p)
	r.write(child, "cannot bind\n")
	r.sync(key)
	wantKept(t, "all", all(t, p, -1), nil, "cannot bind\n")
}

// Of a line that is longer than all that is kept, its end is.
func TestTailOfLongLines(t *testing.T) {
	r := newRig(t)
	out := newOutput(t)
	p := out.As(Prefix)
	key, next := Key{Name: "web", Gen: 1}, Key{Name: "web", Gen: 2}
	child, other := r.run(key, p), r.run(next, p)
	long := strings.Repeat("0123456789abcdef", maxLine/16)
	r.write(child, "a\n"+long+"XY")
	r.sync(key)
	got, err := p.Attempt(1, -1)
	wantKept(t, "the begin of one", got, err, long[2:]+"XY")
	r.write(other, "other\n")
	r.sync(next)
	r.write(child, "Z\nb\n")
	r.sync(key)
	got, err = p.Attempt(1, -1)
	wantKept(t, "its end", got, err, "Z\nb\n")
	wantKept(t, "all", all(t, p, -1), nil, "other\nZ\nb\n")
	out.close()
}

func TestTailIsBounded(t *testing.T) {
	tl := &tail{}
	if tl.add(time.Now(), 1, []byte("x\n")); cap(tl.ring) > 1<<10 {
		t.Errorf("%d bytes for one line", cap(tl.ring))
	}
	now := time.Now()
	for i := range 20 * tailSize {
		now = now.Add(time.Second)
		tl.add(now, i%2, []byte("\n"))
		if i%(tailSize/8) != 0 {
			continue
		}
		tl.begin(1, bytes.Repeat([]byte("x"), i))
		if len(tl.ring) > tailSize || len(tl.entries) > tailEntries || len(tl.parts[1]) > tailSize {
			t.Fatalf("%d bytes, %d entries, a part of %d", len(tl.ring), len(tl.entries), len(tl.parts[1]))
		}
	}
	// One run that writes little, now and then, loses nothing but when it was.
	tl = &tail{}
	for range tailSize / 8 {
		now = now.Add(time.Second)
		tl.add(now, 1, []byte("seven..\n"))
	}
	if n := len(tl.of(1)); n != tailSize {
		t.Errorf("%d bytes kept", n)
	}
	if len(tl.entries) > tailEntries {
		t.Errorf("%d entries", len(tl.entries))
	}
}

func TestSinceMark(t *testing.T) {
	w := &Lines{}
	p := w.As(Prefix)
	lines := func(mark int64, n int) string {
		b, err := p.Since(mark, n)
		if err != nil {
			t.Error(err)
		}
		return string(b)
	}
	for range 50 { // all within a few milliseconds
		before := p.Mark()
		if got := lines(before, -1); got != "" {
			t.Fatalf("nothing was written since: %q", got)
		}
		p.tail.add(time.Now(), 1, []byte("one\n"))
		p.tail.add(time.Now(), 1, []byte("two\n"))
		mark := p.Mark()
		p.tail.add(time.Now(), 1, []byte("three\nfour\n"))
		p.tail.add(time.Now(), 2, []byte("five\n"))
		if got := lines(mark, -1); got != "three\nfour\nfive\n" {
			t.Fatalf("since then: %q", got)
		}
		if got := lines(mark, 1); got != "five\n" {
			t.Fatalf("the last: %q", got)
		}
		if got := lines(before, -1); got != "one\ntwo\nthree\nfour\nfive\n" {
			t.Fatalf("since the begin: %q", got)
		}
	}
	// A later process, which has nothing of before, takes all of its own.
	mark := p.Mark()
	p = w.As(Prefix)
	p.tail.add(time.Now().Add(time.Second), 1, []byte("later\n"))
	if got := lines(mark, -1); got != "later\n" {
		t.Errorf("in a later process: %q", got)
	}
}

func TestFollowTail(t *testing.T) {
	r := newRig(t)
	out := newOutput(t)
	p := out.As(Prefix)
	key := Key{Name: "web", Gen: 1}
	child := r.run(key, p)
	r.write(child, "one\ntwo\n")
	r.sync(key)
	ctx, cancel := context.WithCancel(t.Context())
	got, done := make(chan string), make(chan error)
	go func() {
		done <- p.Read(ctx, 1, true, nil, func(b []byte) error { got <- string(b); return nil })
	}()
	wantKept(t, "at first", []byte(<-got), nil, "two\n")
	r.write(child, "three\nfo")
	wantKept(t, "then", []byte(<-got), nil, "three\n")
	r.write(child, "ur\n")
	wantKept(t, "then", []byte(<-got), nil, "four\n")
	// Who does not read misses some, and nobody waits for them.
	line := strings.Repeat("x", 99) + "\n"
	r.write(child, line)
	for range 3 * tailSize / len(line) {
		r.write(child, line)
	}
	r.sync(key)
	r.write(child, "end\n")
	size := 0
	for text := ""; !strings.HasSuffix(text, "end\n"); size += len(text) {
		if text = <-got; len(text)%len(line) != 0 && !strings.HasSuffix(text, "end\n") {
			t.Errorf("torn: %d bytes", len(text))
		}
	}
	if size < tailSize/2 {
		t.Errorf("%d bytes came", size)
	}
	cancel()
	if err := <-done; err != context.Canceled {
		t.Error(err)
	}
	if len(p.tail.grown.watchers) != 0 {
		t.Error("it is still told of growth")
	}
	failed := errors.New("failed")
	if err := p.Read(t.Context(), 1, false, nil, func([]byte) error { return failed }); err != failed {
		t.Error(err)
	}
	out.close()
}

// FuzzKeptTail: of any sequence of lines of three runs, what is kept is the last that
// was written, in order, by each.
func FuzzKeptTail(f *testing.F) {
	f.Add([]byte("abcabcaaabbbccc"), uint16(7))
	f.Add(bytes.Repeat([]byte("aaaaBAcCb"), 300), uint16(700))
	f.Add([]byte("aAbBcC"), uint16(65535))
	f.Fuzz(func(t *testing.T, ops []byte, size uint16) {
		if len(ops)*int(size) > 8<<20 {
			t.Skip("long enough")
		}
		tl := &tail{}
		now := time.Now()
		var runs [3]bytes.Buffer
		total := 0
		for i, op := range ops {
			gen := int(op) % 3
			text := fmt.Sprintf("%d %d %s\n", gen, i, strings.Repeat("x", int(size)*int(op)>>8))
			if op%5 == 0 { // an end that has not come
				text = text[:len(text)-1]
			}
			now = now.Add(time.Duration(op) * time.Millisecond)
			half := len(text) / 2
			tl.add(now, gen, []byte(text[:half]), []byte(text[half:]))
			runs[gen].WriteString(text)
			total += len(text)
		}
		if len(tl.ring) > tailSize || len(tl.entries) > tailEntries {
			t.Fatalf("%d bytes, %d entries", len(tl.ring), len(tl.entries))
		}
		kept := 0
		for gen := range runs {
			got := bytes.ReplaceAll(tl.of(gen), []byte("\n"), nil) // where runs take turns, a line gets an end
			kept += len(got)
			if want := bytes.ReplaceAll(runs[gen].Bytes(), []byte("\n"), nil); !bytes.HasSuffix(want, got) {
				t.Fatalf("run %d: %q is not the end of %q", gen, clip(got), clip(want))
			}
		}
		if total < tailSize/2 && len(ops) < tailEntries/2 && len(ops) > 0 && tl.from != 0 {
			t.Fatalf("only %d bytes of %d", kept, total)
		}
	})
}
