package logs

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
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
	key := Key{Name: "web", Gen: 7}
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
	if left, err := os.ReadDir(r.parts); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestBinaryOutputIsNotTouched(t *testing.T) {
	for _, copying := range []bool{false, true} {
		t.Run(fmt.Sprintf("copying=%v", copying), func(t *testing.T) {
			r := newRig(t)
			key := Key{Name: "web", Gen: 1}
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

// A service can turn its pipe into one of packets, of which read(2) throws away
// what does not fit.
func TestPacketsAreNotCut(t *testing.T) {
	r := newRig(t)
	out := newOutput(t)
	key, lined := Key{Name: "web", Gen: 1}, Key{Name: "app", Gen: 1}
	file := NewFile(r.logs, "web")
	var want strings.Builder
	for key, child := range map[Key]*os.File{key: r.run(key, file), lined: r.run(lined, out.As(Prefix))} {
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
		children = append(children, r.run(Key{Name: "web", Gen: gen}, file))
	}
	holding, held := make(chan struct{}), make(chan struct{})
	r.files.post(func() { close(holding); <-held })
	<-holding
	for i, c := range children {
		r.write(c, []string{"9\n", "11\n", "10\n"}[i])
	}
	close(held)
	r.sync(Key{Name: "web", Gen: 11})
	r.wantFile(file.Path(), "9\n10\n11\n")
}

func TestSync(t *testing.T) {
	r := newRig(t)
	key := Key{Name: "web", Gen: 1}
	if err := r.Sync(t.Context(), key); err != nil {
		t.Errorf("unknown: %v", err)
	}
	file := NewFile(r.logs, "web")
	child, reader := r.make(key)
	if err := r.Add(key, reader, file); err != nil {
		t.Fatal(err)
	}
	if err := r.Add(key, reader, file); err == nil {
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
	if err := r.Add(Key{Name: "web", Gen: 2}, reader, file); err == nil {
		t.Error("added to a closed Pump")
	}
}

// Something that a run left behind keeps the pipe open.
func TestRelease(t *testing.T) {
	r := newRig(t)
	key := Key{Name: "web", Gen: 1}
	file := NewFile(r.logs, "web")
	child := r.run(key, file)
	r.write(child, "last words\n")
	r.Release(key)
	<-r.drained
	r.wantFile(file.Path(), "last words\n")
	r.Release(key) // nothing to release
}

func TestReleaseEndsTheLastLine(t *testing.T) {
	r := newRig(t)
	out := newOutput(t)
	key := Key{Name: "web", Gen: 1}
	child := r.run(key, out.As(Prefix))
	r.write(child, "last ")
	r.sync(key)
	r.write(child, "words")
	r.Release(key)
	<-r.drained
	if got := out.text(); got != "web | last words\n" {
		t.Errorf("%q", got)
	}
	if left, err := os.ReadDir(r.parts); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// The run ended while there was no Pump: only a reader is left, the one that
// was made with it, or one opened since, which poll(2) says nothing of.
func TestAddAfterTheLastWriter(t *testing.T) {
	for _, said := range []string{"", "last words\n", strings.Repeat("words.\n.", share/8)} {
		for _, since := range []bool{false, true} {
			r := newRig(t)
			key := Key{Name: "web", Gen: 1}
			child, reader := r.make(key)
			if _, err := unix.FcntlInt(child.Fd(), unix.F_SETPIPE_SZ, share); err != nil && len(said) > 60<<10 {
				t.Log(err) // a quota
				continue
			}
			r.write(child, said)
			child.Close()
			if since {
				fd, err := open(unix.AT_FDCWD, self(int(reader.Fd())), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
				if err != nil {
					t.Fatal(err)
				}
				reader.Close()
				reader = os.NewFile(uintptr(fd), "since")
			}
			file := NewFile(r.logs, "web")
			if err := r.Add(key, reader, file); err != nil {
				t.Fatal(err)
			}
			reader.Close()
			<-r.drained
			if said != "" {
				r.wantFile(file.Path(), said)
			} else if _, err := os.Stat(file.Path()); err == nil {
				t.Error("an empty file was made")
			}
		}
	}
}

// What others keep open of a run that is over is not waited for: epoll would
// go on to tell of it for ever.
func TestKeptReaderWakesNobody(t *testing.T) {
	r := newRig(t)
	watched := func() int {
		t.Helper()
		b, err := os.ReadFile(fmt.Sprint("/proc/self/fdinfo/", r.files.epfd))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(b), "tfd:")
	}
	before := watched()
	for _, release := range []bool{false, true} {
		key := Key{Name: "web", Gen: 1}
		child := r.run(key, NewFile(r.logs, "web")) // the rig keeps its reader
		r.sync(key)
		if n := watched(); n != before+1 {
			t.Errorf("%d watched while it runs, %d before", n, before)
		}
		if release {
			r.Release(key)
		} else {
			child.Close()
		}
		<-r.drained
		if n := watched(); n != before {
			t.Errorf("%d watched after it, %d before", n, before)
		}
	}
}

// The functions of Options may wait for the Pump.
func TestDrainedMayCallThePump(t *testing.T) {
	r := newRig(t)
	done := make(chan error)
	r.tell.add(func(*Options) { done <- r.Sync(t.Context(), Key{Name: "web", Gen: 1}) })
	r.run(Key{Name: "web", Gen: 1}, NewFile(r.logs, "web"))
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestNothingIsLeftOpen(t *testing.T) {
	before := descriptors(t)
	dir := t.TempDir()
	p, err := NewPump(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	out := newOutput(t)
	for i := range 20 {
		key := Key{Name: fmt.Sprint("s", i), Gen: 1}
		child, reader, err := Make(key, -1)
		if err != nil {
			t.Fatal(err)
		}
		var sink Sink = out.As(Prefix)
		if i%2 == 0 {
			sink = NewFile(dir, key.Name)
		}
		if err := p.Add(key, reader, sink); err != nil {
			t.Fatal(err)
		}
		child.WriteString("hello\nyou")
		if err := p.Sync(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		if _, err := Regain(os.Getpid()); err == nil { // whatever that is here
			t.Error("regained what is not gsv's")
		}
		child.Close()
		reader.Close()
	}
	p.Close()
	<-p.lines.done
	out.close()
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}
