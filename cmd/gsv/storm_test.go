package main_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"gsv/supervise/status"
)

// TestStorm kills the supervisor with -9, again and again, while services crash, some as fast as they can, others are restarted
// by gsvctl, and others just run. Each run of a service leaves its number in a file and exits with a code made of it.
//
// GSV_KILLS says how often, 10 times if it is not set: the guardian starts supervisors at most a second apart.
func TestStorm(t *testing.T) {
	const (
		crashing, steady, cycled, ahead = 60, 30, 3, 10
		limit                           = 20
	)
	kills := 10
	if n, err := strconv.Atoi(os.Getenv("GSV_KILLS")); err == nil {
		kills = n
	}
	h := stormHouse(t)
	write := func(name string, lines ...string) {
		if err := os.WriteFile(filepath.Join(h.dir, "services.d", name+".toml"), []byte(strings.Join(lines, "\n")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	script := fmt.Sprintf("echo $GSV_GENERATION >>%s/runs/$GSV_SERVICE; exit $((GSV_GENERATION + 100))", h.dir)
	for i := range crashing {
		write(fmt.Sprint("crash", i), fmt.Sprintf("command = ['sh', '-c', '%s']", script),
			fmt.Sprint("start-limit = ", limit), `restart-delay = "200ms"`, `restart-delay-max = "200ms"`)
	}
	for i := range steady {
		write(fmt.Sprint("steady", i), `command = ["sleep", "1000"]`, `min-uptime = "10ms"`)
	}
	for i := range ahead { // healthy at once: the guardian has each next start ahead of time
		write(fmt.Sprint("ahead", i), fmt.Sprintf("command = ['sh', '-c', 'sleep 0.1; %s']", script),
			`min-uptime = "1ms"`, `restart-delay = "1ms"`, `restart-delay-max = "1ms"`)
	}
	for i := range cycled {
		write(fmt.Sprint("cycle", i), `command = ["sleep", "1000"]`, `min-uptime = "1ms"`)
	}
	if err := h.start(h.dir, nil, nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := h.until(func() bool { return running(snapshot(t, h), "steady") == steady }); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, h)

	over := make(chan struct{})
	var others sync.WaitGroup
	others.Go(func() { neverRefused(t, h, over) })
	for i := range cycled {
		others.Go(func() { restarts(t, h, fmt.Sprint("cycle", i), over) })
	}
	for range kills {
		pid, err := h.supervisor()
		if err != nil {
			t.Error(err)
			break
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Error("the supervisor has ended by itself: ", err)
			break
		}
		if err := ended(pid); err != nil {
			t.Fatal(err)
		}
	}
	close(over)
	others.Wait()

	for i := range crashing {
		name := fmt.Sprint("crash", i)
		var s status.Service
		if err := h.until(func() bool { s, _ = h.service(name); return s.State == status.Fatal }); err != nil {
			t.Errorf("%s stays %s: %v", name, s.State, err)
			continue
		}
		b, _ := os.ReadFile(filepath.Join(h.dir, "runs", name))
		var want []string
		for n := range limit {
			want = append(want, strconv.Itoa(n+1))
		}
		if got := strings.Fields(string(b)); !slices.Equal(got, want) {
			t.Errorf("%s ran %v, want each of 1 to %d once", name, got, limit)
		}
		if s.Generation != limit || s.LastExit == nil || s.LastExit.Code != limit+100 {
			t.Errorf("%s: generation %d, last exit %+v, want %d and %d", name, s.Generation, s.LastExit, limit, limit+100)
		}
	}
	for i := range ahead {
		allOnce(t, h, fmt.Sprint("ahead", i))
	}
	after := snapshot(t, h)
	for i := range steady {
		name := fmt.Sprint("steady", i)
		a, b := before[name], after[name]
		if a.Pid != b.Pid || b.Generation != 1 || b.Restarts != 0 || b.State != status.Running {
			t.Errorf("%s was touched: pid %d, now %d, generation %d, restarts %d, %s", name, a.Pid, b.Pid, b.Generation, b.Restarts, b.State)
		}
	}
}

// AllOnce stops a service whose runs each leave their number, and fails if one is missing, but for the last, or there twice.
func allOnce(t *testing.T, h *house, name string) {
	stop := exec.Command(filepath.Join(bin, "gsvctl"), "stop", name)
	stop.Env = h.vars
	if out, err := stop.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	s, err := h.service(name)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := os.ReadFile(filepath.Join(h.dir, "runs", name))
	got := strings.Fields(string(b))
	for i, n := range got {
		if n != strconv.Itoa(i+1) {
			t.Errorf("%s ran %v, want each once", name, got)
			break
		}
	}
	// The one that was stopped had not come to that, and one that was started ahead may have been taken back.
	if short := s.Generation - len(got); len(got) < 5 || short < 0 || short > 2 {
		t.Errorf("%s: generation %d, %d runs", name, s.Generation, len(got))
	}
}

// StormHouse is a house outside of any script.
func stormHouse(t testing.TB) *house {
	dir, err := os.MkdirTemp("", "gsv") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, d := range []string{"services.d", "run", "log", "runs"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	h := newHouse(dir, append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "GSV_HOST=app01", "GORACE=atexit_sleep_ms=0",
		"GSV_SERVICES="+dir+"/services.d", "GSV_RUN_DIR="+dir+"/run", "GSV_LOG_DIR="+dir+"/log", "GSV_SOCKET="+dir+"/run/gsv.sock"), t.Log, t.Failed)
	t.Cleanup(h.close)
	return h
}

// Supervisor asks for its pid until one has lived long enough to answer.
func (h *house) supervisor() (int, error) {
	for {
		a, err := h.about()
		if err == nil || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, os.ErrNotExist) {
			return a.SupervisorPid, err
		}
		select {
		case <-h.ended:
			return 0, errors.New("gsv has ended")
		default: // it was killed while it answered
		}
	}
}

func snapshot(t *testing.T, h *house) map[string]status.Service {
	var answer struct{ Services []status.Service }
	if err := h.ask("/v1/services", &answer); err != nil {
		t.Fatal(err)
	}
	all := map[string]status.Service{}
	for _, s := range answer.Services {
		all[s.Name] = s
	}
	return all
}

// Running counts the services whose names begin so that have a main process.
func running(all map[string]status.Service, prefix string) (n int) {
	for name, s := range all {
		if strings.HasPrefix(name, prefix) && s.Pid != 0 {
			n++
		}
	}
	return n
}

// NeverRefused connects to the control socket until it is over: it queues while there is no supervisor.
func neverRefused(t *testing.T, h *house, over <-chan struct{}) {
	for {
		select {
		case <-over:
			return
		default:
		}
		c, err := net.Dial("unix", filepath.Join(h.dir, "run/gsv.sock"))
		if err != nil {
			t.Error("a connection was refused:", err)
			return
		}
		_, _ = c.Write([]byte("GET /v1 HTTP/1.0\r\n\r\n"))
		_, _ = c.Read(make([]byte, 1)) // answered, or cut off by the kill
		c.Close()
	}
}

// Restarts restarts a service by gsvctl until it is over; each must succeed, whoever dies meanwhile.
func restarts(t *testing.T, h *house, name string, over <-chan struct{}) {
	for {
		select {
		case <-over:
			return
		default:
		}
		cmd := exec.Command(filepath.Join(bin, "gsvctl"), "restart", name)
		cmd.Env = h.vars
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("gsvctl restart %s: %v\n%s", name, err, out)
			return
		}
	}
}
