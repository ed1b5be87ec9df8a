package logs

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// pieces are the files of a log, the oldest first.
func pieces(t testing.TB, f *File) []string {
	t.Helper()
	list, err := os.ReadDir(f.dir)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, e := range list {
		if _, ok := parseRotated(f.stem, e.Name()); ok {
			paths = append(paths, filepath.Join(f.dir, e.Name()))
		}
	}
	slices.Sort(paths)
	if _, err := os.Stat(f.Path()); err == nil {
		paths = append(paths, f.Path())
	}
	return paths
}

// whole is all that is in the files of a log, one after the other.
func whole(t testing.TB, f *File) string {
	t.Helper()
	var all []byte
	for _, path := range pieces(t, f) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	return string(all)
}

// unstamped takes the times off a log, and checks that each line has one.
func unstamped(t testing.TB, text string) string {
	t.Helper()
	var b strings.Builder
	for line := range strings.Lines(text) {
		stamp, rest, _ := strings.Cut(line, " ")
		if at, err := time.Parse(StampLayout, stamp); err != nil || time.Since(at).Abs() > time.Hour {
			t.Fatalf("%q: %v", line, err)
		}
		b.WriteString(rest)
	}
	return b.String()
}

// However a service writes, its files have all of it, in order, cut after ends
// of lines, and none is larger than it may be.
func TestRotation(t *testing.T) {
	for _, stamps := range []bool{false, true} {
		for _, copying := range []bool{false, true} {
			for _, size := range []int{1, 100, 4096, 4000, 9973} { // of what is written at once
				t.Run(fmt.Sprintf("stamps=%v copying=%v size=%d", stamps, copying, size), func(t *testing.T) {
					rotation(t, size, copying, Policy{MaxSize: 20000, Timestamp: stamps})
				})
			}
		}
	}
}

func rotation(t *testing.T, size int, copying bool, p Policy) {
	r := newRig(t)
	file := NewFile(r.logs, "web")
	file.copying = copying
	file.Set(p)
	key := Key{Name: "web", Gen: 1}
	child := r.run(key, file)
	var want bytes.Buffer
	for i := range 3000 {
		fmt.Fprintf(&want, "%d %s\n", i, strings.Repeat("x", i*37%120))
	}
	for b := range slices.Chunk(want.Bytes(), size) {
		if size == 1 { // as a terminal's user would, but not all of it
			b, want = want.Bytes()[:5000], *bytes.NewBuffer(want.Bytes()[:5000])
			for i := range b {
				r.write(child, string(b[i:i+1]))
			}
			break
		}
		r.write(child, string(b))
	}
	child.Close()
	<-r.drained
	got := whole(t, file)
	if p.Timestamp {
		got = unstamped(t, got)
	}
	end := want.String()
	if p.Timestamp && !strings.HasSuffix(end, "\n") {
		end += "\n"
	}
	if got != end {
		t.Errorf("%d bytes, want %d", len(got), len(end))
	}
	all := pieces(t, file)
	if size > 1 && len(all) < want.Len()/20000 {
		t.Errorf("%d files", len(all))
	}
	for _, path := range all {
		b, err := os.ReadFile(path)
		if err != nil || len(b) > 20000 {
			t.Errorf("%s: %d bytes, %v", path, len(b), err)
		}
		if path != file.Path() && b[len(b)-1] != '\n' {
			t.Errorf("%s is cut within a line", path)
		}
	}
	for len(r.problems) > 0 {
		t.Errorf("%+v", <-r.problems)
	}
}

// A line that is longer than a file may be stays whole, up to twice that.
func TestRotationOfLongLines(t *testing.T) {
	r := newRig(t)
	file := NewFile(r.logs, "web")
	file.Set(Policy{MaxSize: 10000})
	key := Key{Name: "web", Gen: 1}
	child := r.run(key, file)
	long := strings.Repeat("y", 15000) + "\n"
	endless := strings.Repeat("z", 200000)
	r.write(child, "begin\n"+long+"middle\n"+long+endless)
	child.Close()
	<-r.drained
	if got := whole(t, file); got != "begin\n"+long+"middle\n"+long+endless {
		t.Errorf("%d bytes", len(got))
	}
	var sizes []int64
	for _, path := range pieces(t, file) {
		st, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, st.Size())
	}
	if want := []int64{6, 15001, 7, 15001}; len(sizes) < 5 || !slices.Equal(sizes[:4], want) {
		t.Errorf("%v, want %v and more", sizes, want)
	}
}

// The files are named by the time at which they were rotated, never twice.
func TestRotatedNames(t *testing.T) {
	r := newRig(t)
	file := NewFile(r.logs, "web")
	file.Set(Policy{MaxSize: 10})
	key := Key{Name: "web", Gen: 1}
	child := r.run(key, file)
	begin := time.Now()
	for i := range 20 {
		r.write(child, fmt.Sprintf("line %d\n", i))
		r.sync(key)
		if i == 10 { // by somebody else, or of a clock that was set back
			taken := filepath.Join(r.logs, rotatedName("web", time.Now().Add(12*time.Second))+gzSuffix)
			if err := os.WriteFile(taken, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	all := pieces(t, file)
	if len(all) < 19 {
		t.Fatalf("%v", all)
	}
	for i, path := range all[:len(all)-1] {
		ro, ok := parseRotated("web", filepath.Base(path))
		if d := ro.at.Sub(begin); !ok || d < -time.Second || d > time.Minute {
			t.Errorf("%s", path)
		}
		if ro.zipped {
			continue
		}
		if _, err := os.Stat(filepath.Join(r.logs, indexDir, ro.stem)); err != nil {
			t.Errorf("file %d has no index: %v", i, err)
		}
	}
}

func TestRotationByAge(t *testing.T) {
	r := newRig(t)
	file := NewFile(r.logs, "web")
	file.Set(Policy{MaxAge: time.Hour})
	key := Key{Name: "web", Gen: 1}
	child := r.run(key, file)
	r.write(child, "one\n")
	r.sync(key)
	r.write(child, "two\n")
	r.sync(key)
	r.aged(file, 2*time.Hour)
	r.write(child, "three\n")
	r.sync(key)
	all := pieces(t, file)
	if len(all) != 2 {
		t.Fatalf("%v", all)
	}
	r.wantFile(all[0], "one\ntwo\n")
	r.wantFile(all[1], "three\n")
}

// aged has a file look as if it had been begun that long ago.
func (r *rig) aged(f *File, by time.Duration) {
	r.Helper()
	if err := r.wait(r.Context(), r.files, func() { f.index.first = f.index.first.Add(-by) }); err != nil {
		r.Fatal(err)
	}
	f.Mark()
}

// A file that cannot be rotated goes on growing, and that is told once.
func TestRotationFails(t *testing.T) {
	r := newRig(t)
	file := NewFile(r.logs, "web")
	file.Set(Policy{MaxSize: 100})
	key := Key{Name: "web", Gen: 1}
	child := r.run(key, file)
	r.write(child, "one\n")
	r.sync(key)
	if err := r.wait(t.Context(), r.files, func() { file.dir = "/proc/none" }); err != nil { // it is open
		t.Fatal(err)
	}
	line := strings.Repeat("x", 60) + "\n"
	for range 10 {
		r.write(child, line)
		r.sync(key)
	}
	if pr := <-r.problems; pr.Name != "web" || pr.Err != nil || pr.Note == nil || !strings.Contains(pr.Note.Error(), "cannot rotate") {
		t.Errorf("%+v", pr)
	}
	if err := r.wait(t.Context(), r.files, func() { file.dir, file.fixed = r.logs, time.Time{} }); err != nil {
		t.Fatal(err)
	}
	r.wantFile(file.Path(), "one\n"+strings.Repeat(line, 10))
	r.write(child, line)
	r.sync(key)
	r.wantFile(file.Path(), line)
	if len(r.problems) > 0 {
		t.Errorf("%+v", <-r.problems)
	}
}

// FuzzRotation: whatever a service writes, in whatever pieces, and wherever a file
// has to end, its files have all of it, in order, and end where lines do.
func FuzzRotation(f *testing.F) {
	f.Add([]byte("one\ntwo\n\nthree and more"), uint16(7), uint16(3), false)
	f.Add([]byte("a line that is longer than a file may be\nshort\n"), uint16(4), uint16(100), true)
	f.Add(bytes.Repeat([]byte("0123456789abcde\n"), 3000), uint16(10000), uint16(4096), false)
	f.Fuzz(func(t *testing.T, text []byte, size, piece uint16, stamps bool) {
		if len(text)*40 > (1+int(size))*300 { // so many files are not made in a moment
			return
		}
		r := newRig(t)
		file := NewFile(r.logs, "web")
		file.Set(Policy{MaxSize: int64(size) + 1, Timestamp: stamps})
		child := r.run(Key{Name: "web", Gen: 1}, file)
		for b := range slices.Chunk(text, int(piece)+1) {
			r.write(child, string(b))
		}
		child.Close()
		<-r.drained
		want := string(text)
		got := whole(t, file)
		if stamps {
			got = unstamped(t, got)
			if want != "" && !strings.HasSuffix(want, "\n") {
				want += "\n"
			}
		}
		if got != want {
			t.Fatalf("%q, want %q", clip([]byte(got)), clip([]byte(want)))
		}
		for _, path := range pieces(t, file) {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			long := len(b) > 2*(int(size)+1) // cut where there was no end of a line
			if path != file.Path() && b[len(b)-1] != '\n' && !long {
				t.Errorf("%s is cut within a line", path)
			}
			if n := bytes.Count(b, []byte("\n")); len(b) > int(size)+1 && n > 1 {
				t.Errorf("%s has %d bytes in %d lines", path, len(b), n)
			}
		}
	})
}
