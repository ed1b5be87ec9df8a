package main_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// numberedRole is the first argument of this test's binary where it is a service that writes numbered lines.
const numberedRole = "write-numbered-lines"

// A line's number says all of it. Most are short; some are larger than what is read at once, and a few than a pipe.
const longestLine = 100_000

func appendNumbered(b []byte, n int) []byte {
	length := n % 200
	switch {
	case n%50_021 == 50_020:
		length = longestLine
	case n%997 == 996:
		length = 5000
	}
	b = append(strconv.AppendInt(b, int64(n), 10), ' ')
	begin := len(b)
	b = slices.Grow(b, length+1)[:begin+length]
	for i := range b[begin:] {
		b[begin+i] = 'a' + byte(n%26)
	}
	return append(b, '\n')
}

// tenths is how often a writer of numbered lines says where it is, in each part.
const tenths = 10

// WriteNumbered is that service: the arguments are how many bytes it writes at least, in how many parts, a FIFO that it
// reads a byte from before each part (its end is as good), and one that it writes a byte to after each tenth of a part.
// It writes as fast as it can, and seldom whole lines.
func writeNumbered(args []string) error {
	total, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	parts, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	gate, err := os.Open(args[2])
	if err != nil {
		return err
	}
	at, err := os.OpenFile(args[3], os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	sizes := [...]int{64 << 10, 4095, 31, 64 << 10, 20_011}
	var left []byte
	for n, made, written, step, turn := 0, 0, 0, 0, 0; written < made || made < total; turn++ {
		size := sizes[turn%len(sizes)]
		for len(left) < size && made < total {
			before := len(left)
			left = appendNumbered(left, n)
			made, n = made+len(left)-before, n+1
		}
		for ; step < parts*tenths && written >= total/(parts*tenths)*step; step++ {
			if step > 0 {
				if _, err := at.Write([]byte{0}); err != nil {
					return err
				}
			}
			if step%tenths == 0 {
				if _, err := gate.Read(make([]byte, 1)); err != nil && err != io.EOF {
					return err
				}
			}
		}
		size = min(size, len(left))
		if _, err := os.Stdout.Write(left[:size]); err != nil {
			return err
		}
		written, left = written+size, append(left[:0], left[size:]...)
	}
	return nil
}

// A numberedCheck reads what a writer of numbered lines has written, in order.
type numberedCheck struct {
	stamped bool // each line has the time before it
	next    int
	bytes   int64 // without stamps
	last    []byte
	want    []byte
	stamp   []byte // the last one
}

// logStamp is the time before each line of a log with timestamp = true, in UTC.
const logStamp = "2006-01-02T15:04:05.000Z "

func (c *numberedCheck) line(text []byte) error {
	if c.stamped {
		stamp := text[:min(len(text), len(logStamp))]
		if !bytes.Equal(stamp, c.stamp) {
			if _, err := time.Parse(logStamp, string(stamp)); err != nil {
				return fmt.Errorf("line %d: %w", c.next, err)
			}
			c.stamp = append(c.stamp[:0], stamp...)
		}
		text = text[len(stamp):]
	}
	c.want = appendNumbered(c.want[:0], c.next)
	if !bytes.Equal(text, c.want) {
		return fmt.Errorf("%.60q… (%d bytes) stands where line %d should (%.60q…, %d bytes), after %.60q…", text, len(text), c.next, c.want, len(c.want), c.last)
	}
	c.next++
	c.bytes += int64(len(text))
	c.last = append(c.last[:0], text...)
	return nil
}

// File reads one file, which must end with a newline, and returns how large it is, unzipped.
func (c *numberedCheck) file(path string) (size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var from io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if from, err = gzip.NewReader(bufio.NewReader(f)); err != nil {
			return 0, fmt.Errorf("%s: %w", path, err)
		}
	}
	in := bufio.NewReaderSize(from, 2*longestLine)
	for {
		text, err := in.ReadSlice('\n')
		size += int64(len(text))
		if err == io.EOF && len(text) == 0 {
			return size, nil
		}
		if err == nil {
			err = c.line(text)
		}
		if err != nil {
			return size, fmt.Errorf("%s: %w", filepath.Base(path), err)
		}
	}
}

// LogFiles are those of a service's log, the oldest first.
func logFiles(dir, name string) (files []string, err error) {
	rotated := regexp.MustCompile(`^` + regexp.QuoteMeta(name) + `-\d{8}T\d{6}Z\.log(\.gz)?$`)
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if !rotated.MatchString(e.Name()) || slices.Contains(files, strings.TrimSuffix(path, ".gz")) { // it was about to be removed
			continue
		}
		files = append(files, path)
	}
	current := filepath.Join(dir, name+".log")
	if _, err := os.Stat(current); !errors.Is(err, fs.ErrNotExist) {
		files = append(files, current)
	}
	return files, err
}

// TestNumbered: the writer writes what it says, and the check finds whatever is wrong with it.
func TestNumbered(t *testing.T) {
	var whole []byte
	for n := range 2000 {
		whole = appendNumbered(whole, n)
	}
	lines := bytes.SplitAfter(whole[:len(whole):len(whole)], []byte("\n"))
	lines = lines[:len(lines)-1]
	part := func(from, to int) string { return string(bytes.Join(lines[from:to], nil)) }
	stamped := func(from, to int) string {
		return "2026-11-23T03:04:05.123Z " + string(bytes.Join(lines[from:to], []byte("2026-11-23T03:04:05.123Z ")))
	}
	for _, test := range []struct {
		name    string
		stamped bool
		files   []string // the last one is web.log
		zipped  bool     // the first one
		want    string   // of the error
	}{
		{"whole", false, []string{part(0, 2000)}, false, ""},
		{"rotated", false, []string{part(0, 700), part(700, 1300), part(1300, 2000)}, true, ""},
		{"stamped", true, []string{stamped(0, 700), stamped(700, 2000)}, false, ""},
		{"one missing", false, []string{part(0, 700) + part(701, 2000)}, false, "where line 700 should"},
		{"one missing at a rotation", false, []string{part(0, 700), part(701, 2000)}, true, "where line 700 should"},
		{"one twice", false, []string{part(0, 701), part(700, 2000)}, false, "where line 701 should"},
		{"in another order", false, []string{part(700, 2000), part(0, 700)}, false, "where line 0 should"},
		{"torn", false, []string{part(0, 700) + part(700, 701)[:3] + part(701, 2000)}, false, "where line 700 should"},
		{"cut in a line", false, []string{part(0, 700)[:20000], part(0, 2000)[20000:]}, false, "EOF"},
		{"the end is missing", false, []string{part(0, 1999)}, false, "1999 lines"},
		{"a stamp within a line", true, []string{stamped(0, 700) + "2026-11-23T03:04:05.123Z " + part(700, 701)[:50] + stamped(0, 1)}, false, "where line 700 should"},
		{"no stamp", true, []string{stamped(0, 700) + part(700, 2000)}, false, "cannot parse"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			for i, text := range test.files {
				name := fmt.Sprintf("web-20261123T03040%dZ.log", i)
				if i == len(test.files)-1 {
					name = "web.log"
				}
				if i == 0 && test.zipped {
					var b strings.Builder
					w := gzip.NewWriter(&b)
					_, _ = io.WriteString(w, text)
					_ = w.Close()
					name, text = name+".gz", b.String()
				}
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			_, err := checkLogs(dir, "web", len(whole), 0, test.stamped)
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

// CheckLogs checks the log of a writer of so many bytes, and that no file of it is larger than most; 0 = any may be.
func checkLogs(dir, name string, total int, most int64, stamped bool) (files []string, err error) {
	if files, err = logFiles(dir, name); err != nil {
		return nil, err
	}
	check := numberedCheck{stamped: stamped}
	for _, path := range files {
		size, err := check.file(path)
		if err != nil {
			return files, err
		}
		if most > 0 && size > most {
			return files, fmt.Errorf("%s has %d bytes, more than %d", filepath.Base(path), size, most)
		}
	}
	if short := int64(total) - check.bytes; short > 0 || -short >= int64(max(1, len(check.last))) {
		return files, fmt.Errorf("%d lines, %d bytes, in %d files: of %d bytes", check.next, check.bytes, len(files), total)
	}
	return files, nil
}
