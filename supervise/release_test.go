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
		defs := map[int]running{}
		for i, s := range list {
			defs[i] = running{def: &definition.Definition{Name: s.Name, Preset: "nginx", Command: []string{"nginx"}, WorkingDirectory: filepath.Join(dir, "current")}}
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
	ps.tell(list, map[int]running{0: {def: &definition.Definition{Name: "web", Preset: "starman", Command: []string{"starman", "app.psgi"}, WorkingDirectory: filepath.Join(dir, "current")}}})
	if list[0].Release != "42" || list[0].Stale {
		t.Errorf("it is said to be of %q, stale: %v", list[0].Release, list[0].Stale)
	}
}

// The release is that of when the code was loaded; what a flip of the link
// changes since is said of the working directory alone.
func TestPlaceAfterFlip(t *testing.T) {
	dir := t.TempDir()
	for _, release := range []string{"41", "42"} {
		if err := os.Mkdir(filepath.Join(dir, release), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(dir, "current")
	flip := func(to string) {
		os.Remove(link)
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(filepath.Join(dir, "41"))
	still := "its working directory is still " + filepath.Join(dir, "41") + ", not " + filepath.Join(dir, "42") + ": what it loads from there is of that release"
	enters := "; gsvctl restart web enters the new one"
	app := filepath.Join(link, "app.psgi")
	tests := []struct {
		name    string
		command []string
		wd      string
		ignore  bool
		want    place
	}{
		{"absolute", []string{"starman", app}, "", false, place{release: "41"}},
		{"absolute, elsewhere", []string{"starman", app}, "/", false, place{release: "41", why: "its working directory is still " + filepath.Join(dir, "41") + ", not /: what it loads from there is of that release"}},
		{"absolute, inside", []string{"starman", app}, link, false, place{release: "41", why: still}},
		{"absolute, ignored", []string{"starman", app}, link, true, place{release: "41"}},
		{"no link", []string{"starman", filepath.Join(dir, "41", "app.psgi")}, "", false, place{}},
		{"relative", []string{"starman", "app.psgi"}, link, false, place{release: "41", stale: true,
			why: "it runs in " + filepath.Join(dir, "41") + ", while working-directory is " + filepath.Join(dir, "42") + " now"}},
		{"not known", []string{"starman", "-e", "1"}, link, false, place{release: "41", why: still}},
		{"preload", []string{"starman", "--preload-app", app}, "", false, place{release: "41"}},
		{"start_server", []string{"start_server", "--dir", link, "--", "starman", "app.psgi"}, link, false, place{release: "41"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := &definition.Definition{Name: "web", Preset: "starman", Command: tt.command, WorkingDirectory: tt.wd}
			if tt.command[0] == "start_server" {
				d.Preset = "start_server"
			}
			if tt.ignore {
				d.StaleRelease = definition.IgnoreStale
			}
			if tt.want.why != "" && !tt.want.stale {
				tt.want.warning = tt.want.why + enters
			}
			flip("41")
			from := recorded(releaseToday(d))
			flip("42")
			if is := placeOf(d, d.Server(), os.Getpid(), from); is != tt.want {
				t.Errorf("%+v\nwant %+v", is, tt.want)
			}
			if is := placeOf(d, d.Server(), os.Getpid(), nil); from != nil && is.release != "" {
				t.Errorf("release %q is a guess", is.release)
			}
		})
	}
}
