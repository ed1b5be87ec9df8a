package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gsv/control/server"
	"gsv/control/server/servertest"
	"gsv/supervise/status"
)

func TestLogs(t *testing.T) {
	s := newSite(t, "db", "web")
	s.Log = map[string]string{"web": "1\n2\n\x1b[31m3", "db": "a\n" + strings.Repeat("b", 100<<10) + "\n"}
	at := func(n int) time.Time { return servertest.LogStart.Add(time.Duration(n) * time.Second) }
	s.Past = []status.Operation{{ID: "1a2f", Service: "web", Started: at(1), Ended: at(1), Result: status.OK}}
	s.Set("web", func(s *status.Service) { s.Groups = []string{"front"} })
	long := strings.Repeat("b", 100<<10)
	for _, tt := range []struct{ line, want string }{
		{"logs web", "1\n2\n\x1b[31m3"}, // as it is
		{"logs -n1 web", "\x1b[31m3"},
		{"logs --lines 2 web", "2\n\x1b[31m3"},
		{"logs -n 0 web", ""},
		{"logs", "db  | a\nweb | 1\ndb  | " + long + "\nweb | 2\nweb | \x1b[31m3\n"}, // by time
		{"logs --all -n 1", "db  | " + long + "\nweb | \x1b[31m3\n"},
		{"logs web db -n 1", "db  | " + long + "\nweb | \x1b[31m3\n"},
		{"logs @front", "web | 1\nweb | 2\nweb | \x1b[31m3\n"},
		{"logs w* -n 2", "web | 2\nweb | \x1b[31m3\n"},
		{"logs web --grep ^[12]", "1\n2\n"},
		{"logs web --grep ^[12] -n 1", "2\n"},
		{"logs --grep ^[^b]*$", "db  | a\nweb | 1\nweb | 2\nweb | \x1b[31m3\n"},
		{"logs web --since " + at(1).Format(time.RFC3339), "2\n\x1b[31m3\n"},
		{"logs web --since 1ms", ""},
		{"logs --op 1a2f", "2\n"},
		{"logs --op 1a2f web", "2\n"},
	} {
		if code, out, err := s.call(strings.Fields(tt.line)...); code != 0 || out != tt.want || err != "" {
			t.Errorf("gsvctl %s: exit %d, %.300q, %q; want %.300q", tt.line, code, out, err, tt.want)
		}
	}
	s.expect(t, "logs nosuch", 4, "", "no such service")
	s.expect(t, "logs web nosuch", 4, "", "nosuch@app01: no such service")
	s.expect(t, "logs web --grep (", 2, "", "gsvctl: cannot understand the pattern: missing closing )")
	s.expect(t, "logs web --since 10", 2, "", "gsvctl: since must be a duration")
	s.expect(t, "logs web --op nosuch", 1, "", `there is no operation "nosuch"`)
	s.expect(t, "logs db --op 1a2f", 2, "", `operation "1a2f" is about web`)
	_, out, _ := s.call("logs", "web", "--json", "-n", "1")
	if !strings.HasPrefix(out, `{"time":"2026-11-23T03:00:02Z","service":"web","run":1,"stream":"stdout","line":"\u001b[31m3"`) || strings.Count(out, "\n") != 1 {
		t.Errorf("%q", out)
	}
}

// On a terminal nobody's control characters are shown, and each service has a colour that stays.
func TestLogsOnTerminal(t *testing.T) {
	s := newSite(t, "db", "web")
	s.Log = map[string]string{"web": "\x1b[2Jw\n", "db": "d\n"}
	s.screen = true
	s.expect(t, "logs web", 0, "\ufffd[2Jw\n", "")
	s.expect(t, "logs", 0, "db  | d\nweb | \ufffd[2Jw\n", "")
	s.expect(t, "logs web --grep w", 0, "\ufffd[2Jw\n", "")
	s.colour = true
	_, out, _ := s.call("logs")
	again := ""
	s.Log["api"] = "a\n"
	if _, again, _ = s.call("logs", "web", "d*"); again != out || strings.Count(out, "\x1b[0m") != 2 || !strings.Contains(out, " | \x1b[0md\n") {
		t.Errorf("%q, then %q", out, again)
	}
}

// What was looked for stands out where there are colours, and nowhere else.
func TestLogsMatches(t *testing.T) {
	s := newSite(t, "db", "web")
	s.Log = map[string]string{"web": "error: \x1b[2J \xfferror\nGrüße, error\nno\n", "db": "d\n"}
	const on, off = "\x1b[1;31m", "\x1b[0m"
	s.screen = true
	s.expect(t, "logs web --grep err", 0, "error: \ufffd[2J \ufffderror\nGrüße, error\n", "")
	s.colour = true
	for _, tt := range []struct{ re, want string }{
		{"err", on + "err" + off + "or: \ufffd[2J \ufffd" + on + "err" + off + "or\nGrüße, " + on + "err" + off + "or\n"},
		{"[^a-zA-Z:]+[2]J.*r", "error:" + on + " \ufffd[2J \ufffderror" + off + "\n"},
		{"üß", "Gr" + on + "üß" + off + "e, error\n"},
		{"^.{0}no|x*", "error: \ufffd[2J \ufffderror\nGrüße, error\n" + on + "no" + off + "\n"}, // those of nothing are not seen
	} {
		if _, out, err := s.call("logs", "web", "--grep", tt.re); out != tt.want || err != "" {
			t.Errorf("%s: %q, %q; want %q", tt.re, out, err, tt.want)
		}
	}
	if _, out, _ := s.call("logs", "--json", "--grep", "d"); strings.Contains(out, "matches") || strings.Contains(out, "\x1b") {
		t.Errorf("%q", out)
	}
	s.expect(t, "logs web", 0, "error: \ufffd[2J \ufffderror\nGrüße, error\nno\n", "")
}

// TestLogsOfOperation: `logs -f --op` ends when the operation does, and of one that has ended at once.
func TestLogsOfOperation(t *testing.T) {
	s := &site{Fake: servertest.New("web"), path: filepath.Join(t.TempDir(), "s")}
	at := func(n int) time.Time { return servertest.LogStart.Add(time.Duration(n) * time.Second) }
	s.Log = map[string]string{"web": "before\n1\n"}
	s.interrupts = make(chan os.Signal, 1)
	s.Script = func(_ status.Request, op *status.Operation) error { op.Started = at(1); return nil }
	if _, err := s.Do(t.Context(), status.Request{ID: "1a2f", Verb: "hup", Service: "web"}); err != nil {
		t.Fatal(err)
	}
	s.serve(t)
	out := &shown{t: t, wrote: make(chan bool, 100)}
	type answer struct {
		code int
		err  string
	}
	done := make(chan answer, 1)
	go func() {
		code, err := s.callTo(out, "logs", "-f", "--op", "1a2f")
		done <- answer{code, err}
	}()
	out.wait("1\n")
	s.Configure(func(f *servertest.Fake) { f.Log["web"] += "2\n" })
	out.wait("1\n2\n")
	s.Finish("1a2f", func(op *status.Operation) { op.Result, op.Ended = status.Failed, at(3) })
	if a := <-done; a != (answer{}) || out.String() != "1\n2\n" {
		t.Errorf("exit %d, %q, %q", a.code, out.String(), a.err)
	}
	s.Configure(func(f *servertest.Fake) { f.Log["web"] += "3\nafter\n" })
	s.expect(t, "logs -f --op 1a2f web", 0, "1\n2\n3\n", "")
}

// shown is a stdout that can be waited for.
type shown struct {
	buffer
	t     *testing.T
	wrote chan bool
}

func (s *shown) Write(p []byte) (int, error) {
	defer func() { s.wrote <- true }()
	return s.buffer.Write(p)
}

func (s *shown) wait(text string) {
	s.t.Helper()
	for s.String() != text {
		select {
		case <-s.wrote:
		case <-s.t.Context().Done():
			return
		}
		if len(s.String()) > len(text) {
			s.t.Fatalf("%q, want %q", s.String(), text)
		}
	}
}

// TestLogsFollowGoesOn: `logs -f` outlives the supervisor it asked, and shows each byte once.
func TestLogsFollowGoesOn(t *testing.T) {
	for _, tt := range []struct{ args, before, after string }{
		{"web", "1\nhalf", "1\nhalf 2\n"},
		{"web -n 0", "", " 2\n"},
		{"--all", "web | 1\n", "web | 1\ndb  | d\nweb | half 2\n"},
		{"--all -n 0", "", "db  | d\nweb | half 2\n"},
		{"web --grep .", "1\n", "1\nhalf 2\n"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			s := &site{Fake: servertest.New("web", "db"), path: filepath.Join(t.TempDir(), "s")}
			s.Log = map[string]string{"web": "1\nhalf"}
			s.interrupts = make(chan os.Signal, 1)
			l, err := net.ListenUnix("unix", &net.UnixAddr{Name: s.path})
			if err != nil {
				t.Fatal(err)
			}
			l.SetUnlinkOnClose(false)
			held, err := l.File()
			if err != nil {
				t.Fatal(err)
			}
			defer held.Close()
			asked := make(chan bool, 100)
			first := server.New(telling{s.Fake, asked}, server.Options{UID: uint32(os.Geteuid())})
			go first.Serve(l)
			out := &shown{t: t, wrote: make(chan bool, 100)}
			done := make(chan string, 1)
			go func() {
				_, err := s.callTo(out, append([]string{"logs", "-f"}, strings.Fields(tt.args)...)...)
				done <- err
			}()
			<-asked
			out.wait(tt.before)
			first.Close()
			s.Configure(func(f *servertest.Fake) { f.Log = map[string]string{"web": "1\nhalf 2\n", "db": "d\n"} })
			second, err := net.FileListener(held)
			if err != nil {
				t.Fatal(err)
			}
			srv := server.New(s.Fake, server.Options{UID: uint32(os.Geteuid())})
			defer srv.Close()
			go srv.Serve(second)
			out.wait(tt.after)
			s.interrupts <- os.Interrupt
			if err := <-done; out.String() != tt.after || err != "" {
				t.Errorf("%q, %q; want %q", out.String(), err, tt.after)
			}
		})
	}
}
