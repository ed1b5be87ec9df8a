package logs

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// lastOfFile are the last n lines of a log.
func lastOfFile(t *testing.T, path string, n int) (string, error) {
	var got strings.Builder
	err := NewFileAt(path).Raw(t.Context(), n, false, "", func(_ Cursor, b []byte) error { got.Write(b); return nil })
	return got.String(), err
}

func TestTail(t *testing.T) {
	long := strings.Repeat("x", 100<<10)
	tests := []struct {
		name, text string
		n          int
		want       string
	}{
		{"last", "a\nb\nc\n", 1, "c\n"},
		{"two", "a\nb\nc\n", 2, "b\nc\n"},
		{"exactly", "a\nb\nc\n", 3, "a\nb\nc\n"},
		{"more", "a\nb\nc\n", 9, "a\nb\nc\n"},
		{"all", "a\nb\nc\n", -1, "a\nb\nc\n"},
		{"none", "a\nb\nc\n", 0, ""},
		{"no end", "a\nb", 1, "b"},
		{"no end, two", "a\nb", 2, "a\nb"},
		{"empty lines", "\n\n\n", 2, "\n\n"},
		{"empty", "", 5, ""},
		{"long", "a\n" + long + "\n" + long + "\n", 2, long + "\n" + long + "\n"},
		{"long and short", long + "\nz\n", 1, "z\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "web.log")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if got, err := lastOfFile(t, path, tt.n); err != nil || got != tt.want {
				t.Errorf("%d bytes, %v; want %d", len(got), err, len(tt.want))
			}
		})
	}
}

func TestTailOfWhatIsNoLog(t *testing.T) {
	dir := t.TempDir()
	if got, err := lastOfFile(t, filepath.Join(dir, "none.log"), 5); got != "" || err != nil {
		t.Error(got, err)
	}
	if err := os.Mkdir(filepath.Join(dir, "dir.log"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := lastOfFile(t, filepath.Join(dir, "dir.log"), 5); err == nil {
		t.Error("read a directory")
	}
	link := filepath.Join(dir, "link.log")
	if err := os.Symlink("/etc/passwd", link); err != nil {
		t.Fatal(err)
	}
	if got, err := lastOfFile(t, link, 5); err == nil {
		t.Errorf("read through a link: %q", got)
	}
}

// The length of the file does not matter: 10 GB, most of it a hole.
func TestTailOfAHugeFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "web.log")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("\nlast but one\nlast\n"), 10<<30); err != nil {
		t.Skipf("no such large files here: %v", err)
	}
	for n, want := range map[int]string{1: "last\n", 2: "last but one\nlast\n"} {
		if got, err := lastOfFile(t, path, n); err != nil || got != want {
			t.Errorf("%d: %d bytes, %v", n, len(got), err)
		}
	}
}

// What is written after a mark is told from what was written before, in whatever
// file that is by then.
func TestMark(t *testing.T) {
	r := newRig(t)
	file := NewFile(r.logs, "web")
	key := Key{Name: "web", Gen: 1}
	child := r.run(key, file)
	r.write(child, "a\nb\n")
	r.sync(key)
	first := file.Mark()
	r.write(child, "c\nd\n")
	r.sync(key)
	file.Set(Policy{MaxSize: 10})
	r.write(child, "e\n")
	r.sync(key)
	r.write(child, "f\n")
	r.sync(key)
	second := file.Mark()
	for _, tt := range []struct {
		mark int64
		n    int
		want string
	}{{first, -1, "c\nd\ne\nf\n"}, {first, 10, "c\nd\ne\nf\n"}, {first, 2, "e\nf\n"}, {second, 5, ""}, {0, 5, "b\nc\nd\ne\nf\n"}} {
		if got, err := file.Since(tt.mark, tt.n); err != nil || string(got) != tt.want {
			t.Errorf("%d, %d: %q, %v; want %q", tt.mark, tt.n, got, err, tt.want)
		}
	}
	if n := len(pieces(t, file)); n != 2 {
		t.Errorf("%d files", n)
	}
}

func TestAttempt(t *testing.T) {
	r := newRig(t)
	file := NewFile(r.logs, "web")
	for _, run := range []struct {
		gen  int
		text string
	}{{1, "the first\n"}, {2, "two\n"}, {3, ""}, {4, "four\nagain\n"}} {
		key := Key{Name: "web", Gen: run.gen}
		child := r.run(key, file)
		r.write(child, run.text)
		child.Close()
		<-r.drained
	}
	for _, tt := range []struct {
		gen, n int
		want   string
	}{{4, 9, "four\nagain\n"}, {4, 1, "again\n"}, {2, 9, "two\n"}, {1, 9, "the first\n"}, {3, 9, ""}, {0, 9, ""}} {
		if got, err := file.Attempt(tt.gen, tt.n); err != nil || string(got) != tt.want {
			t.Errorf("run %d, %d lines: %q, %v; want %q", tt.gen, tt.n, got, err, tt.want)
		}
	}
}

// The file is moved away while a run writes, and the next run begins.
func TestAttemptAcrossReopen(t *testing.T) {
	r := newRig(t)
	file := NewFile(r.logs, "web")
	want := func(gen int, want string) {
		t.Helper()
		if got, err := file.Attempt(gen, 9); err != nil || string(got) != want {
			t.Errorf("run %d: %q, %v; want %q", gen, got, err, want)
		}
	}
	reopen := func() {
		t.Helper()
		if err := os.Rename(file.Path(), file.Path()+".1"); err != nil {
			t.Fatal(err)
		}
		if err := r.Reopen(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	child := r.run(Key{Name: "web", Gen: 1}, file)
	r.write(child, "moved away, and longer than what follows\n")
	r.sync(Key{Name: "web", Gen: 1})
	reopen()
	want(1, "")
	r.write(child, "one\n")
	r.sync(Key{Name: "web", Gen: 1})
	want(1, "one\n")
	next := r.run(Key{Name: "web", Gen: 2}, file)
	r.write(next, "two\n")
	r.sync(Key{Name: "web", Gen: 2})
	want(1, "one\n")
	want(2, "two\n")
	reopen()
	r.write(next, "three\n")
	r.sync(Key{Name: "web", Gen: 2})
	want(1, "")
	want(2, "three\n")
}

// A follower is a Read in a goroutine.
type follower struct {
	t    *testing.T
	text chan string
	end  chan error
	stop context.CancelFunc
}

func follow(t *testing.T, file *File, n int) *follower {
	ctx, stop := context.WithCancel(t.Context())
	f := &follower{t: t, text: make(chan string, 1000), end: make(chan error, 1), stop: stop}
	go func() {
		f.end <- file.Raw(ctx, n, true, "", func(_ Cursor, b []byte) error { f.text <- string(b); return nil })
	}()
	t.Cleanup(stop)
	return f
}

// want waits for exactly this text.
func (f *follower) want(want string) {
	f.t.Helper()
	got := ""
	for len(got) < len(want) {
		got += <-f.text
	}
	if got != want {
		f.t.Fatalf("%q, want %q", got, want)
	}
}

func TestFollow(t *testing.T) {
	r := newRig(t)
	key := Key{Name: "web", Gen: 1}
	file := NewFile(r.logs, "web")
	child := r.run(key, file)
	early := follow(t, file, 5) // before there is a file
	r.write(child, "one\n")
	early.want("one\n")
	r.write(child, "two\n")
	early.want("two\n")
	late := follow(t, file, 1)
	late.want("two\n")
	r.write(child, "three")
	early.want("three")
	late.want("three")

	if err := os.Truncate(file.Path(), 0); err != nil {
		t.Fatal(err)
	}
	r.write(child, "four\n")
	late.want("four\n")

	// As logrotate does it: moved, a new one in its place, later told so.
	if err := os.Rename(file.Path(), file.Path()+".1"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file.Path(), nil, 0o640); err != nil {
		t.Fatal(err)
	}
	r.write(child, "five\n")
	late.want("five\n")
	if err := r.Reopen(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.write(child, "six\n")
	late.want("six\n")
	r.wantFile(file.Path(), "six\n")

	// Removed.
	if err := os.Remove(file.Path()); err != nil {
		t.Fatal(err)
	}
	r.write(child, "seven\n")
	late.want("seven\n")

	late.stop()
	if err := <-late.end; err != context.Canceled {
		t.Error(err)
	}
	early.stop()
	<-early.end
	if len(file.watchers) != 0 {
		t.Errorf("%d still told", len(file.watchers))
	}
}

// A reader that does not read keeps nobody waiting, and misses nothing.
func TestSlowFollower(t *testing.T) {
	r := newRig(t)
	key := Key{Name: "web", Gen: 1}
	file := NewFile(r.logs, "web")
	child := r.run(key, file)
	begun, held, gone := make(chan struct{}), make(chan struct{}), errors.New("client gone")
	got, end := 0, make(chan error, 1)
	const lines = 20000
	line := "a line that nobody wants to read\n"
	go func() {
		end <- file.Raw(t.Context(), -1, true, "", func(_ Cursor, b []byte) error {
			if len(b) == 0 {
				return nil
			}
			if got == 0 {
				close(begun)
				<-held
			}
			if got += len(b); got == lines*len(line) {
				return gone
			}
			return nil
		})
	}()
	r.write(child, line)
	<-begun
	for range lines - 1 {
		r.write(child, line)
	}
	r.sync(key)
	close(held)
	if err := <-end; err != gone {
		t.Error(err)
	}
}

func FuzzTail(f *testing.F) {
	f.Add([]byte("a\nb\nc"), 2, 1)
	f.Add([]byte("\n\n"), 1, 40000)
	f.Add([]byte("0123456789abcde\n"), 2047, 5000)
	f.Fuzz(func(t *testing.T, text []byte, n, times int) {
		if n < 0 || times < 0 || len(text)*times > 1<<20 {
			t.Skip()
		}
		text = bytes.Repeat(text, times)
		start, err := lineStart(bytes.NewReader(text), 0, int64(len(text)), n)
		if err != nil {
			t.Fatal(err)
		}
		lines := bytes.SplitAfter(text, []byte{'\n'})
		if len(lines[len(lines)-1]) == 0 {
			lines = lines[:len(lines)-1]
		}
		want := bytes.Join(lines[max(0, len(lines)-n):], nil)
		if !bytes.Equal(text[start:], want) {
			t.Fatalf("from %d of %d, want %d bytes", start, len(text), len(want))
		}
	})
}
