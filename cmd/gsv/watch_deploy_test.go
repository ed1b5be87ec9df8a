package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gsv/supervise/status"
)

// YardRest is the debounce of most yards: well above what passes between two steps of a script, also when the machine
// has much else to do.
const yardRest = 400 * time.Millisecond

// WatchReason is what an operation by watch says of its cause.
var watchReason = regexp.MustCompile(`^(1 file under /\S+, \S+|\d+ files under /\S+, first \S+|/\S+ has changed)$`)

// TestWatchDeploys plays each of plays to a watched service: exactly one reload of each, of all of it, and none of what is no deploy.
func TestWatchDeploys(t *testing.T) {
	t.Parallel()
	eachPlay(t, func(y *yard, p *play) {
		rest := yardRest
		if p.rest > 0 {
			rest = p.rest
		}
		y.watch(rest, nil, p.watch)
		p.deploy(y)
		if p.quiet {
			y.expect(0)
			return
		}
		y.expect(1)
	})
}

// Watch opens the yard with a watch of site, unless lines of [watch] name other paths. Keys are other lines of web's
// file. A second service, mark, is watched as well, and rests three times as long: see settle.
func (y *yard) watch(rest time.Duration, keys []string, lines ...string) {
	y.t.Helper()
	table := []string{"[watch]", fmt.Sprintf(`debounce = "%s"`, rest)}
	if !strings.Contains(strings.Join(lines, "\n"), "paths = ") {
		table = append(table, `paths = ["SITE"]`)
	}
	y.serviceFile("mark", `command = ["sleep", "1000"]`, `min-uptime = "10ms"`,
		"[watch]", `paths = ["DIR/marks"]`, fmt.Sprintf(`debounce = "%s"`, 3*rest), `action = "restart"`)
	y.open(slices.Concat(keys, table, lines)...)
	y.want(0, ``, "wait", "mark", "--for", "ready")
	y.served = y.digest(y.site)
}

// Settle returns once all that was deployed before has had its effect. What is changed last is a file of the service
// mark, which rests longer than web: when mark has been restarted for it, web's time is over.
func (y *yard) settle() {
	y.t.Helper()
	y.marks++
	y.put(fmt.Sprint("marks/", y.marks), "")
	var mark, web status.Service
	err := y.until(func() bool {
		var err, err2 error
		mark, err = y.service("mark")
		web, err2 = y.service("web")
		if err != nil || err2 != nil || mark.Generation <= y.marks || mark.State != status.Running {
			return false
		}
		return web.State != status.Reloading && web.State != status.Stopping && web.State != status.Starting
	})
	if err != nil {
		y.t.Fatalf("mark: generation %d, want %d, %s; web: %s: %v", mark.Generation, y.marks+1, mark.State, web.State, err)
	}
}

// Expect fails unless the watch has reloaded web so often since the last time, and it serves all that is there then.
func (y *yard) expect(reloads int) {
	y.t.Helper()
	y.settle()
	all := y.operations()
	if len(all) != reloads {
		y.t.Errorf("%d operations, want %d", len(all), reloads)
	}
	for _, op := range all {
		y.t.Logf("%s by %s, %s: %s %s", op.Verb, op.By.User, op.Reason, op.Result, op.Error)
		if op.Verb != "hup" || op.Result != status.OK || op.By.User != "watch" || !watchReason.MatchString(op.Reason) {
			y.t.Errorf("it is %+v, want a good hup by watch that says why", op)
		}
	}
	if reloads > 0 {
		y.served = y.digest(y.site)
	}
	y.serves(y.served)
}

// Stopped begins a program that deploys the next release, and stops it (SIGSTOP) when a file with such a name has come
// to dir. Resume lets it go on to its end; with "KILL" as its last word the program is killed instead.
func (y *yard) stopped(dir string, name *regexp.Regexp, argv ...string) (resume func()) {
	y.t.Helper()
	y.stageNext()
	end := syscall.SIGCONT
	if last := len(argv) - 1; argv[last] == "KILL" {
		argv, end = argv[:last], syscall.SIGKILL
	}
	w, err := newWatch(dir, unix.IN_CREATE)
	if err != nil {
		y.t.Fatal(err)
	}
	defer w.close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = y.dir, y.vars
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		y.t.Fatal(err)
	}
	group := -cmd.Process.Pid
	there := func() bool {
		all, _ := os.ReadDir(dir)
		for _, d := range all {
			if name.MatchString(d.Name()) {
				return true
			}
		}
		return false
	}
	for deadline := time.Now().Add(patience); !there(); {
		if err := w.wait(deadline); err != nil {
			_ = syscall.Kill(group, syscall.SIGKILL)
			y.t.Fatalf("no %s in %s: %v", name, dir, err)
		}
	}
	_ = syscall.Kill(group, syscall.SIGSTOP)
	if !there() {
		y.t.Errorf("%s: it is no longer there", filepath.Join(dir, name.String()))
	}
	return func() {
		y.t.Helper()
		_ = syscall.Kill(group, end)
		if err := cmd.Wait(); err != nil && end == syscall.SIGCONT {
			y.t.Errorf("%q: %v", argv, err)
		}
	}
}

// Says waits for an event of web's watch with such a text.
func (y *yard) says(pattern string) {
	y.t.Helper()
	like := regexp.MustCompile(pattern)
	err := y.until(func() bool { return len(y.said(like)) > 0 })
	if err != nil {
		y.t.Fatalf("no event says %q: %v\n%s", pattern, err, strings.Join(y.said(regexp.MustCompile(``)), "\n"))
	}
}

// Said are the events of web with such a text.
func (y *yard) said(like *regexp.Regexp) (texts []string) {
	y.t.Helper()
	for line := range strings.Lines(y.want(0, ``, "events", "web").out) {
		if like.MatchString(line) {
			texts = append(texts, strings.TrimSpace(line))
		}
	}
	return texts
}
