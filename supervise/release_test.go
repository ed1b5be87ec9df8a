package supervise

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"gsv/supervise/definition"
	"gsv/supervise/status"
)

// A service whose files do not answer takes nothing from what is said of others.
func TestPlacesThatHang(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "42"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("42", filepath.Join(dir, "current")); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var ps places
		hang := make(chan struct{})
		ps.look("hangs", func() place { <-hang; return place{release: "7"} })
		list := []status.Service{{Name: "hangs", Pid: os.Getpid()}, {Name: "web", Pid: os.Getpid()}}
		defs := map[int]*definition.Definition{}
		for i, s := range list {
			defs[i] = &definition.Definition{Name: s.Name, Preset: "nginx", Command: []string{"nginx"}, WorkingDirectory: filepath.Join(dir, "current")}
		}
		began := time.Now()
		ps.tell(list, defs)
		first := time.Since(began)
		if list[0].Release != "" || first > placesTime {
			t.Errorf("after %v: %+v", first, list[0])
		}
		ps.tell(list, defs)
		if again := time.Since(began) - first; again != 0 || len(ps.looks) != 1 {
			t.Errorf("it was waited for again, for %v; %d looks", again, len(ps.looks))
		}
		go close(hang)
		synctest.Wait()
		if len(ps.looks) != 0 {
			t.Error("a look that has ended goes on")
		}
	})
	// One that does not is told of.
	var ps places
	list := []status.Service{{Name: "web", Pid: os.Getpid()}}
	t.Chdir(filepath.Join(dir, "42"))
	ps.tell(list, map[int]*definition.Definition{0: {Name: "web", Preset: "starman", Command: []string{"starman", "app.psgi"}, WorkingDirectory: filepath.Join(dir, "current")}})
	if list[0].Release != "42" || list[0].Stale {
		t.Errorf("it is said to be of %q, stale: %v", list[0].Release, list[0].Stale)
	}
}
