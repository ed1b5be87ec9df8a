package probe

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A Request is a GET of HTTP/1.1, in the clear, over a connection of its own
// that is closed after it. Redirects are answers like others, and no proxy is used.
type Request struct {
	Network  string // "tcp" or "unix"
	Address  string // "HOST:PORT", or the path of a socket
	Host     string // of the Host header; "" = Address, or "localhost" where that is a path
	Path     string // with the query; begins with a slash
	Headers  map[string]string
	Statuses []Range // those that are good; empty = 200 to 399
}

// A Range is HTTP statuses from From to To, both included.
type Range struct{ From, To int }

const (
	headMax = 64 << 10 // of an answer's head, in bytes
	bodyMax = 16 << 10 // of its body that is read; what is beyond does not matter
	wireMax = 1 << 20  // that may come for that much body
	interim = 8        // answers with a status below 200 before the one that counts
)

// errInterim says that a server never comes to the point.
var errInterim = errors.New("only interim answers")

// Ask sends the request once. nil says that the status of the answer was a good
// one and that the answer came whole, or up to 16 KiB of body; all within the
// timeout. It returns ctx's error when ctx ends first.
func (r *Request) Ask(ctx context.Context, timeout time.Duration) error {
	req, err := r.request()
	if err != nil {
		return err
	}
	end := time.Now().Add(timeout)
	c, err := dial(ctx, r.Network, r.Address, timeout)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(end)
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	what := "GET " + printable(r.Path)
	wrong := func(err error, otherwise string) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case late(err) || !time.Now().Before(end): // what came until then is cut off, which a parser says in its own way
			return fmt.Errorf("does not answer %s within %s", what, short(timeout))
		}
		return errors.New(otherwise)
	}
	// One that answers without reading all, and closes, has answered nevertheless.
	sent := req.Write(c)
	from := &io.LimitedReader{R: c, N: headMax}
	status, body, err := answer(bufio.NewReaderSize(from, 4<<10), req)
	switch {
	case err != nil && from.N == headMax:
		if sent != nil {
			err = sent
		}
		return wrong(err, "closes the connection without an answer to "+what)
	case err != nil:
		return wrong(err, "answers "+what+" with what is not HTTP")
	case !r.good(status):
		return fmt.Errorf("answered %d to %s", status, what)
	case status == http.StatusSwitchingProtocols: // what follows is not HTTP
		return nil
	}
	from.N = wireMax
	defer body.Close()
	if _, err := io.CopyN(io.Discard, body, bodyMax); err != nil && err != io.EOF {
		return wrong(err, "breaks off its answer to "+what)
	}
	return nil
}

func (r *Request) request() (*http.Request, error) {
	u, err := url.ParseRequestURI(r.Path)
	if err != nil {
		return nil, fmt.Errorf("cannot ask for %s: it is no path", printable(r.Path))
	}
	u.Scheme = "http" // or what begins with two slashes would be written as a whole URL
	host := r.Host
	if host == "" {
		if host = r.Address; r.Network == "unix" {
			host = "localhost"
		}
	}
	req := &http.Request{Method: http.MethodGet, URL: u, Host: host, Close: true,
		Header: http.Header{"User-Agent": {"gsv"}, "Accept": {"*/*"}}}
	for name, value := range r.Headers {
		if strings.EqualFold(name, "Connection") {
			continue // it is closed
		}
		req.Header.Set(name, value)
	}
	return req, nil
}

// answer reads the head of the answer that counts.
func answer(from *bufio.Reader, req *http.Request) (status int, body io.ReadCloser, err error) {
	for range interim {
		a, err := http.ReadResponse(from, req)
		if err != nil {
			return 0, nil, err
		}
		if a.StatusCode >= 200 || a.StatusCode == http.StatusSwitchingProtocols {
			return a.StatusCode, a.Body, nil
		}
	}
	return 0, nil, errInterim
}

func (r *Request) good(status int) bool {
	if len(r.Statuses) == 0 {
		return status >= 200 && status <= 399
	}
	for _, ok := range r.Statuses {
		if status >= ok.From && status <= ok.To {
			return true
		}
	}
	return false
}
