package watch

import (
	"testing"
	"time"
)

// What a Watcher that was killed has told last shows the next one what was only removed
// meanwhile, or is led to by a link that was pointed elsewhere.
func TestSetSince(t *testing.T) {
	const another = "web: 1 under /current, first "
	for name, tt := range map[string]struct {
		change func(r *rig)
		want   string // "": it is nothing
	}{
		"nothing":                {func(r *rig) {}, ""},
		"times":                  {func(r *rig) { r.age("releases/2/lib/a") }, "web: 1 under /current, first lib/a"},
		"an empty directory":     {func(r *rig) { r.remove("releases/2/empty"); r.mkdir("releases/2/empty too") }, ""},
		"ignored":                {func(r *rig) { r.remove("releases/2/x.pyc") }, ""},
		"removed":                {func(r *rig) { r.remove("releases/2/lib/a") }, another},
		"a directory removed":    {func(r *rig) { r.remove("releases/2/lib") }, another},
		"all of it":              {func(r *rig) { r.remove("current") }, another},
		"an older release again": {func(r *rig) { r.link("releases/1", "current") }, another},
		"written":                {func(r *rig) { r.write("releases/2/lib/b", "3") }, "web: 1 under /current, first lib/b"},
		"removed and written": {func(r *rig) { r.remove("releases/2/lib/a"); r.write("releases/2/lib/b", "3") },
			"web: 1 under /current, first lib/b"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			for _, n := range []string{"1", "2"} {
				for _, f := range []string{"a", "lib/a", "lib/b", "x.pyc"} {
					r.write("releases/"+n+"/"+f, n)
				}
			}
			r.mkdir("releases/2/empty")
			r.link("releases/1", "current")
			r.watch("current")
			r.link("releases/2", "current")
			r.want("web: 3 under /current, first a")
			r.remove("releases/2/x.pyc")
			r.write("releases/2/x.pyc", "x")
			r.tick()
			since := time.Now()
			r.Loaded("web")
			r.quiet("web")
			files := r.loaded["web"]
			r.must(r.Close())

			r.tick()
			tt.change(r)
			next := newRig(t)
			next.dir = r.dir
			next.SetSince("web", Spec{Paths: []string{r.path("current")}, Debounce: quick}, since, files)
			if next.quiet("web"); tt.want != "" {
				next.want(tt.want)
			}
			next.mkdir("current")
			next.marker("current")
		})
	}
}
