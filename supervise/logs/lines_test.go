package logs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// An output is a Lines whose text can be read.
type output struct {
	*Lines
	r, w *os.File
	got  chan string
}

func newOutput(t testing.TB) *output {
	t.Helper()
	o := newPipeOutput(t)
	o.got = make(chan string, 1)
	go func() {
		b, _ := io.ReadAll(o.r)
		o.got <- string(b)
	}()
	return o
}

// newPipeOutput is a newOutput that nobody reads.
func newPipeOutput(t testing.TB) *output {
	t.Helper()
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	o := &output{r: os.NewFile(uintptr(fds[0]), "reader"), w: os.NewFile(uintptr(fds[1]), "standard output")}
	t.Cleanup(func() { o.w.Close() })
	var err error
	if o.Lines, err = NewLines(o.w); err != nil {
		t.Fatal(err)
	}
	return o
}

// text ends the output and returns all of it.
func (o *output) text() string {
	o.w.Close()
	return <-o.got
}

func (o *output) close() {
	o.text()
	o.r.Close()
}

func TestLines(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", maxLine/16)
	tests := []struct {
		name   string
		writes []string
		want   string
	}{
		{"lines", []string{"one\ntwo\n", "\nthree\n"}, "web | one\nweb | two\nweb | \nweb | three\n"},
		{"parts", []string{"o", "n", "e\ntw", "o\n"}, "web | one\nweb | two\n"},
		{"no end", []string{"one\ntwo"}, "web | one\nweb | two\n"},
		{"nothing", nil, ""},
		{"forged", []string{"x\ndb | all is lost\n"}, "web | x\nweb | db | all is lost\n"},
		{"binary", []string{"\x00\xff\r\x1b\n"}, "web | \x00\xff\r\x1b\n"},
		{"longest", []string{long + "\nx\n"}, "web | " + long + "\nweb | x\n"},
		{"too long", []string{long + "XY\nx\n"}, "web | " + long + "…\nweb | …XY\nweb | x\n"},
		{"far too long", []string{"a\n" + long, long, "Z"}, "web | a\nweb | " + long + "…\nweb | …" + long + "…\nweb | …Z\n"},
		{"long without end", []string{long, long}, "web | " + long + "…\nweb | …" + long + "\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			out := newOutput(t)
			key := Key{Name: "web", Gen: 1}
			child := r.run(key, out.As(Prefix))
			for _, s := range tt.writes {
				r.write(child, s)
				r.sync(key)
			}
			child.Close()
			<-r.drained
			if got := out.text(); got != tt.want {
				t.Errorf("%d bytes, want %d: %q", len(got), len(tt.want), clip([]byte(got)))
			}
			if left, _ := filepath.Glob(filepath.Join(r.parts, "*")); left != nil {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// The begin of a line outlives the Pump that read it.
func TestLinesPartOutlivesThePump(t *testing.T) {
	r := newRig(t)
	key := Key{Name: "web", Gen: 1}
	out := newOutput(t)
	child, reader := r.make(key)
	if err := r.Add(key, reader, out.As(Prefix)); err != nil {
		t.Fatal(err)
	}
	r.write(child, "one\nt")
	r.sync(key)
	r.write(child, "w")
	r.sync(key)
	r.Close()
	<-r.lines.done

	p, err := NewPump(Options{Dir: r.parts, Drained: func(k Key) { r.drained <- k }})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Add(key, reader, out.As(Prefix)); err != nil {
		t.Fatal(err)
	}
	r.write(child, "o\nthree\n")
	child.Close()
	<-r.drained
	if got := out.text(); got != "web | one\nweb | two\nweb | three\n" {
		t.Errorf("%q", got)
	}
}

// Many services at once, with long lines: none is torn by another.
func TestLinesAreNotMixed(t *testing.T) {
	r := newRig(t)
	out := newOutput(t)
	const services, lines = 8, 200
	for i := range services {
		key := Key{Name: fmt.Sprint("s", i), Gen: 1}
		child := r.run(key, out.As(Prefix))
		go func() {
			defer child.Close()
			for n := range lines {
				fmt.Fprintf(child, "%d %s end\n", n, strings.Repeat(key.Name, n*37%9000))
			}
		}()
	}
	for range services {
		<-r.drained
	}
	next := map[string]int{}
	for line := range strings.Lines(out.text()) {
		name, rest, _ := strings.Cut(line, " | ")
		n := next[name]
		if want := fmt.Sprintf("%d %s end\n", n, strings.Repeat(name, n*37%9000)); rest != want {
			t.Fatalf("%s: line %d is %q", name, n, clip([]byte(rest)))
		}
		next[name]++
	}
	for i := range services {
		if n := next[fmt.Sprint("s", i)]; n != lines {
			t.Errorf("s%d: %d lines", i, n)
		}
	}
}

// A standard output that nobody reads holds neither log files nor Close.
func TestSlowOutput(t *testing.T) {
	r := newRig(t)
	out := newPipeOutput(t)
	if _, err := unix.FcntlInt(out.w.Fd(), unix.F_SETPIPE_SZ, 4096); err != nil {
		t.Fatal(err)
	}
	child := r.run(Key{Name: "loud", Gen: 1}, out.As(Prefix))
	const lines = 3000
	written := make(chan error, 1)
	go func() {
		for range lines {
			if _, err := child.WriteString("a line that fills pipes, one by one, until all are full\n"); err != nil {
				written <- err
			}
		}
		written <- child.Close()
	}()
	file := NewFile(r.logs, "web")
	web := r.run(Key{Name: "web", Gen: 1}, file)
	r.write(web, "fine\n")
	r.sync(Key{Name: "web", Gen: 1})
	r.wantFile(file.Path(), "fine\n")
	// And when somebody reads, all is there.
	out.got = make(chan string, 1)
	go func() {
		b, _ := io.ReadAll(out.r)
		out.got <- string(b)
	}()
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	<-r.drained
	if n := strings.Count(out.text(), "loud | a line that fills pipes, one by one, until all are full\n"); n != lines {
		t.Errorf("%d lines of %d", n, lines)
	}
}

func TestCloseWithBlockedOutput(t *testing.T) {
	r := newRig(t)
	out := newPipeOutput(t)
	child := r.run(Key{Name: "loud", Gen: 1}, out.As(Prefix))
	r.write(child, strings.Repeat("0123456\n", 8192)) // with its prefixes more than a pipe holds
	if _, err := out.r.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	r.Close()     // while the thread waits for somebody to read more
	out.r.Close() // lets the thread go
	<-r.lines.done
}

func TestOutputGone(t *testing.T) {
	r := newRig(t)
	out := newPipeOutput(t)
	child := r.run(Key{Name: "web", Gen: 1}, out.As(Prefix))
	out.r.Close()
	for range 5000 {
		r.write(child, "nobody will read this, and nobody waits for that\n")
	}
	r.sync(Key{Name: "web", Gen: 1})
	if pr := <-r.problems; pr.Name != "" || !errors.Is(pr.Err, unix.EPIPE) || !strings.Contains(pr.Err.Error(), "standard output") {
		t.Errorf("%+v", pr)
	}
	select {
	case pr := <-r.problems:
		t.Errorf("told again: %+v", pr)
	default:
	}
}

// Somebody else's O_NONBLOCK on the shared description loses nothing.
func TestNonBlockingOutput(t *testing.T) {
	r := newRig(t)
	out := newOutput(t)
	if err := unix.SetNonblock(int(out.w.Fd()), true); err != nil {
		t.Fatal(err)
	}
	child := r.run(Key{Name: "web", Gen: 1}, out.As(Prefix))
	for range 20000 {
		r.write(child, "0123456789 0123456789 0123456789\n")
	}
	child.Close()
	<-r.drained
	if n := strings.Count(out.text(), "web | 0123456789 0123456789 0123456789\n"); n != 20000 {
		t.Errorf("%d lines", n)
	}
}

// FuzzLines: however a text is cut into writes, the same lines come out, in each
// format, and are kept.
func FuzzLines(f *testing.F) {
	f.Add([]byte("one\ntwo\n\nthree"), uint8(3), uint16(7), uint8(0))
	f.Add([]byte("\n\n\x00"), uint8(1), uint16(30000), uint8(1))
	f.Add([]byte("x"), uint8(1), uint16(65535), uint8(2))
	f.Add([]byte("0123456789\xff世界"), uint8(255), uint16(12345), uint8(1))
	f.Fuzz(func(t *testing.T, text []byte, size uint8, times uint16, as uint8) {
		text = bytes.Repeat(text, int(times)%2000)
		if len(text) > 300<<10 {
			t.Skip("long enough")
		}
		format := Format(as % 3)
		want := lined(text)
		dir := t.TempDir()
		file, err := os.Create(filepath.Join(dir, "out"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		out, err := NewLines(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := out.As(format)
		key := Key{Name: "web", Gen: 1}
		child, reader, err := Make(key, -1)
		if err != nil {
			t.Fatal(err)
		}
		defer reader.Close()
		s, err := newScratch(&loop{p: &Pump{tell: &reporter{wake: make(chan struct{}, 1)}}})
		if err != nil {
			t.Fatal(err)
		}
		defer s.close()
		r := &run{key: key, path: partPath(dir, key), fd: int(reader.Fd()), sink: lines}
		step := int(size)*97 + 1
		for len(text) > 0 {
			n, err := child.Write(text[:min(step, len(text), 60<<10)])
			if err != nil {
				t.Fatal(err)
			}
			text = text[n:]
			if _, end := lines.drain(r, s, share); end {
				t.Fatal("ended")
			}
		}
		child.Close()
		for end := false; !end; {
			_, end = lines.drain(r, s, share)
		}
		lines.finish(r, s)
		got, err := os.ReadFile(file.Name())
		if got = unformat(t, format, got); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%q\nwant %q, %v", clip(got), clip(want), err)
		}
		kept, _ := lines.Attempt(1, -1)
		if most := want[max(0, len(want)-tailSize):]; !bytes.HasSuffix(want, kept) || len(kept) < len(most)-bytes.IndexByte(most, '\n')-1 {
			t.Fatalf("%d bytes kept of %d", len(kept), len(want))
		}
	})
}

// lined is text whose last line has an end.
func lined(text []byte) []byte {
	if len(text) == 0 || text[len(text)-1] == '\n' {
		return bytes.Clone(text)
	}
	return append(bytes.Clone(text), '\n')
}

// unformat is what was written by web for this to come out.
func unformat(t *testing.T, format Format, out []byte) []byte {
	if format == Raw {
		return out
	}
	var text []byte
	goesOn := false
	for line := range bytes.Lines(out) {
		line = line[:len(line)-1]
		ended := true
		if format == JSON {
			o := parseObject(t, string(line))
			text = append(text, o.text()...)
			ended = !o.Cut
		} else {
			rest, ok := bytes.CutPrefix(line, []byte("web | "))
			if !ok {
				t.Fatalf("no prefix: %q", clip(line))
			}
			if goesOn {
				rest = bytes.TrimPrefix(rest, []byte(cutMark))
			}
			if len(rest) == maxLine+len(cutMark) {
				rest, ended = rest[:maxLine], false
			}
			text = append(text, rest...)
		}
		if goesOn = !ended; ended {
			text = append(text, '\n')
		}
	}
	return text
}
