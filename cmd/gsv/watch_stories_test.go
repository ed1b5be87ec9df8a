package main_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gsv/supervise/status"
)

// WatchStories are deploys that are more than one command, and what else can happen around them.
var watchStories = []struct {
	name string
	play func(y *yard)
}{
	{"two deploys at once", func(y *yard) {
		y.watch(2*yardRest, nil)
		y.deploy()
		y.deploy()
		y.expect(1)
	}},
	{"two deploys after another", func(y *yard) {
		y.watch(yardRest, nil)
		y.deploy()
		y.expect(1)
		y.deploy()
		y.expect(1)
	}},
	{"there and back", func(y *yard) { // each of them is another release than the one before
		y.watch(yardRest, nil)
		y.sh(`cp -a site kept`)
		y.deploy()
		y.expect(1)
		y.run("rsync", "-a", "--delete", "kept/", "site")
		y.expect(1)
	}},
	{"slow rsync", func(y *yard) { // takes four times as long as debounce; no gap in it is a quarter of that
		y.watch(time.Second, nil)
		y.sh(`mkdir next; for i in $(seq 300); do head -c 20000 /dev/urandom >next/$i; done`)
		y.run("rsync", "-a", "--bwlimit=1500", "--delete", "next/", "site")
		y.expect(1)
	}},
	{"rsync that stops in a file", func(y *yard) {
		y.watch(yardRest, nil, `max-delay = "500ms"`)
		resume := y.stopped(y.site+"/public", regexp.MustCompile(`^\.blob\.bin\.\w{6}$`), "rsync", "-a", "--bwlimit=100", "--delete", "next/", "site")
		y.says(`public/\.blob\.bin\.`)
		y.expect(0)
		resume()
		y.expect(1)
	}},
	{"rsync that is killed", func(y *yard) { // half of a release is not loaded; the next one is
		y.watch(yardRest, nil)
		resume := y.stopped(y.site+"/public", regexp.MustCompile(`^\.blob\.bin\.\w{6}$`), "rsync", "-a", "--bwlimit=100", "next/", "site", "KILL")
		resume()
		y.expect(0)
		y.deploy()
		y.expect(1)
	}},
	{"a copy that has only begun", func(y *yard) { // under a name that rsync can make, and others as well; nothing is written yet
		y.watch(yardRest, nil)
		temporary := y.site + "/public/.blob.bin.sample"
		f, err := os.OpenFile(temporary, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
		if err != nil {
			y.t.Fatal(err)
		}
		defer f.Close()
		y.put("site/lib/App.pm", "package App; # of release 2\n1;\n")
		y.expect(0)
		if _, err = f.WriteString("release 2\n"); err == nil {
			err = f.Close()
		}
		if err == nil {
			err = os.Rename(temporary, y.site+"/public/blob.bin")
		}
		if err != nil {
			y.t.Fatal(err)
		}
		y.expect(1)
	}},
	{"git that stops in a checkout", func(y *yard) {
		gate := y.newFifo("gate", false)
		y.stageNext()
		gitTree(y)
		y.sh(`cd site; git config filter.waits.smudge "cat; cat >&2 ` + gate.path + `"; echo 'lib/App.pm filter=waits' >.git/info/attributes`)
		y.watch(yardRest, nil)
		checkout := make(chan error, 1)
		cmd := exec.Command("git", "-C", y.site, "checkout", "-q", "two")
		cmd.Env = y.vars
		go func() { checkout <- cmd.Run() }()
		gate.reached(y.t)
		y.expect(0)
		gate.release()
		if err := <-checkout; err != nil {
			y.t.Fatal(err)
		}
		y.expect(1)
	}},
	{"tar that stops in a file", func(y *yard) {
		y.watch(yardRest, nil)
		y.stageNext()
		y.sh(`tar -C next -cf next.tar .`)
		all, err := os.ReadFile(y.dir + "/next.tar")
		if err != nil {
			y.t.Fatal(err)
		}
		cmd := exec.Command("tar", "-C", y.site, "-xf", "-")
		in, err := cmd.StdinPipe()
		if err == nil {
			err = cmd.Start()
		}
		// In the middle of the largest file. More than fits into the pipe is behind that.
		half := strings.Index(string(all), strings.Repeat("00000002", 1000)) + 100_000
		if err == nil {
			_, err = in.Write(all[:half])
		}
		if err != nil {
			y.t.Fatal(err)
		}
		y.expect(0)
		if _, err = in.Write(all[half:]); err == nil {
			in.Close()
			err = cmd.Wait()
		}
		if err != nil {
			y.t.Fatal(err)
		}
		y.expect(1)
	}},
	{"stamp", func(y *yard) {
		y.watch(yardRest, nil, `stamp = "SITE/tmp/restart.txt"`)
		y.deploy()
		y.expect(0)
		y.sh(`mkdir -p site/tmp; touch site/tmp/restart.txt`)
		y.expect(1)
		y.sh(`touch site/tmp/restart.txt`)
		y.expect(1)
		y.sh(`sed -i 's/release/Release/' site/lib/App.pm`)
		y.expect(0)
	}},
	{"the old release of a link", func(y *yard) {
		linked(y)
		y.watch(yardRest, nil)
		y.stageNext()
		y.sh(`mv next releases/2; ln -sfn releases/2 site`)
		y.expect(1)
		y.sh(`echo more >>releases/1/lib/App.pm; rm -r releases/1`)
		y.expect(0)
		y.sh(`echo more >>releases/2/lib/App.pm`)
		y.expect(1)
	}},
	{"a tree that was deleted", func(y *yard) {
		y.watch(yardRest, nil)
		y.sh(`mv site away`)
		y.settle()
		y.operations() // whatever it makes of nothing
		y.stageNext()
		y.sh(`cp -r next new; mv new site`)
		y.settle()
		y.operations()
		y.serves(y.digest(y.next))
		y.served = y.digest(y.next)
		y.deploy()
		y.expect(1)
	}},
	{"broken", func(y *yard) { // not loaded, said once, and not tried again before something changes
		y.watch(yardRest, []string{`check-command = ["sh", "-c", "if grep ^die SITE/app; then exit 1; fi"]`})
		y.stageNext()
		y.put("next/app", "die half of it\n")
		y.run("rsync", "-a", "--delete", "next/", "site")
		y.settle()
		if all := y.operations(); len(all) != 1 || all[0].Verb != "hup" || all[0].By.User != "watch" || all[0].Result != status.Failed || !strings.Contains(fmt.Sprint(all[0].Log), "half of it") {
			y.t.Errorf("%+v, want one hup by watch that failed, with what the check said", all)
		}
		y.serves(y.served)
		y.want(9, ``, "status", "web")
		y.sh(`find site -exec touch {} +; chmod 600 site/app; cp -a site same; rsync -rI same/ site`)
		y.expect(0)
		if all := y.said(regexp.MustCompile(`deployed: `)); len(all) != 1 {
			y.t.Errorf("said %d times: %q", len(all), all)
		}
		y.deploy()
		y.expect(1)
		y.want(0, ``, "status", "web")
	}},
	{"paused", func(y *yard) {
		y.watch(yardRest, nil)
		y.want(0, `paused`, "watch", "pause", "web", "--for", "1m")
		y.stageNext()
		y.run("rsync", "-a", "next/lib", "site")
		y.expect(0)
		y.run("rsync", "-a", "--delete", "next/", "site")
		y.expect(0)
		y.want(0, `resumed`, "watch", "resume", "web")
		y.expect(1)
		y.want(0, `paused`, "watch", "pause", "web")
		y.want(0, `resumed`, "watch", "resume", "web")
		y.expect(0)
	}},
	{"paused for a time", func(y *yard) {
		y.watch(yardRest, nil)
		y.want(0, `paused`, "watch", "pause", "web", "--for", "1s")
		y.deploy()
		y.says(`resumed`)
		y.expect(1)
	}},
	{"hup at the end", func(y *yard) {
		y.watch(1500*time.Millisecond, nil)
		y.deploy()
		y.want(0, `reloaded`, "hup", "web")
		y.once("hup")
	}},
	{"hup in the middle", func(y *yard) {
		y.watch(1500*time.Millisecond, nil)
		y.stageNext()
		y.run("rsync", "-a", "next/lib", "site")
		y.want(0, `reloaded`, "hup", "web")
		y.operations()
		y.run("rsync", "-a", "--delete", "next/", "site")
		y.expect(1)
	}},
	{"restart at the end", func(y *yard) {
		y.watch(1500*time.Millisecond, nil)
		y.deploy()
		y.want(0, `restarted`, "restart", "web")
		y.once("restart")
	}},
	{"the supervisor is killed", func(y *yard) {
		y.watch(1500*time.Millisecond, nil)
		y.deploy()
		pid, err := y.supervisor()
		if err == nil {
			err = syscall.Kill(pid, syscall.SIGKILL)
		}
		if err == nil {
			err = ended(pid)
		}
		if err != nil {
			y.t.Fatal(err)
		}
		y.want(0, ``, "wait", "mark", "--for", "ready") // by the next supervisor
		y.expect(1)
	}},
	{"files are removed while there is no supervisor", func(y *yard) {
		y.watch(yardRest, nil)
		y.expect(0)
		pid, err := y.supervisor()
		if err == nil {
			err = errors.Join(syscall.Kill(y.pid, syscall.SIGSTOP), syscall.Kill(pid, syscall.SIGKILL), ended(pid))
		}
		if err != nil {
			y.t.Fatal(err)
		}
		y.sh(`rm -r site/lib`)
		if err := syscall.Kill(y.pid, syscall.SIGCONT); err != nil {
			y.t.Fatal(err)
		}
		y.want(0, ``, "wait", "mark", "--for", "ready") // by the next supervisor
		y.expect(1)
	}},
	{"restart by watch", func(y *yard) {
		y.watch(yardRest, nil, `action = "restart"`)
		y.deploy()
		y.settle()
		if all := y.operations(); len(all) != 1 || all[0].Verb != "restart" || all[0].Result != status.OK || all[0].By.User != "watch" {
			y.t.Errorf("%+v, want a restart", all)
		}
		y.serves(y.digest(y.next))
	}},
	{"stopped", func(y *yard) { // by somebody: a deploy starts nothing
		y.watch(yardRest, nil)
		y.want(0, `stopped`, "stop", "web")
		y.operations()
		y.deploy()
		y.settle()
		if all := y.operations(); len(all) != 0 {
			y.t.Errorf("%+v, though the service is stopped", all)
		}
		y.want(0, `started`, "start", "web")
		y.operations()
		y.deploy()
		y.expect(1)
	}},
}

// TestWatchStories plays each of watchStories on a yard of its own.
func TestWatchStories(t *testing.T) {
	t.Parallel()
	lane := make(chan struct{}, lanes)
	var played sync.WaitGroup
	for _, story := range watchStories {
		played.Go(func() {
			lane <- struct{}{}
			defer func() { <-lane }()
			t.Run(story.name, func(t *testing.T) { story.play(newYard(t)) })
		})
	}
	played.Wait()
}

// Deploy puts the next release into place.
func (y *yard) deploy() {
	y.t.Helper()
	y.stageNext()
	y.run("rsync", "-a", "--delete", "next/", "site")
}

// Once fails unless the one operation since the last time was that verb, asked for by somebody, and all is served.
func (y *yard) once(verb string) {
	y.t.Helper()
	y.settle()
	if all := y.operations(); len(all) != 1 || all[0].Verb != verb || all[0].By.User == "watch" {
		y.t.Errorf("%+v, want one %s that was asked for", all, verb)
	}
	y.serves(y.digest(y.site))
}
