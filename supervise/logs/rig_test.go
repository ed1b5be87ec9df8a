package logs

import (
	"os"
	"testing"
)

// A rig is a Pump with two directories and what it tells.
type rig struct {
	*testing.T
	*Pump
	parts, logs string
	drained     chan Key
	problems    chan Problem
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{T: t, parts: t.TempDir(), logs: t.TempDir(), drained: make(chan Key, 10000), problems: make(chan Problem, 10000)}
	for _, dir := range []string{r.parts, r.logs} { // whatever the umask
		if err := os.Chmod(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	p, err := NewPump(Options{
		Dir:     r.parts,
		Drained: func(k Key) { r.drained <- k },
		Problem: func(p Problem) { r.problems <- p },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	r.Pump = p
	return r
}

// again is another Pump with the same directories.
func (r *rig) again() *rig {
	r.Helper()
	next := newRig(r.T)
	if err := next.Pump.Close(); err != nil {
		r.Fatal(err)
	}
	next.parts, next.logs = r.parts, r.logs
	p, err := NewPump(Options{Dir: r.parts, Drained: func(k Key) { next.drained <- k }, Problem: func(p Problem) { next.problems <- p }})
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { p.Close() })
	next.Pump = p
	return next
}

// run makes the pipe of a run and has the Pump read it; as with a guardian,
// its reader stays open besides.
func (r *rig) run(key Key, sink Sink) *os.File {
	r.Helper()
	child, reader := r.make(key)
	if err := r.Add(key, reader, sink); err != nil {
		r.Fatal(err)
	}
	return child
}

func (r *rig) make(key Key) (child, reader *os.File) {
	r.Helper()
	child, reader, err := Make(key, -1)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { child.Close(); reader.Close() })
	return child, reader
}

func (r *rig) write(f *os.File, s string) {
	r.Helper()
	if _, err := f.WriteString(s); err != nil {
		r.Fatal(err)
	}
}

func (r *rig) sync(key Key) {
	r.Helper()
	if err := r.Sync(r.Context(), key); err != nil {
		r.Fatal(err)
	}
}

func (r *rig) wantFile(path, want string) {
	r.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		r.Fatalf("%s: %q, %v; want %q", path, clip(got), err, clip([]byte(want)))
	}
}

func clip(b []byte) []byte { return b[:min(len(b), 300)] }
