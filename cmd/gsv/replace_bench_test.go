package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// BenchmarkReplace is `gsvctl replace` of a service on a held socket, from its start to its verdict: the next generation is
// started, has written its newline, and the old one is gone. boot-ms/op is what the server itself takes for that newline, in
// the middle of as many starts by hand; the rest is gsv's and gsvctl's.
func BenchmarkReplace(b *testing.B) {
	h := stormHouse(b)
	const script = `echo >&4; exec sleep 1000`
	if err := os.WriteFile(filepath.Join(h.dir, "services.d/web.toml"), []byte(`
command = ["sh", "-c", '`+script+`']
reload = "replace"
min-uptime = "1ms"
ready.fd = 4
[listen.web]
address = "`+freeAddress(b)+`"
`), 0o644); err != nil {
		b.Fatal(err)
	}
	if err := h.start(h.dir, nil, nil, nil); err != nil {
		b.Fatal(err)
	}
	gsvctl := func(args ...string) {
		cmd := exec.Command(filepath.Join(bin, "gsvctl"), args...)
		cmd.Env = h.vars
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("gsvctl %s: %v\n%s", args, err, out)
		}
	}
	gsvctl("wait", "web", "--for", "ready")
	for b.Loop() {
		gsvctl("replace", "web")
	}
	var boots []time.Duration
	for range min(b.N, 100) {
		boots = append(boots, boot(b, script))
	}
	b.ReportMetric(float64(median(boots).Microseconds())/1000, "boot-ms/op")
}

// boot is how long a command takes that has no supervisor, from its start to its newline.
func boot(b *testing.B, script string) time.Duration {
	r, w, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	cmd := exec.Command("sh", "-c", script)
	cmd.ExtraFiles = []*os.File{w, w}
	begun := time.Now()
	err = cmd.Start()
	w.Close()
	if err != nil {
		b.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 1)); err != nil {
		b.Fatal(err)
	}
	took := time.Since(begun)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	return took
}
