package server

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"gsv/control/server/servertest"
	"gsv/supervise/status"
)

// TestHostile: none of these clients gets anything, and none keeps the next one from being answered.
func TestHostile(t *testing.T) {
	f := servertest.New("web")
	hasty, patient := serve(t, f, Options{Patience: 50 * time.Millisecond}), serve(t, f, Options{})
	long := strings.Repeat("x", 1<<20)
	for _, tt := range []struct{ name, send, want string }{
		{"garbage", "\x00\xff\x16\x03\x01 hello\r\n\r\n", "400"},
		{"nothing", "", ""},
		{"half a request line", "GET /v1/serv", ""},
		{"half a header", "GET /v1 HTTP/1.1\r\nHost: x\r\nAccep", ""},
		{"half a body", "POST /v1/services/web/hup HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"id\":", "408"},
		{"a megabyte of header", "GET /v1 HTTP/1.1\r\nHost: x\r\nX: " + long + "\r\n\r\n", "431"},
		{"a megabyte of request line", "GET /" + long + " HTTP/1.1\r\n\r\n", "431"},
		{"a body beyond the limit", "POST /v1/services/web/hup HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n" + long + " ", "413"},
		{"a length that lies", "POST /v1/services/web/hup HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", "400"},
		{"two lengths", "POST /v1/apply HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "400"},
		{"a bad chunk", "POST /v1/services/web/hup HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "408"},
		{"deep JSON", "POST /v1/services/web/hup HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("[", 100000), "400"},
		{"another protocol", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := patient
			if tt.name == "nothing" || strings.HasPrefix(tt.name, "half") {
				path = hasty
			}
			c, err := net.Dial("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			go io.WriteString(c, tt.send) // the server may stop reading before all of it
			got, err := io.ReadAll(c)     // until the server gives up
			if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && len(got) == 0 && tt.want != "" {
				t.Fatal(err)
			}
			if !strings.Contains(firstLine(got), tt.want) {
				t.Errorf("got %q, want %s", got, tt.want)
			}
			if a, _ := asking(t, patient, "GET", "/v1", ""); a.StatusCode != 200 {
				t.Errorf("the next one got %d", a.StatusCode)
			}
		})
	}
}

func firstLine(b []byte) string {
	line, _, _ := strings.Cut(string(b), "\n")
	return line
}

// TestSlowReader: one that does not read its stream delays nobody.
func TestSlowReader(t *testing.T) {
	f := servertest.New("web")
	path := serve(t, f, Options{})
	slow, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	io.WriteString(slow, "GET /v1/events?follow=true HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := slow.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("x", 64<<10)
	for range 100 { // far more than the socket holds
		f.Happen(status.Event{Service: "web", Kind: "log", Text: text})
	}
	if a, _ := asking(t, path, "POST", "/v1/services/web/hup", ""); a.StatusCode != 200 {
		t.Errorf("the next one got %d", a.StatusCode)
	}
}

// TestPanicOfARequest: a bug in one answer is the end of that answer only.
func TestPanicOfARequest(t *testing.T) {
	f := servertest.New("web")
	f.Script = func(r status.Request, op *status.Operation) error {
		if r.Verb == "once" {
			panic("bug: on purpose")
		}
		op.Result = status.OK
		return nil
	}
	path := serve(t, f, Options{Log: t.Output()})
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "POST /v1/services/web/once HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
	if got, _ := io.ReadAll(c); len(got) > 0 {
		t.Errorf("got %q", got)
	}
	if a, _ := asking(t, path, "GET", "/v1", ""); a.StatusCode != 200 {
		t.Errorf("the next one got %d", a.StatusCode)
	}
}
