package watch

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// watched counts the kernel's watches.
func (r *rig) watched() int {
	r.Helper()
	conn, err := r.in.file.SyscallConn()
	r.must(err)
	var text []byte
	conn.Control(func(fd uintptr) { text, err = os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", fd)) })
	r.must(err)
	return strings.Count(string(text), "inotify wd:")
}

// A service whose watches are more than the kernel allows polls, and says so; what
// others have is theirs. It watches again when the limit has been raised.
func TestWatchLimit(t *testing.T) {
	r := newRig(t)
	r.every, r.retry = quick/4, time.Hour
	var full atomic.Bool
	full.Store(true)
	r.add = func(fd int, path string, mask uint32) (int, error) {
		if full.Load() && strings.HasSuffix(path, "app/lib/deep") {
			return -1, unix.ENOSPC
		}
		return unix.InotifyAddWatch(fd, path, mask)
	}
	trouble := "web trouble: the limit of watches is reached: polls every 25ms; raise fs.inotify.max_user_watches"
	r.write("app/lib/A.pm", "a")
	r.write("app/lib/.left.Ab12Cd", "")
	r.write("other/x", "x")
	r.set("other", Spec{Paths: []string{"other"}})
	others := r.watched()
	r.watch("app")
	r.mkdir("app/lib/deep")
	r.want(trouble)
	if n := r.watched(); n != others {
		t.Errorf("%d watches, of others are %d", n, others)
	}
	r.write("app/lib/deep/B.pm", "b")
	r.want("web: 1 under /app, first lib/deep/B.pm")
	r.write("other/x", "y")
	r.want("other: 1 under /other, first x")

	r.Set("web", Spec{Paths: []string{r.path("app"), r.path("app2")}, Debounce: quick})
	r.quiet("web")
	r.marker("app") // polls from the begin, and has said so
	full.Store(false)
	r.Set("web", Spec{Paths: []string{r.path("app")}, Debounce: quick})
	r.want("web trouble: ")
	r.quiet("web")
	r.marker("app")
}

// Whether a limit has been raised is tried from time to time.
func TestLimitIsRaised(t *testing.T) {
	r := newRig(t)
	r.every, r.retry = quick/4, quick/2
	var tries atomic.Int32
	r.start = func() (*inotify, error) {
		if tries.Add(1) < 3 {
			return nil, unix.EMFILE
		}
		return newInotify()
	}
	r.write("app/A.pm", "a")
	r.tick()
	r.Set("web", Spec{Paths: []string{r.path("app")}, Debounce: quick})
	r.want("web trouble: the limit of inotify instances or open files is reached: polls every 25ms; raise fs.inotify.max_user_instances")
	r.write("app/A.pm", "b")
	for _, want := range []string{"web trouble: ", "web: 1 under /app, first A.pm"} {
		if got := <-r.told; got != want && got != "web: 1 under /app, first A.pm" && got != "web trouble: " {
			t.Fatalf("told %q", got)
		}
	}
	r.quiet("web")
	r.marker("app")
}

// Where the kernel is not asked, it looks itself.
func TestPoll(t *testing.T) {
	r := newRig(t)
	r.write("releases/1/lib/A.pm", "a")
	r.write("releases/2/lib/A.pm", "a2")
	r.write("releases/1/.left.Ab12Cd", "")
	r.write("app.conf", "1")
	r.link("releases/1", "current")
	stamp := r.path("restart.txt")
	r.tick()
	r.Set("stamped", Spec{Paths: []string{r.path("app")}, Stamp: stamp, Debounce: quick, Poll: quick / 4})
	r.Set("web", Spec{Paths: []string{r.path("current"), r.path("app.conf")}, Debounce: quick, Poll: quick / 4, MaxDelay: 4 * quick})
	r.quiet("stamped")
	r.quiet("web")
	r.write("releases/1/lib/B.pm", "b")
	r.want("web: 1 under /current, first lib/B.pm")
	r.quiet("web")
	r.age("releases/1/lib/B.pm")
	r.write("releases/1/lib/.x.Ab12Cd", "half")
	r.want("web stalled: files under /current still change, last lib/B.pm; temporary lib/.x.Ab12Cd")
	r.rename("releases/1/lib/.x.Ab12Cd", "releases/1/lib/x")
	r.want("web: 1 under /current, first lib/x")
	r.write("app.conf", "2")
	r.want("web: 1 under /app.conf, first ")
	r.link("releases/2", "current")
	r.want("web: 3 under /current, first lib/A.pm")
	r.write("restart.txt", "")
	r.want("stamped: 1 under /restart.txt, first ")
	if r.in != nil {
		t.Error("it has an inotify instance, though all poll")
	}
}

// When the kernel's queue has overflown all is looked at: nothing is missed, and what
// was said to be under way by then is no longer.
func TestOverflow(t *testing.T) {
	r := newRig(t)
	r.write("app/a", "1")
	r.write("app/lib/x", "1")
	r.write("app/gone/y", "1")
	r.write("app/replaced/z", "1")
	r.watch("app")
	r.write("app/.t.Ab12Cd", "")
	r.quiet2()

	r.in.reading.Lock() // nobody reads
	limit, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	r.must(err)
	var n int
	fmt.Sscan(string(limit), &n)
	r.remove("app/.t.Ab12Cd")
	for i := range n {
		r.must(os.WriteFile(r.path(fmt.Sprintf("app/a%d", i%2)), nil, 0o600))
	}
	r.remove("app/gone")
	r.remove("app/replaced")
	r.write("app/replaced/z", "2")
	r.write("app/new/deep/file", "1")
	r.in.reading.Unlock()
	r.want("web: 5 under /app, first a0")
	r.write("app/new/deep/file", "2")
	r.write("app/replaced/z", "3")
	r.want("web: 2 under /app, first new/deep/file")
	r.marker("app")
}

// quiet2 waits until all that has happened has been looked at.
func (r *rig) quiet2() {
	r.pump()
	r.of("web", func(s *service) {})
}

// More events than may wait are one look at everything.
func TestInboxIsFull(t *testing.T) {
	r := newRig(t)
	r.write("app/a", "1")
	r.watch("app")
	s := r.services["web"]
	for range 3 {
		s.mu.Lock()
		s.calls = append(s.calls, kernelNow())
		s.inbox = append(s.inbox, event{call: callLoaded}, event{call: callLost}, event{name: "x"})
		s.lose()
		if n := len(s.inbox); n > 4 || s.inbox[n-1].call != callLost {
			t.Errorf("%d wait: %v", n, s.inbox)
		}
		s.mu.Unlock()
	}
	for i := range maxInbox + 100 {
		s.post(event{name: fmt.Sprint(i % 7)})
		s.mu.Lock()
		if n := len(s.inbox); n > maxInbox {
			t.Errorf("%d wait", n)
		}
		s.mu.Unlock()
	}
	s.wake()
	r.write("app/b", "1")
	r.want("web: 1 under /app, first b")
}

// A disk that hangs holds up its own service, and nobody else; the methods of a
// Watcher wait for none.
func TestDiskHangs(t *testing.T) {
	r := newRig(t)
	hangs, hung := make(chan struct{}), make(chan struct{}, 1)
	r.add = func(fd int, path string, mask uint32) (int, error) {
		if strings.HasSuffix(path, "/nfs") {
			hung <- struct{}{}
			<-hangs
		}
		return unix.InotifyAddWatch(fd, path, mask)
	}
	r.mkdir("nfs", "app")
	r.tick()
	r.Set("hung", Spec{Paths: []string{r.path("nfs")}, Debounce: quick})
	<-hung
	r.watch("app")
	r.marker("app")
	r.Pause("hung")
	r.Resume("hung")
	r.Loaded("hung")
	r.Pending("hung")
	r.Set("hung", Spec{Paths: []string{r.path("app")}, Debounce: quick})
	r.Remove("hung")
	r.marker("app")
	r.must(r.Close())
	close(hangs)
}

// Watches of a tree that several services have are theirs together; none is left over.
func TestWatchesAreShared(t *testing.T) {
	r := newRig(t)
	for i := range 10 {
		r.write(fmt.Sprintf("app/%d/%d/x", i, i), "1")
	}
	r.watch("app")
	alone := r.watched()
	r.set("other", Spec{Paths: []string{"app"}})
	r.set("third", Spec{Paths: []string{"app/3"}})
	if n := r.watched(); n != alone {
		t.Errorf("%d watches for three, %d for one", n, alone)
	}
	r.Remove("web")
	r.Set("third", Spec{Paths: []string{r.path("app/4")}, Debounce: quick})
	r.write("app/3/3/x", "2")
	r.want("other: 1 under /app, first 3/3/x")
	r.quiet("third")
	r.rename("app", "app2")
	r.rename("app2", "app")
	r.write("app/4/4/x", "2")
	got := []string{<-r.told, <-r.told}
	for _, want := range []string{"other: 1 under /app, first 4/4/x", "third: 1 under /app/4, first 4/x"} {
		if got[0] != want && got[1] != want {
			t.Errorf("told %q, want %q", got, want)
		}
	}
	for _, name := range []string{"other", "third"} {
		s := r.services[name]
		r.Remove(name)
		<-s.left
	}
	if n := r.watched(); n != 0 {
		t.Errorf("%d watches are left over", n)
	}
}

// What may not be read is said, and does not count.
func TestUnreadable(t *testing.T) {
	if os.Geteuid() == 0 { // who may read all
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestUnreadable$", "-test.v")
		cmd.Dir = "/"
		cmd.Env = append(os.Environ(), "TMPDIR=/tmp")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: TestUnreadable") {
			t.Errorf("as nobody: %v\n%s", err, out)
		}
		return
	}
	r := newRig(t)
	r.write("app/secret/x", "1")
	r.write("app/a", "1")
	r.must(os.Chmod(r.path("app/secret"), 0))
	t.Cleanup(func() { os.Chmod(r.path("app/secret"), 0o700) })
	r.watch("app")
	r.want("web trouble: cannot read /app/secret: permission denied: what is in it does not count")
	r.marker("app")
}

// Where the kernel does not tell of what others change it polls by itself, and says so.
func TestNetwork(t *testing.T) {
	if fs := networkOf(t.TempDir()); fs != "" {
		t.Skipf("the tests are on %s", fs)
	}
	r := newRig(t)
	r.every = quick / 4
	r.network = func(path string) string {
		if strings.Contains(path, "/nfs/") {
			return "nfs"
		}
		return ""
	}
	r.write("nfs/1/x", "1")
	r.write("disk/1/x", "1")
	r.link("disk/1", "current")
	r.watch("current")
	r.write("current/x", "2")
	r.want("web: 1 under /current, first x")
	r.link("nfs/1", "current")
	r.want("web trouble: /current is on nfs, where the kernel does not tell what others change: polls every 25ms", "web: 1 under /current, first x")
	if n := r.watched(); n != 0 {
		t.Errorf("%d watches are left over", n)
	}
	r.write("nfs/1/x", "3")
	r.want("web: 1 under /current, first x")
}
