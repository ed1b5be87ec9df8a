package watch

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

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
