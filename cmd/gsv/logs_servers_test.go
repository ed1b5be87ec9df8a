package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// anUpload: one more than are under way at once, so that one of them is begun from now on.
var anUpload = ways[asksUpload].slots + 1

// loggingServers write a line to their output for each request: unicorn and gunicorn drop the request, and puma
// answers 500, when nobody can read it any more.
func loggingServers() (all []deployed) {
	for _, name := range []string{"unicorn", "gunicorn", "puma"} {
		s := serverNamed(name)
		switch name { // unicorn -E deployment does so by itself
		case "gunicorn":
			s.command = append(slices.Clone(s.command), "--access-logfile", "-")
		case "puma":
			s.files = maps.Clone(s.files)
			s.files["config.ru"] = "$stdout.sync = true\nuse Rack::CommonLogger, $stdout\n" + rack
		}
		all = append(all, s)
	}
	return all
}

// TestLogServers kills the supervisor with -9 while servers that log each request are asked all the time, then all of gsv
// and starts it again: no request fails or waits for it, and each is in the log.
//
// It is killed 3 times, or a tenth of what GSV_KILLS says; each third time it is all of gsv.
func TestLogServers(t *testing.T) {
	kills := 3
	if n, err := strconv.Atoi(os.Getenv("GSV_KILLS")); err == nil {
		kills = max(kills, n/10)
	}
	for _, server := range loggingServers() {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			logsThroughKills(t, server, kills)
		})
	}
}

func logsThroughKills(t *testing.T, server deployed, kills int) {
	site := newDeploySite(t, server)
	byGsv(t, site, "")
	h := site.h
	main, err := h.target("web")
	if err != nil {
		t.Fatal(err)
	}
	l := newLoad(t, site.asker(patience))
	for kill := range kills {
		l.more(t, anUpload, asksUpload)
		pid, err := h.supervisor()
		if err != nil {
			t.Fatal(err)
		}
		whole := kill%3 == 2
		if whole {
			pid = h.pid
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if err := ended(pid); err != nil {
			t.Fatal(err)
		}
		if !whole {
			continue
		}
		if _, err := h.end(); err != nil {
			t.Fatal(err)
		}
		l.more(t, 30, asksFresh) // while there is no gsv; the pipe has room for some hundred
		if err := h.start(h.dir, nil, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	l.more(t, anUpload, asksUpload)
	l.end()
	asked := 0
	for c, n := range l.counts {
		asked += n.requests
		if n.lost+n.retryable > 0 {
			t.Errorf("%s: %d of %d lost, %d closed when they were asked again", ways[c].name, n.lost, n.requests, n.retryable)
		}
	}
	if l.gap > atOnce {
		t.Errorf("nothing was answered for %s", l.gap)
	}
	if causes := l.causes(nil); causes != "" {
		t.Error("\n" + causes)
	}
	if now, err := h.target("web"); now != main || err != nil {
		t.Errorf("the main process was %d and is %d (%v)", main, now, err)
	}
	h.shutdown(t)
	b, err := os.ReadFile(filepath.Join(h.dir, "log/web.log"))
	if err != nil {
		t.Fatal(err)
	}
	logged := 0
	for line := range bytes.Lines(b) {
		if strings.Contains(string(line), " HTTP/1.1\" 200 ") {
			logged++
		}
	}
	if logged < asked {
		t.Errorf("%d requests in the log, of %d", logged, asked)
	}
	t.Logf("%d requests, %d kills, the longest gap %s", asked, kills, inMs(l.gap))
}

// More waits for so many more requests of a class to be answered.
func (l *load) more(t *testing.T, n int, c class) {
	t.Helper()
	l.mu.Lock()
	want := l.counts[c].requests + n
	l.mu.Unlock()
	if err := l.until(patience, func() error {
		if has := l.counts[c].requests; has < want {
			return fmt.Errorf("%s: %d, want %d", ways[c].name, has, want)
		}
		return nil
	}); err != nil {
		t.Fatal(errors.Join(err, errors.New(l.causes(nil))))
	}
}

// Shutdown has gsv end, with all that its services have written in their logs.
func (h *house) shutdown(t *testing.T) {
	t.Helper()
	cmd := exec.Command(filepath.Join(bin, "gsvctl"), "shutdown")
	cmd.Env = h.vars
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("gsvctl shutdown: %v\n%s", err, out)
	}
	if status, err := h.end(); status != 0 || err != nil {
		t.Fatalf("gsv ended with %d (%v)", status, err)
	}
}
