package main_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gsv/supervise/status"
)

// A logSoak is a way of keeping a log.
type logSoak struct {
	name    string
	keys    string // of [log], besides those of rotation
	stamped bool
	zipped  bool
	apart   bool // error output has a log of its own
}

var logSoaks = []logSoak{
	{name: "raw", keys: "compress = 'none'\n"},
	{name: "timestamps", keys: "timestamp = true\n", stamped: true, zipped: true},
}

// TestLogSoak has a service write numbered lines as fast as it can, 60 MiB of them, and kills the supervisor with -9 in the
// middle of that, 5 times: every line is in the log once, in order, and whole.
//
// GSV_LOGS=2048 says how many MiB, with 50 kills and files of 10 MB instead of 1 MB. See `make soak`.
func TestLogSoak(t *testing.T) {
	mib, kills, maxSize := 60, 5, int64(1<<20)
	if n, err := strconv.Atoi(os.Getenv("GSV_LOGS")); err == nil {
		mib, kills, maxSize = n, 50, 10<<20
	}
	for _, s := range logSoaks {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			s.run(t, mib<<20, kills, maxSize)
		})
	}
}

func (s logSoak) run(t *testing.T, total, kills int, maxSize int64) {
	h := stormHouse(t)
	gate, at := newFifo(t, filepath.Join(h.dir, "gate")), newFifo(t, filepath.Join(h.dir, "at"))
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("command = ['%s', '%s', '%d', '%d', '%s', '%s']\nrestart = 'no'\n[log]\nmax-size = %d\nkeep = 0\n%s", self, numberedRole, total, kills+1, gate.Name(), at.Name(), maxSize, s.keys)
	if err := os.WriteFile(filepath.Join(h.dir, "services.d/lines.toml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := h.start(h.dir, nil, nil, nil); err != nil {
		t.Fatal(err)
	}
	// Each kill falls into a part of its own, in one after the other of its tenths: the writer waits for the next one
	// until the next supervisor is there.
	for kill, tenth := 0, 0; kill < kills; kill++ {
		pid, err := h.supervisor()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := gate.Write([]byte{0}); err != nil {
			t.Fatal(err)
		}
		next := kill*tenths + 1 + kill%(tenths-1)
		if err := at.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(at, make([]byte, next-tenth)); err != nil {
			t.Fatalf("kill %d: %v", kill+1, err)
		}
		tenth = next
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal("the supervisor has ended by itself: ", err)
		}
		if err := ended(pid); err != nil {
			t.Fatal(err)
		}
	}
	gate.Close()
	if err := h.until(func() bool { s, err := h.service("lines"); return err == nil && s.State == status.Exited }); err != nil {
		t.Fatal(err)
	}
	if s.zipped {
		h.wait(t, "log/lines-*.log.gz")
	}
	h.shutdown(t)
	maxSize += longestLine // no line is cut
	files, err := checkLogs(filepath.Join(h.dir, "log"), "lines", total, maxSize, s.stamped)
	if err != nil {
		t.Error(err)
	}
	zipped := 0
	for _, file := range files {
		if strings.HasSuffix(file, ".gz") {
			zipped++
		}
	}
	t.Logf("%d MiB, %d kills, %d files, %d of them compressed", total>>20, kills, len(files), zipped)
	if int64(len(files)) < int64(total)/maxSize || s.zipped != (zipped > 0) {
		t.Errorf("%d files, %d of them compressed", len(files), zipped)
	}
}

// NewFifo makes a FIFO and opens it to read and write, so that opening waits for nobody.
func newFifo(t *testing.T, path string) *os.File {
	t.Helper()
	err := syscall.Mkfifo(path, 0o600)
	var f *os.File
	if err == nil {
		f, err = os.OpenFile(path, os.O_RDWR, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// Wait waits for a file of that pattern.
func (h *house) wait(t *testing.T, pattern string) {
	t.Helper()
	pattern = filepath.Join(h.dir, pattern)
	w, err := newWatch(filepath.Dir(pattern), unix.IN_CREATE|unix.IN_MOVED_TO)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	for deadline := time.Now().Add(patience); ; {
		if files, _ := filepath.Glob(pattern); len(files) > 0 {
			return
		}
		if err := w.wait(deadline); err != nil {
			t.Fatalf("no %s: %v", pattern, err)
		}
	}
}

// TestLogMany has 100 services, or 1000 where GSV_LOGS is set, write all at once, a write(2) a line: each line is in its
// service's file.
func TestLogMany(t *testing.T) {
	const lines = 300
	services := 100
	if os.Getenv("GSV_LOGS") != "" {
		services = 1000
	}
	h := stormHouse(t)
	gate := filepath.Join(h.dir, "gate")
	if err := syscall.Mkfifo(gate, 0o600); err != nil {
		t.Fatal(err)
	}
	name := func(i int) string { return fmt.Sprint("many", i) }
	for i := range services {
		// Who opens the FIFO to read waits until somebody writes.
		text := fmt.Sprintf(`command = ["sh", "-c", 'read go <%s; i=0; while [ $i -lt %d ]; do echo $GSV_SERVICE $i; i=$((i+1)); done']`, gate, lines)
		if err := os.WriteFile(filepath.Join(h.dir, "services.d", name(i)+".toml"), []byte(text+"\nrestart = 'no'\nmin-uptime = '0s'\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.start(h.dir, nil, nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := h.until(func() bool { return running(snapshot(t, h), "many") == services }); err != nil {
		t.Fatal(err)
	}
	w, err := os.OpenFile(gate, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.WriteString(strings.Repeat("\n", services)); err != nil {
		t.Fatal(err)
	}
	over := func() bool {
		for _, s := range snapshot(t, h) {
			if s.State != status.Exited {
				return false
			}
		}
		return true
	}
	if err := h.until(over); err != nil {
		t.Fatal(err)
	}
	h.shutdown(t)
	for i := range services {
		var want strings.Builder
		for n := range lines {
			fmt.Fprintln(&want, name(i), n)
		}
		got, err := os.ReadFile(filepath.Join(h.dir, "log", name(i)+".log"))
		if err != nil || string(got) != want.String() {
			t.Errorf("%s: %d bytes (%v), want %d", name(i), len(got), err, want.Len())
		}
	}
}
