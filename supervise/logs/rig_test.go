package logs

import (
	"os"
	"testing"
)

// A rig is a Pump with two directories and what it tells.
type rig struct {
	*testing.T
	*Pump
	fifos, logs string
	drained     chan Key
	problems    chan Problem
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{T: t, fifos: t.TempDir(), logs: t.TempDir(), drained: make(chan Key, 10000), problems: make(chan Problem, 10000)}
	for _, dir := range []string{r.fifos, r.logs} { // whatever the umask
		if err := os.Chmod(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	p, err := NewPump(Options{
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

// run makes the FIFO of a run and has the Pump read it.
func (r *rig) run(key Key, sink Sink) *os.File {
	r.Helper()
	child := r.make(key)
	if err := r.Add(key, Path(r.fifos, key), sink); err != nil {
		r.Fatal(err)
	}
	return child
}

func (r *rig) make(key Key) *os.File {
	r.Helper()
	child, keep, err := Make(r.fifos, key, -1)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { child.Close(); keep.Close() })
	return child
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
