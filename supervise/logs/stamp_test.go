package logs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestStamps(t *testing.T) {
	r := newRig(t)
	file := NewFile(r.logs, "web")
	file.Set(Policy{Timestamp: true})
	key := Key{Name: "web", Gen: 1}
	child := r.run(key, file)
	r.write(child, "one\ntwo")
	r.sync(key)
	got, err := os.ReadFile(file.Path())
	if err != nil || unstamped(t, string(got)) != "one\n" {
		t.Fatalf("%q, %v", got, err) // the begin of a line waits for its end
	}
	r.write(child, " and a half\n\n\x00\xff\x1b[31m\n")
	long := strings.Repeat("y", 100_000)
	r.write(child, long+"\nend")
	child.Close()
	<-r.drained
	if got := unstamped(t, whole(t, file)); got != "one\ntwo and a half\n\n\x00\xff\x1b[31m\n"+long+"\nend\n" {
		t.Errorf("%q", clip([]byte(got)))
	}
	if left, _ := os.ReadDir(r.parts); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// What a Pump that died has taken out of a pipe is in the log once, whatever it
// had written of it.
func TestSpillTakenUp(t *testing.T) {
	const before = "2026-11-23T03:04:05.123Z before\n"
	tests := []struct{ name, log, part, rest, want string }{
		{"nothing yet", before, "one\ntwo\n", "", "before\none\ntwo\n"},
		{"some of it", before + "2026-11-23T03:04:05.123Z one\n2026-11-", "one\ntwo\n", "three\n", "before\none\ntwo\nthree\n"},
		{"all of it", before + "2026-11-23T03:04:05.123Z one\n2026-11-23T03:04:05.123Z two\n", "one\ntwo\n", "two\n", "before\none\ntwo\ntwo\n"},
		{"the begin of a line", before, "one", " two\n", "before\none two\n"},
		{"lines and a begin", before + "2026-11-23T03:04:05.123Z one\n", "one\ntw", "o\n", "before\none\ntwo\n"},
		{"nothing", before, "", "one\n", "before\none\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			file := NewFile(r.logs, "web")
			file.Set(Policy{Timestamp: true})
			key := Key{Name: "web", Gen: 1}
			if err := os.WriteFile(file.Path(), []byte(tt.log), 0o640); err != nil {
				t.Fatal(err)
			}
			fd, err := unix.Open(file.Path(), unix.O_RDONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			at := identify(fd)
			unix.Close(fd)
			dead := run{key: key}
			sp := dead.openSpill(r.parts, file.Path())
			sp.note(int64(len(before)), at.ino, false)
			if _, err := pwrite(sp.fd, []byte(tt.part), sp.begin()); err != nil {
				t.Fatal(err)
			}
			sp.close()
			r = r.again()
			beside := r.run(Key{Name: "web", Gen: 2}, file) // which writes there before
			r.write(beside, "beside\n")
			beside.Close()
			<-r.drained

			child := r.run(key, file)
			r.write(child, tt.rest)
			child.Close()
			<-r.drained
			now := time.Now().UTC().Format("2006-01-02")
			got := whole(t, file)
			if !strings.HasPrefix(got, before) || !strings.HasPrefix(got[len(before):], now) {
				t.Errorf("%q", got)
			}
			var lines strings.Builder
			for line := range strings.Lines(got) {
				_, line, _ = strings.Cut(line, " ")
				lines.WriteString(line)
			}
			if want := strings.Replace(tt.want, "before\n", "before\nbeside\n", 1); lines.String() != want {
				t.Errorf("%q, want %q", lines.String(), want)
			}
			if left, _ := os.ReadDir(r.parts); len(left) != 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// A Pump that died when it had made the spill of a run, and taken nothing up, leaves
// nothing to the next one.
func TestSpillJustMade(t *testing.T) {
	r := newRig(t)
	dead := run{key: Key{Name: "web", Gen: 1}}
	dead.openSpill(r.parts, filepath.Join(r.logs, "web.log")).close()
	next := run{key: dead.key}
	next.takeUp(r.parts)
	if next.spill == nil || len(next.spill.part) > 0 || next.pending {
		t.Errorf("%+v", next.spill)
	}
	next.spill.close()
}

// A line that was too long to wait for its end has one time, whenever the Pump dies
// that writes it.
func TestLongLineKilled(t *testing.T) {
	begin := time.Now().UTC().Format(StampLayout) + " "
	long := strings.Repeat("x", maxLine)
	for _, tt := range []struct {
		name, log, part string
		mid, after      bool
		rest, want      string
	}{
		{"before its begin was taken up", "", "", false, true, long + "y\n", long + "y\n"},
		{"before its end was taken up", begin + long, "", true, false, "y\n", long + "y\n"},
		{"before its middle was taken up", begin + long, "", true, true, "y\n", long + "y\n"},
		{"when its begin was written", begin + long, "", false, true, "y\n", long + "y\n"},
		{"before its begin was written", "", long, false, true, "y\n", long + "y\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			file := NewFile(r.logs, "web")
			key := Key{Name: "web", Gen: 1}
			if err := os.WriteFile(file.Path(), []byte(tt.log), 0o640); err != nil {
				t.Fatal(err)
			}
			var st unix.Stat_t
			if err := unix.Stat(file.Path(), &st); err != nil {
				t.Fatal(err)
			}
			base := int64(len(tt.log))
			if tt.log != "" && !tt.mid { // it was written after that
				base = 0
			}
			dead := run{key: key}
			sp := dead.openSpill(r.parts, file.Path())
			sp.mid = tt.mid
			sp.note(base, st.Ino, tt.after)
			if _, err := pwrite(sp.fd, []byte(tt.part), sp.begin()); err != nil {
				t.Fatal(err)
			}
			sp.close()
			child, reader := r.make(key)
			add := func() {
				r.Pump.Close()
				r = r.again()
				file = NewFile(r.logs, "web")
				file.Set(Policy{Timestamp: true})
				if err := r.Add(key, reader, file); err != nil {
					t.Fatal(err)
				}
			}
			add()
			r.sync(key)
			add() // that one dies too, when what was left is written
			r.write(child, tt.rest)
			child.Close()
			<-r.drained
			if got := unstamped(t, whole(t, file)); got != tt.want {
				t.Errorf("%d bytes, ending with %q", len(got), got[max(0, len(got)-100):])
			}
		})
	}
}

// The last line of a run, which gets its end from the Pump, is written as others are:
// a Pump that dies then has it in the spill, with the place where it went.
func TestLastLineIsNoted(t *testing.T) {
	r := newRig(t)
	file := NewFile(r.logs, "web")
	file.Set(Policy{Timestamp: true})
	key, beside := Key{Name: "web", Gen: 1}, Key{Name: "web", Gen: 2}
	child, other := r.run(key, file), r.run(beside, file)
	r.write(child, "two")
	r.sync(key)
	r.write(other, "one\n")
	r.sync(beside)
	spill, err := os.Open(filepath.Join(r.parts, "web.1.spill"))
	if err != nil {
		t.Fatal(err)
	}
	defer spill.Close()
	var before unix.Stat_t
	if err := unix.Stat(file.Path(), &before); err != nil {
		t.Fatal(err)
	}
	child.Close()
	<-r.drained
	var b [spillHeader]byte
	if _, err := spill.ReadAt(b[:], 0); err != nil {
		t.Fatal(err)
	}
	if base, ino := binary.LittleEndian.Uint64(b[:]), binary.LittleEndian.Uint64(b[8:]); base != uint64(before.Size) || ino != before.Ino {
		t.Errorf("at %d of %d, want %d of %d", base, ino, before.Size, before.Ino)
	}
	if got := unstamped(t, whole(t, file)); got != "one\ntwo\n" {
		t.Errorf("%q", got)
	}
}

// FuzzStamps: however lines come, taking the times off gives them back.
func FuzzStamps(f *testing.F) {
	f.Add([]byte("one\ntwo"), uint8(3))
	f.Add([]byte("\n\n\x00"), uint8(1))
	f.Fuzz(func(t *testing.T, text []byte, at uint8) {
		cut := min(int(at), len(text))
		mid := cut > 0 && text[cut-1] != '\n'
		b := appendStamped(nil, time.Now(), text[:cut], false)
		b = appendStamped(b, time.Now(), text[cut:], mid)
		if got := unstamped(t, string(b)); got != string(text) {
			t.Errorf("%q became %q", text, got)
		}
	})
}

// While the disk is full the service waits, and nothing is missing afterwards.
func TestFullDiskBlocks(t *testing.T) {
	if !inNamespaces(t, "TestFullDiskBlocks") {
		return
	}
	for _, stamps := range []bool{false, true} {
		r := newRig(t)
		if err := unix.Mount("logs", r.logs, "tmpfs", 0, "size=64k,mode=0700"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Unmount(r.logs, unix.MNT_DETACH) })
		key, beside := Key{Name: "web", Gen: 1}, Key{Name: "api", Gen: 1}
		file, elsewhere := NewFile(r.logs, "web"), NewFile(t.TempDir(), "api")
		file.Set(Policy{Block: true, Timestamp: stamps})
		child, other := r.run(key, file), r.run(beside, elsewhere)
		filler := filepath.Join(r.logs, "filler")
		if err := os.WriteFile(filler, make([]byte, 128<<10), 0o600); !errors.Is(err, unix.ENOSPC) {
			t.Fatalf("not full: %v", err)
		}
		var want strings.Builder
		written := make(chan error)
		go func() {
			for i := range 1000 { // has room, with its times
				if _, err := fmt.Fprintf(child, "line %d\n", i); err != nil {
					written <- err
					return
				}
				fmt.Fprintf(&want, "line %d\n", i)
			}
			written <- nil
		}()
		if pr := <-r.problems; pr.Name != "web" || !errors.Is(pr.Err, unix.ENOSPC) || !pr.Waits {
			t.Fatalf("%+v", pr)
		}
		r.write(other, "fine\n") // whom it does not concern goes on
		r.sync(beside)
		r.wantFile(elsewhere.Path(), "fine\n")
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
		if pr := <-r.problems; pr != (Problem{Name: "web", Waits: true}) {
			t.Fatalf("%+v", pr)
		}
		if err := <-written; err != nil {
			t.Fatal(err)
		}
		child.Close()
		for k := range r.drained {
			if k == key {
				break
			}
		}
		got := whole(t, file)
		if stamps {
			got = unstamped(t, got)
		}
		if got != want.String() {
			t.Errorf("stamps=%v: %d bytes, want %d", stamps, len(got), want.Len())
		}
	}
}
