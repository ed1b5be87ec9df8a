package logs

import (
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestCutMeanwhile: when others cut the file between the look at its end and the bytes that are written there, these are
// at its begin, without a hole before them, and the index knows them.
func TestCutMeanwhile(t *testing.T) {
	before, after := strings.Repeat("before\n", 2000), strings.Repeat("after\n", 30000)
	zeros := strings.Repeat("\x00", 10000) + "\n"
	for _, tt := range []struct {
		about, before, after, want string
		cut, copying, stamped      bool
	}{
		{about: "cut", before: before, after: after, cut: true, want: after},
		{about: "cut where a file system cannot splice", before: before, after: "after\n", cut: true, copying: true, want: "after\n"},
		{about: "cut, with timestamps", before: before, after: "after\n", cut: true, stamped: true, want: "after\n"},
		{about: "not cut", before: before, after: after, want: before + after},
		{about: "not cut, zeros", before: zeros[:10000], after: "after\n", want: zeros[:10000] + "after\n"},
		{about: "cut, and zeros", before: zeros, after: "a" + zeros, cut: true, want: "a" + zeros},
	} {
		t.Run(tt.about, func(t *testing.T) {
			r := newRig(t)
			child, reader := r.make(Key{Name: "web", Gen: 7})
			if _, err := unix.FcntlInt(child.Fd(), unix.F_SETPIPE_SZ, 256<<10); err != nil {
				t.Fatal(err)
			}
			s, err := newScratch(&loop{p: r.Pump})
			if err != nil {
				t.Fatal(err)
			}
			defer s.close()
			f := NewFile(r.logs, "web")
			defer f.release()
			f.Set(Policy{Timestamp: tt.stamped})
			f.copying = tt.copying
			run := &run{key: Key{Name: "web", Gen: 7}, fd: int(reader.Fd())}
			write := func(text string, end int64) {
				t.Helper()
				r.write(child, text)
				n, err := int64(0), error(nil)
				if tt.stamped {
					n, err = f.stamp(run, s, time.Now(), end, 1<<20)
				} else {
					n, err = f.writeAt(run, s, time.Now(), end, 1<<20)
				}
				if int(n) != len(text) || err != nil {
					t.Fatal(n, err)
				}
			}
			if err := f.open(s); err != nil {
				t.Fatal(err)
			}
			write(tt.before, 0)
			end, err := f.end(s)
			if err != nil {
				t.Fatal(err)
			}
			if tt.cut {
				if err := os.Truncate(f.Path(), 0); err != nil {
					t.Fatal(err)
				}
			}
			write(tt.after, end)
			got, err := os.ReadFile(f.Path())
			if err != nil {
				t.Fatal(err)
			}
			known, err := f.Of(7, time.Now().Add(-time.Hour))
			if string(known) != string(got) || err != nil {
				t.Errorf("the index knows %d of %d bytes, %v", len(known), len(got), err)
			}
			text := string(got)
			if tt.stamped {
				text = unstamped(t, text)
			}
			if text != tt.want {
				t.Errorf("%d bytes, not %d: %.40q", len(text), len(tt.want), text)
			}
		})
	}
}
