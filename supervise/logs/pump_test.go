package logs

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	if os.Args[0] == pumpRole {
		pumpProcess(os.Args[1:])
		return
	}
	os.Exit(m.Run())
}

func TestOutputReachesItsFile(t *testing.T) {
	r := newRig(t)
	key := Key{"web", 7}
	file := NewFile(filepath.Join(r.logs, "made", "too"), "web")
	child := r.run(key, file)
	if _, err := os.Stat(file.Path()); err == nil {
		t.Error("there is a file before the first byte")
	}
	r.write(child, "one\n")
	r.sync(key)
	r.wantFile(file.Path(), "one\n")
	r.write(child, "two\nno end")
	child.Close()
	if got := <-r.drained; got != key {
		t.Errorf("drained %v", got)
	}
	r.wantFile(file.Path(), "one\ntwo\nno end")
	if st, _ := os.Stat(file.Path()); st.Mode() != 0o640 {
		t.Errorf("mode %v", st.Mode())
	}

	// The next run goes on in the same file.
	key.Gen++
	child = r.run(key, file)
	r.write(child, "\nthree\n")
	child.Close()
	<-r.drained
	r.wantFile(file.Path(), "one\ntwo\nno end\nthree\n")
	if err := Remove(r.fifos, key); err != nil {
		t.Error(err)
	}
	if keys, err := List(r.fifos); err != nil || len(keys) != 1 || keys[0] != (Key{"web", 7}) {
		t.Errorf("left: %v, %v", keys, err)
	}
	if err := Remove(r.fifos, key); err != nil {
		t.Errorf("again: %v", err)
	}
}

func TestMake(t *testing.T) {
	dir := t.TempDir()
	key := Key{"a.b", 3}
	child, keep, err := Make(dir, key, os.Getuid())
	if err != nil {
		t.Fatal(err)
	}
	defer child.Close()
	defer keep.Close()
	st, err := os.Lstat(filepath.Join(dir, "a.b.3"))
	if err != nil || st.Mode() != os.ModeNamedPipe|0o600 {
		t.Errorf("%v, %v", st, err)
	}
	for _, f := range []*os.File{child, keep} {
		flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
		if err != nil || flags&unix.O_NONBLOCK != 0 {
			t.Errorf("the description does not block: flags %#x, %v", flags, err)
		}
		if flags, _ := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0); flags&unix.FD_CLOEXEC == 0 {
			t.Error("inherited by every child")
		}
	}
	// The maker died, and its successor makes it again: same FIFO.
	if _, err := child.WriteString("kept"); err != nil {
		t.Fatal(err)
	}
	again, keep2, err := Make(dir, key, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	defer keep2.Close()
	b := make([]byte, 4)
	if _, err := io.ReadFull(keep2, b); err != nil || string(b) != "kept" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestMakeGivesFIFOToTheUser(t *testing.T) {
	if os.Geteuid() != 0 {
		_, _, err := Make(t.TempDir(), Key{"a", 1}, os.Geteuid()+1)
		if err == nil || !strings.Contains(err.Error(), "cannot make the output FIFO of a: chown") {
			t.Error(err)
		}
		return
	}
	dir := t.TempDir()
	child, keep, err := Make(dir, Key{"a", 1}, 12345)
	if err != nil {
		t.Fatal(err)
	}
	child.Close()
	keep.Close()
	st, _ := os.Lstat(filepath.Join(dir, "a.1"))
	if uid := st.Sys().(*syscall.Stat_t).Uid; uid != 12345 || st.Mode().Perm() != 0o600 {
		t.Errorf("uid %d, %v", uid, st.Mode())
	}
}

func TestMakeRefusesWhatIsNoFIFO(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	if err := os.WriteFile(victim, []byte("safe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, filepath.Join(dir, "a.1")); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(victim, filepath.Join(dir, "a.2")); err != nil {
		t.Fatal(err)
	}
	for gen := 1; gen <= 2; gen++ {
		if child, _, err := Make(dir, Key{"a", gen}, -1); err == nil {
			child.Close()
			t.Errorf("%d: taken", gen)
		}
	}
	p := newRig(t)
	if err := p.Add(Key{"a", 2}, victim, NewFile(dir, "a")); err == nil || !strings.Contains(err.Error(), "is not a FIFO") {
		t.Error(err)
	}
	if err := p.Add(Key{"a", 3}, filepath.Join(dir, "none"), NewFile(dir, "a")); err == nil {
		t.Error("none: read")
	}
	if keys, err := List(dir); err != nil || len(keys) != 0 {
		t.Error(keys, err)
	}
}

func TestBinaryOutputIsNotTouched(t *testing.T) {
	for _, copying := range []bool{false, true} {
		t.Run(fmt.Sprintf("copying=%v", copying), func(t *testing.T) {
			r := newRig(t)
			key := Key{"web", 1}
			file := NewFile(r.logs, "web")
			file.copying = copying // as where the file system cannot splice
			child := r.run(key, file)
			var want bytes.Buffer
			for i := range 3000 {
				want.Write([]byte{0, byte(i), 0xff, '\r', '\n', 0x1b})
				want.Write(bytes.Repeat([]byte{byte(i)}, i%700))
			}
			if _, err := child.Write(want.Bytes()); err != nil {
				t.Fatal(err)
			}
			child.Close()
			<-r.drained
			if got, err := os.ReadFile(file.Path()); err != nil || !bytes.Equal(got, want.Bytes()) {
				t.Errorf("%d bytes of %d, or others; %v", len(got), want.Len(), err)
			}
		})
	}
}

// A service can turn its FIFO into one of packets, of which read(2) throws away
// what does not fit.
func TestPacketsAreNotCut(t *testing.T) {
	r := newRig(t)
	out := newOutput(t)
	key, lined := Key{"web", 1}, Key{"app", 1}
	file := NewFile(r.logs, "web")
	var want strings.Builder
	for key, child := range map[Key]*os.File{key: r.run(key, file), lined: r.run(lined, out.Lines)} {
		if _, err := unix.FcntlInt(child.Fd(), unix.F_SETFL, unix.O_DIRECT); err != nil {
			t.Fatal(err)
		}
		want.Reset()
		for i := range 100 {
			line := fmt.Sprintf("%d %s\nbegin ", i, strings.Repeat("x", 3000))
			want.WriteString(line)
			r.write(child, line)
			if i%10 == 0 {
				r.sync(key)
			}
		}
		child.Close()
		<-r.drained
	}
	r.wantFile(file.Path(), want.String())
	lines := "app | " + strings.TrimSuffix(strings.ReplaceAll(want.String(), "\n", "\napp | "), "\n") + "\n"
	if got := out.text(); got != lines {
		t.Errorf("%q", clip([]byte(got)))
	}
}

func TestOlderRunsComeFirst(t *testing.T) {
	r := newRig(t)
	file := NewFile(r.logs, "web")
	var children []*os.File
	for _, gen := range []int{9, 11, 10} {
		children = append(children, r.run(Key{"web", gen}, file))
	}
	holding, held := make(chan struct{}), make(chan struct{})
	r.files.post(func() { close(holding); <-held })
	<-holding
	for i, c := range children {
		r.write(c, []string{"9\n", "11\n", "10\n"}[i])
	}
	close(held)
	r.sync(Key{"web", 11})
	r.wantFile(file.Path(), "9\n10\n11\n")
}

func TestSync(t *testing.T) {
	r := newRig(t)
	key := Key{"web", 1}
	if err := r.Sync(t.Context(), key); err != nil {
		t.Errorf("unknown: %v", err)
	}
	file := NewFile(r.logs, "web")
	child := r.run(key, file)
	if err := r.Add(key, Path(r.fifos, key), file); err == nil {
		t.Error("added twice")
	}
	// With a writer that never stops, it returns all the same.
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				child.WriteString("a line of some length, again and again\n")
			}
		}
	}()
	for range 20 {
		r.sync(key)
	}
	close(stop)
	<-stopped
	held := make(chan struct{})
	r.files.post(func() { <-held })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Sync(ctx, key); err != context.Canceled {
		t.Errorf("%v", err)
	}
	close(held)
	r.Close()
	if err := r.Sync(t.Context(), key); err != ErrClosed {
		t.Errorf("closed: %v", err)
	}
	if err := r.Add(Key{"web", 2}, Path(r.fifos, key), file); err == nil {
		t.Error("added to a closed Pump")
	}
}

// Something that a run left behind keeps the FIFO open.
func TestRelease(t *testing.T) {
	r := newRig(t)
	key := Key{"web", 1}
	file := NewFile(r.logs, "web")
	child := r.run(key, file)
	r.write(child, "last words\n")
	r.Release(key)
	<-r.drained
	r.wantFile(file.Path(), "last words\n")
	r.Release(key) // nothing to release
}

// The run ended while there was no Pump: only the holder has the FIFO open.
func TestAddAfterTheLastWriter(t *testing.T) {
	for _, said := range []string{"", "last words\n", strings.Repeat("words.\n.", share/8)} {
		r := newRig(t)
		key := Key{"web", 1}
		child := r.make(key)
		if _, err := unix.FcntlInt(child.Fd(), unix.F_SETPIPE_SZ, share); err != nil && len(said) > 60<<10 {
			t.Log(err) // a quota
			continue
		}
		r.write(child, said)
		child.Close()
		file := NewFile(r.logs, "web")
		if err := r.Add(key, Path(r.fifos, key), file); err != nil {
			t.Fatal(err)
		}
		<-r.drained
		if said != "" {
			r.wantFile(file.Path(), said)
		} else if _, err := os.Stat(file.Path()); err == nil {
			t.Error("an empty file was made")
		}
	}
}

// The functions of Options may wait for the Pump.
func TestDrainedMayCallThePump(t *testing.T) {
	r := newRig(t)
	done := make(chan error)
	r.tell.add(func(*Options) { done <- r.Sync(t.Context(), Key{"web", 1}) })
	r.run(Key{"web", 1}, NewFile(r.logs, "web"))
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestNothingIsLeftOpen(t *testing.T) {
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	before := count()
	p, err := NewPump(Options{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	out := newOutput(t)
	for i := range 20 {
		key := Key{fmt.Sprint("s", i), 1}
		child, keep, err := Make(dir, key, -1)
		if err != nil {
			t.Fatal(err)
		}
		var sink Sink = out.Lines
		if i%2 == 0 {
			sink = NewFile(dir, key.Name)
		}
		if err := p.Add(key, Path(dir, key), sink); err != nil {
			t.Fatal(err)
		}
		child.WriteString("hello\nyou")
		if err := p.Sync(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		child.Close()
		keep.Close()
	}
	p.Close()
	<-p.lines.done
	out.close()
	if after := count(); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}
