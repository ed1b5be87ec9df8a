package forward

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

const patience = 20 * time.Second

var at = time.Date(2026, 11, 23, 3, 4, 5, 123000, time.UTC)

// problems collects what a Forwarder tells.
type problems chan Problem

func (p problems) next(t *testing.T) Problem {
	t.Helper()
	select {
	case pr := <-p:
		return pr
	case <-time.After(patience):
		t.Fatal("no problem was told")
		panic("")
	}
}

// start makes a Forwarder of a service "web" at host "app01" that is tried again at once.
func start(t testing.TB, o Options) (*Forwarder, problems) {
	t.Helper()
	p := make(problems, 1000)
	o.Service, o.Host, o.Problem = "web", "app01", func(pr Problem) { p <- pr }
	f, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range f.targets {
		target.firstDelay, target.maxDelay = time.Millisecond, 20*time.Millisecond
	}
	t.Cleanup(f.Close)
	return f, p
}

func offer(f *Forwarder, lines ...string) {
	for _, line := range lines {
		f.Offer(7, Both, at, []byte(line))
	}
}

// text is what start's Forwarder sends for offer's line.
func text(line string) string {
	return `<30>1 2026-11-23T03:04:05.000123Z app01 web - - [gsv@32473 run="7"] ` + line
}

// A receiver gets datagrams.
type receiver struct {
	net.PacketConn
	t testing.TB
}

func datagramReceiver(t testing.TB, network, addr string) *receiver {
	t.Helper()
	c, err := net.ListenPacket(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &receiver{c, t}
}

func (r *receiver) next() string {
	r.t.Helper()
	b := make([]byte, 1<<17)
	r.SetReadDeadline(time.Now().Add(patience))
	n, _, err := r.ReadFrom(b)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(b[:n])
}

func (r *receiver) want(messages ...string) {
	r.t.Helper()
	for _, want := range messages {
		if got := r.next(); got != want {
			r.t.Fatalf("got  %.300q\nwant %.300q", got, want)
		}
	}
}

// A server accepts one connection after another.
type server struct {
	net.Listener
	t testing.TB
}

func streamServer(t testing.TB, network, addr string) *server {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return &server{l, t}
}

// A caller is a connection that was accepted.
type caller struct {
	net.Conn
	*bufio.Reader
	t testing.TB
}

func (c *caller) Read(b []byte) (int, error) { return c.Reader.Read(b) }

func (s *server) accept() *caller {
	s.t.Helper()
	s.Listener.(interface{ SetDeadline(time.Time) error }).SetDeadline(time.Now().Add(patience))
	c, err := s.Accept()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	c.SetReadDeadline(time.Now().Add(patience))
	return &caller{c, bufio.NewReader(c), s.t}
}

// counted reads a message of RFC 6587, octet counting.
func (c *caller) counted() (string, error) {
	head, err := c.ReadString(' ')
	if err != nil {
		return "", err
	}
	n, err := strconv.Atoi(strings.TrimSuffix(head, " "))
	if err != nil || n <= 0 || head[0] == '0' {
		return "", fmt.Errorf("the length of a message is %q", head)
	}
	b := make([]byte, n)
	_, err = io.ReadFull(c.Reader, b)
	return string(b), err
}

func (c *caller) want(messages ...string) {
	c.t.Helper()
	for _, want := range messages {
		got, err := c.counted()
		if err != nil || got != want {
			c.t.Fatalf("got  %.300q, %v\nwant %.300q", got, err, want)
		}
	}
}

func socket(t testing.TB) string { return filepath.Join(t.TempDir(), "s") }
