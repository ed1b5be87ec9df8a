package status

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// TestNames holds the JSON to the contract's names: scripts of other people read them.
func TestNames(t *testing.T) {
	at := time.Date(2026, 11, 23, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct {
		name  string
		value any
		want  string
	}{
		{"service", Service{LastExit: &Exit{At: at}, LastReload: &Reload{At: at}, NextStart: &at, Workers: []Worker{{}}},
			"name description preset state want pid generation ready since restarts listen release stale pending last_exit last_reload next_start workers"},
		{"exit", Exit{Signal: "KILL"}, "code signal core at"},
		{"reload", Reload{}, "operation result seconds at"},
		{"worker", Worker{}, "pid started rss pss generation"},
		{"operation", Operation{Ended: at, Error: "e", Log: []string{"l"}}, "id verb service by started ended result error log old_workers new_workers"},
		{"caller", Caller{}, "uid user pid"},
		{"about", About{}, "version pid supervisor_pid uptime boot_id"},
		{"problem", Problem{Service: "web", Hint: "h", Operation: &Operation{}}, "type title detail service hint exit_code operation"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			src, err := json.Marshal(tt.value)
			if err != nil {
				t.Fatal(err)
			}
			var got map[string]json.RawMessage
			if err := json.Unmarshal(src, &got); err != nil {
				t.Fatal(err)
			}
			for _, name := range strings.Fields(tt.want) {
				if _, ok := got[name]; !ok {
					t.Errorf("no %q in %s", name, src)
				}
			}
		})
	}
}

func TestTimesAreRFC3339(t *testing.T) {
	src, err := json.Marshal(Exit{At: time.Date(2026, 11, 23, 3, 4, 5, 0, time.UTC)})
	if err != nil || !strings.Contains(string(src), `"at":"2026-11-23T03:04:05Z"`) {
		t.Errorf("got %s, %v", src, err)
	}
}

func TestOperationSeconds(t *testing.T) {
	start := time.Date(2026, 11, 23, 3, 4, 5, 0, time.UTC)
	op := Operation{Started: start}
	if got := op.Seconds(start.Add(1500 * time.Millisecond)); got != 1.5 {
		t.Errorf("while going on: %v s, want 1.5", got)
	}
	op.Result, op.Ended = OK, start.Add(400*time.Millisecond)
	if got := op.Seconds(start.Add(time.Hour)); got != 0.4 {
		t.Errorf("after the end: %v s, want 0.4", got)
	}
}

func TestProblemError(t *testing.T) {
	for _, tt := range []struct {
		p    Problem
		want string
	}{
		{Problem{Title: "not permitted"}, "not permitted"},
		{Problem{Detail: "no such service", Service: "web"}, "web: no such service"},
		{Problem{Detail: "web is down", Service: "web"}, "web is down"},
	} {
		if got := tt.p.Error(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func TestStates(t *testing.T) {
	alive, serves := "", ""
	for _, s := range []State{Waiting, Starting, Running, Reloading, Stopping, Stopped, Backoff, Exited, Fatal, Invalid} {
		if s.Alive() {
			alive += string(s) + " "
		}
		if (&Service{State: s, Ready: true}).Serves() {
			serves += string(s) + " "
		}
		if (&Service{State: s}).Serves() {
			t.Errorf("%s serves without being ready", s)
		}
	}
	if alive != "starting running reloading stopping " || serves != "running reloading exited " {
		t.Errorf("alive: %s; serves: %s", alive, serves)
	}
}
