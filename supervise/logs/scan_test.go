package logs

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// read is the lines that a query gives, each "ms gen text".
func read(t testing.TB, q Query, sources ...Source) []string {
	t.Helper()
	var all []string
	part := false
	err := Read(t.Context(), sources, q, func(l *Line) error {
		text := fmt.Sprintf("%d %d %s", l.Time.Sub(start).Milliseconds(), l.Gen, l.Text)
		if l.Err {
			text = "err " + text
		}
		if part {
			all[len(all)-1] += string(l.Text)
		} else {
			all = append(all, text)
		}
		part = l.Part
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func of(dir, name string) Source { return Source{Service: name, File: NewFile(dir, name)} }

// made is a log of three files, one of them compressed, one in both forms.
func made(t testing.TB) string {
	dir := logDir(t)
	makeLog(t, dir, "web", wrote{0, 1, "one\ntwo\n"}, wrote{200, 1, "three\nno end"})
	zip(t, dir, rotate(t, dir, "web", 1000), false)
	makeLog(t, dir, "web", wrote{1100, 1, "four\n"}, wrote{1200, 2, "five\nhalf"}, wrote{1300, 3, " of it\n"})
	zip(t, dir, rotate(t, dir, "web", 2000), true)
	makeLog(t, dir, "web", wrote{2100, 3, "six\nse"}, wrote{2300, 3, "ven\n"}, wrote{2400, 4, "eight\nnine"})
	return dir
}

var madeLines = []string{
	"0 1 one", "0 1 two", "200 1 three", "200 1 no end", "1100 1 four", "1200 2 five", "1200 2 half", "1300 3  of it",
	"2100 3 six", "2100 3 seven", "2400 4 eight", "2400 4 nine",
}

func TestReadLines(t *testing.T) {
	dir := made(t)
	last := len(madeLines)
	pick := func(at ...int) (some []string) {
		for _, i := range at {
			some = append(some, madeLines[i])
		}
		return some
	}
	grep := func(re string) func([]byte) bool { return regexp.MustCompile(re).Match }
	for _, tt := range []struct {
		name string
		q    Query
		want []string
	}{
		{"all", Query{Lines: -1}, madeLines},
		{"none", Query{}, nil},
		{"last", Query{Lines: 1}, madeLines[last-1:]},
		{"of two files", Query{Lines: 6}, madeLines[last-6:]},
		{"of three files", Query{Lines: 10}, madeLines[last-10:]},
		{"just the second file", Query{Lines: 8}, madeLines[last-8:]},
		{"more than there are", Query{Lines: 99}, madeLines},
		{"since", Query{Lines: -1, Since: ms(1200)}, madeLines[5:]},
		{"since between", Query{Lines: -1, Since: ms(1150)}, madeLines[5:]},
		{"since a rotation", Query{Lines: -1, Since: ms(2000)}, madeLines[8:]},
		{"since what is in the middle of a line", Query{Lines: -1, Since: ms(2200)}, madeLines[10:]},
		{"since later", Query{Lines: -1, Since: ms(9000)}, nil},
		{"until", Query{Lines: -1, Until: ms(1150)}, madeLines[:5]},
		{"the last until", Query{Lines: 2, Until: ms(1250)}, pick(5, 6)},
		{"between", Query{Lines: -1, Since: ms(200), Until: ms(1100)}, pick(2, 3, 4)},
		{"a run", Query{Lines: -1, Gen: 3}, pick(7, 8, 9)},
		{"the last of a run", Query{Lines: 2, Gen: 1}, pick(3, 4)},
		{"a run since", Query{Lines: -1, Gen: 3, Since: ms(2000)}, pick(8, 9)},
		{"also a run", Query{Lines: -1, Until: ms(100), Also: 4}, pick(0, 1, 10, 11)},
		{"grep", Query{Lines: -1, Match: grep("^t|e$")}, pick(0, 1, 2, 5, 11)},
		{"the last of grep", Query{Lines: 3, Match: grep("^t|e$")}, pick(2, 5, 11)},
		{"the last of grep, of all files", Query{Lines: 4, Match: grep("^t|e$")}, pick(1, 2, 5, 11)},
		{"the last of grep since", Query{Lines: 9, Since: ms(200), Match: grep("^t|e$")}, pick(2, 5, 11)},
		{"grep none", Query{Lines: 9, Match: grep("nosuch")}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := read(t, tt.q, of(dir, "web")); !slices.Equal(got, tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// Raw gives the bytes as they are.
func TestRaw(t *testing.T) {
	dir := made(t)
	all := "one\ntwo\nthree\nno endfour\nfive\nhalf of it\nsix\nseven\neight\nnine"
	for n, from := range map[int]string{-1: "one", 0: "", 1: "nine", 3: "seven", 6: "half", 7: "five", 10: "three", 99: "one"} {
		want, got, first := all[strings.Index(all, from):], "", true
		if n == 0 {
			want = ""
		}
		err := NewFile(dir, "web").Raw(t.Context(), n, false, "", func(_ Cursor, b []byte) error {
			if first != (len(b) == 0) {
				t.Errorf("%q, and that it is the first is %v", b, first)
			}
			first = false
			got += string(b)
			return nil
		})
		if err != nil || got != want {
			t.Errorf("%d: %q, %v; want %q", n, got, err, want)
		}
	}
}

// It stops reading where it has found what was asked for.
func TestBackStops(t *testing.T) {
	dir := made(t)
	v, err := openCurrent(dir, "web")
	if err != nil {
		t.Fatal(err)
	}
	defer v.close()
	for n := 1; n <= 4; n++ {
		told := 0
		err := v.back(t.Context(), 0, v.size, func(int64, []byte) (bool, error) {
			told++
			return told < n, nil
		})
		if err != nil || told != n {
			t.Errorf("told %d lines of %d: %v", told, n, err)
		}
	}
}

// A file that no index speaks of was written when its name, or its time, says.
func TestReadWithoutIndex(t *testing.T) {
	dir := made(t)
	if err := os.RemoveAll(filepath.Join(dir, indexDir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(filepath.Join(dir, "web.log"), ms(3000), ms(3000)); err != nil {
		t.Fatal(err)
	}
	want := []string{"1000 0 one", "1000 0 two", "1000 0 three", "1000 0 no end", "2000 0 four", "2000 0 five", "2000 0 half of it",
		"3000 0 six", "3000 0 seven", "3000 0 eight", "3000 0 nine"}
	for _, tt := range []struct {
		q    Query
		want []string
	}{
		{Query{Lines: -1}, want},
		{Query{Lines: 5}, want[6:]},
		{Query{Lines: -1, Since: ms(2000)}, want[4:]},
		{Query{Lines: -1, Since: ms(2500)}, want[7:]},
		{Query{Lines: -1, Since: ms(3500)}, nil},
		{Query{Lines: -1, Gen: 1}, nil},
	} {
		if got := read(t, tt.q, of(dir, "web")); !slices.Equal(got, tt.want) {
			t.Errorf("%+v: %q, want %q", tt.q, got, tt.want)
		}
	}
}

// The index of another file, and one that is garbage, say nothing.
func TestForeignIndex(t *testing.T) {
	dir := logDir(t)
	makeLog(t, dir, "web", wrote{0, 1, "one\n"})
	path := filepath.Join(dir, "web.log")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("other\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, ms(5000), ms(5000)); err != nil {
		t.Fatal(err)
	}
	want := []string{"5000 0 other"}
	if got := read(t, Query{Lines: 9}, of(dir, "web")); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if err := os.WriteFile(filepath.Join(dir, indexDir, "web"), []byte(strings.Repeat("garbage", 99)), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := read(t, Query{Lines: 9}, of(dir, "web")); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// gsv was killed after it had renamed the file, and before its index.
func TestHalfRotated(t *testing.T) {
	dir := logDir(t)
	makeLog(t, dir, "web", wrote{0, 7, "one\n"})
	if err := os.Rename(filepath.Join(dir, "web.log"), filepath.Join(dir, rotatedName("web", ms(1000)))); err != nil {
		t.Fatal(err)
	}
	if got := read(t, Query{Lines: 9}, of(dir, "web")); !slices.Equal(got, []string{"0 7 one"}) {
		t.Errorf("%q", got)
	}
}

// What cannot be decompressed hides nothing of the other files.
func TestBrokenZip(t *testing.T) {
	dir := made(t)
	path := filepath.Join(dir, rotatedName("web", ms(1000))+gzSuffix)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"half": whole[:len(whole)-12], "empty": nil, "garbage": []byte("no gzip at all")} {
		if err := os.WriteFile(path, b, 0o640); err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{-1, 99} {
			got := strings.Join(read(t, Query{Lines: n}, of(dir, "web")), "\n")
			if !strings.HasSuffix(got, strings.Join(madeLines[4:], "\n")) || !strings.Contains(got, "[gsv: the rest of "+filepath.Base(path)+" cannot be read: ") {
				t.Errorf("%s: %s", name, got)
			}
		}
	}
}

// A line of many MiB comes in pieces, byte for byte.
func TestLongLine(t *testing.T) {
	dir := logDir(t)
	long := strings.Repeat("0123456789", maxPiece/4)
	exact := strings.Repeat("x", maxPiece)
	makeLog(t, dir, "web", wrote{0, 1, "short\n" + long}, wrote{500, 1, long + "\n" + exact + "\nlast\n"})
	want := []string{"0 1 short", "0 1 " + long + long, "500 1 " + exact, "500 1 last"}
	for _, n := range []int{-1, 4, 3} {
		got := read(t, Query{Lines: n}, of(dir, "web"))
		if w := want[max(0, 4-max(n, 0))%4:]; n < 0 && !slices.Equal(got, want) || n > 0 && !slices.Equal(got, w) {
			t.Errorf("%d: %d lines", n, len(got))
		}
	}
	if got := read(t, Query{Lines: 1, Match: regexp.MustCompile("^0123").Match}, of(dir, "web")); !slices.Equal(got, want[1:2]) {
		t.Errorf("%d lines match", len(got))
	}
	err := Read(t.Context(), []Source{of(dir, "web")}, Query{Lines: -1}, func(l *Line) error {
		if len(l.Text) > maxPiece {
			t.Errorf("%d bytes at once", len(l.Text))
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// Whatever the bytes and wherever runs, entries and rotations fall: what is read
// from the end on, and from the begin on, are the same lines.
func FuzzRead(f *testing.F) {
	f.Add([]byte("a\nb\nc"), []byte{1, 2, 3}, 2, byte(0), 1)
	f.Add([]byte("\n\nab\n\n\ncdefg\n"), []byte{0x41, 0x82, 0xc3, 9, 0xff}, 3, byte('c'), 2)
	f.Add([]byte("0123456789abcde\n"), []byte{200, 201, 77}, 5000, byte('5'), 9000)
	f.Fuzz(func(t *testing.T, text, cuts []byte, n int, match byte, times int) {
		if n < 0 || times < 1 || len(text)*times > 200<<10 || len(cuts) > 100 {
			t.Skip()
		}
		text = bytes.Repeat(text, times)
		dir := logDir(t)
		type made struct {
			line string
			text []byte
		}
		var want []made
		var wrotes []wrote
		var open []byte // the line that has not ended
		at, gen, opened := 0, 1, 0
		flush := func() {
			if len(open) > 0 {
				want = append(want, made{fmt.Sprintf("%d %d %s", opened, gen, bytes.TrimSuffix(open, []byte("\n"))), bytes.TrimSuffix(open, []byte("\n"))})
			}
			open = nil
		}
		rotated := 0
		for i := 0; len(text) > 0; i++ {
			c := byte(255)
			if i < len(cuts) {
				c = cuts[i]
			}
			size := min(len(text), 1+int(c&31))
			if c == 255 {
				size = len(text)
			}
			at += 10
			next := 1 + int(c>>5&1) + gen*int(c>>6&1)
			if next != gen && text[0] != '\n' { // the end of a line belongs to it, whoever wrote it
				flush()
			}
			if len(open) == 0 {
				gen = next
			}
			wrotes = append(wrotes, wrote{at, next, string(text[:size])})
			for _, b := range text[:size] {
				if len(open) == 0 {
					opened, gen = at, next
				}
				if open = append(open, b); b == '\n' {
					flush()
				}
			}
			if text = text[size:]; c>>7 == 1 && rotated < 4 && len(text) > 0 {
				flush()
				makeLog(t, dir, "web", wrotes...)
				wrotes = nil
				at = at/1000*1000 + 1000
				stem := rotate(t, dir, "web", at)
				if rotated++; c&16 != 0 {
					zip(t, dir, stem, c&8 != 0)
				}
			}
		}
		flush()
		makeLog(t, dir, "web", wrotes...)
		q := Query{Lines: n}
		if match != 0 {
			q.Match = func(text []byte) bool { return bytes.IndexByte(text, match) >= 0 }
			want = slices.DeleteFunc(want, func(m made) bool { return !q.Match(m.text) })
		}
		for _, lines := range []int{n, -1} {
			q.Lines = lines
			some := want
			if lines >= 0 {
				some = want[max(0, len(want)-lines):]
			}
			got := read(t, q, of(dir, "web"))
			if !slices.EqualFunc(got, some, func(a string, b made) bool { return a == b.line }) {
				t.Fatalf("%d of %d lines: %.300q, want %.300q", len(got), len(some), got, some)
			}
		}
	})
}

func BenchmarkLastLines(b *testing.B) {
	dir := logDir(b)
	makeLog(b, dir, "web", wrote{0, 1, ""})
	path := filepath.Join(dir, "web.log")
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	// 10 GB, most of it a hole.
	if _, err := f.WriteAt(bytes.Repeat([]byte("a line of some forty bytes, as they come\n"), 1000), 10<<30); err != nil {
		b.Skipf("no such large files here: %v", err)
	}
	for b.Loop() {
		n := 0
		if err := Read(context.Background(), []Source{of(dir, "web")}, Query{Lines: 10}, func(*Line) error { n++; return nil }); err != nil || n != 10 {
			b.Fatal(n, err)
		}
	}
}
