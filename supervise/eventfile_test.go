package supervise

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"gsv/supervise/status"
)

// keeper is an event file and what it said.
type keeper struct {
	*eventFile
	mu   sync.Mutex
	said []string
}

func keep(dir, runDir string) *keeper {
	k := &keeper{}
	k.eventFile = newEventFile(dir, runDir, func(line string) {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.said = append(k.said, line)
	})
	return k
}

// wrote has everything written and returns what was said of it.
func (k *keeper) wrote() []string {
	<-k.close()
	return k.said
}

// events reads back what is on disk, oldest first, and holds every line to be whole.
func (k *keeper) events(t *testing.T) (seqs []uint64) {
	t.Helper()
	if err := k.read(func(text []byte) bool {
		var line eventLine
		if err := json.Unmarshal(text, &line); err != nil {
			t.Errorf("a torn line: %q", text)
		} else if line.RunDir == k.runDir {
			seqs = append(seqs, line.Seq)
		}
		return true
	}); err != nil {
		t.Error(err)
	}
	slices.Reverse(seqs)
	return seqs
}

func TestEventsAreKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there")
	k := keep(dir, "/run/a")
	for i := range 5 {
		k.put(status.Event{Seq: uint64(i + 1), Service: "web", Kind: "state", Text: "two\nlines \x00"})
	}
	if said := k.wrote(); len(said) > 0 {
		t.Errorf("said %q", said)
	}
	if got := k.events(t); !slices.Equal(got, []uint64{1, 2, 3, 4, 5}) {
		t.Errorf("got %v", got)
	}
	if st, err := os.Stat(filepath.Join(dir, eventsName)); err != nil || st.Mode() != 0o600 {
		t.Errorf("the file is %v, %v", st, err)
	}
}

// TestATornLineIsCutOff: what a writer that was killed left of a line is gone, and only that.
func TestATornLineIsCutOff(t *testing.T) {
	whole := `{"run_dir":"/run/a","seq":7,"kind":"state"}` + "\n"
	for _, tt := range []struct{ name, before string }{
		{"torn", whole + `{"run_dir":"/run/a","se`},
		{"long", whole + strings.Repeat("x", 10000)},
		{"zeros", whole + strings.Repeat("\x00", 4096)},
		{"whole", whole},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, eventsName)
			if err := os.WriteFile(path, []byte(tt.before), 0o600); err != nil {
				t.Fatal(err)
			}
			k := keep(dir, "/run/a")
			if got := k.events(t); !slices.Equal(got, []uint64{7}) {
				t.Errorf("before: %v", got)
			}
			k.put(status.Event{Seq: 8})
			k.wrote()
			if got := k.events(t); !slices.Equal(got, []uint64{7, 8}) {
				t.Errorf("after: %v", got)
			}
			if text, _ := os.ReadFile(path); !bytes.HasPrefix(text, []byte(whole+`{"run_dir"`)) {
				t.Errorf("the file is %q", text)
			}
		})
	}
}

// TestEventsAreBounded: two files of a mebibyte each, whatever happens and whatever lies in the way of the second.
func TestEventsAreBounded(t *testing.T) {
	for _, name := range []string{"free", "a directory lies there"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if name != "free" {
				if err := os.Mkdir(filepath.Join(dir, eventsOlder), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			text := strings.Repeat("x", 4000)
			const n = 900
			for i := range n / 100 {
				k := keep(dir, "/run/a")
				for j := range 100 {
					k.put(status.Event{Seq: uint64(100*i + j + 1), Text: text})
				}
				k.wrote()
			}
			for _, file := range []string{eventsName, eventsOlder} {
				st, err := os.Stat(filepath.Join(dir, file))
				if err == nil && st.Size() > eventsMax {
					t.Errorf("%s has %d bytes", file, st.Size())
				}
			}
			k := keep(dir, "/run/a")
			k.wrote()
			got := k.events(t)
			if len(got) == 0 || got[len(got)-1] != n || name == "free" && len(got) < 250 {
				t.Errorf("%d events, up to %v", len(got), got)
			}
			for i := range got {
				if got[i] != n-uint64(len(got)-1-i) {
					t.Fatalf("not in order, or one is missing: %v", got)
				}
			}
		})
	}
}

func TestAnAbsurdEventIsCut(t *testing.T) {
	long := strings.Repeat("ü", eventMax)
	line := appendEvent(nil, "/run/a", &status.Event{Seq: 3, Text: long, Op: &status.Operation{Error: long}})
	var ev eventLine
	if err := json.Unmarshal(line, &ev); err != nil || ev.Seq != 3 || len(line) > 2*opLogBytes || !strings.HasPrefix(ev.Text, "üü") {
		t.Errorf("%d bytes, %v", len(line), err)
	}
}

// TestTwoOfOneDirectory: two gsvs that were given the same log-dir lose and tear nothing, and keep apart.
func TestTwoOfOneDirectory(t *testing.T) {
	dir := t.TempDir()
	const n = 400
	var wg sync.WaitGroup
	for _, runDir := range []string{"/run/a", "/run/b"} {
		wg.Go(func() {
			for i := range n {
				k := keep(dir, runDir)
				k.put(status.Event{Seq: uint64(i + 1), Text: strings.Repeat(runDir, 250)})
				if said := k.wrote(); len(said) > 0 {
					t.Errorf("said %q", said)
				}
			}
		})
	}
	wg.Wait()
	if _, err := os.Stat(filepath.Join(dir, eventsOlder)); err != nil {
		t.Errorf("it was never renamed, which this is about: %v", err)
	}
	for _, runDir := range []string{"/run/a", "/run/b"} {
		k := keep(dir, runDir)
		k.wrote()
		got := k.events(t)
		for i := range got {
			if got[i] != uint64(i+1) {
				t.Fatalf("%s: %v", runDir, got)
			}
		}
		if len(got) != n {
			t.Errorf("%s: %d events of %d", runDir, len(got), n)
		}
	}
}

// TestWhatLiesInTheWay: nothing is written through it, nobody waits for it, it is said once; once it is gone nothing is missing.
func TestWhatLiesInTheWay(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(at, outside string) error
	}{
		{"link", func(at, outside string) error { return os.Symlink(outside, at) }},
		{"second name", func(at, outside string) error { return os.Link(outside, at) }},
		{"fifo", func(at, _ string) error { return unix.Mkfifo(at, 0o600) }},
		{"directory", func(at, _ string) error { return os.Mkdir(at, 0o700) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "outside")
			if err := os.WriteFile(outside, []byte("theirs"), 0o600); err != nil {
				t.Fatal(err)
			}
			at := filepath.Join(dir, eventsName)
			if err := tt.make(at, outside); err != nil {
				t.Fatal(err)
			}
			k := &eventFile{dir: dir, runDir: "/run/a"}
			k.pending = appendEvent(nil, k.runDir, &status.Event{Seq: 1})
			said := 0
			k.say = func(string) { said++ }
			for range 3 {
				k.tell(k.append(k.pending))
			}
			if said != 1 || len(k.pending) == 0 {
				t.Errorf("said %d times; %d bytes wait", said, len(k.pending))
			}
			if err := k.read(func([]byte) bool { return true }); err == nil {
				t.Error("it was read")
			}
			if text, _ := os.ReadFile(outside); string(text) != "theirs" {
				t.Errorf("outside is %q", text)
			}
			if err := os.Remove(at); err != nil {
				t.Fatal(err)
			}
			k.tell(k.append(k.pending))
			if text, err := os.ReadFile(at); err != nil || !bytes.Contains(text, []byte(`"seq":1,`)) || len(k.pending) > 0 {
				t.Errorf("afterwards %q, %v", text, err)
			}
		})
	}
}

// TestTheDirectoryGoes: one that is gone is made again.
func TestTheDirectoryGoes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	for i := range 2 {
		k := keep(dir, "/run/a")
		k.put(status.Event{Seq: uint64(i)})
		k.wrote()
		if got := k.events(t); !slices.Equal(got, []uint64{uint64(i)}) {
			t.Errorf("got %v", got)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
}

// TestADiskThatIsFull costs no more than so many bytes of memory, and no line of what was there.
func TestADiskThatIsFull(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make a small disk")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k,mode=755"); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	k := keep(dir, "/run/a")
	k.put(status.Event{Seq: 1})
	k.wrote()
	k = keep(dir, "/run/a")
	for i := range remembered {
		k.put(status.Event{Seq: uint64(i + 2), Text: strings.Repeat("x", 2000)})
	}
	if said := k.wrote(); len(said) != 1 || !strings.Contains(said[0], "no space left") {
		t.Errorf("said %q", said)
	}
	got := k.events(t) // what was written before too much came at once
	for i := range got {
		if got[i] != uint64(i+1) {
			t.Errorf("on disk: %v", got)
			break
		}
	}
	if len(got) == 0 || len(got) > remembered/2 {
		t.Errorf("%d events on disk", len(got))
	}
	if len(k.pending) > eventsMax {
		t.Errorf("%d bytes wait", len(k.pending))
	}
	var first eventLine
	line, _, _ := bytes.Cut(k.pending, []byte("\n"))
	if err := json.Unmarshal(line, &first); err != nil {
		t.Errorf("what waits begins with half a line: %v", err)
	}
}

// TestKilledInTheMiddle: a writer killed at any moment leaves whole lines, and everything that it knew to be written.
func TestKilledInTheMiddle(t *testing.T) {
	if dir, ok := os.LookupEnv("GSV_TEST_EVENTS_IN"); ok {
		e := &eventFile{dir: dir, runDir: "/run/a"}
		for i := uint64(1); ; i++ {
			if err := e.append(appendEvent(nil, e.runDir, &status.Event{Seq: i, Text: strings.Repeat("x", int(i*37%9000))})); err != nil {
				t.Fatal(err)
			}
			fmt.Println("wrote", i)
		}
	}
	dir, from := t.TempDir(), uint64(0)
	for range 10 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilledInTheMiddle$")
		cmd.Env = append(os.Environ(), "GSV_TEST_EVENTS_IN="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		last := uint64(0)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if n := uint64(0); last < 20 {
				fmt.Sscanf(lines.Text(), "wrote %d", &n)
				last = max(last, n)
			} else {
				cmd.Process.Kill()
			}
		}
		cmd.Wait()
		k := keep(dir, "/run/a")
		k.wrote()
		got := k.events(t)
		if uint64(len(got)) < from+last {
			t.Fatalf("%d events after %d and %d", len(got), from, last)
		}
		from = uint64(len(got))
		if from > 80 {
			return // before the first of them are renamed away
		}
	}
}

// FuzzBackwards: the whole lines of a file from its end are those from its beginning.
func FuzzBackwards(f *testing.F) {
	f.Add([]byte("a\nb\n"), 1)
	f.Add([]byte("\n\ntorn"), 3)
	f.Add([]byte(""), 1)
	f.Add([]byte("line of text\n"), 20000)
	f.Fuzz(func(t *testing.T, text []byte, times int) {
		if times < 0 || times > 1<<20/max(1, len(text)) {
			return
		}
		text = bytes.Repeat(text, times)
		var want, got []string
		for line := range bytes.Lines(text) {
			if s, whole := strings.CutSuffix(string(line), "\n"); whole {
				want = append(want, s)
			}
		}
		more, err := backwards(bytes.NewReader(text), int64(len(text)), func(line []byte) bool {
			got = append(got, string(line))
			return true
		})
		slices.Reverse(got)
		// An empty first line is not told from none: no line of events is empty.
		if len(want) > 0 && want[0] == "" && len(got) == len(want)-1 {
			want = want[1:]
		}
		if err != nil || !more || !slices.Equal(got, want) {
			t.Errorf("%v, %v: %d lines, want %d", more, err, len(got), len(want))
		}
		if n := wholeLines(bytes.NewReader(text), int64(len(text))); n != int64(bytes.LastIndexByte(text, '\n')+1) {
			t.Errorf("%d bytes are whole lines", n)
		}
	})
}
