package main_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A stage is what one cell of the matrix has: a gsv of its own, and on it the service web, of one of the servers.
type stage struct {
	t      *testing.T
	server *rowServer
	*house
	port    string   // the server's
	behind  string   // the port of the server behind nginx
	gate    *fifo    // an application that hangs reads it when it is loaded
	slow    *fifo    // a slow request reads it
	last    int      // the newest release
	visitor *visitor // asks all the time; nil unless gsv holds the socket
	keys    map[string]string
}

// NewStage makes the directories of a service whose release 1 is good; nothing runs yet.
func newStage(t *testing.T, server *rowServer) *stage {
	h := stormHouse(t)
	s := &stage{t: t, server: server, house: h, last: 1, keys: map[string]string{}}
	s.port, s.behind = freePort(t), "1"
	s.gate = s.newFifo("gate", server.language.file == conf.file)
	s.slow = s.newFifo("slow", false)
	if server.language.file == conf.file {
		s.standBehind()
	}
	s.write(h.dir+"/check", "exit 0\n")
	s.release(h.dir+"/releases/1", "1", good)
	s.flip("1")
	for name, text := range server.files {
		s.write(filepath.Join(h.dir, name), s.fill(text))
	}
	maps.Copy(s.keys, map[string]string{
		"min-uptime": `"500ms"`, "start-timeout": `"10s"`, "reload-timeout": `"5s"`, "drain-timeout": `"1s"`, "stop-timeout": `"3s"`,
		"restart-delay": `"100ms"`, "restart-delay-max": `"500ms"`,
	})
	return s
}

// StandBehind serves what nginx passes on: slow requests.
func (s *stage) standBehind() {
	b := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, err := os.ReadFile(s.slow.path)
		if err == nil {
			fmt.Fprintln(w, "release=1")
		}
	}))
	s.t.Cleanup(func() { s.slow.release(); b.Close() })
	_, s.behind, _ = net.SplitHostPort(b.Listener.Addr().String())
}

// Begin writes the service file, starts gsv and waits until release 1 is served.
func (s *stage) begin() {
	s.t.Helper()
	s.define()
	if err := s.start(s.dir, nil, nil, nil); err != nil {
		s.t.Fatal(err)
	}
	s.want(0, ``, "wait", "web", "--for", "ready")
	s.serves("1")
	if s.server.held {
		if s.server.language.file != conf.file { // one worker that answers is ready; the other is not to load the next release
			s.logged(regexp.MustCompile(`(?s)release 1 is loaded.*release 1 is loaded`), 0)
		}
		s.visitor = s.newVisitor()
	}
}

// Define writes the service file.
func (s *stage) define() {
	s.t.Helper()
	lines := []string{"command = " + s.server.command, `working-directory = "@DIR@/current"`, s.server.keys}
	for key, value := range s.keys {
		lines = append(lines, key+" = "+value)
	}
	s.write(s.dir+"/services.d/web.toml", s.fill(strings.Join(lines, "\n")+"\n"))
}

// Set changes a key of the service file while the service runs.
func (s *stage) set(key, value string) {
	s.t.Helper()
	s.keys[key] = value
	s.define()
	s.want(0, ``, "apply")
}

// Deploy puts a new release in the place of the one that runs, or beside it if hup leaves that alone, and returns its number.
func (s *stage) deploy(f fault) string {
	s.t.Helper()
	if s.server.held {
		return s.deployBeside(f)
	}
	s.last++
	number := fmt.Sprint(s.last)
	s.release(s.dir+"/current", number, f)
	return number
}

// DeployBeside makes a new release in a directory of its own and lets the link current lead there.
func (s *stage) deployBeside(f fault) string {
	s.t.Helper()
	s.last++
	number := fmt.Sprint(s.last)
	s.release(s.dir+"/releases/"+number, number, f)
	s.flip(number)
	return number
}

func (s *stage) flip(number string) {
	s.t.Helper()
	link := s.dir + "/current"
	if err := os.Symlink("releases/"+number, link+".new"); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(link+".new", link); err != nil {
		s.t.Fatal(err)
	}
}

// A verdict is how a gsvctl ended.
type verdict struct {
	status   int
	out, err string
}

func (v verdict) String() string { return fmt.Sprintf("exit %d\n%s%s", v.status, v.out, v.err) }

// Gsvctl runs it to its end.
func (s *stage) gsvctl(args ...string) verdict {
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "gsvctl"), args...)
	var out, errs bytes.Buffer
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = s.vars, s.dir, &out, &errs
	err := cmd.Run()
	v := verdict{-1, out.String(), errs.String()}
	if exit, ok := errors.AsType[*exec.ExitError](err); err == nil || ok && exit.Exited() {
		v.status = cmd.ProcessState.ExitCode()
	} else {
		v.err += err.Error()
	}
	return v
}

// Want runs gsvctl, which must end with status and say something like pattern: on stdout if it succeeds, else on stderr.
func (s *stage) want(status int, pattern string, args ...string) verdict {
	s.t.Helper()
	v := s.gsvctl(args...)
	s.judge(v, status, pattern, strings.Join(args, " "))
	return v
}

func (s *stage) judge(v verdict, status int, pattern, what string) {
	s.t.Helper()
	said := v.out
	if status != 0 {
		said = v.err
	}
	if v.status != status || !regexp.MustCompile(pattern).MatchString(said) {
		s.t.Errorf("gsvctl %s: want exit %d and %q, got %s", what, status, pattern, v)
	}
}

// Background runs gsvctl; the verdict comes by the channel.
func (s *stage) background(args ...string) <-chan verdict {
	c := make(chan verdict, 1)
	go func() { c <- s.gsvctl(args...) }()
	return c
}

// Ask does one request on a new connection and returns which release answered it.
func (s *stage) request(path string, within time.Duration) (string, error) {
	client := http.Client{Timeout: within, Transport: &http.Transport{DisableKeepAlives: true}}
	return body(client.Get("http://127.0.0.1:" + s.port + path))
}

func body(r *http.Response, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	number, ok := strings.CutPrefix(strings.TrimSpace(string(b)), "release=")
	if err == nil && (r.StatusCode != http.StatusOK || !ok) {
		err = fmt.Errorf("%s: %.200s", r.Status, b)
	}
	return number, err
}

// Serves asks some times, and each answer must come from that release.
func (s *stage) serves(release string) {
	s.t.Helper()
	for range 4 {
		if got, err := s.request("/", 3*time.Second); err != nil || got != release {
			s.t.Errorf("release %q answers (%v), want %s", got, err, release)
			return
		}
	}
}

// Gone asks until a release does not answer any more.
func (s *stage) gone(release string) {
	s.t.Helper()
	for deadline := time.Now().Add(patience / 4); time.Now().Before(deadline); {
		if got, err := s.request("/", 500*time.Millisecond); err != nil || got != release {
			return
		}
	}
	s.t.Errorf("release %s goes on answering", release)
}

// Written is what the service has written so far.
func (s *stage) written() string {
	b, _ := os.ReadFile(s.dir + "/log/web.log")
	return string(b)
}

// Logged waits for a line of the service's log, after what was there before.
func (s *stage) logged(line *regexp.Regexp, before int) {
	s.t.Helper()
	w, err := newWatch(s.dir+"/log", unix.IN_CREATE|unix.IN_MODIFY)
	if err != nil {
		s.t.Fatal(err)
	}
	defer w.close()
	for deadline := time.Now().Add(patience / 2); !line.MatchString(s.written()[before:]); {
		if err := w.wait(deadline); err != nil {
			s.t.Fatalf("no %q in the log: %v", line, err)
		}
	}
}

// A fifo is what others wait at. Unless it is shut, whoever opens it waits when he reads, not when he opens it.
type fifo struct {
	path  string
	end   *os.File // the end that lets everyone go when it is closed; of a shut one it leads to the FIFO
	shut  bool
	opens *watch
}

func (s *stage) newFifo(name string, shut bool) *fifo {
	f := &fifo{path: filepath.Join(s.dir, name), shut: shut}
	if err := unix.Mkfifo(f.path, 0o644); err != nil {
		s.t.Fatal(err)
	}
	flag := os.O_RDWR
	if shut {
		flag = unix.O_PATH
	}
	fd, err := unix.Open(f.path, flag|unix.O_CLOEXEC, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	f.end = os.NewFile(uintptr(fd), f.path)
	if f.opens, err = newWatch(f.path, unix.IN_OPEN); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { f.release(); f.opens.close() })
	return f
}

// Reached waits until somebody has opened it. Of one that is shut nothing tells.
func (f *fifo) reached(t *testing.T) {
	t.Helper()
	if err := f.opens.wait(time.Now().Add(patience / 2)); err != nil {
		t.Fatalf("nobody has opened %s: %v", f.path, err)
	}
}

// Release lets everyone go who waits at it, and who comes later.
func (f *fifo) release() {
	_ = os.WriteFile(f.path+".new", nil, 0o644)
	_ = os.Rename(f.path+".new", f.path)
	if f.shut { // an end for writing, which who is about to open it finds as well
		if fd, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", f.end.Fd()), unix.O_RDWR|unix.O_CLOEXEC, 0); err == nil {
			f.end.Close()
			f.end, f.shut = os.NewFile(uintptr(fd), f.path), false
		}
		return
	}
	f.end.Close()
}
