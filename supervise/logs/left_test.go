package logs

import (
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// TestKeepLeft: the log of a standard error that has none any more counts as one that was rotated, when nobody has
// written to it for a while, and goes on staying where it is written.
func TestKeepLeft(t *testing.T) {
	old := func(r *keepRig, name string, age time.Duration) {
		at := time.Now().Add(-age)
		r.make(100, name)
		if err := os.Chtimes(r.at(name), at, at); err != nil {
			r.Fatal(err)
		}
	}
	const left, index = "web.err.log", indexDir + "/web.err"
	for _, tt := range []struct {
		about  string
		policy Policy
		age    time.Duration
		stems  []string
		gone   bool
	}{
		{"too old", Policy{MaxAge: time.Hour}, 2 * time.Hour, []string{"web"}, true},
		{"too much", Policy{MaxTotal: 250}, 2 * time.Hour, []string{"web"}, true},
		{"young", Policy{MaxTotal: 250}, 0, []string{"web"}, false},
		{"in use", Policy{MaxAge: time.Hour, MaxTotal: 250}, 2 * time.Hour, []string{"web", "web.err"}, false},
		{"enough room", Policy{Keep: 1, MaxAge: 3 * time.Hour, MaxTotal: 500, Compress: true}, 2 * time.Hour, []string{"web"}, false},
	} {
		t.Run(tt.about, func(t *testing.T) {
			r := newKeepRig(t)
			r.make(100, "web.log", index)
			old(r, left, tt.age)
			r.keep(tt.policy, tt.stems...)
			if want := []string{"web.log"}; tt.gone {
				r.want(want...)
			} else {
				r.want(append(want, left, index)...)
			}
			r.wantTold()
		})
	}
	synctest.Test(t, func(t *testing.T) { // by a timer, when it can be told, and when it is too old
		for _, p := range []Policy{{MaxAge: time.Hour}, {MaxTotal: 250}} {
			r := newKeepRig(t)
			r.make(100, "web.log", "web.err", index) // and something of others
			old(r, left, 0)
			r.keep(p, "web")
			r.want("web.log", "web.err", left, index)
			<-time.After(max(p.MaxAge, lull))
			synctest.Wait()
			r.want("web.log", "web.err")
		}
	})
}
