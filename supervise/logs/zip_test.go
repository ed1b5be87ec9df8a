package logs

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// accessLog is like a web server's, of about that many bytes.
func accessLog(size int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(s ...string) string { return s[r.IntN(len(s))] }
	at := noon
	var b bytes.Buffer
	for b.Len() < size {
		at = at.Add(time.Duration(r.IntN(20)) * time.Millisecond)
		path := pick("/", "/assets/app-3f2a9c.js", "/assets/site.css", "/api/v1/items", "/login", "/health")
		if r.IntN(2) == 0 {
			path = pick("/api/v1/items/", "/users/", "/search?q=", "/static/img/") + fmt.Sprint(r.IntN(100000))
		}
		fmt.Fprintf(&b, "%d.%d.%d.%d - - [%s] \"GET %s HTTP/1.1\" %s %d \"https://shop.example.com/\" \"%s\" %.3f\n",
			10+r.IntN(200), r.IntN(256), r.IntN(256), r.IntN(256), at.Format("02/Jan/2006:15:04:05 -0700"), path,
			pick("200", "200", "200", "304", "404", "302"), r.IntN(60000), pick(
				"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
				"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
				"Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0", "curl/8.5.0"), r.Float64())
	}
	return b.Bytes()
}

// TestZcat: what is in a compressed log, others can read.
func TestZcat(t *testing.T) {
	zcat, err := exec.LookPath("zcat")
	if err != nil {
		t.Skip(err)
	}
	r := newKeepRig(t)
	text := accessLog(1 << 20)
	text = append(text, "\x00\xff\x1f\x8b no newline at the end"...)
	for _, stem := range []string{"web", "журнал"} {
		name := rotatedName(stem, noon)
		if err := os.WriteFile(r.at(name), text, 0o600); err != nil {
			t.Fatal(err)
		}
		r.keep(Policy{Compress: true}, stem)
		got, err := exec.Command(zcat, r.at(name+gzSuffix)).Output()
		if err != nil || !bytes.Equal(got, text) {
			t.Errorf("%d bytes of %d, %v", len(got), len(text), err)
		}
	}
	r.wantTold()
}

// TestZipKilled: after each step of a compression, and within, the next gsv finishes it, and nothing is lost.
func TestZipKilled(t *testing.T) {
	text := strings.Repeat("line\n", 100000)
	steps := []func(*zipping) error{
		func(z *zipping) error { return nil },
		func(z *zipping) error { _, err := z.to.WriteString("\x1f\x8b\x08 half"); return err },
		func(z *zipping) error {
			return errors.Join(z.to.Truncate(0), func() error { _, err := z.to.Seek(0, io.SeekStart); return err }(), z.fill(&zipper{}, new(atomic.Bool)))
		},
		func(z *zipping) error {
			done, err := z.publish()
			if !done {
				err = errors.Join(err, errors.New("not published"))
			}
			return err
		},
		(*zipping).drop,
	}
	for _, p := range []Policy{{Compress: true}, {}} {
		for dies := range len(steps) {
			t.Run(fmt.Sprintf("compress=%v,after=%d", p.Compress, dies), func(t *testing.T) {
				r := newKeepRig(t)
				if err := os.WriteFile(r.at(day1+".log"), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				r.make(10, indexDir+"/"+day1)
				z, err := openZip(r.dir, day1)
				if err != nil {
					t.Fatal(err)
				}
				defer z.close()
				for _, step := range steps[:dies+1] {
					if err := step(z); err != nil {
						t.Fatal(err)
					}
				}
				r.keep(p, "web")
				if !p.Compress && dies < 3 {
					r.want(day1+".log", indexDir+"/"+day1)
					got, err := os.ReadFile(r.at(day1 + ".log"))
					if err != nil || string(got) != text {
						t.Errorf("%d bytes, %v", len(got), err)
					}
				} else {
					r.want(day1+".log.gz", indexDir+"/"+day1)
					if got, _ := r.unzip(day1 + ".log.gz"); got != text {
						t.Errorf("%d bytes", len(got))
					}
				}
				r.wantTold()
			})
		}
	}
}

// TestZipAgainstOthers: what others do to the files meanwhile never costs a line.
func TestZipAgainstOthers(t *testing.T) {
	for _, tt := range []struct {
		about string
		do    func(r *keepRig) error
		done  bool
		want  []string
	}{
		{"nothing", func(*keepRig) error { return nil }, true, []string{day1 + ".log.gz", day1 + ".log"}},
		{"removed", func(r *keepRig) error { return os.Remove(r.at(day1 + ".log")) }, false, nil},
		{"replaced", func(r *keepRig) error {
			return errors.Join(os.WriteFile(r.at("x"), []byte("0123456789"), 0o600), os.Rename(r.at("x"), r.at(day1+".log")))
		}, false, []string{day1 + ".log"}},
		{"written to", func(r *keepRig) error { return os.WriteFile(r.at(day1+".log"), []byte("more than there was"), 0o600) }, false, []string{day1 + ".log"}},
		{"compressed by hand", func(r *keepRig) error { return os.WriteFile(r.at(day1+".log.gz"), []byte("half"), 0o600) }, false,
			[]string{day1 + ".log", day1 + ".log.gz"}},
		{"another gsv", func(r *keepRig) error {
			return errors.Join(os.Remove(r.at(hidden(day1))), os.WriteFile(r.at(hidden(day1)), []byte("half"), 0o600))
		}, false, []string{day1 + ".log", hidden(day1)}},
	} {
		t.Run(tt.about, func(t *testing.T) {
			r := newKeepRig(t)
			r.make(10, day1+".log")
			z, err := openZip(r.dir, day1)
			if err != nil {
				t.Fatal(err)
			}
			defer z.close()
			if err := errors.Join(z.fill(&zipper{}, new(atomic.Bool)), tt.do(r)); err != nil {
				t.Fatal(err)
			}
			done, err := z.publish()
			if done != tt.done || err != nil && tt.about != "compressed by hand" {
				t.Errorf("published: %v, %v", done, err)
			}
			z.abandon()
			r.want(tt.want...)
		})
	}
}

// TestByHand: one of the same name that somebody else has made or is making is not taken for ours, and the log stays.
func TestByHand(t *testing.T) {
	r := newKeepRig(t)
	r.make(10, day1+".log", day1+".log.gz")
	if err := os.Chtimes(r.at(day1+".log"), noon, noon); err != nil {
		t.Fatal(err)
	}
	r.keep(Policy{Compress: true}, "web")
	r.want(day1+".log", day1+".log.gz")
	r.wantTold()
}

// TestZipOnAFullDisk: a log that cannot be compressed stays, which is told once, and is compressed when it can be.
func TestZipOnAFullDisk(t *testing.T) {
	if !inNamespaces(t, "TestZipOnAFullDisk") {
		return
	}
	r := newKeepRig(t)
	if err := unix.Mount("logs", r.dir, "tmpfs", 0, "size=1m,mode=0700"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(r.dir, unix.MNT_DETACH) })
	text := make([]byte, 300<<10) // that takes no less when it is compressed
	for i := range text {
		text[i] = byte(rand.Uint32())
	}
	if err := os.WriteFile(r.at(day1+".log"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.at("filler"), make([]byte, 1<<20), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("not full: %v", err)
	}
	if err := os.Truncate(r.at("filler"), 600<<10); err != nil {
		t.Fatal(err)
	}
	r.keep(Policy{Compress: true}, "web")
	r.rotated(r.dir, "web")
	r.wait()
	r.want(day1+".log", "filler")
	r.wantTold("web: cannot compress rotated logs: write " + r.at(hidden(day1)) + ": no space left on device")
	if err := os.Remove(r.at("filler")); err != nil {
		t.Fatal(err)
	}
	r.rotated(r.dir, "web")
	r.wait()
	if got, _ := r.unzip(day1 + ".log.gz"); got != string(text) {
		t.Errorf("%d bytes", len(got))
	}
	r.want(day1 + ".log.gz")
	r.wantTold()
}

// TestNicely: the thread is nice, alone, and gone afterwards.
func TestNicely(t *testing.T) {
	main, err := unix.Getpriority(unix.PRIO_PROCESS, os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	type saw struct{ tid, priority int }
	c := make(chan saw)
	for range 3 {
		nicely(func() {
			p, _ := unix.Getpriority(unix.PRIO_PROCESS, 0)
			c <- saw{unix.Gettid(), p}
		})
		s := <-c
		if nice := 20 - s.priority; s.tid != os.Getpid() && nice != max(zipNice, 20-main) {
			t.Errorf("nice %d", nice)
		}
	}
	now, err := unix.Getpriority(unix.PRIO_PROCESS, os.Getpid())
	if err != nil || now != main {
		t.Errorf("the main thread: %d after %d, %v", now, main, err)
	}
}

// BenchmarkZip: 24 MB of an access log, by level. Beside MB/s, what is left in %.
func BenchmarkZip(b *testing.B) {
	text := accessLog(24 << 20)
	for _, level := range []int{1, 2, zipLevel, 4, 5, 6, 9} {
		b.Run(fmt.Sprintf("level=%d", level), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			var out bytes.Buffer
			w, err := gzip.NewWriterLevel(&out, level)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				out.Reset()
				w.Reset(&out)
				w.Write(text)
				w.Close()
			}
			b.ReportMetric(100*float64(out.Len())/float64(len(text)), "%")
		})
	}
}

// BenchmarkKeepCompress: the same by a keeper, to the disk and with its fsync.
func BenchmarkKeepCompress(b *testing.B) {
	text := accessLog(24 << 20)
	dir := b.TempDir()
	k := newKeeper(func(_ string, err error) { b.Error(err) })
	k.set(kept{name: "web", dir: dir, stems: []string{"web"}, policy: &Policy{Compress: true}})
	k.wait()
	b.SetBytes(int64(len(text)))
	at := noon
	for b.Loop() {
		b.StopTimer()
		at = at.Add(time.Second)
		name := rotatedName("web", at)
		if err := os.WriteFile(dir+"/"+name, text, 0o600); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		k.rotated(dir, "web")
		k.wait()
		if _, err := os.Stat(dir + "/" + name + gzSuffix); err != nil {
			b.Fatal(err)
		}
	}
	k.stop()
}
