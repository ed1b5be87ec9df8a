package main_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Whole is an answer as it should be.
func whole(release, got int) string {
	body := releaseText(release, got)
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// Serving runs a server that gives each connection to serve, which says whether the connection is reset at its end.
func serving(t *testing.T, serve func(c net.Conn, in *bufio.Reader) (reset bool)) (addr string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if serve(c, bufio.NewReader(c)) {
					_ = c.(*net.TCPConn).SetLinger(0)
				}
			}()
		}
	}()
	return l.Addr().String()
}

// Reads takes one request, with its body.
func reads(in *bufio.Reader) (got int, err error) {
	r, err := http.ReadRequest(in)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(io.Discard, r.Body)
	return int(n), err
}

// TestLoadTells: each thing that can happen to a request is told apart from the others.
func TestLoadTells(t *testing.T) {
	says := func(text string, reset bool) func(net.Conn, *bufio.Reader) bool {
		return func(c net.Conn, in *bufio.Reader) bool {
			_, _ = reads(in)
			_, _ = io.WriteString(c, text)
			return reset
		}
	}
	again := func(header string, reset bool) func(net.Conn, *bufio.Reader) bool {
		return func(c net.Conn, in *bufio.Reader) bool {
			_, _ = reads(in)
			_, _ = io.WriteString(c, strings.Replace(whole(7, 0), "\r\n", "\r\n"+header, 1))
			_, _ = reads(in) // and the next one gets nothing
			return reset
		}
	}
	for _, test := range []struct {
		name  string
		class class
		serve func(net.Conn, *bufio.Reader) bool
		asks  int // the last one's result counts
		want  string
	}{
		{"good", asksFresh, says(whole(7, 0), false), 1, "7"},
		{"good again, on the next connection", asksFresh, says(whole(7, 0), false), 2, "7"},
		{"chunked", asksFresh, says(fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(releaseText(7, 0)), releaseText(7, 0)), false), 1, "7"},
		{"no last chunk", asksFresh, says(fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(releaseText(7, 0)), releaseText(7, 0)), false), 1, "cut"},
		{"nothing", asksFresh, says("", false), 1, "cut"},
		{"nothing, reset", asksFresh, says("", true), 1, "reset"},
		{"half", asksFresh, says(whole(7, 0)[:1000], false), 1, "cut"},
		{"half, by length", asksFresh, says("HTTP/1.0 200 OK\r\n\r\n"+string(releaseText(7, 0)[:1000]), false), 1, "answered"},
		{"half a status line", asksKept, says("HTTP/1.", false), 1, "malformed"},
		{"502", asksFresh, says("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", false), 1, "502 Bad Gateway"},
		{"another page", asksFresh, says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false), 1, "answered"},
		{"not all of the upload arrived", asksUpload, says(whole(7, 5), false), 1, "answered"},
		{"upload", asksUpload, says(whole(7, parts*partSize), false), 1, "7"},
		{"kept, and closed at the next request", asksKept, again("", false), 2, errRetryable.Error()},
		{"kept, and reset at the next request", asksKept, again("", true), 2, errRetryable.Error()},
		{"to be closed", asksKept, again("Connection: close\r\n", false), 2, "7"},
		{"never", asksFresh, func(_ net.Conn, in *bufio.Reader) bool { _, _ = in.ReadString(0); return false }, 1, "timeout"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			a := &asker{addr: serving(t, test.serve), limit: patience}
			if test.want == "timeout" {
				a.limit = 20 * time.Millisecond
			}
			defer a.close()
			got := ""
			for range test.asks {
				release, err := a.ask(test.class)
				got = fmt.Sprint(release)
				if err != nil {
					got = err.Error()
				}
			}
			if !strings.HasPrefix(got, test.want) {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
	if _, err := (&asker{addr: freeAddress(t), limit: patience}).ask(asksFresh); !errors.Is(err, errRefused) {
		t.Errorf("nobody listens: %v", err)
	}
}

// TestLoadCounts: a load sees which release answers, and one that goes on answering after another was said to be the
// only one.
func TestLoadCounts(t *testing.T) {
	t.Parallel() // it is the uploads that take their time
	var release atomic.Int64
	release.Store(1)
	l := newLoad(t, asker{limit: patience, addr: serving(t, func(c net.Conn, in *bufio.Reader) bool {
		for {
			got, err := reads(in)
			if err != nil {
				return false
			}
			if _, err := io.WriteString(c, whole(int(release.Load()), got)); err != nil {
				return false
			}
		}
	})})
	if err := l.only(1, patience); err != nil {
		t.Fatal(err)
	}
	if err := l.only(2, time.Millisecond); err == nil {
		t.Error("nobody has put the second release into place")
	}
	l.deploying()
	l.deployed(2) // a lie
	if err := l.until(patience, func() error {
		if l.stale == 0 {
			return errors.New("no stale answer")
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	l.deploying()
	release.Store(2)
	if err := l.only(2, patience); err != nil {
		t.Error(err)
	}
	if err := l.keeps(2, patience); err != nil {
		t.Error(err)
	}
	if _, ok := l.seen(2); !ok {
		t.Error("the second release was not seen")
	}
	l.end()
	for c, n := range l.counts {
		if n.requests == 0 || n.lost+n.retryable != 0 {
			t.Errorf("%s: %+v", ways[c].name, n)
		}
	}
}
