package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// Words are what scripts can say besides testscript's own words; testdata/README explains them.
var words = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"gsv":    wordGsv,
	"pid1":   wordPid1,
	"nobody": wordNobody,
	"piped":  wordPiped,
	"gsvend": wordGsvend,
	"exits":  wordExits,
	"signal": wordSignal,
	"pid":    wordPid,
	"kids":   wordKids,
	"ends":   wordEnds,
	"fewer":  wordFewer,
	"alive":  wordAlive,
	"left":   wordLeft,
	"reaped": wordReaped,
	"get":    wordGet,
	"holds":  wordHolds,
	"field":  wordField,
	"until":  wordUntil,
	"line":   wordLine,
	"text":   wordText,
	"raw":    wordRaw,
	"differ": wordDiffer,
}

func need(ts *testscript.TestScript, neg, may bool, args []string, least int, usage string) {
	if neg && !may {
		ts.Fatalf("! %s means nothing", usage)
	}
	if len(args) < least {
		ts.Fatalf("usage: %s", usage)
	}
}

// gsv [VAR=VALUE…] [ARG…]
func wordGsv(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, false, args, 0, "gsv [VAR=VALUE…] [ARG…]")
	vars, args := assignments(args)
	ts.Check(of(ts).start(ts.MkAbs("."), nil, vars, args))
}

// pid1 [VAR=VALUE…] [ARG…]
func wordPid1(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, false, args, 0, "pid1 [VAR=VALUE…] [ARG…]")
	vars, args := assignments(args)
	h := of(ts)
	ts.Check(h.start(ts.MkAbs("."), []string{"unshare", "--pid", "--fork", "--mount-proc", "--kill-child"}, vars, args))
	children, err := childrenOf(h.pid)
	ts.Check(err)
	h.pid, h.pid1 = children[0], true
}

// nobody [VAR=VALUE…] [ARG…]
func wordNobody(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, false, args, 0, "nobody [VAR=VALUE…] [ARG…]")
	vars, args := assignments(args)
	for _, dir := range []string{"run", "log"} {
		ts.Check(os.Chown(ts.MkAbs(dir), 65534, 65534))
	}
	out, err := os.Create(ts.MkAbs("gsv.out"))
	ts.Check(err)
	out.Close()
	ts.Check(of(ts).start(ts.MkAbs("."), []string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"}, vars, args))
}

func assignments(args []string) (vars, rest []string) {
	for len(args) > 0 && strings.Contains(args[0], "=") && !strings.HasPrefix(args[0], "-") {
		vars, args = append(vars, args[0]), args[1:]
	}
	return vars, args
}

// gsvend [STATUS]
func wordGsvend(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, false, args, 0, "gsvend [STATUS]")
	want := "0"
	if len(args) > 0 {
		want = args[0]
	}
	got, err := of(ts).end()
	ts.Check(err)
	if strconv.Itoa(got) != want {
		ts.Fatalf("gsv ended with %d, not %s", got, want)
	}
}

// exits STATUS PROGRAM [ARG…]
func wordExits(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, false, args, 2, "exits STATUS PROGRAM [ARG…]")
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		ws := exit.Sys().(syscall.WaitStatus)
		got = ws.ExitStatus()
		if ws.Signaled() {
			got = 128 + int(ws.Signal())
		}
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit status %d, not %s", got, args[0])
	}
}

// signal SIGNAL TARGET…
func wordSignal(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, false, args, 2, "signal SIGNAL TARGET…")
	sig := unix.SignalNum("SIG" + args[0])
	if sig == 0 {
		ts.Fatalf("no signal %s", args[0])
	}
	for _, word := range strings.Fields(strings.Join(args[1:], " ")) {
		pid, err := of(ts).target(word)
		ts.Check(err)
		ts.Check(syscall.Kill(pid, sig))
		if word == "supervisor" && sig == syscall.SIGKILL {
			ts.Check(ended(pid))
		}
	}
}

// pid VAR TARGET
func wordPid(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, false, args, 2, "pid VAR TARGET")
	pid, err := of(ts).target(args[1])
	ts.Check(err)
	ts.Setenv(args[0], strconv.Itoa(pid))
}

// kids VAR TARGET
func wordKids(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, false, args, 2, "kids VAR TARGET")
	pid, err := of(ts).target(args[1])
	ts.Check(err)
	children, err := childrenOf(pid)
	ts.Check(err)
	slices.Sort(children)
	ts.Setenv(args[0], strings.Trim(fmt.Sprint(children), "[]"))
}

func pids(ts *testscript.TestScript, args []string) (pids []int) {
	for _, f := range strings.Fields(strings.Join(args, " ")) {
		n, err := strconv.Atoi(f)
		ts.Check(err)
		pids = append(pids, n)
	}
	return pids
}

// ends PID…
func wordEnds(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, false, args, 1, "ends PID…")
	for _, pid := range pids(ts, args) {
		if err := ended(pid); err != nil {
			ts.Fatalf("%d has not ended: %v", pid, err)
		}
	}
}

// fewer PID…
func wordFewer(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, false, args, 1, "fewer PID…")
	var fds []int
	for _, pid := range pids(ts, args) {
		fd, err := unix.PidfdOpen(pid, 0)
		if errors.Is(err, unix.ESRCH) {
			return
		}
		ts.Check(err)
		defer unix.Close(fd)
		fds = append(fds, fd)
	}
	ts.Check(readable(time.Now().Add(patience), fds...))
}

// [!] alive PID…
func wordAlive(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, true, args, 1, "alive PID…")
	for _, pid := range pids(ts, args) {
		live := slices.ContainsFunc(processes(), func(p process) bool { return p.Pid == pid && p.State != 'Z' })
		if live == neg {
			ts.Fatalf("alive: %d %v", pid, live)
		}
	}
}

// [!] left SESSION
func wordLeft(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, true, args, 1, "left SESSION")
	var left []process
	for _, p := range processes() {
		if slices.Contains(pids(ts, args), p.Session) && p.State != 'Z' {
			left = append(left, p)
		}
	}
	if (len(left) > 0) == neg {
		ts.Fatalf("left: %v", left)
	}
}

// Reaped waits until gsv has no child that is a zombie. Nothing tells when another process reaps, so this looks again and again.
func wordReaped(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, false, args, 0, "reaped")
	zombies := func() bool {
		return slices.ContainsFunc(processes(), func(p process) bool { return p.PPid == of(ts).pid && p.State == 'Z' })
	}
	for deadline := time.Now().Add(patience); zombies(); runtime.Gosched() {
		if time.Now().After(deadline) {
			ts.Fatalf("zombies stay")
		}
	}
}

// [!] get ADDRESS [PATH]
func wordGet(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, true, args, 1, "get ADDRESS [PATH]")
	path := "/"
	if len(args) > 1 {
		path = args[1]
	}
	c, err := net.DialTimeout("tcp", args[0], patience)
	var body string
	if err == nil {
		defer c.Close()
		body, err = answer(c, path)
	}
	if neg != (err != nil) {
		ts.Fatalf("get %s: %q %v", args[0], body, err)
	}
	fmt.Fprint(ts.Stdout(), body)
}

// holds ADDRESS N [PATTERN]
func wordHolds(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, false, args, 2, "holds ADDRESS N [PATTERN]")
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	pattern := regexp.MustCompile(strings.Join(args[2:], " "))
	for i := range n {
		c, err := net.DialTimeout("tcp", args[0], patience)
		ts.Check(err)
		defer c.Close() // at the end: each connection keeps its worker busy, so the next goes to another
		body, err := answer(c, "/")
		if err != nil {
			ts.Fatalf("only %d workers answer: %v", i, err)
		}
		fmt.Fprint(ts.Stdout(), body)
		if !pattern.MatchString(body) {
			ts.Fatalf("a worker answers %q", body)
		}
	}
}

// field NAME FIELD VALUE
func wordField(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, true, args, 3, "field NAME FIELD VALUE")
	got, err := field(of(ts), args[0], args[1])
	ts.Check(err)
	if (got == strings.Join(args[2:], " ")) == neg {
		ts.Fatalf("%s of %s is %q", args[1], args[0], got)
	}
}

func field(h *house, name, path string) (string, error) {
	var v any
	if err := h.ask("/v1/services/"+name, &v); err != nil {
		return "", err
	}
	for _, key := range strings.Split(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return "null", nil
		}
		v = m[key]
	}
	if s, ok := v.(string); ok {
		return s, nil
	}
	b, err := json.Marshal(v)
	return string(b), err
}

// until NAME FIELD VALUE: a VALUE of 3+ is any number from 3 on.
func wordUntil(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, false, args, 3, "until NAME FIELD VALUE")
	h, got := of(ts), ""
	err := h.until(func() bool {
		var err error
		got, err = field(h, args[0], args[1])
		if least, ok := strings.CutSuffix(args[2], "+"); ok {
			n, _ := strconv.Atoi(got)
			m, _ := strconv.Atoi(least)
			return err == nil && n >= m
		}
		return err == nil && got == args[2]
	})
	if err != nil {
		ts.Fatalf("%s of %s stays %q: %v", args[1], args[0], got, err)
	}
}

// line FILE PATTERN
func wordLine(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, false, args, 2, "line FILE PATTERN")
	file := ts.MkAbs(args[0])
	pattern := regexp.MustCompile("(?m)" + args[1])
	for deadline := time.Now().Add(patience); ; {
		dir := filepath.Dir(file)
		w, err := newWatch(dir, unix.IN_CREATE|unix.IN_MODIFY|unix.IN_MOVED_TO)
		if errors.Is(err, os.ErrNotExist) {
			w, err = newWatch(filepath.Dir(dir), unix.IN_CREATE|unix.IN_MOVED_TO)
		}
		ts.Check(err)
		b, _ := os.ReadFile(file)
		if !pattern.Match(b) {
			err = w.wait(deadline)
		}
		w.close()
		if pattern.Match(b) {
			return
		}
		if err != nil {
			ts.Fatalf("no %q in %s: %v\n%s", args[1], args[0], err, b)
		}
	}
}

// text FILE LINE…
func wordText(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, false, args, 2, "text FILE LINE…")
	file := ts.MkAbs(args[0])
	ts.Check(os.WriteFile(file+".new", []byte(strings.Join(args[1:], "\n")+"\n"), 0o644))
	ts.Check(os.Rename(file+".new", file)) // nobody reads half of it
}

// raw BYTES
func wordRaw(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, false, args, 1, "raw BYTES [COUNT]")
	text, err := strconv.Unquote(`"` + args[0] + `"`)
	ts.Check(err)
	count := 1
	if len(args) > 1 {
		count, err = strconv.Atoi(args[1])
		ts.Check(err)
	}
	c, err := net.Dial("unix", filepath.Join(of(ts).dir, "run/gsv.sock"))
	ts.Check(err)
	defer c.Close()
	ts.Check(c.SetDeadline(time.Now().Add(patience)))
	for range count {
		if _, err := c.Write([]byte(text)); err != nil {
			break // it has had enough of us
		}
	}
	_ = c.(*net.UnixConn).CloseWrite()
	buf := make([]byte, 4096)
	n, _ := c.Read(buf)
	fmt.Fprintf(ts.Stdout(), "%s\n", buf[:n])
}

// differ A B: two lists of pids have none in common.
func wordDiffer(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, false, args, 2, "differ PIDS PIDS")
	for _, pid := range strings.Fields(args[0]) {
		if slices.Contains(strings.Fields(args[1]), pid) {
			ts.Fatalf("%s is in both: %q %q", pid, args[0], args[1])
		}
	}
}
