package control

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gsv/supervise/status"
)

// answers listens and gives each connection, once its request has begun to come, to the next of the functions; the last one serves the rest.
func answers(t *testing.T, each ...func(net.Conn)) (c *Client, count *atomic.Int64) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	count = new(atomic.Int64)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			n := count.Add(1)
			go func() {
				defer conn.Close()
				conn.Read(make([]byte, 1<<16))
				each[min(int(n), len(each))-1](conn)
			}()
		}
	}()
	return &Client{Path: path}, count
}

func says(text string) func(net.Conn) {
	return func(c net.Conn) { io.WriteString(c, text) }
}

const answer200 = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"pid\": 12}"

// TestAsksAgain: an answer that was cut off anywhere is asked for again, and only a whole one counts.
func TestAsksAgain(t *testing.T) {
	whole := []string{answer200, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{\"pi\r\n7;x=y\r\nd\": 12}\r\n0\r\n\r\n"}
	for _, text := range whole {
		end := strings.Index(text, "\r\n0\r\n")
		if end < 0 {
			end = len(text)
		}
		for n := range end {
			c, count := answers(t, says(text[:n]), says(text))
			var about status.About
			if err := c.Get("/v1", &about); err != nil || about.Pid != 12 || count.Load() != 2 {
				t.Errorf("cut at %d (%q): %v, pid %d, asked %d times", n, text[:n], err, about.Pid, count.Load())
			}
		}
	}
}

func TestGivesUpAsking(t *testing.T) {
	c, count := answers(t, says(answer200[:20]))
	var u *Unreachable
	if err := c.Get("/v1", new(any)); !errors.As(err, &u) || count.Load() != attempts || Exit(err) != NoAnswer {
		t.Errorf("%v after %d", err, count.Load())
	}
}

// TestNotGsv: whatever answers is an error, not taken for gsv, and not asked for ever.
func TestNotGsv(t *testing.T) {
	for name, text := range map[string]string{
		"ssh":             "SSH-2.0-OpenSSH_9.2\r\n",
		"no status":       "HTTP/1.1 abc\r\n\r\n",
		"status too big":  "HTTP/1.1 999\r\n\r\n",
		"long line":       "HTTP/1.1 200 " + strings.Repeat("x", 1<<20),
		"endless header":  "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", 1000),
		"negative length": "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"bad chunk":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"negative chunk":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n",
		"chunk too long":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n22\r\n0\r\n\r\n",
		"no JSON":         "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
		"plain error":     "HTTP/1.1 431 too large\r\nContent-Length: 2\r\n\r\nno",
	} {
		t.Run(name, func(t *testing.T) {
			c, count := answers(t, says(text))
			if err := c.Get("/v1", new(status.About)); err == nil || Exit(err) != Failed || count.Load() != 1 {
				t.Errorf("%v (exit %d) after %d", err, Exit(err), count.Load())
			}
		})
	}
}

func TestProblem(t *testing.T) {
	c, _ := answers(t, says("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 Forbidden\r\nContent-Type: application/problem+json; charset=x\r\n\r\n{\"detail\":\"no\",\"exit_code\":7}"))
	err := c.Do("POST", "/v1/apply", status.ApplyCall{}, nil)
	if Exit(err) != NotPermitted || err.Error() != "no" {
		t.Errorf("got %v", err)
	}
}

func TestDeadline(t *testing.T) {
	held := make(chan bool)
	defer close(held)
	c, _ := answers(t, func(net.Conn) { <-held })
	c.Deadline = time.Now().Add(20 * time.Millisecond)
	if err := c.Get("/v1", new(any)); Exit(err) != TimedOut {
		t.Errorf("got %v", err)
	}
	if err := c.Get("/v1", new(any)); Exit(err) != TimedOut {
		t.Errorf("after the deadline: got %v", err)
	}
}

// TestFullQueue: connecting waits while nobody accepts, as it must while the supervisor is being started again, but not longer than it may.
func TestFullQueue(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	raw, err := l.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	shrink(t, raw)
	for {
		conn, err := dial(path, time.Now().Add(20*time.Millisecond))
		if err != nil {
			if !errors.Is(err, ErrTimeout) {
				t.Errorf("got %v", err)
			}
			return
		}
		defer conn.Close()
	}
}

func TestInterrupt(t *testing.T) {
	begun := make(chan bool)
	held := make(chan bool)
	defer close(held)
	c, _ := answers(t, func(net.Conn) { close(begun); <-held })
	go func() {
		<-begun
		c.Interrupt()
	}()
	if err := c.Get("/v1", new(any)); Exit(err) != Detached {
		t.Errorf("got %v", err)
	}
	if err := c.Get("/v1", new(any)); Exit(err) != Detached {
		t.Errorf("after it: got %v", err)
	}
}

// FuzzAnswer: no answer makes the client panic, hang, or read a body that is larger than what came.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{answer200, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{\"pi\r\n7;x=y\r\nd\": 12}\r\n0\r\n\r\n",
		"HTTP/1.1 100 x\r\n\r\nHTTP/1.0 404 y\r\n\r\nz", "HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\nx", "HTTP/1.1 200\r\nContent-Length: 9223372036854775807\r\n\r\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		a, err := readAnswer(bufio.NewReader(bytes.NewReader(src)))
		if err != nil {
			return
		}
		if a.Status < 200 || a.Status > 599 {
			t.Errorf("status %d", a.Status)
		}
		if body, _ := io.ReadAll(a.Body); len(body) > len(src) {
			t.Errorf("a body of %d of %d bytes", len(body), len(src))
		}
		_ = problem(answer{Status: a.Status, Type: a.Type, Body: bytes.NewReader(src)})
	})
}
