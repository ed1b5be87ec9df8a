package main_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gsv/supervise/status"
)

// TestLogDeaths has a service write numbered lines and kills all of gsv with -9, guardian and supervisor at about the same moment,
// in whatever it does: while it starts and takes over, at once when it has, while it writes, rotates or restarts the service. The
// service lives on, and a run goes on counting where the one before stopped: every line is in the log once, in order and whole; no
// two processes of the service are there at a time, and no run twice.
//
// GSV_LOGS has it killed 250 times instead of 7, and GSV_SEED says which moments. See `make soak`.
func TestLogDeaths(t *testing.T) {
	kills, maxSize := 7, int64(256<<10)
	if os.Getenv("GSV_LOGS") != "" {
		kills, maxSize = 250, 1<<20
	}
	for _, s := range append(logSoaks, logSoaksApart...) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			if n, err := strconv.ParseUint(os.Getenv("GSV_SEED"), 10, 64); err == nil {
				seed = n
			}
			d := newDeaths(t, s, seed, maxSize)
			for range kills {
				d.moment()
			}
			d.over()
		})
	}
}

var logSoaksApart = []logSoak{
	{name: "raw apart", keys: "stderr = 'separate'\n", zipped: true, apart: true},
	{name: "timestamps apart", keys: "timestamp = true\nstderr = 'separate'\ncompress = 'none'\n", stamped: true, apart: true},
}

// Deaths are those of one house's gsv, whose service is "lines".
type deaths struct {
	*testing.T
	h        *house
	soak     logSoak
	random   *rand.Rand
	maxSize  int64
	gate, at *os.File
	granted  int // parts that the service may have written, less those of which it has told
	kills    map[string]int
	up       bool // there is a gsv that serves
}

func newDeaths(t *testing.T, s logSoak, seed uint64, maxSize int64) *deaths {
	t.Logf("GSV_SEED=%d", seed)
	h := stormHouse(t)
	d := &deaths{T: t, h: h, soak: s, random: rand.New(rand.NewPCG(seed, 0)), maxSize: maxSize, kills: map[string]int{}}
	d.gate, d.at = newFifo(t, filepath.Join(h.dir, "gate")), newFifo(t, filepath.Join(h.dir, "at"))
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	outputs := "1"
	if s.apart {
		outputs = "1', '2"
	}
	text := fmt.Sprintf("command = ['%s', '%s', '%s', '%s']\nmin-uptime = '1ms'\nrestart-delay = '1ms'\nstop-timeout = '60s'\n[log]\nmax-size = %d\nkeep = 0\n%s", self, livingRole, h.dir, outputs, maxSize, s.keys)
	if err := os.WriteFile(filepath.Join(h.dir, "services.d/lines.toml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	d.must(h.start(h.dir, nil, nil, nil))
	d.up = true
	return d
}

func (d *deaths) must(err error) {
	d.Helper()
	if err != nil {
		d.Fatalf("after %v: %v", d.kills, err)
	}
}

// Moment kills what there is of gsv in one more moment.
func (d *deaths) moment() {
	if !d.up {
		d.grant(d.random.IntN(40)) // more than a pipe holds, or less
		if d.random.IntN(3) == 0 {
			d.starting()
			return
		}
		d.must(d.h.start(d.h.dir, nil, nil, nil))
		d.up = true
	}
	moments := []func(){func() { d.kill("serving") }, d.writing, d.rotating, d.restarting, d.restarting, d.alone}
	moments[d.random.IntN(len(moments))]()
}

// Grant lets the service write that many parts.
func (d *deaths) grant(parts int) {
	_, err := d.gate.Write(make([]byte, parts))
	d.must(err)
	d.granted += parts
}

// Starting kills a gsv that takes over.
func (d *deaths) starting() {
	all, err := newWatch(filepath.Join(d.h.dir, "run"), unix.IN_CREATE|unix.IN_MODIFY|unix.IN_MOVED_TO|unix.IN_DELETE)
	d.must(err)
	defer all.close()
	for _, dir := range []string{"run/state", "run/log", "log"} {
		d.must(all.add(filepath.Join(d.h.dir, dir), unix.IN_CREATE|unix.IN_MODIFY|unix.IN_OPEN|unix.IN_MOVED_TO|unix.IN_DELETE))
	}
	begun, err := newWatch(filepath.Join(d.h.dir, "run/state"), unix.IN_MOVED_TO)
	d.must(err)
	defer begun.close()
	d.must(d.h.launch(d.h.dir, nil, nil, nil))
	for range d.random.IntN(20) {
		d.must(all.wait(time.Now().Add(patience), begun.fd))
		if readable(time.Now(), begun.fd) == nil {
			break
		}
	}
	d.kill("starting")
}

// Writing kills it when the service has written some of what it may.
func (d *deaths) writing() {
	d.grant(1 + d.random.IntN(16))
	d.written(1 + d.random.IntN(d.granted))
	d.kill("writing")
}

// Written waits until the service has written more parts.
func (d *deaths) written(parts int) {
	d.must(d.at.SetReadDeadline(time.Now().Add(patience)))
	told := make([]byte, parts)
	_, err := io.ReadFull(d.at, told)
	d.must(err)
	if bytes.IndexByte(told, livingTwice) >= 0 {
		d.Fatalf("after %v: two at a time", d.kills)
	}
	d.granted -= parts
}

// Rotating kills it when the log has got the name of a rotated one.
func (d *deaths) rotating() {
	w, err := newWatch(filepath.Join(d.h.dir, "log"), unix.IN_MOVED_FROM)
	d.must(err)
	defer w.close()
	d.grant(1 + int(2*d.maxSize/livingPart))
	d.must(w.wait(time.Now().Add(patience)))
	d.kill("rotating")
}

// Restarting kills it while it restarts the service.
func (d *deaths) restarting() {
	d.grant(1 + d.random.IntN(8))
	w, err := newWatch(filepath.Join(d.h.dir, "run/state"), unix.IN_MODIFY)
	d.must(err)
	defer w.close()
	d.must(w.add(d.h.dir, unix.IN_MODIFY|unix.IN_MOVED_TO))
	cmd := exec.Command(filepath.Join(bin, "gsvctl"), "restart", "lines")
	cmd.Env = d.h.vars
	d.must(cmd.Start())
	pidfd, err := unix.PidfdOpen(cmd.Process.Pid, 0)
	d.must(err)
	defer unix.Close(pidfd)
	for range d.random.IntN(8) {
		d.must(w.wait(time.Now().Add(patience), pidfd))
	}
	d.kill("restarting")
	_ = cmd.Wait() // it was done or not
}

// Alone kills the supervisor alone, and goes on when the next one serves.
func (d *deaths) alone() {
	d.grant(1 + d.random.IntN(16))
	pid := d.supervisor()
	d.must(syscall.Kill(pid, syscall.SIGKILL))
	d.must(ended(pid))
	d.kills["alone"]++
	_, err := d.h.supervisor()
	d.must(err)
}

// Supervisor is the guardian's, 0 if there is none.
func (d *deaths) supervisor() int {
	pids, _ := childrenOf(d.h.pid)
	for _, pid := range pids {
		if b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); bytes.HasPrefix(b, []byte("gsv-supervisor\x00")) {
			return pid
		}
	}
	return 0
}

// Kill kills all of gsv.
func (d *deaths) kill(when string) {
	d.kills[when]++
	pids := []int{d.h.pid, d.supervisor()}
	d.random.Shuffle(len(pids), func(i, j int) { pids[i], pids[j] = pids[j], pids[i] })
	for _, pid := range pids {
		if pid != 0 {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended with the other
		}
	}
	<-d.h.ended
	d.up = false
}

// Over stops the service and gsv, and looks at what has become of it.
func (d *deaths) over() {
	if !d.up {
		d.must(d.h.start(d.h.dir, nil, nil, nil))
	}
	d.written(d.granted)
	stop := exec.Command(filepath.Join(bin, "gsvctl"), "stop", "lines")
	stop.Env = d.h.vars
	if out, err := stop.CombinedOutput(); err != nil {
		d.Fatalf("%v: %s", err, out)
	}
	d.must(d.h.until(func() bool { s, err := d.h.service("lines"); return err == nil && s.State == status.Stopped }))
	s, err := d.h.service("lines")
	d.must(err)
	d.h.shutdown(d.T)
	b, err := os.ReadFile(filepath.Join(d.h.dir, "generations"))
	d.must(err)
	last := 0
	for _, word := range strings.Fields(string(b)) {
		gen, err := strconv.Atoi(word)
		if err != nil || gen <= last {
			d.Errorf("it ran as %s", b)
			break
		}
		last = gen
	}
	if last != s.Generation {
		d.Errorf("generation %d, of %d", last, s.Generation)
	}
	ends, err := os.ReadFile(filepath.Join(d.h.dir, "ends"))
	d.must(err)
	logs, lines := []string{"lines", "lines.err"}, 0
	for i, end := range strings.Split(strings.TrimSpace(string(ends)), "\n") {
		var c living
		_, err := fmt.Sscan(end, &c.next, &c.bytes)
		d.must(err)
		lines += c.next
		if files, err := checkLogs(filepath.Join(d.h.dir, "log"), logs[i], c.bytes, d.maxSize+longestLine, d.soak.stamped); err != nil {
			d.Errorf("%s: %d files: %v", logs[i], len(files), err)
		}
	}
	d.Logf("%d runs, %d lines, killed %v", len(strings.Fields(string(b))), lines, d.kills)
}
