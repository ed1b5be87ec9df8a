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

	"golang.org/x/sys/unix"
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

// The index says of each line when it was written, and by which run.
func TestIndex(t *testing.T) {
	for _, stamps := range []bool{false, true} {
		r := newRig(t)
		file := NewFile(r.logs, "web")
		file.Set(Policy{MaxSize: 3000, Timestamp: stamps})
		var children []*os.File
		for gen := range 3 {
			children = append(children, r.run(Key{Name: "web", Gen: gen + 1}, file))
		}
		begin := time.Now().Truncate(time.Millisecond)
		for i := range 300 {
			gen := i%7%3 + 1
			r.write(children[gen-1], fmt.Sprintf("%d of %d\n", i, gen))
			r.sync(Key{Name: "web", Gen: gen})
			if i%50 == 0 {
				file.Mark()
			}
		}
		lines := 0
		for _, path := range pieces(t, file) {
			stem := strings.TrimSuffix(filepath.Base(path), logSuffix)
			fd, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			entries, err := readIndex(r.logs, stem, identify(int(fd.Fd())), true)
			fd.Close()
			if err != nil || len(entries) == 0 {
				t.Fatalf("%s: %d entries, %v", path, len(entries), err)
			}
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			off := int64(0)
			for line := range bytes.Lines(b) {
				e := entries[entryAt(entries, off)]
				if !strings.HasSuffix(string(line), fmt.Sprintf(" of %d\n", e.gen)) || e.at.Before(begin) || e.at.After(time.Now()) {
					t.Errorf("%q: run %d at %v", line, e.gen, e.at)
				}
				off += int64(len(line))
				lines++
			}
		}
		if lines != 300 {
			t.Errorf("%d lines", lines)
		}
	}
}

// An index of another file's is not taken for this one's. If gsv was killed while
// it rotated, it goes with the file that it is of.
func TestIndexOfAnotherFile(t *testing.T) {
	r := newRig(t)
	file := NewFile(r.logs, "web")
	key := Key{Name: "web", Gen: 1}
	child := r.run(key, file)
	r.write(child, "one\n")
	r.sync(key)
	killed := rotatedName("web", time.Now()) // between one rename and the other
	if err := os.Rename(file.Path(), filepath.Join(r.logs, killed)); err != nil {
		t.Fatal(err)
	}
	r.Reopen(t.Context())
	r.write(child, "two\n")
	r.sync(key)
	stem := strings.TrimSuffix(killed, logSuffix)
	if e, err := readIndex(r.logs, stem, identity{}, false); err != nil || len(e) != 1 {
		t.Errorf("%v, %v", e, err)
	}
	if e, err := readIndex(r.logs, "web", identity{}, false); err != nil || len(e) != 1 {
		t.Errorf("%v, %v", e, err)
	}

	// One that belongs to no file that is left is begun anew.
	if err := os.Remove(file.Path()); err != nil {
		t.Fatal(err)
	}
	r.write(child, "three\n")
	r.sync(key)
	if e, err := readIndex(r.logs, "web", identity{}, false); err != nil || len(e) != 1 || e[0].off != 0 {
		t.Errorf("%v, %v", e, err)
	}

	// What others cut off has no entries any more.
	for i := range 5 {
		file.Mark()
		r.write(child, fmt.Sprintf("line %d\n", i))
		r.sync(key)
	}
	if err := os.Truncate(file.Path(), 0); err != nil {
		t.Fatal(err)
	}
	file.Mark()
	r.write(child, "cut\n")
	r.sync(key)
	if e, err := readIndex(r.logs, "web", identity{}, false); err != nil || len(e) != 1 || e[0].off != 0 {
		t.Errorf("%v, %v", e, err)
	}
}

func TestIndexEntries(t *testing.T) {
	for _, e := range []entry{
		{time.UnixMilli(0), 0, 0},
		{time.UnixMilli(1<<48 - 1), 1<<48 - 1, 1<<31 - 1},
		{time.UnixMilli(1764446400123), 1<<33 + 7, 42},
	} {
		var b [indexEntry]byte
		e.encode(b[:])
		if got := decodeEntry(b[:]); !got.at.Equal(e.at) || got.off != e.off || got.gen != e.gen {
			t.Errorf("%v became %v", e, got)
		}
	}
}

// A hostile index costs its times, not the log, nor a file elsewhere.
func TestHostileIndex(t *testing.T) {
	plants := map[string]func(dir, victim string) error{
		"symlink":   func(dir, victim string) error { return os.Symlink(victim, filepath.Join(dir, indexDir, "web")) },
		"hard link": func(dir, victim string) error { return os.Link(victim, filepath.Join(dir, indexDir, "web")) },
		"fifo":      func(dir, victim string) error { return unix.Mkfifo(filepath.Join(dir, indexDir, "web"), 0o600) },
		"directory symlink": func(dir, victim string) error {
			os.Remove(filepath.Join(dir, indexDir))
			return os.Symlink(filepath.Dir(victim), filepath.Join(dir, indexDir))
		},
		"garbage": func(dir, victim string) error {
			return os.WriteFile(filepath.Join(dir, indexDir, "web"), []byte(strings.Repeat("garbage\n", 100)), 0o600)
		},
	}
	for name, plant := range plants {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			victim := filepath.Join(t.TempDir(), "web")
			if err := os.WriteFile(victim, []byte("safe"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(filepath.Join(r.logs, indexDir), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := plant(r.logs, victim); err != nil {
				t.Fatal(err)
			}
			file := NewFile(r.logs, "web")
			key := Key{Name: "web", Gen: 1}
			child := r.run(key, file)
			r.write(child, "one\n")
			r.sync(key)
			r.wantFile(file.Path(), "one\n")
			r.wantFile(victim, "safe")
			if name == "garbage" {
				if e, err := readIndex(r.logs, "web", identity{}, false); err != nil || len(e) != 1 {
					t.Errorf("%v, %v", e, err)
				}
				return
			}
			if pr := <-r.problems; pr.Note == nil || pr.Err != nil {
				t.Errorf("%+v", pr)
			}
		})
	}
}
