package logs

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// readIndex reads the index of a log file in the log directory dir, sorted by
// offset. Where check is set, it must be that of the file with that identity: of
// another one's, and of one that is missing, there are no entries.
func readIndex(dir, stem string, id identity, check bool) ([]entry, error) {
	fd, err := open(unix.AT_FDCWD, filepath.Join(dir, indexDir, stem), unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return nil, nil
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: filepath.Join(dir, indexDir, stem), Err: err}
	}
	_ = unix.SetNonblock(fd, false) // not Go's poller
	f := os.NewFile(uintptr(fd), stem)
	defer f.Close()
	entries, _, err := readEntries(f, id, check)
	return entries, err
}

func readEntries(f *os.File, id identity, check bool) (entries []entry, ours bool, err error) {
	b, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<62))
	if err != nil {
		return nil, false, fmt.Errorf("cannot read log index: %w", err)
	}
	if len(b) < indexHeader || string(b[:8]) != indexMagic || check && string(b[:indexHeader]) != string(encodeHeader(id)) {
		return nil, false, nil
	}
	b = b[indexHeader:]
	for ; len(b) >= indexEntry; b = b[indexEntry:] {
		entries = appendEntry(entries, decodeEntry(b))
	}
	return entries, true, nil
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
