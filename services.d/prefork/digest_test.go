package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestDigest: each change of what a reader finds there is another digest, and nothing else is.
func TestDigest(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "1")
	put := func(name, content string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	of := func(dir string) string {
		t.Helper()
		sum, err := digest(dir)
		must(err)
		return sum
	}
	put("lib/A", "a")
	put("lib/B", "bc")
	must(os.Symlink("lib", filepath.Join(dir, "link")))
	seen := map[string]string{of(dir): "the first"}
	last := of(dir)
	for _, change := range []struct {
		name string
		make func()
	}{
		{"another content", func() { put("lib/A", "b") }},
		{"content moved on", func() { put("lib/A", "ab"); put("lib/B", "c") }},
		{"another name", func() { must(os.Rename(filepath.Join(dir, "lib/B"), filepath.Join(dir, "lib/C"))) }},
		{"another directory", func() { must(os.Rename(filepath.Join(dir, "lib"), filepath.Join(dir, "src"))) }},
		{"an empty file", func() { put("src/empty", "") }},
		{"a link that leads elsewhere", func() {
			must(os.Remove(filepath.Join(dir, "link")))
			must(os.Symlink("src", filepath.Join(dir, "link")))
		}},
	} {
		change.make()
		last = of(dir)
		if before, ok := seen[last]; ok {
			t.Errorf("%s: the digest is that of %s", change.name, before)
		}
		seen[last] = change.name
	}
	put(".git/index", "1")
	put("src/.svn/entries", "1")
	must(os.Mkdir(filepath.Join(dir, "nothing"), 0o755))
	must(os.Chmod(filepath.Join(dir, "src/A"), 0o600))
	link := dir + ".link"
	must(os.Symlink(dir, link))
	for _, same := range []string{dir, link} {
		if got := of(same); got != last {
			t.Errorf("digest of %s: %s, want %s", same, got, last)
		}
	}
}

// Of a directory, workers answer the digest of what was there when they were started.
func TestDirectoryApplication(t *testing.T) {
	s := newServer(t, "prefork")
	s.app = filepath.Join(s.dir, "site")
	if err := os.Mkdir(s.app, 0o755); err != nil {
		t.Fatal(err)
	}
	sum := func() string {
		t.Helper()
		sum, err := digest(s.app)
		if err != nil {
			t.Fatal(err)
		}
		return "release=" + sum + " "
	}
	s.write("site/page", "1")
	s.start(1)
	s.dial().Close()
	s.handles()
	first := sum()
	s.holds(1, first)
	s.write("site/page", "2")
	s.holds(1, first)
	old := s.workers()
	s.signal(syscall.SIGHUP)
	s.endedBusy(old)
	s.holds(1, sum())
	// A file app there has the first line.
	s.write("site/app", "die 7 half of it")
	s.signal(syscall.SIGHUP)
	s.line("half of it")
	s.line("exited with status 7")
	s.write("mended", "1")
	if err := os.Rename(filepath.Join(s.dir, "mended"), filepath.Join(s.app, "app")); err != nil {
		t.Fatal(err)
	}
	s.holds(1, sum())
}
