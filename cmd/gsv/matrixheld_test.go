package main_test

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// HeldServers are the columns of the table in docs/replace.md: the same servers on a socket that gsv holds, with the line of the log
// that says that another generation begins.
func heldServers() []rowServer {
	begins := map[string]string{
		"starman": `Passed serialize value of none`, "unicorn": `master process ready`, "gunicorn": `Starting gunicorn`,
		"puma": `Puma starting in cluster mode`, "nginx": `start worker processes\n`,
	}
	var held []rowServer
	for _, s := range servers {
		line, ok := begins[s.name]
		if !ok {
			continue
		}
		s.name, s.held, s.limps, s.taken = s.name+"_replace", true, false, regexp.MustCompile(line)
		s.keys += "\nreload = 'replace'\nlisten.http.address = '127.0.0.1:@PORT@'"
		if s.language.file != conf.file && !strings.HasPrefix(s.name, "puma") { // those take no private socket
			s.keys += "\nready.http = '/'"
		}
		s.command = strings.NewReplacer(`"--listen", "127.0.0.1:@PORT@", `, "", `"-b", "127.0.0.1:@PORT@", `, "").Replace(s.command)
		files := map[string]string{}
		for name, text := range s.files {
			files[name] = strings.NewReplacer("listen \"127.0.0.1:@PORT@\"\n", "", `bind "tcp://127.0.0.1:@PORT@"`, "bind_to_activated_sockets 'only'").Replace(text)
		}
		s.files = files
		held = append(held, s)
	}
	return held
}

// HeldCells are its rows: those of the other table, and what can only happen to a generation that is tried.
func heldCells() []cell {
	all := slices.Clone(cells)
	for i := range all {
		if slices.Contains(all[i].except, "nginx") {
			all[i].except = []string{"nginx_replace"}
		}
	}
	return append(all, cell{name: "trial_killed", play: playTrialKilled})
}

// A visitor asks all the time, each request on a connection of its own. A nil one asks nothing.
type visitor struct {
	over, ended chan struct{}
	shared      bool // the generation that is tried accepts connections before it fails
	answers     map[string]int
	lost        []error
	longest     time.Duration // until an answer was there
}

// AskEvery is how long after a request a visitor begins the next one.
const askEvery = 10 * time.Millisecond

// AtOnce is how long an answer may take on a machine that has much else to do.
const atOnce = 3 * time.Second

func (s *stage) newVisitor() *visitor {
	v := &visitor{over: make(chan struct{}), ended: make(chan struct{}), answers: map[string]int{}}
	go func() {
		defer close(v.ended)
		pace := time.NewTimer(0)
		defer pace.Stop()
		for {
			select {
			case <-v.over:
				return
			case <-pace.C:
			}
			begun := time.Now()
			if release, err := s.request("/", patience); err != nil {
				v.lost = append(v.lost, err)
			} else {
				v.answers[release]++
				v.longest = max(v.longest, time.Since(begun))
			}
			pace.Reset(askEvery)
		}
	}()
	s.t.Cleanup(v.end)
	return v
}

// Shares says that the release which fails may answer too, and cut who has connected to it.
func (v *visitor) shares(is bool) {
	if v != nil {
		v.shared = is
	}
}

// End lets the request that is under way come to its end. It may be called twice.
func (v *visitor) end() {
	select {
	case <-v.over:
	default:
		close(v.over)
	}
	<-v.ended
}

// Judge ends it and fails where a request was refused, or had no answer: whatever is deployed, the service goes on. Only a generation
// that accepts connections before it fails, and one that ends while it serves, may cut some that it has accepted.
func (v *visitor) judge(t *testing.T, want outcome, old, new string) {
	t.Helper()
	if v == nil {
		return
	}
	v.end()
	gentle := want.serves == "old" && !v.shared
	for _, err := range v.lost {
		if cause := lossOf(err); gentle || !errors.Is(cause, errReset) && !errors.Is(cause, errCut) {
			t.Errorf("a request was lost: %v", err)
		}
	}
	for release, n := range v.answers {
		if release != old && (gentle || release != new) {
			t.Errorf("release %s answered %d of the visitor's requests", release, n)
		}
	}
	if v.answers[old] == 0 || gentle && v.longest > atOnce {
		t.Errorf("the old release has answered %d requests, one of them after %s", v.answers[old], v.longest)
	}
}
