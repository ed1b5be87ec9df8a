package watch

import (
	"cmp"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Larger files are known by size, time and inode only: a deploy that gives one
// another time counts. So are those behind the first that are hashBudget together.
const (
	hashFile   = 8 << 20
	hashBudget = 256 << 20
)

// What is known of the names below the paths of a service takes no more than this, in
// bytes; a file that much beside its name, a directory that much more. Half a million
// files with names of usual length have room, or 60 000 directories.
const (
	namesMax = 32 << 20
	perName  = 48
	perDir   = 464
)

var errTooMany = errors.New("there are too many files; add what is not deployed to ignore")

// A node is what a directory contained when it was looked at, with all below; or
// one file, whose name is "".
type node struct {
	name  string // in the directory above
	names string // of the files, each with a NUL behind it, sorted
	files []entry
	subs  []*node // sorted by name
}

// An entry is a file: 16 bytes each, for there may be many.
type entry struct {
	stat    uint64 // of size, time and inode; the low half of the time of its last change; 0 = differs from all
	content uint64 // 0 = not known
}

// sameFile says whether only attributes have changed, such as the mode.
func (e entry) sameFile(other entry) bool {
	return e.stat != 0 && e.stat>>32 == other.stat>>32
}

func (n *node) sub(name string) *node {
	if n == nil {
		return nil
	}
	i, ok := slices.BinarySearchFunc(n.subs, name, func(n *node, name string) int { return strings.Compare(n.name, name) })
	if !ok {
		return nil
	}
	return n.subs[i]
}

// A seed makes hashes differ from one Watcher to the next.
type seed struct{ maphash.Seed }

func newSeed() seed { return seed{maphash.MakeSeed()} }

// stat is never 0.
func (s seed) stat(st *unix.Stat_t) uint64 {
	var h maphash.Hash
	h.SetSeed(s.Seed)
	maphash.WriteComparable(&h, [4]int64{st.Size, st.Mtim.Nano(), int64(st.Ino), int64(st.Mode & unix.S_IFMT)})
	high := h.Sum64()
	maphash.WriteComparable(&h, st.Ctim.Nano())
	return (high<<32 | h.Sum64()>>32) | 1
}

// text is the hash of contents, never 0.
func (s seed) text(b []byte) uint64 { return maphash.Bytes(s.Seed, b) | 1 }

// errChanged is a file that is not the one that was listed.
var errChanged = errors.New("it has changed")

// hash reads a file that was listed, if it is no larger than limit, and no more of it
// than it was long: somebody may append to it as fast as it is read.
func (w *Watcher) hash(path string, is entry, limit int64) (content uint64, size int64, err error) {
	fd, err := openRead(path)
	if err != nil {
		return 0, 0, err
	}
	defer unix.Close(fd)
	check := func() error {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return err
		}
		if size = st.Size; w.seed.stat(&st) != is.stat {
			return errChanged
		}
		return nil
	}
	if err := check(); err != nil || size > limit {
		return 0, 0, err
	}
	var h maphash.Hash
	h.SetSeed(w.seed.Seed)
	buf := w.buffers.Get().(*[64 << 10]byte)
	defer w.buffers.Put(buf)
	for left := size; ; {
		n, err := unix.Read(fd, buf[:])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return 0, 0, err
		}
		if left -= int64(n); left < 0 {
			return 0, 0, errChanged
		}
		if n == 0 {
			return h.Sum64() | 1, size, check()
		}
		h.Write(buf[:n])
	}
}

// kernelNow is what a file that is changed from now on gets at least for its time: some
// milliseconds ago, for the kernel does not look at the clock for each.
func kernelNow() time.Time {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_REALTIME_COARSE, &ts) != nil {
		return time.Now()
	}
	return time.Unix(ts.Unix())
}

// A listing is what is in one directory.
type listing struct {
	names   string
	files   []entry
	subs    []sub
	temps   []temp
	fresh   []string  // files that have been written since others were loaded last
	changed time.Time // the latest change of a file in it
	latest  string    // and its name
	dir     time.Time // the latest change of the directory
	size    int       // what it takes of namesMax
}

// A sub is a directory in another.
type sub struct {
	name  string
	class class
}

// A temp is a temporary file.
type temp struct {
	name    string
	changed time.Time
	stat    uint64
}

// list looks at a directory below a watched path, at rel. Files that have changed after
// since are not known then, so that they differ from what was loaded, if since is set.
// What it cannot know of is said.
func (s *service) list(d *dir, path, rel string, since time.Time) (l listing, err error) {
	f, err := openDir(path)
	if err == nil {
		defer f.Close()
		err = s.read(f, d, path, rel, since, &l)
	}
	switch pe := new(os.PathError); {
	case err == nil:
		s.room += d.size - l.size
		d.size = l.size
	case !gone(err) && !errors.As(err, new(networkError)):
		why := err
		if errors.As(err, &pe) {
			why = pe.Err
		}
		s.deny(fmt.Sprintf("cannot read %s: %s: what is in it does not count", shown(path), why))
	}
	return l, err
}

// deny notes the first thing that does not count.
func (s *service) deny(text string) {
	if s.denied == "" {
		s.denied = text
	}
}

func (s *service) read(f *os.File, d *dir, path, rel string, since time.Time, l *listing) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var st unix.Stat_t
	cerr := conn.Control(func(fd uintptr) {
		if err = unix.Fstat(int(fd), &st); err != nil {
			return
		}
		l.dir = time.Unix(st.Ctim.Unix())
		if d.parent == nil || uint64(st.Dev) != d.root.id.dev { // something is mounted there
			if fs := pseudoOf(int(fd)); fs != "" && d.parent == nil {
				err = fmt.Errorf("nothing is deployed on %s", fs)
				return
			} else if fs != "" {
				return
			}
			if fs := s.w.network(path); fs != "" && s.polls == "" {
				err = networkError{path, fs}
				return
			}
		}
		if d.class == temporal {
			return // what is in it is of the directory
		}
		var names []string
		if names, err = readNames(f, s.w.names); err != nil {
			return
		}
		s.stats(int(fd), names, path, rel, d.class, since, l)
		if l.size > s.room+d.size {
			err = errTooMany
		}
	})
	return cmp.Or(cerr, err)
}

// readNames returns the names in a directory, sorted, if they take no more than room.
func readNames(f *os.File, room int) (names []string, err error) {
	for {
		some, err := f.Readdirnames(4096)
		for _, name := range some {
			room -= perName + len(name)
		}
		switch names = append(names, some...); {
		case room < 0:
			return nil, errTooMany
		case err == io.EOF:
			slices.Sort(names)
			return names, nil
		case err != nil:
			return nil, err
		}
	}
}

// stats looks at each of the names in a directory.
func (s *service) stats(fd int, names []string, path, rel string, is class, since time.Time, l *listing) {
	var st unix.Stat_t
	var all strings.Builder
	link := make([]byte, 4096)
	for _, name := range names {
		if err := unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			continue // it is gone, or nobody may know it
		}
		isDir := st.Mode&unix.S_IFMT == unix.S_IFDIR
		class := s.classify(is, path, name, join(rel, name), isDir)
		changed := time.Unix(st.Ctim.Unix())
		switch {
		case class == temporal:
			l.size += perName + len(name)
			l.temps = append(l.temps, temp{name, changed, s.w.seed.stat(&st)})
			if isDir {
				l.subs = append(l.subs, sub{name, class})
			}
		case class == ignored:
		case isDir:
			l.size += perDir + perName + len(name)
			l.subs = append(l.subs, sub{name, class})
		case st.Mode&unix.S_IFMT == unix.S_IFREG || st.Mode&unix.S_IFMT == unix.S_IFLNK:
			e := entry{stat: s.w.seed.stat(&st)}
			if st.Mode&unix.S_IFMT == unix.S_IFLNK {
				if n, err := unix.Readlinkat(fd, name, link); err == nil {
					e.content = s.w.seed.text(link[:n])
				}
			}
			if !since.IsZero() && !changed.Before(since) {
				e = entry{}
			}
			if st.Mtim == st.Ctim && !changed.Before(s.settled) {
				l.fresh = append(l.fresh, name)
			}
			if changed.After(l.changed) {
				l.changed, l.latest = changed, name
			}
			l.size += perName + len(name)
			all.WriteString(name)
			all.WriteByte(0)
			l.files = append(l.files, e)
		}
	}
	l.names, l.files = all.String(), slices.Clip(l.files)
}

// classify says what a name in a directory of a class is to a deploy.
func (s *service) classify(is class, path, name, rel string, isDir bool) class {
	switch is {
	case temporal:
		return ignored
	case versioned:
		for _, lock := range locks {
			if matchName(lock, name) {
				return temporal
			}
		}
		return ignored
	}
	if isDir && s.except[filepath.Join(path, name)] {
		return ignored
	}
	return s.rules.class(rel, isDir)
}

func join(rel, name string) string {
	switch {
	case rel == "":
		return name
	case name == "":
		return rel
	}
	return rel + "/" + name
}
