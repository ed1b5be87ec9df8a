package watch

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const tooMany = ": there are too many files; add what is not deployed to ignore: what is in it does not count"

// Of more files than a service may have, directories are left out, which is said; what
// is removed makes room.
func TestTooManyFiles(t *testing.T) {
	r := newRig(t)
	r.names = 6000
	fill := func(dir string) {
		for i := range 50 {
			r.write(fmt.Sprintf("%s/%d", dir, i), "1")
		}
	}
	fill("app/huge")
	fill("app/ignored/tmp")
	r.write("app/a", "1")
	r.set("web", Spec{Paths: []string{"app"}, Ignore: []string{"ignored/tmp/*"}})
	r.marker("app")
	fill("more")
	r.rename("more", "app/more")
	r.want("web trouble: cannot read /app/more" + tooMany)
	r.marker("app")
	r.write("app/huge/1", "2")
	r.want("web: 1 under /app, first huge/1")
	r.remove("app/huge")
	r.want("web: 100 under /app, first huge/0") // and those for which there is room now

	// One that grows by and by.
	r.set("other", Spec{Paths: []string{"other"}})
	r.write("other/x/a", "1")
	r.want("other: 1 under /other, first x/a")
	r.Pause("other")
	fill("other/x")
	fill("other/y")
	r.Resume("other")
	if got := <-r.told; !strings.HasPrefix(got, "other trouble: cannot read /other/") || !strings.HasSuffix(got, tooMany) {
		t.Errorf("told %q", got)
	}
	for _, name := range []string{"web", "other"} {
		s := r.services[name]
		r.Remove(name)
		if <-s.left; s.room != r.names {
			t.Errorf("%s leaves room for %d of %d", name, s.room, r.names)
		}
	}
}

func TestTooManyPaths(t *testing.T) {
	r := newRig(t)
	for i := range rootsMax + 1 {
		r.write(fmt.Sprintf("app/%04d.conf", i), "1")
	}
	r.watch("app/*.conf")
	r.want("web trouble: the paths lead to too many files: some do not count")
	r.write("app/0007.conf", "2")
	r.want("web: 1 under /app/0007.conf, first ")
	rs := &resolver{ways: map[string]*way{}}
	for range 2 * stepsMax {
		rs.step(r.dir, "app", nil, "/app", 0)
	}
	if !rs.many || len(rs.roots) != 1 {
		t.Errorf("%d steps, %d roots", rs.steps, len(rs.roots))
	}
}

// A directory that is too deep for a path of it does not count. All else is watched.
func TestTooDeep(t *testing.T) {
	r := newRig(t)
	r.mkdir("app")
	fd, err := unix.Open(r.path("app"), unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	r.must(err)
	for range unix.PathMax/200 + 1 {
		name := strings.Repeat("d", 200)
		r.must(unix.Mkdirat(fd, name, 0o755))
		below, err := unix.Openat(fd, name, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		r.must(err)
		unix.Close(fd)
		fd = below
	}
	unix.Close(fd)
	r.watch("app")
	if got := <-r.told; !strings.HasPrefix(got, "web trouble: cannot read /app/ddd") || !strings.HasSuffix(got, "d: file name too long: what is in it does not count") {
		t.Errorf("told %q", got)
	}
	r.marker("app")
}

// However many files of tools are there, no more than so many are kept in mind.
func TestTooManyTemporaries(t *testing.T) {
	s := settling{debounce: time.Second}
	now := time.Unix(1e9, 0)
	for i := range 2 * placesMax {
		at := place{"/app", fmt.Sprint(i)}
		s.temp(now, at, true)
		s.write(now, at)
	}
	if len(s.temps) != placesMax || len(s.open) != placesMax {
		t.Errorf("%d temporaries, %d open", len(s.temps), len(s.open))
	}
	for i := range 2 * placesMax {
		at := place{"/app", fmt.Sprint(i)}
		s.tempGone(now, at)
		s.close(now, at)
	}
	if do, _ := s.next(now.Add(time.Second)); do != compare {
		t.Errorf("when all are gone: %s", s.String())
	}
}

// What is compared is read as far as a limit for all of it. What is behind that counts by its time.
func TestTooMuchToRead(t *testing.T) {
	r := newRig(t)
	r.write("a", "1234")
	s := newService(r.Watcher, "web", Spec{})
	var st unix.Stat_t
	r.must(unix.Stat(r.path("a"), &st))
	is := entry{stat: r.seed.stat(&st)}
	content, _, err := r.hash(r.path("a"), is, hashFile)
	r.must(err)
	for _, tt := range []struct {
		left    int64
		differs bool
		rest    int64
	}{{9, false, 5}, {4, false, 0}, {3, true, 3}, {0, true, 0}} {
		left := tt.left
		d := &difference{service: s, left: &left}
		if got := d.differs(&is, &entry{stat: is.stat + 2, content: content}, r.path("a")); got != tt.differs {
			t.Errorf("%d bytes may be read: differs %v", tt.left, got)
		}
		if is.content = 0; left != tt.rest {
			t.Errorf("of %d bytes %d are left", tt.left, left)
		}
	}
}

// Looking at a tree again and again takes a tenth of the time at most.
func TestLooksRest(t *testing.T) {
	r := newRig(t)
	for i := range 200 {
		r.write(fmt.Sprintf("app/%d/x", i), "1")
	}
	s := newService(r.Watcher, "web", Spec{Paths: []string{r.path("app")}, Poll: time.Nanosecond})
	s.begin()
	start := time.Now()
	s.look()
	if end := time.Now(); s.rest <= 0 || s.rest > 9*end.Sub(start) || s.lookAt.Before(start.Add(s.rest)) {
		t.Errorf("it rests %s after %s", s.rest, end.Sub(start))
	}
}

// One path of several that cannot be watched leaves no watch of the others behind.
func TestLimitInTheSecondPath(t *testing.T) {
	r := newRig(t)
	r.every, r.retry = quick/4, time.Hour
	r.add = func(fd int, path string, mask uint32) (int, error) {
		if strings.HasSuffix(path, "/b") {
			return -1, unix.ENOSPC
		}
		return addWatch(fd, path, mask)
	}
	r.mkdir("a/deep", "b")
	r.watch("a", "b")
	r.want("web trouble: the limit of watches is reached: polls every 25ms; raise fs.inotify.max_user_watches")
	if n := r.watched(); n != 0 {
		t.Errorf("%d watches are left over", n)
	}
	os.Remove(r.path("a/deep"))
	r.marker("b")
}
