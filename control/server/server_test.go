package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gsv/control"
	"gsv/control/server/servertest"
	"gsv/supervise/status"
)

var _ Gsv = (*servertest.Fake)(nil)

// serve answers on a socket of its own until the test ends.
func serve(t *testing.T, f *servertest.Fake, o Options) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if o.UID == 0 {
		o.UID = uint32(os.Geteuid())
	}
	s := New(f, o)
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return path
}

// asking is one request as any HTTP client would make it.
func asking(t *testing.T, path, method, url, body string, header ...string) (*http.Response, string) {
	t.Helper()
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", path) }}}
	r, err := http.NewRequestWithContext(t.Context(), method, "http://gsv"+url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	a, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	src, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return a, string(src)
}

func decode[T any](t *testing.T, src string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(src), &v); err != nil {
		t.Fatalf("%v in %s", err, src)
	}
	return v
}

func TestPaths(t *testing.T) {
	f := servertest.New("db", "web")
	f.Log = map[string]string{"web": "1\n2\n3\n"}
	f.Past = []status.Operation{{ID: "0", Service: "gone"}}
	f.Script = func(r status.Request, op *status.Operation) error {
		op.Result = status.OK
		if r.Verb == "restart" {
			op.Result, op.Error = status.Failed, "exit 255"
		}
		if r.Verb == "hup" && r.Service == "db" {
			return &status.Problem{Detail: "NOT reloaded: it was stopped on purpose", ExitCode: control.Failed}
		}
		return nil
	}
	f.Happen(status.Event{Service: "web", Kind: "state", State: status.Running})
	path := serve(t, f, Options{})
	for _, tt := range []struct {
		name, method, url, body string
		status                  int
		want                    string // in the body
	}{
		{"about", "GET", "/v1", "", 200, `"boot_id":"boot"`},
		{"list", "GET", "/v1/services", "", 200, `{"services":[{"name":"db"`},
		{"arrays are never null", "GET", "/v1/services", "", 200, `"listen":[]`},
		{"one has workers", "GET", "/v1/services/web", "", 200, `"workers":[{"pid":1101`},
		{"no such service", "GET", "/v1/services/nosuch", "", 404, `"exit_code":4`},
		{"a name of odd bytes", "GET", "/v1/services/%00%ff%2f..", "", 404, `"exit_code":4`},
		{"verb", "POST", "/v1/services/web/hup", "", 200, `"result":"ok"`},
		{"alias", "POST", "/v1/services/web/reload", "", 200, `"verb":"hup"`},
		{"empty object", "POST", "/v1/services/web/hup", "{}", 200, `"result":"ok"`},
		{"signal", "POST", "/v1/services/web/signal", `{"signal":"SIGusr1"}`, 200, `"signal":"USR1"`},
		{"own id", "POST", "/v1/services/web/term", `{"id":"mine"}`, 200, `"id":"mine"`},
		{"id of another operation", "POST", "/v1/services/web/hup", `{"id":"mine"}`, 409, `names one operation`},
		{"failed", "POST", "/v1/services/web/restart", "", 409, `"operation":{"id":`},
		{"refused", "POST", "/v1/services/db/hup", "", 409, `NOT reloaded`},
		{"no wait", "POST", "/v1/services/web/stop", `{"wait":false}`, 202, `"verb":"stop"`},
		{"verb of no service", "POST", "/v1/services/nosuch/hup", "", 404, `"exit_code":4`},
		{"unknown verb", "POST", "/v1/services/web/hupp", "", 404, `did you mean hup?`},
		{"later verb", "POST", "/v1/services/web/scale", "", 501, `not supported yet`},
		{"replace", "POST", "/v1/services/web/replace", `{"or_start":true,"no_check":true}`, 200, `"verb":"replace"`},
		{"replace of several", "POST", "/v1/services", `{"verb":"replace","names":["web"],"or_start":true}`, 200, `"verb":"replace"`},
		{"replace is not forced", "POST", "/v1/services/web/replace", `{"force":true}`, 400, `does not take`},
		{"replace resets nothing", "POST", "/v1/services/web/replace", `{"reset":true}`, 400, `does not take`},
		{"reading verb", "POST", "/v1/services/web/status", "", 404, `no such verb`},
		{"watch", "POST", "/v1/services/web/watch", `{"action":"pause","for":"10m"}`, 200, `"action":"pause"`},
		{"watch of several", "POST", "/v1/services", `{"verb":"watch","action":"resume","names":["web"]}`, 200, `"action":"resume"`},
		{"watch what", "POST", "/v1/services/web/watch", "", 400, `must be pause or resume`},
		{"watch nonsense", "POST", "/v1/services/web/watch", `{"action":"stop"}`, 400, `must be pause or resume`},
		{"pause for a moment", "POST", "/v1/services/web/watch", `{"action":"pause","for":"0s"}`, 400, `no duration`},
		{"pause for ever", "POST", "/v1/services/web/watch", `{"action":"pause","for":"87600h"}`, 400, `no duration`},
		{"resume for a while", "POST", "/v1/services/web/watch", `{"action":"resume","for":"1m"}`, 400, `does not take`},
		{"an action where there is none", "POST", "/v1/services/web/hup", `{"action":"pause"}`, 400, `does not take`},
		{"a duration where there is none", "POST", "/v1/services/web/hup", `{"for":"1m"}`, 400, `does not take`},
		{"unknown field", "POST", "/v1/services/web/hup", `{"no_such":1}`, 400, `no_such`},
		{"wrong type", "POST", "/v1/services/web/hup", `{"count":"many"}`, 400, `count`},
		{"two values", "POST", "/v1/services/web/hup", `{} {}`, 400, `more than one`},
		{"no JSON", "POST", "/v1/services/web/hup", "\x00\xff", 400, `cannot understand`},
		{"field of another verb", "POST", "/v1/services/web/stop", `{"count":3}`, 400, `does not take`},
		{"force where there is none", "POST", "/v1/services/web/start", `{"force":true}`, 400, `does not take`},
		{"signal where there is none", "POST", "/v1/services/web/hup", `{"signal":"USR1"}`, 400, `does not take`},
		{"no signal", "POST", "/v1/services/web/signal", "", 400, `no signal`},
		{"unknown signal", "POST", "/v1/services/web/signal", `{"signal":"SIGFOO"}`, 400, `no signal`},
		{"null signal", "POST", "/v1/services/web/signal", `{"signal":"0"}`, 400, `no signal`},
		{"count too large", "POST", "/v1/services/web/ttin", `{"count":1001}`, 400, `count`},
		{"count below one", "POST", "/v1/services/web/ttin", `{"count":-1}`, 400, `count`},
		{"id with a slash", "POST", "/v1/services/web/hup", `{"id":"../x"}`, 400, `id may be`},
		{"bad timeout", "POST", "/v1/services/web/hup", `{"timeout":"60"}`, 400, `duration`},
		{"names in one", "POST", "/v1/services/web/hup", `{"names":["db"]}`, 400, `belong`},
		{"operation", "GET", "/v1/operations/mine", "", 200, `"verb":"term"`},
		{"operation, waiting", "GET", "/v1/operations/mine?wait=true", "", 200, `"verb":"term"`},
		{"no such operation", "GET", "/v1/operations/other", "", 404, `no operation`},
		{"logs", "GET", "/v1/services/web/logs?lines=2", "", 200, "2\n3\n"},
		{"no log", "GET", "/v1/services/db/logs", "", 200, ""},
		{"bad lines", "GET", "/v1/services/web/logs?lines=-1", "", 400, `lines`},
		{"bad follow", "GET", "/v1/services/web/logs?follow=maybe", "", 400, `follow`},
		{"logs of none", "GET", "/v1/services/nosuch/logs", "", 404, `"exit_code":4`},
		{"wait", "GET", "/v1/services/web/wait?for=ready", "", 200, `"name":"web"`},
		{"wait, bounded", "GET", "/v1/services/web/wait?for=stopped&timeout=1ms", "", 504, `"exit_code":5`},
		{"wait for what", "GET", "/v1/services/web/wait?for=lunch", "", 400, `lunch`},
		{"wait for none", "GET", "/v1/services/nosuch/wait?for=ready", "", 404, `"exit_code":4`},
		{"events", "GET", "/v1/events", "", 200, `"state":"running"`},
		{"apply", "POST", "/v1/apply", `{"dry_run":true}`, 200, `"dry_run":true`},
		{"history", "GET", "/v1/history", "", 200, `{"operations":[{"id":`},
		{"history of one", "GET", "/v1/history?service=web", "", 200, `"verb":"hup"`},
		{"history of one without", "GET", "/v1/history?service=db", "", 200, `{"operations":[]}`},
		{"history of one that is gone", "GET", "/v1/history?service=gone", "", 200, `{"operations":[{"id":"0"`},
		{"history of none", "GET", "/v1/history?service=nosuch", "", 404, `"exit_code":4`},
		{"for ps", "GET", "/v1/services/web?for=ps", "", 200, `"workers":[{"pid":1101`},
		{"for what", "GET", "/v1/services/web?for=lunch", "", 400, `lunch`},
		{"no check", "POST", "/v1/services/web/hup", `{"no_check":true}`, 200, `"result":"ok"`},
		{"no check where there is none", "POST", "/v1/services/web/stop", `{"no_check":true}`, 400, `does not take`},
		{"health", "GET", "/v1/health", "", 501, `not supported yet`},
		{"metrics", "GET", "/metrics", "", 501, `not supported yet`},
		{"upgrade", "POST", "/v1/upgrade", "", 501, `not supported yet`},
		{"unknown path", "GET", "/v2", "", 404, `there is no GET /v2`},
		{"wrong method", "DELETE", "/v1/services/web", "", 404, `there is no DELETE`},
		{"several without names", "POST", "/v1/services", `{"verb":"hup"}`, 400, `no services`},
		{"several, one unknown", "POST", "/v1/services", `{"verb":"hup","names":["web","x*"]}`, 404, `x*`},
		{"several without a verb", "POST", "/v1/services", `{"names":["web"]}`, 404, `no verb`},
		{"shutdown with a body", "POST", "/v1/shutdown", `{"now":true}`, 400, `now`},
		{"shutdown", "POST", "/v1/shutdown", ``, 202, `"pid":1`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, body := asking(t, path, tt.method, tt.url, tt.body)
			if a.StatusCode != tt.status || !strings.Contains(body, tt.want) {
				t.Errorf("%d %s\nwant %d and %s", a.StatusCode, body, tt.status, tt.want)
			}
			if media := a.Header.Get("Content-Type"); (a.StatusCode >= 400) != (media == "application/problem+json") {
				t.Errorf("%d is of type %s", a.StatusCode, media)
			}
		})
	}
	if !f.Ended() {
		t.Error("shutdown did not reach the supervisor")
	}
}

func TestProgressThenOperationLast(t *testing.T) {
	f := servertest.New("web")
	f.Script = func(status.Request, *status.Operation) error { return nil }
	f.Requests = make(chan status.Request, 1)
	path := serve(t, f, Options{})
	go func() {
		r := <-f.Requests
		f.Finish(r.ID, func(op *status.Operation) { op.Progress = "workers replaced 5/8" })
		f.Finish(r.ID, func(op *status.Operation) { op.Result = status.Failed })
	}()
	a, body := asking(t, path, "POST", "/v1/services/web/hup", `{"id":"x"}`, "Accept", "application/x-ndjson")
	lines := strings.Split(strings.TrimSpace(body), "\n")
	last := decode[status.Operation](t, lines[len(lines)-1])
	if a.StatusCode != 200 || last.Result != status.Failed || last.Progress != "workers replaced 5/8" {
		t.Errorf("%d %s", a.StatusCode, body)
	}
	for _, line := range lines[:len(lines)-1] {
		if op := decode[status.Operation](t, line); op.Done() {
			t.Errorf("ended before the last line: %s", body)
		}
	}
}

// TestOperationOutlivesItsCaller: the one who asked goes away, comes again with the same id, and gets the same operation.
func TestOperationOutlivesItsCaller(t *testing.T) {
	f := servertest.New("web")
	f.Script = func(status.Request, *status.Operation) error { return nil }
	f.Requests = make(chan status.Request, 2)
	path := serve(t, f, Options{})
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(c, "POST /v1/services/web/stop HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{\"id\":\"x\"}")
	first := <-f.Requests
	c.Close()
	f.Finish(first.ID, func(op *status.Operation) { op.Result = status.OK })
	_, body := asking(t, path, "POST", "/v1/services/web/stop", `{"id":"x"}`)
	if again := decode[status.Operation](t, body); again.ID != "x" || again.Result != status.OK {
		t.Errorf("got %s", body)
	}
}

func TestTimeoutAnswersTheUnfinishedOperation(t *testing.T) {
	f := servertest.New("web")
	f.Script = func(status.Request, *status.Operation) error { return nil }
	path := serve(t, f, Options{})
	a, body := asking(t, path, "POST", "/v1/services/web/stop", `{"timeout":"1ms"}`)
	if op := decode[status.Operation](t, body); a.StatusCode != 202 || op.Done() {
		t.Errorf("%d %s", a.StatusCode, body)
	}
}

func TestSeveral(t *testing.T) {
	f := servertest.New("db", "web1", "web2")
	f.Set("db", func(s *status.Service) { s.Groups = []string{"back"} })
	f.Script = func(r status.Request, op *status.Operation) error {
		op.Result = status.OK
		if r.Service == "web2" {
			return &status.Problem{Detail: "NOT reloaded", ExitCode: control.Failed}
		}
		return nil
	}
	path := serve(t, f, Options{})
	_, body := asking(t, path, "POST", "/v1/services", `{"verb":"reload","names":["web*","@back","web1"],"id":"i"}`)
	got := map[string]string{}
	for line := range strings.Lines(body) {
		o := decode[status.Outcome](t, line)
		if o.Operation != nil {
			got[o.Operation.ID] += o.Operation.Result
		} else {
			got[o.Problem.Service] += o.Problem.Title
		}
	}
	if len(got) != 3 || got["i-db"] != "ok" || got["i-web1"] != "ok" || got["web2"] != "failed" {
		t.Errorf("got %v from %s", got, body)
	}
}

// TestSeveralIsAllOrNothing: one unknown name and nothing is done to the others.
func TestSeveralIsAllOrNothing(t *testing.T) {
	f := servertest.New("web")
	f.Requests = make(chan status.Request, 10)
	path := serve(t, f, Options{})
	if a, body := asking(t, path, "POST", "/v1/services", `{"verb":"stop","names":["web","nosuch"]}`); a.StatusCode != 404 {
		t.Errorf("%d %s", a.StatusCode, body)
	}
	if len(f.Requests) > 0 {
		t.Errorf("%+v was done", <-f.Requests)
	}
}

func TestApplyProblems(t *testing.T) {
	f := servertest.New("web")
	f.Result = status.ApplyResult{Steps: []status.Step{{Service: "web", Action: status.Change}}, Problems: []string{"db.toml:1:1: unknown key"}}
	path := serve(t, f, Options{})
	a, body := asking(t, path, "POST", "/v1/apply", `{"names":["web"],"force":true}`)
	p := decode[status.Problem](t, body)
	if a.StatusCode != 422 || p.ExitCode != control.Invalid || p.Apply == nil || len(p.Apply.Steps) != 1 {
		t.Errorf("%d %s", a.StatusCode, body)
	}
	if all := f.Applies(); len(all) != 1 || !all[0].Force || all[0].By.Pid != os.Getpid() || all[0].ID == "" {
		t.Errorf("got %+v", all)
	}
}

func TestFollowStreamsEndWithTheServer(t *testing.T) {
	f := servertest.New("web")
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := New(f, Options{UID: uint32(os.Geteuid())})
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "GET /v1/events?follow=true HTTP/1.1\r\nHost: x\r\n\r\n")
	b := bufio.NewReader(c)
	if _, err := b.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
	// The stream was cut off, not ended: a client knows the difference.
	rest, _ := io.ReadAll(b)
	if bytes.Contains(rest, []byte("\r\n0\r\n")) {
		t.Errorf("the stream looks whole: %q", rest)
	}
}

func TestTableAsText(t *testing.T) {
	f := servertest.New("db", "web")
	path := serve(t, f, Options{})
	a, body := asking(t, path, "GET", "/v1/services", "", "Accept", "text/plain")
	if a.StatusCode != 200 || strings.Count(body, "\n") != 2 || !strings.HasPrefix(body, "db    running") {
		t.Errorf("%d %q", a.StatusCode, body)
	}
}
