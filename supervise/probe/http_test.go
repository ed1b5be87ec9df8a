package probe

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// serve answers at a socket of its own by h.
func serve(t *testing.T, network string, h http.HandlerFunc) *Request {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Listener.Close()
	s.Listener = listener(t, network)
	s.Start()
	t.Cleanup(s.Close)
	return &Request{Network: network, Address: s.Listener.Addr().String(), Path: "/health"}
}

// raw answers every connection by f, once the head of the request has come.
func raw(t *testing.T, f func(net.Conn)) *Request {
	t.Helper()
	l := listener(t, "tcp")
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for head := bufio.NewReader(c); ; {
					if line, err := head.ReadString('\n'); err != nil || line == "\r\n" {
						break
					}
				}
				f(c)
			}()
		}
	}()
	return &Request{Network: "tcp", Address: l.Addr().String(), Path: "/health"}
}

func says(text string) func(net.Conn) { return func(c net.Conn) { io.WriteString(c, text) } }

func TestStatuses(t *testing.T) {
	var status atomic.Int64
	var asked atomic.Int64
	r := serve(t, "tcp", func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(int(status.Load()))
	})
	for _, tt := range []struct {
		status int
		good   []Range
		ok     bool
	}{
		{200, nil, true}, {204, nil, true}, {302, nil, true}, {399, nil, true}, {400, nil, false}, {404, nil, false}, {500, nil, false},
		{404, []Range{{200, 299}, {404, 404}}, true}, {302, []Range{{200, 299}}, false}, {200, []Range{{204, 204}}, false}, {503, []Range{{500, 599}}, true},
	} {
		status.Store(int64(tt.status))
		r.Statuses = tt.good
		before := asked.Load()
		err := r.Ask(t.Context(), patience)
		if (err == nil) != tt.ok {
			t.Errorf("%d, of %v: %v", tt.status, tt.good, err)
		}
		if err != nil && (!strings.HasPrefix(err.Error(), "answered ") || !strings.HasSuffix(err.Error(), " to GET /health")) {
			t.Errorf("%d: %v", tt.status, err)
		}
		if n := asked.Load() - before; n != 1 {
			t.Errorf("%d: asked %d times", tt.status, n)
		}
	}
}

func TestRequest(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("http_proxy", "http://127.0.0.1:1")
	for _, tt := range []struct {
		network, host, path string
		headers             map[string]string
		wantHost, wantPath  string
	}{
		{"tcp", "", "/health", nil, "", "/health"},
		{"tcp", "shop.example", "/a%20b/%7e?x=1&y=%2F", map[string]string{"X-Probe": "1", "connection": "keep-alive"}, "shop.example", "/a%20b/%7e?x=1&y=%2F"},
		{"tcp", "", "/a//b/../c", nil, "", "/a//b/../c"},
		{"unix", "", "/health", nil, "localhost", "/health"},
		{"unix", "shop", "/", map[string]string{"User-Agent": "other"}, "shop", "/"},
	} {
		var got http.Request
		r := serve(t, tt.network, func(_ http.ResponseWriter, r *http.Request) { got = *r })
		r.Host, r.Path, r.Headers = tt.host, tt.path, tt.headers
		if err := r.Ask(t.Context(), patience); err != nil {
			t.Errorf("%s %s: %v", tt.network, tt.path, err)
			continue
		}
		if tt.wantHost == "" {
			tt.wantHost = r.Address
		}
		if got.Method != "GET" || got.Host != tt.wantHost || got.RequestURI != tt.wantPath || !got.Close {
			t.Errorf("asked %s %s of %s, close %v; want GET %s of %s", got.Method, got.RequestURI, got.Host, got.Close, tt.wantPath, tt.wantHost)
		}
		agent := "gsv"
		for name, value := range tt.headers {
			if name == "User-Agent" {
				agent = value
			}
			if name != "connection" && got.Header.Get(name) != value {
				t.Errorf("%s is %q", name, got.Header.Get(name))
			}
		}
		if got.UserAgent() != agent {
			t.Errorf("the agent is %q", got.UserAgent())
		}
	}
	if err := (&Request{Network: "tcp", Address: "127.0.0.1:1", Path: "no path"}).Ask(t.Context(), patience); err == nil {
		t.Error("one can ask for what is no path")
	}
}

// What a broken or hostile server does is said, and bounded.
func TestBadAnswers(t *testing.T) {
	head := "HTTP/1.1 200 OK\r\n"
	for _, tt := range []struct {
		name   string
		answer func(net.Conn)
		want   string // "": good
	}{
		{"nothing", func(net.Conn) {}, "closes the connection without an answer to GET /health"},
		{"cut off by a reset", func(c net.Conn) { c.(*net.TCPConn).SetLinger(0) }, "closes the connection without an answer to GET /health"},
		{"half a head", says("HTTP/1.1 200 OK\r\nX: "), "answers GET /health with what is not HTTP"},
		{"another protocol", says("220 mail.example ESMTP\r\n"), "answers GET /health with what is not HTTP"},
		{"TLS", says("\x15\x03\x01\x00\x02\x02\x46"), "answers GET /health with what is not HTTP"},
		{"no end of the head", func(c net.Conn) {
			io.WriteString(c, head)
			for {
				if _, err := io.WriteString(c, "X: "+strings.Repeat("x", 1000)+"\r\n"); err != nil {
					return
				}
			}
		}, "answers GET /health with what is not HTTP"},
		{"interim for ever", func(c net.Conn) {
			for {
				if _, err := io.WriteString(c, "HTTP/1.1 103 Early Hints\r\n\r\n"); err != nil {
					return
				}
			}
		}, "answers GET /health with what is not HTTP"},
		{"interim, then well", says("HTTP/1.1 103 Early Hints\r\n\r\n" + head + "Content-Length: 2\r\n\r\nok"), ""},
		{"by version 1.0", says("HTTP/1.0 200 OK\r\n\r\nok"), ""},
		{"less body than promised", says(head + "Content-Length: 100\r\n\r\nshort"), "breaks off its answer to GET /health"},
		{"bad chunks", says(head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n"), "breaks off its answer to GET /health"},
		{"switching", says("HTTP/1.1 101 Switching Protocols\r\n\r\n\x00\x01"), "answered 101 to GET /health"},
		{"a body without an end", func(c net.Conn) {
			io.WriteString(c, head+"\r\n")
			for {
				if _, err := c.Write(make([]byte, 1000)); err != nil {
					return
				}
			}
		}, ""},
		{"a body in chunks of a byte", func(c net.Conn) {
			io.WriteString(c, head+"Transfer-Encoding: chunked\r\n\r\n")
			for range 20000 {
				if _, err := io.WriteString(c, "1\r\nx\r\n"); err != nil {
					return
				}
			}
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := raw(t, tt.answer).Ask(t.Context(), patience)
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (err == nil || err.Error() != tt.want):
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
}

// A server that accepts, or dribbles, and never answers is given up in time.
func TestSilence(t *testing.T) {
	for name, answer := range map[string]func(net.Conn, <-chan struct{}){
		"silent": func(_ net.Conn, over <-chan struct{}) { <-over },
		"silent body": func(c net.Conn, over <-chan struct{}) {
			says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")(c)
			<-over
		},
		"half a status": func(c net.Conn, over <-chan struct{}) { says("HTTP/1.1 2")(c); <-over },
	} {
		over := make(chan struct{})
		r := raw(t, func(c net.Conn) { answer(c, over) })
		err := r.Ask(t.Context(), 30*time.Millisecond)
		if want := "does not answer GET /health within 30ms"; err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
		ctx, cancel := context.WithCancel(t.Context())
		asked := make(chan error)
		go func() { asked <- r.Ask(ctx, time.Hour) }()
		cancel()
		if err := <-asked; !errors.Is(err, context.Canceled) {
			t.Errorf("%s, cancelled: %v", name, err)
		}
		close(over)
	}
	l := listener(t, "tcp")
	r := &Request{Network: "tcp", Address: l.Addr().String(), Path: "/"}
	l.Close()
	if err := r.Ask(t.Context(), patience); err == nil || !strings.HasSuffix(err.Error(), " (connection refused)") {
		t.Errorf("nobody there: %v", err)
	}
}

// What a server says is not printed as it came.
func TestWordsArePrintable(t *testing.T) {
	r := raw(t, says("HTTP/1.1 500 \x1b[31mred\r\n\r\n"))
	r.Path = "/\x1b[31m"
	if err := r.Ask(t.Context(), patience); err == nil || strings.ContainsAny(err.Error(), "\x1b\n") {
		t.Errorf("%q", err)
	}
	r.Path = "/" + strings.Repeat("long", 1000)
	if err := r.Ask(t.Context(), patience); err == nil || len(err.Error()) > 300 {
		t.Errorf("%d bytes", len(err.Error()))
	}
}

// Nothing is left of a try: no goroutine, no descriptor.
func TestNothingIsLeft(t *testing.T) {
	over := make(chan struct{})
	silent := raw(t, func(net.Conn) { <-over })
	well := raw(t, says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	if err := well.Ask(t.Context(), patience); err != nil {
		t.Fatal(err)
	}
	before, files := runtime.NumGoroutine(), descriptors(t)
	ctx, cancel := context.WithCancel(t.Context())
	for range 50 {
		if err := well.Ask(ctx, patience); err != nil {
			t.Fatal(err)
		}
		silent.Ask(ctx, time.Millisecond)
	}
	close(over) // the servers' ends go
	for deadline := time.Now().Add(patience); runtime.NumGoroutine() > before || descriptors(t) > files; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, were %d; %d descriptors, were %d", runtime.NumGoroutine(), before, descriptors(t), files)
		}
	}
	cancel()
}

func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
