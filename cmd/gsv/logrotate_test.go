package main_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A logrotated is a way in which logrotate rotates a log of gsv's, by what is changed in the file that docs/logs.md shows.
type logrotated struct {
	name   string
	change []string // words and what stands for them, in turn
	cuts   bool     // it cuts the file, and may lose lines
}

const (
	docsCreate = "create 0640 root root"
	docsSignal = `kill -USR1 "$(gsvctl version | sed -n 's/^gsv .*, pid //p')"`
)

var logrotates = []logrotated{
	{name: "docs"},
	{name: "nocreate", change: []string{docsCreate, "nocreate"}},
	{name: "each without a word", change: []string{"sharedscripts", "nosharedscripts", docsSignal, "true"}},
	{name: "copytruncate", change: []string{docsCreate, "copytruncate", docsSignal, "true"}, cuts: true},
}

// TestLogrotate has the real logrotate rotate the log of a service that writes one number after the other all the time: each
// is in the files once, in order, and who follows the log sees each too. Where logrotate cuts the file instead, lines are lost,
// but in no file is one missing between two others, nor a hole.
func TestLogrotate(t *testing.T) {
	for _, l := range logrotates {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			l.run(t)
		})
	}
}

func (l logrotated) run(t *testing.T) {
	const times = 5
	h := stormHouse(t)
	conf := l.write(t, h.dir)
	// No faster than a follower can read on a busy machine.
	text := `command = ["sh", "-c", "i=1; while :; do seq $i $((i+99)); i=$((i+100)); sleep 0.002; done"]` + "\n[log]\nmax-size = 0\n"
	if err := os.WriteFile(filepath.Join(h.dir, "services.d/web.toml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := h.start(h.dir, nil, nil, nil); err != nil {
		t.Fatal(err)
	}
	h.written(t)
	var f *follower
	if !l.cuts {
		f = h.follow(t, "web")
	}
	for range times {
		h.run(t, "/usr/sbin/logrotate", "-f", "-s", filepath.Join(h.dir, "state"), conf)
		h.written(t)  // and by now nothing to where it was before
		if f != nil { // who is still in a file that has been rotated twice misses what lies between
			f.until(lastNumber(t, filepath.Join(h.dir, "log/web.log.1")) + 1)
		}
	}
	h.run(t, "gsvctl", "stop", "web")
	read := h.run(t, "gsvctl", "logs", "-n", "1000000", "web") // when all is in the log
	current, err := os.ReadFile(filepath.Join(h.dir, "log/web.log"))
	if err != nil {
		t.Fatal(err)
	}
	if read != string(current) {
		t.Errorf("gsvctl logs reads %d bytes, the log has %d", len(read), len(current))
	}
	if f != nil {
		f.until(lastNumber(t, filepath.Join(h.dir, "log/web.log")))
	}
	h.shutdown(t)
	files := l.read(t, h.dir)
	if len(files) != times+1 {
		t.Fatalf("%d files", len(files))
	}
	if l.cuts {
		checkCut(t, files)
		return
	}
	all := bytes.Join(files, nil)
	n := 0
	for line := range bytes.Lines(all) {
		n++
		want := strconv.Itoa(n) + "\n"
		if string(line) != want && !(bytes.HasSuffix(all, line) && strings.HasPrefix(want, string(line))) {
			t.Fatalf("%q instead of line %d", line, n)
		}
	}
	t.Logf("%d lines in %d files", n, len(files))
}

// Write writes the configuration of logrotate.
func (l logrotated) write(t *testing.T, dir string) string {
	t.Helper()
	docs, err := os.ReadFile("../../docs/logs.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(docs), "\n## With logrotate\n")
	conf := strings.Join(regexp.MustCompile(`(?m)^    .*\n`).FindAllString(section, -1), "")
	change := append([]string{"/var/log/gsv/", dir + "/log/"}, l.change...)
	for old := range slices.Chunk(change, 2) {
		if !strings.Contains(conf, old[0]) {
			t.Fatalf("docs/logs.md has no %q in\n%s", old[0], conf)
		}
		conf = strings.ReplaceAll(conf, old[0], old[1])
	}
	path := filepath.Join(dir, "logrotate.conf")
	if err := os.WriteFile(path, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// Read reads all files, the oldest first, and checks that those are compressed that should be.
func (l logrotated) read(t *testing.T, dir string) (files [][]byte) {
	t.Helper()
	names, _ := filepath.Glob(filepath.Join(dir, "log/web.log.*"))
	age := func(name string) int {
		n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(filepath.Base(name), "web.log."), ".gz"))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	slices.SortFunc(names, func(a, b string) int { return age(b) - age(a) })
	for _, name := range append(names, filepath.Join(dir, "log/web.log")) {
		b, err := os.ReadFile(name)
		zipped := strings.HasSuffix(name, ".gz")
		if err == nil && zipped {
			var z *gzip.Reader
			if z, err = gzip.NewReader(bytes.NewReader(b)); err == nil {
				b, err = io.ReadAll(z)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		if name := filepath.Base(name); zipped != (name != "web.log" && name != "web.log.1") {
			t.Errorf("%s: compressed: %t", name, zipped)
		}
		files = append(files, b)
	}
	return files
}

// CheckCut checks files of which others may have cut the end: whatever they have lost, within a file one line follows
// the other.
func checkCut(t *testing.T, files [][]byte) {
	t.Helper()
	last := 0
	for i, file := range files {
		if bytes.IndexByte(file, 0) >= 0 {
			t.Fatalf("file %d has a hole", i)
		}
		lines := strings.Split(string(file), "\n")
		if len(lines) < 3 {
			t.Fatalf("file %d has %d bytes", i, len(file))
		}
		for j, line := range lines[1 : len(lines)-1] { // the first and the last may be parts
			n, err := strconv.Atoi(line)
			if err != nil || n <= last || j > 0 && n != last+1 {
				t.Fatalf("file %d: %q comes after %d", i, line, last)
			}
			last = n
		}
	}
}

// Written waits until something is in the log of web, which was made or cut just now.
func (h *house) written(t *testing.T) {
	t.Helper()
	w, err := newWatch(filepath.Join(h.dir, "log"), unix.IN_CREATE|unix.IN_MODIFY|unix.IN_MOVED_TO)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	for deadline := time.Now().Add(patience); ; {
		if info, err := os.Stat(filepath.Join(h.dir, "log/web.log")); err == nil && info.Size() > 0 {
			return
		}
		if err := w.wait(deadline); err != nil {
			t.Fatalf("nothing in web.log: %v", err)
		}
	}
}

// Run runs a program, which must succeed, and returns what it says.
func (h *house) run(t *testing.T, program string, args ...string) string {
	t.Helper()
	if !strings.Contains(program, "/") {
		program = filepath.Join(bin, program)
	}
	cmd := exec.Command(program, args...)
	cmd.Env = h.vars
	out, err := cmd.Output()
	if err != nil {
		said := ""
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			said = string(exit.Stderr)
		}
		t.Fatalf("%s: %v\n%s", program, err, said)
	}
	return string(out)
}

// LastNumber is that of the last whole line of a file.
func lastNumber(t *testing.T, path string) int {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(b), "\n")
	if len(lines) < 2 {
		t.Fatalf("no line in %s", path)
	}
	line := lines[len(lines)-2]
	if len(lines) == 2 {
		return 0 // it may have begun in another file
	}
	n, err := strconv.Atoi(line)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A follower is gsvctl logs -f of a service that writes numbers.
type follower struct {
	*testing.T
	lines *bufio.Scanner
	from  *os.File
	last  int // 0: none yet
}

func (h *house) follow(t *testing.T, name string) *follower {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	cmd := exec.Command(filepath.Join(bin, "gsvctl"), "logs", "-f", "-n", "1", name)
	cmd.Env, cmd.Stdout = h.vars, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		r.Close()
	})
	f := &follower{T: t, lines: bufio.NewScanner(r), from: r}
	f.next() // it may be a part
	f.last = 0
	f.next()
	return f
}

// Next reads a line.
func (f *follower) next() {
	f.Helper()
	if err := f.from.SetReadDeadline(time.Now().Add(patience)); err != nil {
		f.Fatal(err)
	}
	if !f.lines.Scan() {
		f.Fatalf("gsvctl logs -f has ended after %d: %v", f.last, f.lines.Err())
	}
	n, err := strconv.Atoi(f.lines.Text())
	if err != nil || f.last > 0 && n != f.last+1 {
		f.Fatalf("%q follows %d", f.lines.Text(), f.last)
	}
	f.last = n
}

// Until reads on to a number.
func (f *follower) until(n int) {
	f.Helper()
	for f.last < n {
		f.next()
	}
}
