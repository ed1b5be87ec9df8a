package guardian

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"gsv/supervise/spawn"
)

const (
	chains = 12
	links  = 90 // runs of each, one after the other
)

// The supervisor is killed again and again while run follows run, each armed by the one before, if that has time to do so. In the end each
// was started exactly once, after its predecessor's end, and ended with its own status.
func TestSupervisorKilledWhileArmed(t *testing.T) {
	dir := t.TempDir()
	s := play(t, []string{"TEST_AGAIN=1us"}, "armedstorm", dir)
	next, alone := 0, 0
	s.killing(func(line string) {
		switch line {
		case "next":
			next++
		case "alone":
			alone++
		}
	})
	if b, err := os.ReadFile(filepath.Join(dir, "early")); err == nil {
		t.Errorf("there were two runs at a time:\n%s", b)
	}
	for c := range chains {
		for n := uint64(1); n <= links; n++ {
			name := linkName(dir, fmt.Sprint("chain", c), n)
			if b, err := os.ReadFile(name + ".started"); !linkFails(n) && (err != nil || string(b) != "x") {
				t.Errorf("%s was started %d times, %v", name, len(b), err)
			}
			want := fmt.Sprintf("%d ok", n<<8)
			if linkFails(n) {
				want = fmt.Sprintf("%d cannot execute: no such file or directory", 127<<8)
			}
			if b, err := os.ReadFile(name + ".ended"); err != nil || string(b) != want {
				t.Errorf("%s ended with %q, %v, want %q", name, b, err, want)
			}
		}
	}
	if next < 50 || alone < 5 {
		t.Errorf("of %d, only %d followed by themselves, and %d before that supervisor had asked: nothing is proven", chains*links, next, alone)
	}
	t.Logf("of %d, %d followed by themselves, and %d before that supervisor had asked", chains*links, next, alone)
}

func linkName(dir, key string, n uint64) string { return fmt.Sprintf("%s/%s.%d", dir, key, n) }

func linkFails(n uint64) bool { return n%9 == 0 }

func linkSpec(dir, key string, n uint64) *spawn.Spec {
	if linkFails(n) {
		return &spawn.Spec{Argv: []string{"/no/such"}}
	}
	script := `printf x >>"$1.started"; /bin/true; /bin/true; /bin/true; : >"$1.done"; exit $2`
	if n > 1 && !linkFails(n-1) {
		script = `[ -e "$3.done" ] || echo "$1" >>"$4/early"; ` + script
	}
	return sh(script, linkName(dir, key, n), fmt.Sprint(n), linkName(dir, key, n-1), dir)
}

func sceneArmedStorm(s *scene) {
	dir := s.args[0]
	fmt.Println("new")
	s.Serving()
	last, ended, unended := map[string]uint64{}, map[run]bool{}, chains*links
	arm := func(key string, n uint64) {
		if n > links {
			return
		}
		s.Arm(key, n, linkSpec(dir, key, n), std(), nil)
		switch n % 10 {
		case 3:
			s.Arm(key, n, linkSpec(dir, key, n), std(), nil)
		case 7:
			s.Disarm(key, n)
		}
	}
	start := func(key string) {
		if n := last[key] + 1; n <= links {
			last[key] = n
			s.Start(key, n, linkSpec(dir, key, n), std(), nil)
			arm(key, n+1)
		}
	}
	for _, p := range s.list {
		last[p.Key] = max(last[p.Key], p.N)
	}
	before := map[string]uint64{} // the last that was known to a supervisor
	for c := range chains {
		key := fmt.Sprint("chain", c)
		for n := uint64(1); n <= links; n++ {
			if _, err := os.Stat(linkName(dir, key, n) + ".ended"); err == nil {
				ended[run{key, n}], before[key] = true, n
				unended--
			}
		}
		last[key] = max(last[key], before[key])
		if last[key] == before[key] {
			start(key)
		}
	}
	for _, p := range s.list {
		if !p.Ended {
			arm(p.Key, p.N+1)
		}
	}
	for unended > 0 {
		switch e := s.next().(type) {
		case Started:
			fmt.Println("started")
		case Ended:
			s.record(linkName(dir, e.Key, e.N), e)
			if r := (run{e.Key, e.N}); !ended[r] {
				ended[r] = true
				unended--
			}
			s.Ack(e.Key, e.N)
			switch {
			case e.Next && last[e.Key] > e.N:
				fmt.Println("alone") // it was listed
			case e.Next:
				fmt.Println("next")
				last[e.Key] = e.N + 1
				arm(e.Key, e.N+2)
			case last[e.Key] == e.N:
				start(e.Key)
			}
			fmt.Println("ended")
		}
	}
	s.flush()
	if list := zombies(s.Hello().Pid); len(list) != 0 {
		s.fail("zombies: %v", list)
	}
	s.Exit(0)
}
