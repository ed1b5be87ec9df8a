package main

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What tells from outside that a worker has loaded its application: its title, not before.
func TestTitle(t *testing.T) {
	both(t, func(t *testing.T, s *server) {
		fifo := filepath.Join(s.dir, "fifo")
		if err := unix.Mkfifo(fifo, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(fifo, s.app); err != nil {
			t.Fatal(err)
		}
		s.start(1)
		for round := range 2 {
			var f *os.File
			opened := make(chan error, 1)
			go func() {
				var err error
				f, err = os.OpenFile(s.app, os.O_WRONLY, 0) // returns when a worker opens it, to load it
				opened <- err
			}()
			select {
			case err := <-opened:
				if err != nil {
					t.Fatal(err)
				}
			case <-time.After(patience):
				t.Fatal("no worker loads")
			}
			for _, pid := range s.workers() {
				if title := title(pid); strings.HasPrefix(title, "starman worker") {
					t.Errorf("it is titled %q while it loads", title)
				}
			}
			release := strconv.Itoa(round + 7)
			if _, err := f.WriteString(release + "\n"); err != nil {
				t.Fatal(err)
			}
			f.Close()
			s.holds(1, "release="+release+" ")
			workers := s.workers() // there may be one more that has ended
			if !slices.ContainsFunc(workers, func(pid int) bool { return strings.HasPrefix(title(pid), "starman worker --listen "+s.addr) }) {
				t.Errorf("none of %v is titled when it has loaded", workers)
			}
			if title := title(s.cmd.Process.Pid); strings.HasPrefix(title, "starman worker") {
				t.Errorf("the master is titled %q", title)
			}
			if round == 0 {
				// A worker of Starman's that is told just before it waits for a connection notices with the next one.
				for deadline := time.Now().Add(patience); s.name == "starman" && !accepts(workers); runtime.Gosched() {
					if time.Now().After(deadline) {
						t.Fatal("they do not wait for connections")
					}
				}
				s.signal(syscall.SIGHUP)
				ended(t, workers...)
			}
		}
	})
}

func TestNoTitle(t *testing.T) {
	both(t, func(t *testing.T, s *server) {
		s.up(1, "--disable-proctitle")
		for _, pid := range s.workers() {
			if title := title(pid); strings.HasPrefix(title, "starman worker") {
				t.Errorf("it is titled %q", title)
			}
		}
	})
}

// Accepts tells whether one of these waits in accept(2).
func accepts(pids []int) bool {
	return slices.ContainsFunc(pids, func(pid int) bool {
		b, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/syscall")
		number, _, _ := strings.Cut(string(b), " ")
		return number == strconv.Itoa(unix.SYS_ACCEPT) || number == strconv.Itoa(unix.SYS_ACCEPT4)
	})
}

func title(pid int) string {
	b, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	return strings.TrimRight(strings.ReplaceAll(string(b), "\x00", " "), " ")
}

func TestSetTitle(t *testing.T) {
	for _, tt := range []struct{ before, title, want string }{
		{"prefork\x00worker\x00", "starman worker", "starman worker\x00"},
		{"prefork\x00worker\x00", "starman worker --listen x", "starman worker\x00"},
		{"/usr/bin/prefork\x00worker\x00-a\x00", "starman worker -a", "starman worker -a\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"},
		{"\x00", "starman worker", "\x00"},
	} {
		shown := []byte(tt.before)
		setTitle(shown, tt.title)
		if string(shown) != tt.want {
			t.Errorf("%q over %q: %q, want %q", tt.title, tt.before, shown, tt.want)
		}
	}
}
