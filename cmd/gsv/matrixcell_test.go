package main_test

import (
	"net/http"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"gsv/supervise/procfs"
	"gsv/supervise/status"
)

// An outcome is what a word of the table means.
type outcome struct {
	status int    // of gsvctl hup
	says   string // its verdict is like this
	serves string // what answers then: "old", "new", "" = not the old release
	busy   bool   // an old worker was still busy
}

var outcomes = map[string]outcome{
	"1 old":       {status: 1, says: `NOT reloaded, .*still serves`, serves: "old"},
	"1 DOWN":      {status: 1, says: `FAILED, web is DOWN`, serves: ""},
	"0 reloaded":  {status: 0, says: `: reloaded`, serves: "new"},
	"0 restarted": {status: 0, says: `: restarted`, serves: "new"},
	"0 ended":     {status: 0, says: `: reloaded, .*\d old (workers?|process|processes)\b.* \([\d ]+\) still busy after 1s w(ere|as) ended`, serves: "new", busy: true},
	"0 started":   {status: 0, says: `: started`, serves: "new"},
	"0 later":     {status: 0, says: `: (reloaded|restarted)`, serves: "new"},
}

// A cell is a row of a table: something goes wrong, or is under way, when hup is asked for.
type cell struct {
	name   string
	play   func(s *stage, want outcome)
	except []string // servers for which it has no meaning
}

var cells = []cell{
	{name: "syntax_error", play: breaks(syntax, true)},
	{name: "syntax_error_unchecked", play: breaks(syntax, false)},
	{name: "exception", play: breaks(exception, true)},
	{name: "exception_unchecked", play: breaks(exception, false)},
	{name: "missing_module", play: breaks(missing, true)},
	{name: "missing_module_unchecked", play: breaks(missing, false)},
	{name: "hangs", play: breaks(hangs, true)},
	{name: "hangs_unchecked", play: breaks(hangs, false)},
	{name: "dies_soon", play: breaks(diesSoon, true), except: []string{"nginx"}},
	{name: "dies_later", play: playDiesLater, except: []string{"nginx"}},
	{name: "check_fails", play: playCheckFails},
	{name: "check_hangs", play: playCheckHangs},
	{name: "directory_gone", play: playDirectoryGone},
	{name: "stale_release", play: playStaleRelease},
	{name: "long_request", play: playLongRequest},
	{name: "busy_keepalive", play: playBusyKeepalive},
	{name: "master_killed", play: playMasterKilled, except: []string{"starman_preload"}},
	{name: "hup_while_starting", play: playHupWhileStarting},
	{name: "ten_hups", play: playTenHups},
}

// Verdict judges a hup after which either the release that served before or the new one answers.
func (s *stage) verdict(v verdict, want outcome, old, new string) {
	s.t.Helper()
	s.judge(v, want.status, want.says, "hup web")
	defer s.visitor.judge(s.t, want, old, new)
	switch want.serves {
	case "old":
		s.serves(old)
		if v := s.gsvctl("status", "web"); v.status != 9 && !(s.server.limps && v.status == 3) {
			s.t.Errorf("status after a failed reload: %s", v)
		}
	case "new":
		s.serves(new)
		s.want(0, ``, "status", "web")
	default:
		s.gone(old)
		if v := s.gsvctl("status", "web"); v.status != 3 && v.status != 9 {
			s.t.Errorf("status of a service that is down: %s", v)
		}
	}
}

// Recovers reloads once more, with a good release: nobody has helped.
func (s *stage) recovers(number string) {
	s.t.Helper()
	if s.server.refuses {
		s.want(0, `: restarted`, "restart", "web")
	} else {
		s.want(0, `: (reloaded|restarted|started)`, "hup", "web")
	}
	s.serves(number)
	s.want(0, ``, "status", "web")
}

// Breaks deploys a broken release. Unchecked is without the check-command of the preset.
func breaks(f fault, checked bool) func(*stage, outcome) {
	return func(s *stage, want outcome) {
		if !checked {
			s.keys["check-command"] = `[]`
		} else if f == hangs {
			s.keys["check-timeout"] = `"3s"`
		}
		s.begin()
		s.visitor.shares(f == diesSoon)
		number, before := s.deploy(f), len(s.written())
		v := s.gsvctl("hup", "web")
		s.verdict(v, want, "1", number)
		caught := checked && f != diesSoon
		pattern := cause[f]
		if !checked && s.server.cause != "" && pattern != "" {
			pattern = s.server.cause
		}
		if pattern != "" && !s.server.refuses && !regexp.MustCompile(pattern).MatchString(v.err) {
			s.t.Errorf("no %q in what it said: %s", pattern, v)
		}
		if caught && !s.server.refuses && !strings.Contains(v.err, "check-command") {
			s.t.Errorf("the check-command was to catch it: %s", v)
		}
		if caught && s.server.taken.MatchString(s.written()[before:]) {
			s.t.Error("it was signalled")
		}
		if s.server.language.file == conf.file {
			s.gate.release() // a master that reads its configuration hears nothing until it has read it
		}
		s.recovers(s.deploy(good))
	}
}

func playDiesLater(s *stage, want outcome) {
	s.begin()
	number := s.deploy(diesLater)
	v := s.gsvctl("hup", "web")
	s.verdict(v, want, "1", number)
	if want.serves == "new" {
		var last verdict
		if err := s.until(func() bool { last = s.gsvctl("status", "web"); return last.status == 3 || last.status == 9 }); err != nil {
			s.t.Errorf("status does not tell that workers die: %s%v", last, err)
		}
		s.want(0, `(?i)workers?\b.*\b(end|exit|die)`, "why", "web")
		s.want(0, `(?i)(workers?|main process|web)\b.*\b(end|exit|die)`, "events")
	}
	s.recovers(s.deploy(good))
}

func playCheckFails(s *stage, want outcome) {
	s.keys["check-command"] = `["sh", "@DIR@/check"]`
	s.begin()
	s.write(s.dir+"/check", "echo no good >&2; exit 3\n")
	s.checked(want, `check-command exited 3`, `no good`)
}

func playCheckHangs(s *stage, want outcome) {
	s.keys["check-command"], s.keys["check-timeout"] = `["sh", "@DIR@/check"]`, `"1s"`
	s.begin()
	s.write(s.dir+"/check", s.fill("read line <@GATE@\n"))
	s.checked(want, `check-command`, `1s`)
}

// Checked deploys a good release under a check-command that does not succeed.
func (s *stage) checked(want outcome, says ...string) {
	s.t.Helper()
	number, before := s.deploy(good), len(s.written())
	v := s.gsvctl("hup", "web")
	s.verdict(v, want, "1", number)
	for _, text := range says {
		if !strings.Contains(v.err, text) && !s.server.refuses {
			s.t.Errorf("no %q in what it said: %s", text, v)
		}
	}
	if s.server.taken.MatchString(s.written()[before:]) {
		s.t.Error("it was signalled")
	}
	s.write(s.dir+"/check", "exit 0\n")
	s.recovers(s.deploy(good))
}

// The directory that the service runs in is removed, and only later the link leads to another.
func playDirectoryGone(s *stage, want outcome) {
	s.keys["stale-release"] = `"restart"`
	s.begin()
	if err := os.RemoveAll(s.dir + "/releases/1"); err != nil {
		s.t.Fatal(err)
	}
	s.verdict(s.gsvctl("hup", "web"), want, "1", "")
	s.recovers(s.deployBeside(good))
}

func playStaleRelease(s *stage, want outcome) {
	s.begin()
	number := s.deployBeside(good)
	s.verdict(s.gsvctl("hup", "web"), want, "1", number)
	if want.serves == "old" {
		if v := s.gsvctl("status", "web"); !strings.Contains(v.out, "STALE") {
			s.t.Errorf("status does not tell that it is stale: %s", v)
		}
		s.set("stale-release", `"restart"`)
		s.recovers(number)
	}
	s.recovers(s.deployBeside(good))
}

func playLongRequest(s *stage, want outcome) {
	s.keys["drain-timeout"], s.keys["stop-timeout"] = `"30s"`, `"30s"`
	s.begin()
	type answer struct {
		release string
		err     error
	}
	slow := make(chan answer, 1)
	go func() {
		release, err := s.request("/slow", patience)
		slow <- answer{release, err}
	}()
	s.slow.reached(s.t)
	number, before := s.deploy(good), len(s.written())
	hup := s.background("hup", "web")
	if want.serves == "new" {
		s.logged(s.server.taken, before)
		select {
		case v := <-hup:
			s.t.Errorf("it did not wait for the request: %s", v)
			hup = s.background("hup", "web")
		case a := <-slow:
			s.t.Errorf("the request was cut: %v", a)
		default:
		}
	}
	if s.server.held && want.serves == "new" {
		s.serving(2)
	}
	s.slow.release()
	if a := <-slow; a.release != "1" || a.err != nil {
		s.t.Errorf("the slow request was answered by release %q (%v)", a.release, a.err)
	}
	s.verdict(<-hup, want, "1", number)
	s.recovers(s.deploy(good))
}

// A client asks back to back on one connection. A Starman that waits for the next request when the signal comes ends the
// connection (select is interrupted), so there it comes in the middle of a request.
func playBusyKeepalive(s *stage, want outcome) {
	s.begin()
	web, err := s.service("web")
	if err != nil {
		s.t.Fatal(err)
	}
	path, begun, over, ended := "/", make(chan struct{}), make(chan struct{}), make(chan struct{})
	if want.busy {
		path = "/slow"
	}
	go func() {
		defer close(ended)
		client := &http.Client{Timeout: patience, Transport: &http.Transport{MaxConnsPerHost: 1}}
		defer client.CloseIdleConnections()
		_, _ = body(client.Get("http://127.0.0.1:" + s.port + path))
		for close(begun); ; {
			select {
			case <-over:
				return
			default:
			}
			_, _ = body(client.Get("http://127.0.0.1:" + s.port + "/")) // it is cut at last, and begins anew
		}
	}()
	if want.busy {
		s.slow.reached(s.t)
	} else {
		<-begun
	}
	number := s.deploy(good)
	hup := s.background("hup", "web")
	if want.busy {
		s.oneEnds(web.Workers) // the other one: so the signal is being sent
		s.waits(web.Pid)       // and now it has been
		s.slow.release()
	}
	v := <-hup
	close(over)
	<-ended
	s.verdict(v, want, "1", number)
	s.recovers(s.deploy(good))
}

// OneEnds waits until one of the workers has ended.
func (s *stage) oneEnds(workers []status.Worker) {
	s.t.Helper()
	var fds []int
	for _, w := range workers {
		fd, err := unix.PidfdOpen(w.Pid, 0)
		if err != nil {
			return
		}
		defer unix.Close(fd)
		fds = append(fds, fd)
	}
	if err := readable(time.Now().Add(patience/2), fds...); err != nil {
		s.t.Fatalf("no worker of %v ends: %v", workers, err)
	}
}

// Waits returns when a process does nothing, as a main process that has sent all its workers a signal.
func (s *stage) waits(pid int) {
	s.t.Helper()
	for deadline := time.Now().Add(patience / 2); time.Now().Before(deadline); runtime.Gosched() { // nothing tells that
		if p, err := procfs.Read(pid); err != nil || p.State == 'S' {
			return // one that has ended has sent it too
		}
	}
	s.t.Fatalf("process %d does not come to rest", pid)
}

func playHupWhileStarting(s *stage, want outcome) {
	s.keys["autostart"] = `false`
	s.define()
	if err := s.start(s.dir, nil, nil, nil); err != nil {
		s.t.Fatal(err)
	}
	s.want(0, ``, "--no-wait", "start", "--no-check", "web") // the hup is to come while the server starts, not while it is checked
	number := "1"
	if !s.server.refuses { // it may load this one at once
		number = s.deploy(good)
	}
	v := s.gsvctl("hup", "web")
	s.verdict(v, want, number, number)
	web, err := s.service("web")
	if err != nil || web.Restarts != 0 || web.Generation != 1 && !s.server.restarts && !s.server.held {
		s.t.Errorf("it was killed: generation %d, %d restarts, last exit %+v (%v)", web.Generation, web.Restarts, web.LastExit, err)
	}
	s.recovers(s.deploy(good))
}

func playTenHups(s *stage, want outcome) {
	s.begin()
	number, before := s.deploy(good), len(s.written())
	if s.server.restarts { // one that comes when nothing runs asks for a start
		want.says = `: (re)?started`
	}
	var hups []<-chan verdict
	for range 10 {
		hups = append(hups, s.background("hup", "web"))
	}
	for _, hup := range hups {
		s.judge(<-hup, want.status, want.says, "hup web")
	}
	// One in flight, one behind it; and one more, should the last of them have asked after the first had ended.
	reloads := len(s.server.taken.FindAllString(s.written()[before:], -1))
	most := 3
	if s.server.restarts { // while one is under way, who asks waits for the start, or begins another
		most = 5
	}
	if reloads > most || reloads == 0 && want.serves == "new" {
		s.t.Errorf("%d reloads", reloads)
	}
	if want.serves == "old" {
		number = "1"
	}
	s.serves(number)
	s.visitor.judge(s.t, want, "1", number)
	s.recovers(s.deploy(good))
}

// Means reports whether a cell has a meaning for a server.
func (c *cell) means(server string) bool { return !slices.Contains(c.except, server) }
