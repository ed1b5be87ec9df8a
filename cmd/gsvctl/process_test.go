package main

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gsv/control/server"
	"gsv/control/server/servertest"
	"gsv/supervise/status"
)

// TestMain is gsvctl itself where GSV_TEST_MAIN is set.
func TestMain(m *testing.M) {
	if os.Getenv("GSV_TEST_MAIN") != "" {
		main()
	}
	os.Exit(m.Run())
}

// process is gsvctl as a process of its own.
func (s *site) process(t testing.TB, args ...string) (cmd *exec.Cmd, out, err *bytes.Buffer) {
	t.Helper()
	self, e := os.Executable()
	if e != nil {
		t.Fatal(e)
	}
	cmd = exec.Command(self, args...)
	cmd.Env = []string{"GSV_TEST_MAIN=1", "GSV_SOCKET=" + s.path, "GSV_HOST=app01", "GORACE=atexit_sleep_ms=0", "PATH=" + filepath.Dir(s.path)}
	out, err = &bytes.Buffer{}, &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = out, err
	return cmd, out, err
}

func exitStatus(err error) int {
	var e *exec.ExitError
	if errors.As(err, &e) {
		return e.ExitCode()
	}
	return 0
}

// TestCtrlC: the process ends with 130, says what goes on, and the operation does go on.
func TestCtrlC(t *testing.T) {
	s := newSite(t, "web")
	s.Configure(func(f *servertest.Fake) {
		f.Script = func(_ status.Request, op *status.Operation) error {
			op.Log = []string{"begun"} // shown once gsvctl listens for Ctrl-C
			return nil
		}
		f.Requests = make(chan status.Request, 1)
	})
	cmd, _, errs := s.process(t, "hup", "web")
	cmd.Stdout = nil
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := <-s.Requests
	if _, err := out.Read(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := exitStatus(cmd.Wait()); code != 130 || !strings.Contains(errs.String(), "gsvctl wait --op "+r.ID) {
		t.Errorf("exit %d, %q", code, errs)
	}
	if op, ok := s.Operation(r.ID); !ok || op.Done() {
		t.Errorf("the operation is %+v, %v", op, ok)
	}
}

// TestSupervisorDies: the one that answers goes away in the middle, another answers on the same socket, and the verdict is the operation's.
func TestSupervisorDies(t *testing.T) {
	for _, args := range [][]string{{"hup", "web"}, {"hup", "web", "db"}, {"wait", "web", "--for", "stopped"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			s := &site{Fake: servertest.New("db", "web"), path: filepath.Join(t.TempDir(), "s")}
			s.Script = func(status.Request, *status.Operation) error { return nil }
			l, err := net.ListenUnix("unix", &net.UnixAddr{Name: s.path})
			if err != nil {
				t.Fatal(err)
			}
			l.SetUnlinkOnClose(false)
			held, err := l.File() // as the guardian holds it
			if err != nil {
				t.Fatal(err)
			}
			defer held.Close()
			asked := make(chan bool, 10)
			first := server.New(telling{s.Fake, asked}, server.Options{UID: uint32(os.Geteuid())})
			go first.Serve(l)
			type result struct {
				code     int
				out, err string
			}
			done := make(chan result, 1)
			go func() {
				code, out, err := s.call(args...)
				done <- result{code, out, err}
			}()
			<-asked
			first.Close()
			second, err := net.FileListener(held)
			if err != nil {
				t.Fatal(err)
			}
			srv := server.New(telling{s.Fake, asked}, server.Options{UID: uint32(os.Geteuid())})
			defer srv.Close()
			go srv.Serve(second)
			<-asked
			s.Set("web", func(s *status.Service) { s.State, s.Pid = status.Stopped, 0 })
			s.FinishAll(func(op *status.Operation) { op.Result = status.OK })
			got := <-done
			for _, name := range []string{"web", "db"} {
				if slices.Contains(args, name) && strings.Count(got.out, name+"@app01: ") != 1 {
					t.Errorf("not one verdict of %s", name)
				}
			}
			if got.code != 0 || got.err != "" {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// TestCheck is `gsv check`, with its exit status.
func TestCheck(t *testing.T) {
	s := &site{path: filepath.Join(t.TempDir(), "s")}
	if err := os.WriteFile(filepath.Join(filepath.Dir(s.path), "gsv"), []byte("#!/bin/sh\necho \"$@\"\nexit 8\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd, out, errs := s.process(t, "check", "a.toml", "b.toml")
	if code := exitStatus(cmd.Run()); code != 8 || out.String() != "check a.toml b.toml\n" {
		t.Errorf("exit %d, %q, %q", code, out, errs)
	}
	s.path = filepath.Join(t.TempDir(), "s")
	s.expect(t, "check", 1, "", "cannot find gsv")
}

// TestLight: gsvctl links nothing that makes it slow to start, nor anything of the supervisor.
func TestLight(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Skipf("cannot list what is linked: %v", err)
	}
	for _, path := range strings.Fields(string(out)) {
		gsv := strings.HasPrefix(path, "gsv/") && !slices.Contains([]string{"gsv/control", "gsv/supervise/status", "gsv/supervise/terminal", "gsv/cmd/gsvctl"}, path)
		if gsv || slices.Contains([]string{"net", "net/http", "os/user", "os/exec", "text/template", "regexp", "flag", "crypto/rand"}, path) {
			t.Errorf("links %s", path)
		}
	}
}
