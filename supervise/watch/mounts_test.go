package watch

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// inNamespaces runs the test in namespaces of its own, where any user may mount, and
// tells whether this is there.
func inNamespaces(t *testing.T) bool {
	t.Helper()
	if os.Getenv("WATCH_TEST_NAMESPACE") != "" {
		return true
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), "WATCH_TEST_NAMESPACE=1", "TMPDIR="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

// unmount takes a mount away, as soon as the watcher has none of it open.
func (r *rig) unmount(at string) {
	r.Helper()
	err := unix.Unmount(r.path(at), 0)
	for deadline := time.Now().Add(time.Minute); err == unix.EBUSY && time.Now().Before(deadline); {
		runtime.Gosched()
		err = unix.Unmount(r.path(at), 0)
	}
	r.must(err)
}

func (r *rig) mount(source, at, fs string, flags uintptr, data string) {
	r.Helper()
	r.must(unix.Mount(source, r.path(at), fs, flags, data))
	r.Cleanup(func() { unix.Unmount(r.path(at), unix.MNT_DETACH) })
}

// In an overlay all that is done through it is told. What is done in a layer behind it
// is not, and who polls sees what the kernel shows: what replaces a file there by a
// rename is not in that as long as the kernel remembers the one before.
func TestOverlay(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	for _, poll := range []time.Duration{0, quick / 4} {
		r := newRig(t)
		for _, name := range []string{"A", "B", "C", "D"} {
			r.write("lower/lib/"+name, "1")
		}
		r.mkdir("upper", "work", "app")
		r.mount("overlay", "app", "overlay", 0, fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", r.path("lower"), r.path("upper"), r.path("work")))
		r.set("web", Spec{Paths: []string{"app"}, Poll: poll})
		for _, step := range []struct {
			do          func()
			told, shown string
		}{
			{func() { r.write("app/lib/A", "2") }, "lib/A", ""},
			{func() { r.replace("app/lib/B", "2") }, "lib/B", ""},
			{func() { r.remove("app/lib/A") }, "lib/A", ""},
			{func() { r.write("app/new/deep/A", "1") }, "new/deep/A", ""},
			{func() { r.age("app/lib/C") }, "", ""}, // which copies it up
			{func() { r.write("lower/lib/D", "2") }, "", "lib/D"},
			{func() { r.write("lower/lib/E", "1") }, "", "lib/E"},
			{func() { r.write("lower/more/deep/A", "1") }, "", "more/deep/A"},
			{func() { r.remove("lower/lib/E") }, "", "lib/E"},
			{func() { r.replace("lower/lib/D", "3") }, "", ""},
		} {
			step.do()
			if poll > 0 && step.shown != "" {
				step.told = step.shown
			}
			if step.told != "" {
				r.want("web: 1 under /app, first " + step.told)
			}
		}
		if poll == 0 { // all that is behind
			r.write("app/lib/F", "1")
			r.want("web: 2 under /app, first lib/D")
			r.Resume("web")
			r.want("web: 1 under /app, first more/deep/A")
		}
		if text, err := os.ReadFile(r.path("app/lib/D")); err != nil || string(text) != "2" {
			t.Errorf("the kernel shows %q, %v by now", text, err)
		}
		r.marker("app")
	}
}

// What is mounted below a watched directory is watched, and what was covered again when
// that is gone. That something is mounted there the kernel does not tell, nor that one
// of several mounts is gone: Resume finds it.
func TestMounts(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	r := newRig(t)
	for _, dir := range []string{"app/disk", "app/bind", "other", "proc"} {
		r.write(dir+"/a", dir)
	}
	r.remove("proc/a")
	r.mount("fs", "app/disk", "tmpfs", 0, "")
	r.mount(r.path("other"), "app/bind", "", unix.MS_BIND, "")
	r.watch("app")
	r.write("app/disk/x/y", "1")
	r.want("web: 1 under /app, first disk/x/y")
	r.write("other/b", "1")
	r.want("web: 1 under /app, first bind/b")

	r.unmount("app/disk")
	r.want("web: 2 under /app, first disk/a")
	r.write("app/disk/a", "2")
	r.want("web: 1 under /app, first disk/a")
	r.unmount("app/bind")
	r.marker("app")
	r.Resume("web")
	r.want("web: 2 under /app, first bind/a")
	r.write("other/b", "2")
	r.write("app/bind/a", "2")
	r.want("web: 1 under /app, first bind/a")

	r.mount("fs", "app/disk", "tmpfs", 0, "")
	r.write("app/disk/x/y", "1")
	r.marker("app")
	r.Resume("web")
	r.want("web: 2 under /app, first disk/a")
	r.write("app/disk/x/y", "2")
	r.want("web: 1 under /app, first disk/x/y")

	// At the watched path itself.
	r.mount(r.path("other"), "app", "", unix.MS_BIND, "")
	r.Resume("web")
	r.want("web: 5 under /app, first a")
	r.write("other/b", "3")
	r.want("web: 1 under /app, first b")
	r.unmount("app")
	r.Resume("web")
	r.want("web: 5 under /app, first a")

	// What the kernel tells of itself is no file.
	r.mkdir("app/proc")
	r.mount("/proc", "app/proc", "", unix.MS_BIND|unix.MS_REC, "")
	r.Resume("web")
	r.marker("app")
	r.Set("proc", Spec{Paths: []string{"/proc/1"}, Debounce: quick})
	r.want("proc trouble: cannot read /proc/1: nothing is deployed on proc: what is in it does not count")
}

// A network file system below a watched path is polled as one that is the path.
func TestNetworkBelow(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	r := newRig(t)
	r.every = quick / 4
	r.network = func(path string) string {
		if strings.Contains(path, "/nfs") {
			return "nfs"
		}
		return ""
	}
	r.mkdir("app/lib/nfs", "app/lib/disk")
	r.mount("fs", "app/lib/nfs", "tmpfs", 0, "")
	r.mount("fs", "app/lib/disk", "tmpfs", 0, "")
	r.watch("app")
	r.want("web trouble: /app/lib/nfs is on nfs, where the kernel does not tell what others change: polls every 25ms")
	r.write("app/lib/nfs/x", "1")
	r.want("web: 1 under /app, first lib/nfs/x")
	if n := r.watched(); n != 0 {
		t.Errorf("%d watches are left over", n)
	}
}
