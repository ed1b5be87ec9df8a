package watch

import (
	"os"
	"testing"
	"time"
)

// A deploy is told once, as a whole.
func TestDeploys(t *testing.T) {
	for _, test := range []struct {
		name   string
		deploy func(r *rig)
		want   string
	}{
		{"in place", func(r *rig) { r.write("app/lib/A.pm", "a2"); r.write("app/lib/B.pm", "b2") }, "web: 2 under /app, first lib/A.pm"},
		{"renamed into place", func(r *rig) { r.replace("app/lib/A.pm", "a2"); r.replace("app/lib/C.pm", "c") }, "web: 2 under /app, first lib/A.pm"},
		{"new directories with files at once", func(r *rig) {
			for _, f := range []string{"x/y/z/1", "x/y/z/2", "x/y/3", "w/4"} {
				r.write("app/"+f, f)
			}
		}, "web: 4 under /app, first w/4"},
		{"removed", func(r *rig) { r.remove("app/lib") }, "web: 3 under /app, first lib/A.pm"},
		{"a tree moved away and another in its place", func(r *rig) {
			r.write("new/lib/A.pm", "a2")
			r.write("new/lib/B.pm", "b")
			r.rename("app", "old")
			r.rename("new", "app")
			r.remove("old")
		}, "web: 3 under /app, first app.psgi"},
		{"a directory moved within", func(r *rig) { r.rename("app/lib", "app/lib2") }, "web: 6 under /app, first lib/A.pm"},
		{"a file becomes a directory", func(r *rig) { r.remove("app/app.psgi"); r.write("app/app.psgi/x", "x") }, "web: 2 under /app, first app.psgi"},
		{"a link in it", func(r *rig) { r.link("B.pm", "app/lib/A.pm") }, "web: 1 under /app, first lib/A.pm"},
		{"only times of all but one", func(r *rig) {
			r.age("app/lib/A.pm")
			r.write("app/lib/B.pm", "b")
			r.replace("app/lib/deep/D.pm", "d")
			r.write("app/app.psgi", "p2")
		}, "web: 1 under /app, first app.psgi"},
		{"same size and time", func(r *rig) { r.write("app/lib/A.pm", "A"); r.age("app/lib/A.pm") }, "web: 1 under /app, first lib/A.pm"},
		{"vim", func(r *rig) {
			r.write("app/.app.psgi.swp", "")
			r.write("app/4913", "")
			r.remove("app/4913")
			r.rename("app/app.psgi", "app/app.psgi~")
			r.write("app/app.psgi", "p2")
			r.remove("app/app.psgi~")
		}, "web: 1 under /app, first app.psgi"},
		{"emacs", func(r *rig) {
			r.must(os.Symlink("me@here.1", r.path("app/.#app.psgi")))
			r.write("app/#app.psgi#", "p2")
			r.rename("app/app.psgi", "app/app.psgi~")
			r.write("app/app.psgi", "p2")
			r.remove("app/#app.psgi#")
		}, "web: 1 under /app, first app.psgi"},
		{"sed -i", func(r *rig) { r.write("app/sedAb12Cd", "p2"); r.rename("app/sedAb12Cd", "app/app.psgi") }, "web: 1 under /app, first app.psgi"},
		{"git", func(r *rig) {
			r.write("app/.git/index.lock", "")
			r.write("app/.git/objects/ab/cd", "x")
			r.remove("app/app.psgi")
			r.write("app/app.psgi", "p2")
			r.rename("app/.git/index.lock", "app/.git/index")
		}, "web: 1 under /app, first app.psgi"},
		{"rsync --delay-updates", func(r *rig) {
			r.write("app/.~tmp~/.app.psgi.Ab12Cd", "p2")
			r.rename("app/.~tmp~/.app.psgi.Ab12Cd", "app/.~tmp~/app.psgi")
			r.rename("app/.~tmp~/app.psgi", "app/app.psgi")
			r.remove("app/.~tmp~")
		}, "web: 1 under /app, first app.psgi"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.write("app/app.psgi", "p")
			r.write("app/lib/A.pm", "a")
			r.write("app/lib/B.pm", "b")
			r.write("app/lib/deep/D.pm", "d")
			r.age("app/lib/A.pm")
			r.mkdir("app/.git")
			r.watch("app")
			test.deploy(r)
			r.want(test.want)
			r.marker("app")
			r.replace("app/.env", "later")
			r.want("web: 1 under /app, first .env")
		})
	}
}

// What is no deploy is nothing: the next change is told, alone.
func TestNothing(t *testing.T) {
	for name, do := range map[string]func(r *rig){
		"times":      func(r *rig) { r.age("app/lib/A.pm") },
		"mode":       func(r *rig) { r.must(os.Chmod(r.path("app/lib/A.pm"), 0o755)) },
		"read":       func(r *rig) { _, err := os.ReadFile(r.path("app/lib/A.pm")); r.must(err) },
		"same again": func(r *rig) { r.write("app/lib/A.pm", "a"); r.replace("app/lib/B.pm", "b") },
		"a tree again": func(r *rig) {
			r.write("new/lib/A.pm", "a")
			r.write("new/lib/B.pm", "b")
			r.rename("app", "old")
			r.rename("new", "app")
		},
		"came and went":   func(r *rig) { r.write("app/x/y/z", "z"); r.remove("app/x") },
		"hard link":       func(r *rig) { r.must(os.Link(r.path("app/lib/A.pm"), r.path("A.pm"))) },
		"empty directory": func(r *rig) { r.mkdir("app/x/y") },
		"ignored":         func(r *rig) { r.write("app/log/app.log", "1"); r.write("app/tmp/x", "1"); r.write("app/tmp/y/z", "1") },
		"except":          func(r *rig) { r.write("app/own/app.log", "1") },
		"fresh release elsewhere": func(r *rig) {
			r.write("app2/lib/A.pm", "a")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.write("app/lib/A.pm", "a")
			r.write("app/lib/B.pm", "b")
			r.mkdir("app/own", "app/log")
			r.set("web", Spec{Paths: []string{"app"}, Ignore: []string{"log/", "tmp/*"}, Except: []string{r.path("app/own")}})
			do(r)
			r.marker("app")
			do2 := r.path("app/lib/A.pm")
			r.must(os.WriteFile(do2, []byte("a3"), 0o644))
			r.want("web: 1 under /app, first lib/A.pm")
		})
	}
}

// A temporary file holds a deploy up until it is gone, though nothing happens.
func TestTemporary(t *testing.T) {
	r := newRig(t)
	r.write("app/a", "1")
	r.set("web", Spec{Paths: []string{"app"}, MaxDelay: 3 * quick})
	r.write("app/lib/.big.Ab12Cd", "half")
	r.write("app/a", "2")
	r.want("web stalled: files under /app still change, last a; temporary lib/.big.Ab12Cd")
	if what, since := r.Pending("web"); what == "" || since.IsZero() || since.After(time.Now()) {
		t.Errorf("pending %q since %s", what, since)
	}
	r.rename("app/lib/.big.Ab12Cd", "app/lib/big")
	r.want("web: 2 under /app, first a")
	if what, since := r.Pending("web"); what != "" || !since.IsZero() {
		t.Errorf("pending %q since %s", what, since)
	}
}

// A copy that has not been closed is waited for.
func TestOpenForWriting(t *testing.T) {
	r := newRig(t)
	r.mkdir("app")
	r.set("web", Spec{Paths: []string{"app"}, MaxDelay: 3 * quick})
	f, err := os.Create(r.path("app/big"))
	r.must(err)
	f.WriteString("half")
	r.want("web stalled: files under /app still change, last big; open for writing big")
	f.WriteString("whole")
	r.must(f.Close())
	r.want("web: 1 under /app, first big")
}

// That it is open is known too if it was opened before its directory was watched, and
// of one that was made and not written yet.
func TestOpenInNewDirectory(t *testing.T) {
	r := newRig(t)
	r.mkdir("app")
	r.set("web", Spec{Paths: []string{"app"}, MaxDelay: 3 * quick})
	r.mkdir("new")
	f, err := os.Create(r.path("new/big"))
	r.must(err)
	if isOpen(r.path("new/other")) || !isOpen(r.path("new/big")) {
		t.Skip("no leases here")
	}
	r.rename("new", "app/new")
	r.want("web stalled: files under /app still change, last new/big; open for writing new/big")
	f.WriteString("whole")
	r.must(f.Close())
	r.want("web: 1 under /app, first new/big")

	f, err = os.Create(r.path("app/empty"))
	r.must(err)
	r.want("web stalled: files under /app still change, last empty; open for writing empty")
	r.must(f.Close())
	r.want("web: 1 under /app, first empty")
	r.must(os.Link(r.path("app/empty"), r.path("app/link")))
	r.want("web: 1 under /app, first link")
}

func TestLinks(t *testing.T) {
	setup := func(t *testing.T) *rig {
		t.Parallel()
		r := newRig(t)
		for _, n := range []string{"1", "2"} {
			r.write("releases/"+n+"/lib/A.pm", "a"+n)
			r.write("releases/"+n+"/B", "b")
		}
		r.link("releases/1", "current")
		return r
	}
	t.Run("re-pointed", func(t *testing.T) {
		r := setup(t)
		r.watch("current")
		r.link(r.path("releases/2"), "current")
		r.want("web: 1 under /current, first lib/A.pm")
		r.write("releases/1/B", "old")
		r.write("releases/2/B", "new")
		r.want("web: 1 under /current, first B")
		r.remove("releases/1")
		r.link("releases/2", "current")
		r.marker("current")
	})
	t.Run("the same by another release", func(t *testing.T) {
		r := setup(t)
		r.watch("current/B")
		r.link("releases/2", "current")
		r.want("web: 1 under /current/B, first ")
	})
	t.Run("in the middle", func(t *testing.T) {
		r := setup(t)
		r.watch("current/lib")
		r.link("releases/2", "current")
		r.want("web: 1 under /current/lib, first A.pm")
		r.write("releases/2/lib/C", "c")
		r.want("web: 1 under /current/lib, first C")
	})
	t.Run("nested", func(t *testing.T) {
		r := setup(t)
		r.link("../current", "srv/app")
		r.link("srv/app/lib/../lib", "lib")
		r.watch("lib")
		r.link("releases/2", "current")
		r.want("web: 1 under /lib, first A.pm")
		r.link("../releases/1", "srv/app")
		r.want("web: 1 under /lib, first A.pm")
		r.link("releases/2/lib", "lib")
		r.want("web: 1 under /lib, first A.pm")
	})
	t.Run("removed and made again", func(t *testing.T) {
		r := setup(t)
		r.watch("current")
		r.remove("current")
		r.want("web: 2 under /current, first B")
		r.link("releases/2", "current")
		r.want("web: 2 under /current, first B")
	})
	t.Run("the directory above is moved", func(t *testing.T) {
		r := setup(t)
		r.watch("releases/1/lib")
		r.rename("releases", "old")
		r.want("web: 1 under /releases/1/lib, first A.pm")
		r.rename("old", "releases")
		r.want("web: 1 under /releases/1/lib, first A.pm")
		r.write("releases/1/lib/A.pm", "x")
		r.want("web: 1 under /releases/1/lib, first A.pm")
	})
	t.Run("to itself", func(t *testing.T) {
		r := setup(t)
		r.link("loop", "loop")
		r.watch("loop")
		r.link("releases/2", "loop")
		r.want("web: 2 under /loop, first B")
	})
}

func TestPaths(t *testing.T) {
	t.Run("not there yet", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.watch("srv/app/current/lib")
		r.write("srv/app/releases/1/lib/A.pm", "a")
		r.link("releases/1", "srv/app/current")
		r.want("web: 1 under /srv/app/current/lib, first A.pm")
	})
	t.Run("a file", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.write("app.conf", "1")
		r.watch("app.conf")
		r.write("other.conf", "1")
		r.write("app.conf", "1")
		r.write("app.conf", "2")
		r.want("web: 1 under /app.conf, first ")
		r.replace("app.conf", "3")
		r.want("web: 1 under /app.conf, first ")
		r.remove("app.conf")
		r.want("web: 1 under /app.conf, first ")
		r.write("app.conf", "3")
		r.want("web: 1 under /app.conf, first ")
		r.replace("app.conf", "3")
		r.write("app.conf", "4")
		r.want("web: 1 under /app.conf, first ")
	})
	t.Run("glob", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.write("a/etc/x.conf", "1")
		r.watch("*/etc/*.conf")
		r.write("b/etc/y.conf", "1")
		r.want("web: 1 under /b/etc/y.conf, first ")
		r.write("a/etc/x.txt", "2")
		r.write("a/etc/.z.conf", "2")
		r.write("a/etc/x.conf", "2")
		r.want("web: 1 under /a/etc/x.conf, first ")
		r.remove("b")
		r.want("web: 1 under /b/etc/y.conf, first ")
	})
	t.Run("several", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.write("a/x", "1")
		r.write("b/y", "1")
		r.watch("a", "b")
		r.write("b/y", "2")
		r.write("a/z", "2")
		r.want("web: 2 under /a, first z")
	})
}

func TestStamp(t *testing.T) {
	r := newRig(t)
	r.write("app/A.pm", "1")
	stamp := r.path("app/tmp/restart.txt")
	r.set("web", Spec{Paths: []string{"app"}, Stamp: stamp})
	told := "web: 1 under /app/tmp/restart.txt, first "
	r.write("app/tmp/restart.txt", "")
	r.want(told)
	r.must(os.Chtimes(stamp, time.Time{}, time.Unix(1e9, 0)))
	r.want(told)
	r.write("app/tmp/restart.txt", "") // as touch does
	r.want(told)
	r.replace("app/tmp/restart.txt", "")
	r.want(told)
	r.must(os.Chmod(stamp, 0o600))
	r.write("app/A.pm", "2")
	r.remove("app/tmp")
	r.set("web", Spec{Paths: []string{"app"}})
	r.marker("app")
}

func TestPauseAndLoaded(t *testing.T) {
	r := newRig(t)
	r.write("app/a", "1")
	r.set("other", Spec{Paths: []string{"app"}})
	r.watch("app")
	r.Pause("web")
	r.write("app/a", "2")
	r.want("other: 1 under /app, first a") // and web not
	r.write("app/b", "2")
	r.want("other: 1 under /app, first b")
	r.Resume("web")
	r.want("web: 2 under /app, first a")

	r.Remove("other")
	r.write("app/a", "3")
	r.tick()
	r.Loaded("web")
	r.marker("app")
	r.Pause("web")
	r.write("app/a", "4")
	r.tick()
	r.Loaded("web")
	r.Resume("web")
	r.marker("app")
	r.Loaded("web")
	r.write("app/a", "5")
	r.want("web: 1 under /app, first a")
	r.remove("app/a")
	r.tick()
	r.Loaded("web")
	r.quiet("web")
	r.write("app/a", "5")
	r.want("web: 1 under /app, first a")
}

// A Spec that is what it was changes nothing; another one begins anew.
func TestSet(t *testing.T) {
	r := newRig(t)
	r.write("app/a", "1")
	r.write("app2/a", "1")
	r.watch("app")
	r.Pause("web")
	r.write("app/a", "2")
	r.watch("app")
	r.Resume("web")
	r.want("web: 1 under /app, first a")
	r.Pause("web")
	r.watch("app2")
	r.write("app/a", "3")
	r.write("app2/a", "3")
	r.Resume("web")
	r.want("web: 1 under /app2, first a")
	r.Remove("web")
	r.Remove("web")
	r.Pause("web")
	if what, _ := r.Pending("web"); what != "" {
		t.Errorf("pending %q of one that is removed", what)
	}
	r.must(r.Close())
	r.must(r.Close())
	r.Set("web", Spec{})
}
