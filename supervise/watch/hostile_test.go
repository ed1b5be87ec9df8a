package watch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A link that is put in the place of a directory while it is looked at leads nowhere.
func TestLinkInTheWay(t *testing.T) {
	r := newRig(t)
	r.write("app/lib/deep/a", "1")
	r.write("secret/deep/b", "1")
	swapped := false
	r.add = func(fd int, path string, mask uint32) (int, error) {
		wd, err := addWatch(fd, path, mask)
		if strings.HasSuffix(path, "/app/lib/deep") && !swapped {
			swapped = true
			r.rename("app/lib", "lib")
			r.must(os.Symlink("../secret", r.path("app/lib")))
		}
		return wd, err
	}
	r.watch("app")
	r.want("web: 1 under /app, first lib")

	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	r.must(err)
	defer unix.Close(fd)
	if _, err := addWatch(fd, r.path("app/lib"), maskTree); err != unix.ENOTDIR && err != unix.ELOOP {
		t.Errorf("a link is watched: %v", err)
	}
	if _, err := addWatch(fd, r.path("app/lib/deep"), maskTree); err != unix.ELOOP {
		t.Errorf("what is behind a link is watched: %v", err)
	}
	if fd, err := openRead(r.path("app/lib/deep/b")); err != unix.ELOOP {
		t.Errorf("what is behind a link is read: %d, %v", fd, err)
	}
}

// A file is read no further than it was long when it was looked at.
func TestFileGrowsWhileItIsRead(t *testing.T) {
	r := newRig(t)
	endless := fmt.Sprintf("/proc/%d/status", os.Getpid()) // its size is 0, whatever is in it
	var st unix.Stat_t
	r.must(unix.Stat(endless, &st))
	if content, _, err := r.hash(endless, entry{stat: r.seed.stat(&st)}, hashFile); !errors.Is(err, errChanged) {
		t.Errorf("read: %x, %v", content, err)
	}
}

// What is told of names is one line, does nothing to a terminal and has an end.
func TestNamesAreHarmless(t *testing.T) {
	const evil = "a\x1b[2J\nweb  reload ok\t\r\x7f\xff\u0085"
	const plain = "a\ufffd[2J\ufffdweb  reload ok\ufffd\ufffd\ufffd\ufffd\ufffd"
	r := newRig(t)
	r.mkdir("app/x")
	r.set("web", Spec{Paths: []string{"app"}, MaxDelay: 5 * quick})
	r.write("app/"+evil, "1")
	r.want("web: 1 under /app, first " + plain)
	r.write("app/."+evil+".Ab12Cd", "1")
	r.write("app/x/"+evil, "1")
	r.want("web stalled: files under /app still change, last x/" + plain + "; temporary ." + plain + ".Ab12Cd")
	r.remove("app/." + evil + ".Ab12Cd")
	r.want("web: 1 under /app, first x/" + plain)

	r.set("other", Spec{Paths: []string{"*/x"}})
	r.write(evil+"/x", "1")
	r.want("other: 1 under /" + plain + "/x, first ")
	long := strings.Repeat("a", 100) + strings.Repeat("é", 77)
	r.write("app/"+long+"/"+long, "1")
	half := shownMax/2 - 100
	r.want("web: 1 under /app, first " + long[:100+half] + "…" + long[len(long)-shownMax/2:])
}

// Whose events are more than the kernel keeps, again and again, has the deploys of others
// settle all the same.
func TestOverflowsOfOthers(t *testing.T) {
	r := newRig(t)
	r.write("app/lib/a", "1")
	r.write("app.conf", "1")
	r.watch("app", "app.conf")
	for _, deploy := range []func(){
		func() { r.write("app/lib/a", "2") },
		func() { r.remove("app/lib/a") },
		func() { r.replace("app.conf", "2") },
	} {
		r.Pause("web")
		deploy()
		r.Resume("web")
		for told, n := false, 0; !told; n++ {
			r.overflow()
			select {
			case <-r.told:
				told = true
			case <-time.After(quick / 4):
				if n > 1000 {
					t.Fatal("it does not settle")
				}
			}
		}
	}
}

// Who makes events without end holds up nobody who asks what has happened by now,
// such as the loop of gsv.
func TestEventsWithoutEnd(t *testing.T) {
	events, kernel, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer events.Close()
	defer kernel.Close()
	var told int
	happens := func() {
		b := make([]byte, unix.SizeofInotifyEvent)
		binary.NativeEndian.PutUint32(b[4:], unix.IN_Q_OVERFLOW)
		kernel.Write(b)
	}
	in := &inotify{file: events, overflow: func() {
		if told++; told > 10 {
			t.Fatal("it goes on")
		}
		happens()
	}}
	happens()
	happens()
	for want := range 4 {
		if in.pump(); told != 2*(want+1) {
			t.Errorf("told of %d, want %d", told, 2*(want+1))
		}
	}
}
