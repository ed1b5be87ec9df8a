package watch

import (
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// contents are the files below a directory, and what is in them.
func (r *rig) contents(dir string) map[string]string {
	r.Helper()
	is := map[string]string{}
	r.must(filepath.WalkDir(r.path(dir), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(r.path(dir), path)
		if d.Type() == fs.ModeSymlink {
			to, err := os.Readlink(path)
			is[rel] = "-> " + to
			return err
		}
		text, err := os.ReadFile(path)
		is[rel] = string(text)
		return err
	}))
	return is
}

// mess does something at random to a tree of a few names.
func (r *rig) mess(rng *rand.Rand) {
	name := func() string {
		n := "app"
		for range 1 + rng.IntN(3) {
			n += "/" + string('a'+rune(rng.IntN(3)))
		}
		return r.path(n)
	}
	a, b := name(), name()
	switch rng.IntN(9) {
	case 0, 1:
		os.MkdirAll(a, 0o755)
	case 2, 3, 4:
		os.MkdirAll(filepath.Dir(a), 0o755)
		os.WriteFile(a, []byte(fmt.Sprint(rng.IntN(3))), 0o644)
	case 5, 6:
		os.Rename(a, b)
	case 7:
		os.RemoveAll(a)
	case 8:
		os.Symlink(filepath.Base(b), a)
	}
}

// Whatever is done to a tree, what has changed in the end is told, once, and nothing else.
func TestRandom(t *testing.T) {
	for i := range 4 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			rng := rand.New(rand.NewPCG(seed, uint64(i)))
			r := newRig(t)
			r.mkdir("app")
			spec := Spec{Paths: []string{"app"}}
			if i == 3 {
				spec.Poll = quick / 4
			}
			r.set("web", spec)
			was := r.contents("app")
			for range 6 {
				r.Pause("web")
				for range 1 + rng.IntN(30) {
					r.mess(rng)
				}
				is := r.contents("app")
				var differ []string
				for name := range maps.Keys(is) {
					if text, ok := was[name]; !ok || text != is[name] {
						differ = append(differ, name)
					}
				}
				for name := range was {
					if _, ok := is[name]; !ok {
						differ = append(differ, name)
					}
				}
				r.pump()
				r.Resume("web")
				if len(differ) == 0 {
					r.marker("app")
					is = r.contents("app")
				} else {
					r.want(fmt.Sprintf("web: %d under /app, first %s", len(differ), slices.Min(differ)))
				}
				r.quiet("web")
				was = is
			}
		})
	}
}

// A file that is too large to be read counts by its time, others by what is in them.
func TestLargeFile(t *testing.T) {
	r := newRig(t)
	r.write("app/small", "s")
	r.write("app/large", "l")
	r.must(os.Truncate(r.path("app/large"), hashFile+1))
	r.watch("app")
	r.age("app/small")
	r.age("app/large")
	r.want("web: 1 under /app, first large")
	r.must(os.Chmod(r.path("app/large"), 0o600)) // but not by its mode
	r.marker("app")
	r.must(os.Truncate(r.path("app/small"), hashFile+1))
	f, err := os.OpenFile(r.path("app/small"), os.O_WRONLY, 0)
	r.must(err)
	f.Close()
	r.want("web: 1 under /app, first small")
}
