package server

import (
	"bufio"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"gsv/control/server/servertest"
	"gsv/supervise/status"
)

func TestLogs(t *testing.T) {
	f := servertest.New("api", "db", "web")
	f.Log = map[string]string{"web": "w1\nw2\nw3\nw\xff4\n", "api": "a1\na2 <&>\n"}
	at := func(s int) time.Time { return servertest.LogStart.Add(time.Duration(s) * time.Second) }
	f.Past = []status.Operation{{ID: "old", Service: "web", Started: at(1), Ended: at(2), Result: status.OK}, {ID: "gone", Service: "gone", Result: status.OK}}
	path := serve(t, f, Options{})
	if _, err := f.Do(t.Context(), status.Request{ID: "now", Verb: "hup", Service: "api"}); err != nil {
		t.Fatal(err)
	}
	f.Finish("now", func(op *status.Operation) { op.Started, op.Ended = at(1), at(9) })
	since := func(s int) string { return url.QueryEscape(at(s).Format(time.RFC3339)) }
	for _, tt := range []struct {
		name, url string
		lines     bool
		status    int
		want      string // the body, or of a problem a part of it
	}{
		{"as it is", "/services/web/logs", false, 200, "w1\nw2\nw3\nw\xff4\n"},
		{"the last", "/services/web/logs?lines=1", false, 200, "w\xff4\n"},
		{"from a cursor", "/services/web/logs?lines=1&from=web:3", false, 200, "w2\nw3\nw\xff4\n"},
		{"from so many bytes behind a cursor", "/services/web/logs?from=web:3%2B4", false, 200, "3\nw\xff4\n"},
		{"grep", "/services/web/logs?grep=%5Ew[13]", false, 200, "w1\nw3\n"},
		{"the last of grep", "/services/web/logs?grep=%5Ew[13]&lines=1", false, 200, "w3\n"},
		{"since", "/services/web/logs?since=" + since(2), false, 200, "w3\nw\xff4\n"},
		{"since long ago", "/services/web/logs?since=1000000h", false, 200, "w1\nw2\nw3\nw\xff4\n"},
		{"since just now", "/services/web/logs?since=1ms", false, 200, ""},
		{"of an operation", "/services/api/logs?op=now", false, 200, "a2 <&>\n"},
		{"of one of before", "/services/web/logs?op=old", false, 200, "w2\nw3\n"},
		{"of an operation that has ended, followed", "/services/web/logs?op=old&follow=true", false, 200, "w2\nw3\n"},
		{"the operation says which", "/logs?op=now", false, 200, "a2 <&>\n"},
		{"several", "/logs?name=web&name=api&lines=2", false, 200, "api | a1\napi | a2 <&>\nweb | w3\nweb | w\xff4\n"},
		{"named twice", "/logs?name=api&name=api", false, 200, "a1\na2 <&>\n"},
		{"all", "/logs?lines=1", false, 200, "api | a2 <&>\nweb | w\xff4\n"},
		{"json", "/services/api/logs", true, 200, `{"time":"2026-11-23T03:00:00Z","service":"api","run":1,"stream":"stdout","line":"a1"}` + "\n" +
			`{"time":"2026-11-23T03:00:01Z","service":"api","run":1,"stream":"stdout","line":"a2 <&>"}` + "\n"},
		{"json that is not UTF-8", "/services/web/logs?lines=1", true, 200,
			`{"time":"2026-11-23T03:00:03Z","service":"web","run":1,"stream":"stdout","line":"w\ufffd4","bytes":"d/80"}` + "\n"},
		{"with cursors", "/logs?name=api&lines=1&cursors=true", true, 200,
			`{"time":"2026-11-23T03:00:01Z","service":"api","run":1,"stream":"stdout","line":"a2 <&>","cursor":"10"}` + "\n"},
		{"with matches", "/services/api/logs?grep=%5Ba2%5D&lines=1&matches=true", true, 200,
			`{"time":"2026-11-23T03:00:01Z","service":"api","run":1,"stream":"stdout","line":"a2 <&>","matches":[[0,1],[1,2]]}` + "\n"},
		{"matches of nothing", "/services/api/logs?lines=1&matches=true", true, 200,
			`{"time":"2026-11-23T03:00:01Z","service":"api","run":1,"stream":"stdout","line":"a2 <&>"}` + "\n"},

		{"no such service", "/logs?name=web&name=nosuch", false, 404, `"exit_code":4`},
		{"bad since", "/services/web/logs?since=10", false, 400, `since must be a duration`},
		{"since what is to come", "/services/web/logs?since=-10m", false, 400, `since must be a duration`},
		{"bad pattern", "/services/web/logs?grep=(", false, 400, `cannot understand the pattern: missing closing )`},
		{"long pattern", "/services/web/logs?grep=" + strings.Repeat("a", 1025), false, 400, `may have 1024 bytes, not 1025`},
		{"large pattern", "/services/web/logs?grep=((a{1000}){1000}){1000}", false, 400, `invalid repeat count`},
		{"bad from", "/services/web/logs?from=web", false, 400, `a service and a cursor`},
		{"no such operation", "/services/web/logs?op=nosuch", false, 404, `there is no operation`},
		{"an operation of another", "/services/web/logs?op=now", false, 400, `is about api`},
		{"an operation of one of several", "/logs?name=web&name=api&op=now", false, 400, `is about api`},
		{"an operation of one that is gone", "/logs?op=gone", false, 404, `"exit_code":4`},
		{"bad matches", "/logs?matches=many", true, 400, `matches must be true or false`},
		{"bad cursors", "/logs?cursors=many", true, 400, `cursors must be true or false`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			accept := "text/plain"
			if tt.lines {
				accept = "application/x-ndjson"
			}
			a, body := asking(t, path, "GET", "/v1"+tt.url, "", "Accept", accept)
			if a.StatusCode != tt.status || a.StatusCode == 200 && body != tt.want || !strings.Contains(body, tt.want) {
				t.Errorf("%d %q\nwant %d and %q", a.StatusCode, body, tt.status, tt.want)
			}
			want := map[bool]string{true: "application/x-ndjson", false: "text/plain; charset=utf-8"}[tt.lines]
			if media := a.Header.Get("Content-Type"); a.StatusCode == 200 && media != want {
				t.Errorf("of type %s", media)
			}
		})
	}
	if a, _ := asking(t, path, "GET", "/v1/services/web/logs?lines=3", ""); a.Header.Get("Gsv-Cursor") != "3" {
		t.Errorf("begins at %q", a.Header.Get("Gsv-Cursor"))
	}
}

// Lines that are followed come when they are written, and before that how far each log was read.
func TestLogsFollow(t *testing.T) {
	f := servertest.New("api", "web")
	f.Log = map[string]string{"web": "w1\n"}
	path := serve(t, f, Options{})
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("GET /v1/logs?follow=true&cursors=true HTTP/1.1\r\nHost: gsv\r\nAccept: application/x-ndjson\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	a, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(a.Body)
	next := func() (l status.LogLine) {
		t.Helper()
		if err := d.Decode(&l); err != nil {
			t.Fatal(err)
		}
		return l
	}
	if l := next(); l.Service != "web" || l.Line != "w1" || l.Cursor != "3" {
		t.Errorf("%+v", l)
	}
	for _, want := range []status.LogLine{{Service: "api", Cursor: "0"}, {Service: "web", Cursor: "3"}} {
		if l := next(); !l.Mark || l.Service != want.Service || l.Cursor != want.Cursor {
			t.Errorf("%+v", l)
		}
	}
	f.Configure(func(f *servertest.Fake) { f.Log["api"] = "a1\n" })
	if l := next(); l.Service != "api" || l.Line != "a1" || l.Cursor != "3" || l.Mark {
		t.Errorf("%+v", l)
	}
}

// Who may not read all of the services that he names is shown none of them.
func TestLogsPermitted(t *testing.T) {
	needRoot(t)
	f := servertest.New("db", "shop", "web")
	f.Log = map[string]string{"db": "secret\n", "shop": "s1\n", "web": "secret\n"}
	other := []string{strconv.Itoa(otherUID)}
	f.Allows = map[string]map[string][]string{"shop": {"read": other}, "web": {"hup": other}}
	f.Past = []status.Operation{{ID: "webs", Service: "web", Result: status.OK}}
	path := openSocket(t, f, Options{})
	for _, tt := range []struct{ url, want, body string }{
		{"/v1/logs?name=shop", "200", "s1"},
		{"/v1/logs?name=shop&name=web", "403", "may not use logs on web (role read)"},
		{"/v1/logs?name=db&name=shop", "403", "may not use logs on db"},
		{"/v1/logs", "200", "s1"},
		{"/v1/logs?op=webs", "403", "may not use logs on web"},
		{"/v1/services/shop/logs?op=webs", "400", "is about another service"},
	} {
		got := asOther(t, path, "GET", tt.url, "")
		if !strings.HasPrefix(got, "HTTP/1.1 "+tt.want) || !strings.Contains(got, tt.body) || strings.Contains(got, "secret") {
			t.Errorf("%s: %s", tt.url, got)
		}
	}
	f.Configure(func(f *servertest.Fake) { f.Allows = nil })
	if got := asOther(t, path, "GET", "/v1/logs", ""); !strings.HasPrefix(got, "HTTP/1.1 403") {
		t.Errorf("who may read nothing: %s", got)
	}
}
