package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"gsv/supervise/status"
)

// TestWatchOverflow changes more files than the kernel's queue has room for while the supervisor cannot read it, and
// deploys when it is full: what is lost is found by a look at all of it.
func TestWatchOverflow(t *testing.T) {
	t.Parallel()
	room, err := sysctl("fs/inotify/max_queued_events")
	if err != nil || room > 1<<18 {
		t.Skipf("the queue has room for %d events (%v)", room, err)
	}
	y := newYard(t)
	y.watch(yardRest, nil)
	pid, err := y.supervisor()
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer syscall.Kill(pid, syscall.SIGCONT)
	for i := range room { // two names: the kernel keeps an event that is like the one before only once
		if err := os.WriteFile(fmt.Sprintf("%s/templates/%d", y.site, i%2), []byte{'x'}, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	y.deploy() // without any of these
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	y.expect(1)
	// And what comes in a directory of which nothing was told.
	y.sh(fmt.Sprintf(`echo more >>site/lib/App/Only%d/Deep/er.pm`, y.n))
	y.expect(1)
}

// TestWatchLimit has less watches than directories, in a user namespace with a limit of its own: it is said, and what
// is deployed is found all the same.
func TestWatchLimit(t *testing.T) {
	t.Parallel()
	limited := []string{"unshare", "--user", "--map-root-user", "sh", "-c", `echo 40 >/proc/sys/user/max_inotify_watches && exec "$@"`, "-"}
	if out, err := exec.Command(limited[0], append(limited[1:], "true")...).CombinedOutput(); err != nil {
		t.Skipf("user namespaces cannot be made here: %v %s", err, out)
	}
	y := newYard(t)
	y.sh(`for i in $(seq 100); do mkdir -p site/many/$i; echo 1 >site/many/$i/file; done`)
	y.wrap = limited
	y.open("[watch]", `paths = ["SITE"]`, `debounce = "400ms"`)
	y.says(`max_user_watches`)
	y.sh(`for i in $(seq 100); do echo 2 >site/many/$i/file; done`)
	if err := y.until(func() bool {
		web, err := y.service("web")
		return err == nil && web.LastReload != nil && web.State != status.Reloading
	}); err != nil {
		t.Fatal(err)
	}
	all := y.operations()
	if len(all) != 1 || all[0].Result != status.OK || all[0].By.User != "watch" || !strings.HasPrefix(all[0].Reason, "100 files ") {
		t.Errorf("%+v, want one good reload by watch for 100 files", all)
	}
	y.serves(y.digest(y.site))
}

func sysctl(name string) (int, error) {
	b, err := os.ReadFile("/proc/sys/" + name)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(b)))
}
