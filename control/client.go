package control

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"gsv/supervise/status"
)

// attempts is how often a request is made again when gsv's supervisor died before it had answered. Each is queued on the socket until the
// supervisor is there again, so this does not spin.
const attempts = 300

// ErrInterrupted is that Interrupt was called.
var ErrInterrupted = errors.New("interrupted")

// ErrTimeout is that the client's deadline passed.
var ErrTimeout = os.ErrDeadlineExceeded

// Unreachable is that nothing answers on the control socket.
type Unreachable struct {
	Tried []string // every path that was looked at
	Err   error    // of the last one
	Gone  bool     // somebody did take the request, and went away before he had answered
}

func (u *Unreachable) Error() string {
	why := u.Err.Error()
	switch {
	case errors.Is(u.Err, syscall.ENOENT):
		why = "there is no such socket"
	case errors.Is(u.Err, syscall.ECONNREFUSED):
		why = "no gsv is running behind it"
	}
	return fmt.Sprintf("cannot reach gsv (tried %s): %s", strings.Join(u.Tried, ", "), why)
}

// Unwrap is the error of the last path.
func (u *Unreachable) Unwrap() error { return u.Err }

// A Client asks gsv, one request a connection. Its methods may be called by many goroutines at once.
//
// When the supervisor dies in the middle of an answer, the request is made again: reading is harmless, and a verb carries the id of its
// operation, which gsv attaches to instead of starting a second one. Errors are *Unreachable, a *status.Problem that gsv answered with,
// ErrTimeout, ErrInterrupted, or say that what answers is not gsv.
type Client struct {
	Path     string    // the socket
	Tried    []string  // for the message when nobody answers; nil = Path
	Deadline time.Time // of everything that this client does; zero = none

	mu      sync.Mutex
	open    map[*os.File]bool
	stopped bool
}

// Interrupt makes every call return with ErrInterrupted, now and from now on. What was begun in gsv goes on.
func (c *Client) Interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	for conn := range c.open {
		// The error would be that the connection is closed already.
		_ = conn.SetDeadline(time.Unix(1, 0))
	}
}

// Get asks for path and decodes the answer.
func (c *Client) Get(path string, into any) error {
	return c.Do("GET", path, nil, into)
}

// Do makes a request with a JSON body (nil: none) and decodes the answer into what into points to.
func (c *Client) Do(method, path string, body, into any) error {
	return c.Stream(method, path, "application/json", body, func(r io.Reader) error {
		src, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(src, into); err != nil {
			return fmt.Errorf("cannot understand gsv's answer: %w", err)
		}
		return nil
	})
}

// Lines makes a request that is answered with a line of JSON for each thing that happens, and calls each with every line, without its end.
// It returns when the answer has ended or each returned an error, which it gives back. After a supervisor's death lines may come twice.
func (c *Client) Lines(method, path string, body any, each func(line []byte) error) error {
	return c.Stream(method, path, "application/x-ndjson", body, func(r io.Reader) error { return eachLine(r, each, nil) })
}

// eachLine calls each with the lines that are whole, and the last one, and idle before it waits for more.
func eachLine(r io.Reader, each func(line []byte) error, idle func()) error {
	b := bufio.NewReaderSize(r, 32<<10)
	for {
		if idle != nil && b.Buffered() == 0 {
			idle()
		}
		line, err := b.ReadBytes('\n')
		if err == io.EOF && len(line) == 0 {
			return nil
		}
		if err == nil || err == io.EOF {
			if line = bytes.TrimSpace(line); len(line) > 0 {
				if err := each(line); err != nil {
					return err
				}
			}
		}
		if err != nil && err != io.EOF {
			return err
		}
	}
}

// Stream makes a request and gives the body of a good answer to read, again from the start when it was cut off.
func (c *Client) Stream(method, path, accept string, body any, read func(io.Reader) error) error {
	var src []byte
	if body != nil {
		var err error
		if src, err = json.Marshal(body); err != nil {
			return fmt.Errorf("bug: cannot encode a request: %w", err)
		}
	}
	raw := request(method, path, accept, src)
	var err error
	for i := range attempts {
		if err = c.once(raw, func(a answer) error { return read(a.Body) }); !errors.Is(err, errCut) {
			var u *Unreachable
			if errors.As(err, &u) {
				u.Gone = i > 0
			}
			return err
		}
	}
	return &Unreachable{Tried: c.tried(), Err: err, Gone: true}
}

// Log reads what one service wrote, byte for byte, and tells where in the log that begins ("": not known). It does not try again by itself, for
// nothing must come twice: it says whether the answer was whole.
func (c *Client) Log(path string, read func(at string, r io.Reader) error) (whole bool, err error) {
	return isWhole(c.once(request("GET", path, "text/plain", nil), func(a answer) error { return read(a.Cursor, a.Body) }))
}

// LogLines is Lines for logs: like Log it does not try again by itself. It calls idle before it waits for more.
func (c *Client) LogLines(path string, each func(line []byte) error, idle func()) (whole bool, err error) {
	return isWhole(c.once(request("GET", path, "application/x-ndjson", nil), func(a answer) error { return eachLine(a.Body, each, idle) }))
}

func isWhole(err error) (bool, error) {
	if errors.Is(err, errCut) {
		return false, nil
	}
	return true, err
}

// once is one connection.
func (c *Client) once(raw []byte, read func(answer) error) error {
	if c.isStopped() {
		return ErrInterrupted
	}
	conn, err := dial(c.Path, c.Deadline)
	if err != nil {
		if errors.Is(err, ErrTimeout) {
			return c.why(err)
		}
		return &Unreachable{Tried: c.tried(), Err: err}
	}
	c.keep(conn)
	defer c.drop(conn)
	_, werr := conn.Write(raw)
	if errors.Is(werr, os.ErrDeadlineExceeded) {
		return c.why(werr)
	}
	// A server that refuses a request early may answer and close before all of it was written: its answer is worth more than EPIPE.
	a, err := readAnswer(bufio.NewReader(conn))
	switch {
	case err != nil && werr != nil:
		return c.why(cut(werr))
	case err != nil:
		return c.why(err)
	case a.Status >= 400:
		return c.why(problem(a))
	}
	return c.why(read(a))
}

// why makes ErrInterrupted of the timeout that Interrupt causes.
func (c *Client) why(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) && c.isStopped() {
		return ErrInterrupted
	}
	return err
}

func (c *Client) isStopped() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stopped
}

func (c *Client) tried() []string {
	if len(c.Tried) == 0 {
		return []string{c.Path}
	}
	return c.Tried
}

// keep notes a connection for Interrupt.
func (c *Client) keep(conn *os.File) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		c.open = make(map[*os.File]bool)
	}
	c.open[conn] = true
	if c.stopped {
		_ = conn.SetDeadline(time.Unix(1, 0))
	}
}

func (c *Client) drop(conn *os.File) {
	c.mu.Lock()
	delete(c.open, conn)
	c.mu.Unlock()
	conn.Close()
}

// problem is what a bad answer says.
func problem(a answer) error {
	src, err := io.ReadAll(io.LimitReader(a.Body, 1<<20))
	if err != nil {
		return err
	}
	var p status.Problem
	if a.Type != "application/problem+json" || json.Unmarshal(src, &p) != nil || p.ExitCode == 0 {
		line, _, _ := strings.Cut(strings.TrimSpace(string(src)), "\n")
		return fmt.Errorf("gsv answered %d: %.200s", a.Status, line)
	}
	return &p
}

// NewID makes the id of an operation: unlikely to be anyone else's, short enough to be typed.
func NewID() string { return fmt.Sprintf("%08x", rand.Uint32()) }

// Escape makes a path segment of any bytes.
func Escape(name string) string {
	var b strings.Builder
	for i := range len(name) {
		switch ch := name[i]; {
		case ch >= 'a' && ch <= 'z', ch >= 'A' && ch <= 'Z', ch >= '0' && ch <= '9', strings.IndexByte("-_.~", ch) >= 0 && name != "." && name != "..":
			b.WriteByte(ch)
		default:
			fmt.Fprintf(&b, "%%%02X", ch)
		}
	}
	return b.String()
}

// Exit is the exit status that an error of a Client asks for.
func Exit(err error) int {
	var p *status.Problem
	var u *Unreachable
	switch {
	case err == nil:
		return Done
	case errors.As(err, &p):
		return p.ExitCode
	case errors.As(err, &u):
		return NoAnswer
	case errors.Is(err, ErrTimeout):
		return TimedOut
	case errors.Is(err, ErrInterrupted):
		return Detached
	}
	return Failed
}
