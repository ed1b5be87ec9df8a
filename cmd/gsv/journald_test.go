package main_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// JournalSetup makes a place for a journald of its own, of which the machine sees nothing: /run, and a /dev for /dev/log.
const journalSetup = `set -e
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/systemd/journald.conf.d /run/dev/shm
printf '[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\nReadKMsg=no\nAudit=no\nForwardToWall=no\n' >/run/systemd/journald.conf.d/test.conf
for n in null zero full random urandom tty; do : >/run/dev/$n; mount --bind /dev/$n /run/dev/$n; done
ln -s /proc/self/fd /run/dev/fd
ln -s /run/systemd/journal/dev-log /run/dev/log
mount --rbind /run/dev /dev
echo 0123456789abcdef0123456789abcdef >/run/machine-id
mount --bind /run/machine-id /etc/machine-id
exec /lib/systemd/systemd-journald`

// Journald starts the real one in a mount namespace of its own, and returns its pid.
func journald(t *testing.T, dir string) int {
	t.Helper()
	ready, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer ready.Close()
	out, err := os.Create(filepath.Join(dir, "journald.out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command("unshare", "--mount", "sh", "-c", journalSetup)
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+filepath.Join(dir, "notify"))
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan bool)
	go func() { _ = cmd.Wait(); ready.Close(); close(ended) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	if err := ready.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	for b := make([]byte, 4096); ; {
		n, err := ready.Read(b)
		if err != nil {
			said, _ := os.ReadFile(filepath.Join(dir, "journald.out"))
			t.Fatalf("journald does not start: %v\n%s", err, said)
		}
		if slices.Contains(strings.Split(string(b[:n]), "\n"), "READY=1") {
			return cmd.Process.Pid
		}
	}
}

// A journalLine is what the journal has of a line.
type journalLine struct {
	Transport  string `json:"_TRANSPORT"`
	Identifier string `json:"SYSLOG_IDENTIFIER"`
	Facility   string `json:"SYSLOG_FACILITY"`
	Priority   string `json:"PRIORITY"`
	Service    string `json:"GSV_SERVICE"`
	Run        string `json:"GSV_RUN"`
	Stream     string `json:"GSV_STREAM"`
	Message    any    `json:"MESSAGE"` // what is no text is an array of its bytes
}

// Text is the message, byte for byte.
func (l *journalLine) text() string {
	if s, ok := l.Message.(string); ok {
		return s
	}
	var b []byte
	all, _ := l.Message.([]any)
	for _, v := range all {
		n, _ := v.(float64)
		b = append(b, byte(n))
	}
	return string(b)
}

// TestJournald sends lines to the real journald, as journal = true and as syslog = "unix" do, and reads them with journalctl.
func TestJournald(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	h := stormHouse(t)
	pid := strconv.Itoa(journald(t, h.dir))
	inside := []string{"nsenter", "--mount", "--target", pid, "--wdns=" + h.dir}
	for name, text := range map[string]string{
		"web": `command = ["sh", "-c", '''echo hello; echo '<3>bad'; printf 'bin\377\001\000ary\n\n'; echo 'MESSAGE=forged'
			head -c 70000 /dev/zero | tr '\000' x; echo; echo last; exec sleep 1000''']` +
			"\n[log]\njournal = true\nsyslog = 'unix'\n",
		"api": `command = ["sh", "-c", "echo out; echo err >&2; exec sleep 1000"]` + "\n[log]\njournal = true\nstderr = 'separate'\n",
	} {
		if err := os.WriteFile(filepath.Join(h.dir, "services.d", name+".toml"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.start(h.dir, inside, nil, nil); err != nil {
		t.Fatal(err)
	}
	x := func(n int) string { return strings.Repeat("x", n) }
	want := map[string][]string{
		"web journal": {"6 hello", "3 bad", "6 bin\xff\x01\x00ary", "6 ", "6 MESSAGE=forged", "6 " + x(65536), "6 " + x(70000-65536), "6 last"},
		// What follows a zero is cut off by journald.
		"web syslog":         {"6 hello", "3 bad", "6 bin\xff\x01", "6 ", "6 MESSAGE=forged", "6 " + x(65536), "6 " + x(70000-65536), "6 last"},
		"api journal stdout": {"6 out"},
		"api journal stderr": {"4 err"},
	}
	left := 0
	for _, lines := range want {
		left += len(lines)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := exec.Command(inside[0], append(inside[1:], "journalctl", "-D", "/run/log/journal", "-f", "-n", "all", "--all", "-o", "json")...)
	cmd.Stdout, cmd.Stderr = w, w
	err = cmd.Start()
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	if err := r.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	got := map[string][]string{}
	for left > 0 && lines.Scan() {
		var l journalLine
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatalf("%.200q: %v", lines.Text(), err)
		}
		if l.Transport != "journal" && l.Transport != "syslog" {
			continue
		}
		native := l.Transport == "journal"
		if l.Facility != "3" || native && (l.Service != l.Identifier || l.Run != "1") {
			t.Errorf("%+v", l)
		}
		key := strings.TrimSpace(fmt.Sprint(l.Identifier, " ", l.Transport, " ", l.Stream))
		got[key] = append(got[key], l.Priority+" "+l.text())
		left--
	}
	for key, lines := range want {
		if !slices.Equal(got[key], lines) {
			t.Errorf("%s: %.100q\nwant %.100q", key, got[key], lines)
		}
		delete(got, key)
	}
	if left > 0 || len(got) > 0 {
		t.Errorf("%d are missing (%v), others are %.100q", left, lines.Err(), got)
	}
	h.shutdown(t)
}
