package logs

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// A keepRig is a keeper with a log directory and what it tells.
type keepRig struct {
	*testing.T
	*keeper
	dir string

	mu   sync.Mutex
	told []string
}

func newKeepRig(t *testing.T) *keepRig {
	t.Helper()
	r := &keepRig{T: t, dir: t.TempDir()}
	if err := os.Chmod(r.dir, 0o700); err != nil { // whatever the umask
		t.Fatal(err)
	}
	r.restart()
	t.Cleanup(func() { r.stop(); r.wait() })
	return r
}

// restart is another gsv's keeper, after the one before has died.
func (r *keepRig) restart() {
	r.keeper = newKeeper(func(name string, err error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.told = append(r.told, name+": "+err.Error())
	})
}

// wait waits until the keeper has nothing to do.
func (k *keeper) wait() {
	for {
		k.mu.Lock()
		done := k.done
		k.mu.Unlock()
		if done == nil {
			return
		}
		<-done
	}
}

func (r *keepRig) keep(p Policy, stems ...string) {
	r.Helper()
	r.set(kept{name: stems[0], dir: r.dir, stems: stems, policy: &p})
	r.wait()
}

func (r *keepRig) at(name string) string { return filepath.Join(r.dir, name) }

// make makes files of that many bytes.
func (r *keepRig) make(size int, names ...string) {
	r.Helper()
	for i, name := range names {
		at := time.Now().Add(time.Duration(i) * time.Second) // no two of one time, as a log and what was made of it
		err := errors.Join(os.MkdirAll(filepath.Dir(r.at(name)), 0o700), os.WriteFile(r.at(name), bytes.Repeat([]byte("x"), size), 0o640), os.Chtimes(r.at(name), at, at))
		if err != nil {
			r.Fatal(err)
		}
	}
}

// want checks what is in the directory, its index included, and what was told.
func (r *keepRig) want(names ...string) {
	r.Helper()
	var got []string
	err := filepath.WalkDir(r.dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			got = append(got, strings.TrimPrefix(path, r.dir+"/"))
		}
		return err
	})
	slices.Sort(names)
	slices.Sort(got)
	if err != nil || !slices.Equal(got, names) {
		r.Errorf("%v, there is\n\t%q, want\n\t%q", err, got, names)
	}
}

func (r *keepRig) wantTold(parts ...string) {
	r.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	ok := len(r.told) == len(parts)
	for i := range min(len(parts), len(r.told)) {
		ok = ok && strings.Contains(r.told[i], parts[i])
	}
	if !ok {
		r.Errorf("told %q, want %q", r.told, parts)
	}
	r.told = nil
}

// unzip is what zcat prints.
func (r *keepRig) unzip(name string) (string, gzip.Header) {
	r.Helper()
	f, err := os.Open(r.at(name))
	if err != nil {
		r.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		r.Fatal(name, err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		r.Fatal(name, err)
	}
	return string(b), z.Header
}

const (
	day1 = "web-20261101T000000Z"
	day2 = "web-20261102T000000Z"
	day3 = "web-20261103T000000Z"
)

func TestKeepRemoves(t *testing.T) {
	index := func(stem string) string { return indexDir + "/" + stem }
	for _, tt := range []struct {
		about  string
		policy Policy
		stems  []string
		there  []string // of 100 bytes each
		gone   []string
		total  int64
		other  string // stem of one that keeps all
	}{
		{about: "no limit", there: []string{"web.log", day1 + ".log", day2 + ".log.gz"}},
		{about: "keep", policy: Policy{Keep: 1}, there: []string{"web.log", day1 + ".log", day2 + ".log.gz", day3 + ".log"},
			gone: []string{day1 + ".log", day2 + ".log.gz"}},
		{about: "both forms count as one", policy: Policy{Keep: 2}, there: []string{day1 + ".log", day2 + ".log", day2 + ".log.gz", day3 + ".log"},
			gone: []string{day1 + ".log"}},
		{about: "with their indexes", policy: Policy{Keep: 1},
			there: []string{"web.log", index("web"), day1 + ".log", index(day1), day2 + ".log.gz", index(day2)}, gone: []string{day1 + ".log", index(day1)}},
		{about: "indexes of what others removed", there: []string{day1 + ".log.gz", index(day1), index(day2), index("web"), index("other-20261101T000000Z")},
			gone: []string{index(day2)}},
		{about: "both stems", policy: Policy{Keep: 1}, stems: []string{"web", "web.err"},
			there: []string{"web.err.log", "web.err-20261101T000000Z.log", "web.err-20261102T000000Z.log", day1 + ".log"}, gone: []string{"web.err-20261101T000000Z.log"}},
		{about: "what a separate standard error has left", policy: Policy{Keep: 1},
			there: []string{"web.log", "web.err-20261101T000000Z.log", "web.err-20261102T000000Z.log", index("web.err-20261101T000000Z"), day1 + ".log"},
			gone:  []string{"web.err-20261101T000000Z.log", index("web.err-20261101T000000Z")}},
		{about: "another service's log that is called so", policy: Policy{Keep: 1}, other: "web.err",
			there: []string{"web.err-20261101T000000Z.log", "web.err-20261102T000000Z.log"}},
		{about: "total counts current logs and indexes", policy: Policy{MaxTotal: 500, MaxSize: 100},
			there: []string{"web.log", index("web"), day1 + ".log", index(day1), day2 + ".log", index(day2)}, gone: []string{day1 + ".log", index(day1)}},
		{about: "total of all", total: 300, there: []string{"web.log", day1 + ".log", day2 + ".log", "api.log", "api-20261101T120000Z.log"},
			gone: []string{day1 + ".log", "api-20261101T120000Z.log"}},
		{about: "not another service's", policy: Policy{Keep: 1},
			there: []string{"web-api-20261101T000000Z.log", "api-20261101T000000Z.log", "api-20261102T000000Z.log", day1 + ".log", "web.log.1", "web-20261101.gz"}},
		{about: "not a current log that is called so", policy: Policy{Keep: 1}, stems: []string{"web"},
			there: []string{"web-20261031T000000Z.log", day1 + ".log", day2 + ".log"}, gone: []string{day1 + ".log"}},
	} {
		t.Run(tt.about, func(t *testing.T) {
			r := newKeepRig(t)
			r.make(100, tt.there...)
			r.limit(tt.total)
			// Two other services, with which nothing is wrong.
			r.keep(Policy{}, "api")
			r.keep(Policy{}, "web-20261031T000000Z")
			if tt.other != "" {
				r.keep(Policy{}, tt.other)
			}
			if tt.stems == nil {
				tt.stems = []string{"web"}
			}
			r.keep(tt.policy, tt.stems...)
			r.want(slices.DeleteFunc(tt.there, func(name string) bool { return slices.Contains(tt.gone, name) })...)
			r.wantTold()
		})
	}
}

// TestKeepCompresses: the same bytes, mode, group and time under the other name, and then what has too much is removed.
func TestKeepCompresses(t *testing.T) {
	r := newKeepRig(t)
	text := strings.Repeat("a line of some length\n", 10000)
	mtime := time.Date(2026, 11, 2, 0, 0, 0, 123456789, time.UTC)
	group := os.Getgid()
	if os.Geteuid() == 0 {
		group = 4321
	}
	for _, name := range []string{day1, day2, day3} {
		path := r.at(name + ".log")
		err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chown(path, -1, group), os.Chmod(path, 0o624), os.Chtimes(path, mtime, mtime))
		if err != nil {
			t.Fatal(err)
		}
	}
	r.make(10, "web.log", indexDir+"/"+day1, indexDir+"/"+day3)
	r.keep(Policy{Compress: true, Keep: 2}, "web")
	r.want("web.log", day2+".log.gz", day3+".log.gz", indexDir+"/"+day3)
	got, header := r.unzip(day2 + ".log.gz")
	if got != text || header.Name != day2+".log" || !header.ModTime.Equal(mtime.Truncate(time.Second)) {
		t.Errorf("%d bytes of %d, %+v", len(got), len(text), header)
	}
	st, err := os.Stat(r.at(day2 + ".log.gz"))
	if err != nil || st.Mode() != 0o624 || !st.ModTime().Equal(mtime) || int(st.Sys().(*syscall.Stat_t).Gid) != group {
		t.Errorf("%v, %v", st, err)
	}
	r.wantTold()

	r.make(0, "web-20261104T000000Z.log") // an empty one too
	r.rotated(r.dir, "web")
	r.wait()
	if got, _ := r.unzip("web-20261104T000000Z.log.gz"); got != "" {
		t.Errorf("%q", got)
	}
	r.want("web.log", day3+".log.gz", "web-20261104T000000Z.log.gz", indexDir+"/"+day3)
	r.wantTold()
}

// TestKeepLeavesRoom: as long as a log is to be compressed, others do not go for its size; then the next one finds room.
func TestKeepLeavesRoom(t *testing.T) {
	r := newKeepRig(t)
	r.make(1000, day1+".log.gz", day2+".log.gz", day3+".log.gz")
	r.make(6000, "web-20261104T000000Z.log")
	r.keep(Policy{Compress: true, MaxTotal: 9000, MaxSize: 4000}, "web")
	r.want(day1+".log.gz", day2+".log.gz", day3+".log.gz", "web-20261104T000000Z.log.gz")
	r.make(1000, "web-20261105T000000Z.log.gz", "web-20261106T000000Z.log.gz")
	r.rotated(r.dir, "web")
	r.wait()
	r.want(day2+".log.gz", day3+".log.gz", "web-20261104T000000Z.log.gz", "web-20261105T000000Z.log.gz", "web-20261106T000000Z.log.gz")
	r.wantTold()
}

// TestKeepByAge: a timer, and nothing else, removes what gets too old.
func TestKeepByAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newKeepRig(t)
		now := time.Now()
		pass := func(d time.Duration) { <-time.After(d); synctest.Wait() }
		name := func(age time.Duration) string { return rotatedName("web", now.Add(-age)) }
		r.make(10, "web.log", name(3*time.Hour), name(time.Hour), name(0))
		r.keep(Policy{MaxAge: 2 * time.Hour}, "web")
		r.want("web.log", name(time.Hour), name(0))
		pass(time.Hour - time.Second)
		r.want("web.log", name(time.Hour), name(0))
		pass(time.Second)
		r.want("web.log", name(0))
		pass(time.Hour)
		r.want("web.log")
		if r.done != nil {
			t.Error("it has a goroutine and nothing to do")
		}
		r.forget(r.dir, "web")
		r.make(10, name(0))
		pass(24 * time.Hour)
		r.want("web.log", name(0))
	})
}

// TestKeepTouchesNothingOfOthers: what somebody else has put in the place of gsv's files is not read, removed or counted.
func TestKeepTouchesNothingOfOthers(t *testing.T) {
	r := newKeepRig(t)
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, []byte("theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	plant := []func(at string) error{
		func(at string) error { return os.Symlink(outside, at) },
		func(at string) error { return os.Link(outside, at) },
		func(at string) error { return unix.Mkfifo(at, 0o600) },
		func(at string) error { return os.Mkdir(at, 0o700) },
	}
	if os.Geteuid() == 0 {
		plant = append(plant, func(at string) error {
			return errors.Join(os.WriteFile(at, make([]byte, 1<<20), 0o666), os.Chown(at, 65534, 65534))
		})
	}
	if err := os.Mkdir(r.at(indexDir), 0o700); err != nil {
		t.Fatal(err)
	}
	before := map[string]os.FileInfo{}
	for i, f := range plant {
		stem := fmt.Sprintf("web-2026110%dT000000Z", i+1)
		zipped := fmt.Sprintf("web-2026111%dT000000Z", i+1)
		junk := fmt.Sprintf("web-2026112%dT000000Z", i+1)
		for _, name := range []string{stem + ".log", zipped + ".log.gz", hidden(junk), indexDir + "/" + junk} {
			if err := f(r.at(name)); err != nil {
				t.Fatal(err)
			}
			before[name], _ = os.Lstat(r.at(name))
		}
		r.make(10, zipped+".log")
	}
	r.make(10, day1+".log.gz") // beside a link
	r.keep(Policy{Compress: true, Keep: len(plant) + 1, MaxTotal: 1000}, "web")
	for name, st := range before {
		if now, err := os.Lstat(r.at(name)); err != nil || !os.SameFile(now, st) || now.ModTime() != st.ModTime() {
			t.Errorf("%s is %v, %v", name, now, err)
		}
	}
	for i := range plant {
		if _, err := os.Lstat(r.at(fmt.Sprintf("web-2026111%dT000000Z.log", i+1))); err != nil {
			t.Error(err)
		}
	}
	if text, err := os.ReadFile(outside); err != nil || string(text) != "theirs" {
		t.Errorf("the file outside is %q, %v", text, err)
	}
	r.wantTold()

	// What cannot be done for them is told once.
	junk := r.at(hidden("web-20261121T000000Z"))
	r.make(10, "web-20261121T000000Z.log")
	for range 2 {
		r.rotated(r.dir, "web")
		r.wait()
	}
	r.wantTold("web: cannot compress rotated logs: create " + junk + ": file exists; they stay")
	if err := os.Remove(junk); err != nil {
		t.Fatal(err)
	}
	r.rotated(r.dir, "web")
	r.wait()
	if err := os.Symlink(outside, junk); err != nil {
		t.Fatal(err)
	}
	if got, _ := r.unzip("web-20261121T000000Z.log.gz"); got != strings.Repeat("x", 10) {
		t.Errorf("%q", got)
	}
	r.make(10, "web-20261122T000000Z.log")
	r.rotated(r.dir, "web")
	r.wait()
	r.wantTold("web: cannot compress rotated logs: create " + r.at(hidden("web-20261122T000000Z")))
}

// TestKeepDirectory: one that is missing is not made, and one that others can change is not touched, which is told once.
func TestKeepDirectory(t *testing.T) {
	r := newKeepRig(t)
	if err := os.Remove(r.dir); err != nil {
		t.Fatal(err)
	}
	r.keep(Policy{Keep: 1}, "web")
	if _, err := os.Lstat(r.dir); err == nil {
		t.Error("the directory was made")
	}
	r.wantTold()
	r.make(10, day1+".log", day2+".log")
	if os.Geteuid() != 0 {
		return
	}
	if err := os.Chmod(r.dir, 0o777); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		r.rotated(r.dir, "web")
		r.wait()
	}
	r.want(day1+".log", day2+".log")
	r.wantTold("web: cannot read rotated logs: " + r.dir + " can be changed by others than root")
	if err := os.Chmod(r.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	r.rotated(r.dir, "web")
	r.wait()
	r.want(day2 + ".log")
	r.wantTold()
}

// TestKeepStops: whatever is being compressed is left as it was.
func TestKeepStops(t *testing.T) {
	r := newKeepRig(t)
	r.make(16<<20, day1+".log")
	z, err := openZip(r.dir, day1)
	if err != nil {
		t.Fatal(err)
	}
	defer z.close()
	r.quit.Store(true)
	if err := z.fill(&zipper{}, &r.quit); !errors.Is(err, errStopped) {
		t.Errorf("compressed: %v", err)
	}
	z.abandon()
	r.want(day1 + ".log")

	r.restart()
	r.set(kept{name: "web", dir: r.dir, stems: []string{"web"}, policy: &Policy{Compress: true}})
	r.stop()
	r.wait()
	r.rotated(r.dir, "web")
	r.wait()
	r.want(day1 + ".log")

	r.restart()
	r.keep(Policy{Compress: true}, "web")
	r.want(day1 + ".log.gz")
	r.wantTold()
}

// TestKeepMany: all that happens to many services at once is done, each thing once.
func TestKeepMany(t *testing.T) {
	r := newKeepRig(t)
	var all sync.WaitGroup
	var want []string
	for i := range 30 {
		stem := fmt.Sprint("s", i)
		for day := range 5 {
			name := rotatedName(stem, noon.AddDate(0, 0, day))
			r.make(1000, name)
			if day >= 2 {
				want = append(want, name+".gz")
			}
		}
		all.Go(func() {
			for range 3 {
				r.set(kept{name: stem, dir: r.dir, stems: []string{stem, stem + ".err"}, policy: &Policy{Compress: true, Keep: 3, MaxTotal: 1 << 20, MaxAge: 1e9 * time.Second}})
				r.rotated(r.dir, stem)
				r.rotated(r.dir, stem+".err")
				r.limit(1 << 20)
			}
		})
	}
	all.Wait()
	r.wait()
	r.want(want...)
	r.wantTold()
}

// BenchmarkKeepRotated: one of 1000 services that have ten rotated logs each is rotated.
func BenchmarkKeepRotated(b *testing.B) {
	for _, total := range []int64{0, 1 << 40} {
		b.Run(fmt.Sprintf("total=%v", total > 0), func(b *testing.B) {
			dir := b.TempDir()
			if err := os.MkdirAll(filepath.Join(dir, indexDir), 0o700); err != nil {
				b.Fatal(err)
			}
			k := newKeeper(func(_ string, err error) { b.Error(err) })
			for i := range 1000 {
				stem := fmt.Sprint("s", i)
				for day := range 11 {
					name := rotatedName(stem, noon.AddDate(0, 0, day))
					for _, path := range []string{name, filepath.Join(indexDir, strings.TrimSuffix(name, logSuffix))} {
						if err := os.WriteFile(filepath.Join(dir, path), nil, 0o600); err != nil {
							b.Fatal(err)
						}
					}
				}
				k.set(kept{name: stem, dir: dir, stems: []string{stem}, policy: &Policy{MaxSize: 1000, Keep: 12}})
			}
			k.limit(total)
			k.wait()
			for b.Loop() {
				k.rotated(dir, "s1")
				k.wait()
			}
			k.stop()
		})
	}
}
