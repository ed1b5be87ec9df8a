package logs

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// object is what a reader of the format JSON takes a line for.
type object struct {
	Time    time.Time
	Service string
	Run     int
	Stream  string
	Line    string
	Bytes   []byte
	Cut     bool
}

func parseObject(t *testing.T, line string) object {
	t.Helper()
	var o object
	d := json.NewDecoder(strings.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil {
		t.Fatalf("%v: %.200q", err, line)
	}
	return o
}

// text is what the service wrote.
func (o object) text() string {
	if o.Bytes != nil {
		return string(o.Bytes)
	}
	return o.Line
}

func TestJSON(t *testing.T) {
	long := strings.Repeat("0123456789abcde", maxLine/15) // a few bytes less than a line may have
	tests := []struct {
		name, text string
		want       []object
	}{
		{"lines", "one\n\ntwo\n", []object{{Line: "one"}, {Line: ""}, {Line: "two"}}},
		{"no end", "one", []object{{Line: "one"}}},
		{"to be quoted", "\"a\\b\"<&>\t\r\x00\x1b[2J\x7f\u009b\u2028 世界\n", []object{{Line: "\"a\\b\"<&>\t\r\x00\x1b[2J\x7f\u009b\u2028 世界"}}},
		{"forged", `x"}` + "\n" + `{"service":"db","line":"x"}` + "\n", []object{{Line: `x"}`}, {Line: `{"service":"db","line":"x"}`}}},
		{"not UTF-8", "a\xffb\xc3\n", []object{{Line: "a\ufffdb\ufffd", Bytes: []byte("a\xffb\xc3")}}},
		{"U+FFFD", "\ufffd\n", []object{{Line: "\ufffd"}}},
		{"longest", long + strings.Repeat("y", maxLine-len(long)) + "\n", []object{{Line: long + strings.Repeat("y", maxLine-len(long))}}},
		{"too long", long + strings.Repeat("y", maxLine-len(long)) + "z\nx\n",
			[]object{{Line: long + strings.Repeat("y", maxLine-len(long)), Cut: true}, {Line: "z"}, {Line: "x"}}},
		{"cut between characters", strings.Repeat("x", maxLine-1) + "世界\n", []object{{Line: strings.Repeat("x", maxLine-1), Cut: true}, {Line: "世界"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			out := newOutput(t)
			key := Key{Name: "web", Gen: 7}
			child := r.run(key, out.As(JSON))
			before := time.Now().Truncate(time.Millisecond)
			r.write(child, tt.text)
			child.Close()
			<-r.drained
			var got []object
			for line := range strings.Lines(out.text()) {
				o := parseObject(t, line)
				if o.Service != "web" || o.Run != 7 || o.Stream != "stdout" || o.Time.Before(before) || o.Time.After(time.Now()) {
					t.Errorf("%.200q", line)
				}
				got = append(got, object{Line: o.Line, Bytes: o.Bytes, Cut: o.Cut})
			}
			if len(got) != len(tt.want) {
				t.Fatalf("%d objects, want %d", len(got), len(tt.want))
			}
			for i := range got {
				if got[i].Line != tt.want[i].Line || got[i].Cut != tt.want[i].Cut || !bytes.Equal(got[i].Bytes, tt.want[i].Bytes) {
					t.Errorf("object %d is %.200q, %v, %.200q", i, got[i].Line, got[i].Cut, got[i].Bytes)
				}
			}
		})
	}
}

func TestJSONTellsTheStream(t *testing.T) {
	r := newRig(t)
	out := newOutput(t)
	p := out.As(JSON)
	child := r.run(Key{Name: "web", Gen: 1}, p.Stderr())
	p.SetFormat(Prefix)
	p.SetFormat(JSON)
	r.write(child, "cannot bind\n")
	child.Close()
	<-r.drained
	if o := parseObject(t, out.text()); o.Stream != "stderr" || o.Line != "cannot bind" {
		t.Errorf("%+v", o)
	}
	if got, _ := p.Attempt(1, -1); string(got) != "cannot bind\n" {
		t.Errorf("kept: %q", got)
	}
}

func TestRawFormat(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", maxRaw/16)
	for _, tt := range []struct {
		name   string
		writes []string
		want   string
	}{
		{"lines", []string{"one\ntw", "o\n\n\x00\xff\r\x1b[2J\n"}, "one\ntwo\n\n\x00\xff\r\x1b[2J\n"},
		{"no end", []string{"one\ntwo"}, "one\ntwo\n"},
		{"nothing", nil, ""},
		{"long", []string{"a\n" + long + "\nb\n"}, "a\n" + long + "\nb\n"},
		{"too long to be kept back", []string{"a\n", long, long, "Z\nb\n"}, "a\n" + long + long + "Z\nb\n"},
		{"and without end", []string{long, long}, long + long + "\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			out := newOutput(t)
			key := Key{Name: "web", Gen: 1}
			child := r.run(key, out.As(Raw))
			for _, s := range tt.writes {
				r.write(child, s)
				r.sync(key)
			}
			child.Close()
			<-r.drained
			if got := out.text(); got != tt.want {
				t.Errorf("%d bytes, want %d: %q", len(got), len(tt.want), clip([]byte(got)))
			}
			if left, _ := os.ReadDir(r.parts); len(left) != 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// A line that was passed on before its end is ended before another's begins.
func TestRawLineIsEndedForOthers(t *testing.T) {
	for _, other := range []struct {
		key  Key
		as   Format
		want string
	}{
		{Key{Name: "db", Gen: 1}, Prefix, "db | hello\n"},
		{Key{Name: "db", Gen: 1}, Raw, "hello\n"},
		{Key{Name: "web", Gen: 2}, Raw, "hello\n"},
	} {
		r := newRig(t)
		out := newOutput(t)
		web := r.run(Key{Name: "web", Gen: 1}, out.As(Raw))
		db := r.run(other.key, out.As(other.as))
		long := strings.Repeat("x", maxRaw+maxLine)
		r.write(web, long)
		r.sync(Key{Name: "web", Gen: 1})
		r.write(db, "hello\n")
		r.sync(other.key)
		r.write(web, "end\n")
		web.Close()
		<-r.drained
		db.Close()
		<-r.drained
		got := out.text()
		i := strings.Index(got, "\n") + 1
		if i < maxRaw || got[i:i+len(other.want)] != other.want || got[:i-1]+got[i+len(other.want):] != long+"end\n" {
			t.Errorf("%v, %d: %d bytes, a line end after %d", other.key, other.as, len(got), i)
		}
	}
}

// A format counts from the next line on.
func TestSetFormat(t *testing.T) {
	r := newRig(t)
	out := newOutput(t)
	p := out.As(Prefix)
	key := Key{Name: "web", Gen: 1}
	child := r.run(key, p)
	for _, step := range []struct {
		format Format
		text   string
	}{{Prefix, "one\nbe"}, {Raw, "gun\ntwo\n"}, {Prefix, "three\n"}} {
		p.SetFormat(step.format)
		r.write(child, step.text)
		r.sync(key)
	}
	child.Close()
	<-r.drained
	if got := out.text(); got != "web | one\nbegun\ntwo\nweb | three\n" {
		t.Errorf("%q", got)
	}
}

// Many services at once, in all formats, with long lines: none is torn by another.
func TestFormatsAreNotMixed(t *testing.T) {
	r := newRig(t)
	out := newOutput(t)
	const services, lines = 9, 100
	text := func(name string, n int) string {
		return fmt.Sprintf("%s %d %s end", name, n, strings.Repeat("x", n*997%(2*maxLine)))
	}
	for i := range services {
		key := Key{Name: fmt.Sprint("s", i), Gen: 1}
		child := r.run(key, out.As(Format(i%3)))
		go func() {
			defer child.Close()
			for n := range lines {
				fmt.Fprintln(child, text(key.Name, n))
			}
		}()
	}
	for range services {
		<-r.drained
	}
	next, begun := map[string]int{}, map[string]string{}
	for line := range strings.Lines(out.text()) {
		name, got, cut := line[:2], strings.TrimSuffix(line, "\n"), false
		if line[0] == '{' {
			o := parseObject(t, line)
			name, got, cut = o.Service, o.text(), o.Cut
		} else if rest, ok := strings.CutPrefix(got, name+" | "); ok {
			got, cut = strings.CutSuffix(strings.TrimPrefix(rest, cutMark), cutMark)
		}
		if got = begun[name] + got; cut {
			begun[name] = got
			continue
		}
		delete(begun, name)
		if n := next[name]; got != text(name, n) {
			t.Fatalf("%s: line %d is %q", name, n, clip([]byte(got)))
		}
		next[name]++
	}
	for i := range services {
		if n := next[fmt.Sprint("s", i)]; n != lines {
			t.Errorf("s%d: %d lines", i, n)
		}
	}
}

// What goes to a terminal cannot do anything to it.
func TestTerminalIsSpared(t *testing.T) {
	screen, w := newTerminal(t)
	lines, err := NewLines(w)
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t)
	for i, format := range []Format{Prefix, Raw, JSON} {
		key := Key{Name: "web", Gen: i + 1}
		child := r.run(key, lines.As(format))
		r.write(child, "a\x1b[2J\x9b\u009b\r\tgr\u00fc\u00df\n")
		child.Close()
		<-r.drained
	}
	shown := bufio.NewReader(screen) // a terminal may give a part of what was written to it
	line := func() string {
		t.Helper()
		text, err := shown.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSuffix(text, "\n")
	}
	prefixed, raw, object := line(), line(), line()
	const spared = "a\ufffd[2J\ufffd\ufffd\ufffd\tgr\u00fc\u00df"
	if prefixed != "web | "+spared || raw != spared {
		t.Errorf("%q, %q", prefixed, raw)
	}
	if o := parseObject(t, object); !strings.HasPrefix(o.Line, "a\x1b[2J") || strings.ContainsAny(object, "\x1b\u009b") {
		t.Errorf("%q", object)
	}
}

// newTerminal is a terminal that changes nothing of what is written to it.
func newTerminal(t *testing.T) (screen, w *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { screen.Close() })
	fd := int(screen.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	w, err = os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { w.Close() })
	modes, err := unix.IoctlGetTermios(int(w.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	modes.Oflag &^= unix.OPOST
	if err := unix.IoctlSetTermios(int(w.Fd()), unix.TCSETS, modes); err != nil {
		t.Fatal(err)
	}
	return screen, w
}

// What was written before the disk was full in the middle of a line is ended
// before what is written after.
func TestTornLineIsEnded(t *testing.T) {
	out := newOutput(t)
	s := &scratch{p: &Pump{tell: &reporter{wake: make(chan struct{}, 1)}}}
	r := &run{key: Key{Name: "web", Gen: 1}}
	out.write(r, s, []byte("web | begi"), false)
	out.gap = 3 // of "n" and the rest, as if it could not be written
	out.write(r, s, []byte("web | next\n"), false)
	if got := out.text(); got != "web | begi\nweb | next\n" {
		t.Errorf("%q", got)
	}
}
