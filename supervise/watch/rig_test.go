package watch

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// A rig is a directory with a Watcher, which tells by channels.
type rig struct {
	testing.TB
	dir string
	*Watcher
	told chan string // each call of a function of Options

	mu      sync.Mutex
	waiting map[string]chan struct{} // closed when a service has nothing to do
	loaded  map[string]uint64        // fingerprints
}

const quick = 100 * time.Millisecond // longer than anything here takes between two events of a deploy

func newRig(t testing.TB) *rig {
	r := &rig{TB: t, dir: t.TempDir(), told: make(chan string, 100), waiting: map[string]chan struct{}{}, loaded: map[string]uint64{}}
	w, err := New(Options{
		Settled: func(name string, c Change) {
			r.told <- fmt.Sprintf("%s: %d under %s, first %s", name, c.Files, r.rel(c.Under), c.First)
		},
		Loaded: func(name string, files uint64) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.loaded[name] = files
		},
		Stalled: func(name, what string) { r.told <- name + " stalled: " + strings.ReplaceAll(what, r.dir, "") },
		Trouble: func(name, text string) { r.told <- name + " trouble: " + strings.ReplaceAll(text, r.dir, "") },
	})
	if err != nil {
		t.Fatal(err)
	}
	w.idle = func(s *service, at time.Time) {
		s.mu.Lock()
		waits := len(s.inbox) > 0 || len(s.jobs) > 0 || !at.IsZero() && s.polls == ""
		s.mu.Unlock()
		r.mu.Lock()
		defer r.mu.Unlock()
		if done := r.waiting[s.name]; done != nil && !waits {
			close(done)
			delete(r.waiting, s.name)
		}
	}
	r.Watcher = w
	t.Cleanup(func() { w.Close() })
	return r
}

func (r *rig) rel(path string) string { return strings.TrimPrefix(path, r.dir) }

func (r *rig) path(name string) string { return filepath.Join(r.dir, name) }

// watch has service web watch paths of the rig, and waits until it does.
func (r *rig) watch(paths ...string) {
	r.set("web", Spec{Paths: paths})
}

func (r *rig) set(name string, s Spec) {
	r.Helper()
	paths := make([]string, 0, len(s.Paths))
	for _, p := range s.Paths {
		paths = append(paths, r.path(p))
	}
	s.Paths = paths
	if s.Debounce == 0 {
		s.Debounce = quick
	}
	r.tick()
	r.Set(name, s)
	r.quiet(name)
}

// tick waits until files that are changed get another time than those before.
func (r *rig) tick() {
	for at := time.Now(); !kernelNow().After(at); {
	}
}

// quiet waits until a service has nothing to do, of what it was told.
func (r *rig) quiet(name string) {
	r.Helper()
	done := make(chan struct{})
	r.mu.Lock()
	r.waiting[name] = done
	r.mu.Unlock()
	r.of(name, func(*service) {})
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		r.Fatalf("%s is not quiet", name)
	}
}

// want waits for what is told next.
func (r *rig) want(want ...string) {
	r.Helper()
	for _, want := range want {
		select {
		case got := <-r.told:
			if got != want {
				r.Fatalf("told %q, want %q", got, want)
			}
		case <-time.After(10 * time.Second):
			what, _ := r.Pending("web")
			r.Fatalf("told nothing, want %q; under way: %q", want, what)
		}
	}
}

// marker makes a change that must be told next, and alone: what was before was nothing.
func (r *rig) marker(root string) {
	r.Helper()
	r.write(filepath.Join(root, "marker"), fmt.Sprint(time.Now().UnixNano()))
	r.want(fmt.Sprintf("web: 1 under %s, first marker", r.rel(r.path(root))))
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *rig) mkdir(names ...string) {
	r.Helper()
	for _, name := range names {
		r.must(os.MkdirAll(r.path(name), 0o755))
	}
}

// write writes a file in place, with the directories above.
func (r *rig) write(name, text string) {
	r.Helper()
	r.mkdir(filepath.Dir(name))
	r.must(os.WriteFile(r.path(name), []byte(text), 0o644))
}

// replace writes a file as rsync does.
func (r *rig) replace(name, text string) {
	r.Helper()
	dir, base := filepath.Split(name)
	temp := filepath.Join(dir, "."+base+".Ab12Cd")
	r.write(temp, text)
	r.rename(temp, name)
}

func (r *rig) rename(from, to string) {
	r.Helper()
	r.must(os.Rename(r.path(from), r.path(to)))
}

func (r *rig) remove(name string) {
	r.Helper()
	r.must(os.RemoveAll(r.path(name)))
}

// link makes or moves a link at once, as ln -sfn does.
func (r *rig) link(to, name string) {
	r.Helper()
	r.mkdir(filepath.Dir(name))
	r.must(os.Symlink(to, r.path(name+".new")))
	r.rename(name+".new", name)
}

// age gives a file another time of its contents.
func (r *rig) age(name string) {
	r.Helper()
	r.must(os.Chtimes(r.path(name), time.Time{}, time.Unix(1e9, 0)))
}
