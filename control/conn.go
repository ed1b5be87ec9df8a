package control

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// maxPath is the longest path that fits into sockaddr_un (unix(7)) with its final zero.
const maxPath = 107

// errCut is that the other side went away before its answer was whole.
var errCut = errors.New("gsv went away in the middle of its answer")

// dial connects to a unix socket. It waits while the queue of a listener whose supervisor is just being started again is full.
// The standard library's net is not used: linking it doubles the time that gsvctl takes to start.
func dial(path string, deadline time.Time) (*os.File, error) {
	if len(path) > maxPath {
		return nil, fmt.Errorf("the path is longer than the %d bytes that a socket's may have", maxPath)
	}
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if !deadline.IsZero() {
		// connect(2) on a unix socket waits for as long as SO_SNDTIMEO says (unix_stream_connect in net/unix/af_unix.c); zero would be for ever.
		left := syscall.NsecToTimeval(max(int64(time.Until(deadline)), int64(time.Microsecond)))
		if err := syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_SNDTIMEO, &left); err != nil {
			syscall.Close(fd)
			return nil, err
		}
	}
	for {
		err = syscall.Connect(fd, &syscall.SockaddrUnix{Name: path})
		if err != syscall.EINTR {
			break
		}
	}
	if err == nil {
		err = syscall.SetNonblock(fd, true)
	}
	if err != nil {
		syscall.Close(fd)
		if err == syscall.EAGAIN {
			err = os.ErrDeadlineExceeded
		}
		return nil, err
	}
	conn := os.NewFile(uintptr(fd), path)
	if !deadline.IsZero() {
		if err := conn.SetDeadline(deadline); err != nil {
			conn.Close()
			return nil, err
		}
	}
	return conn, nil
}

// request is the bytes of one HTTP/1.1 request on a connection of its own.
func request(method, path, accept string, body []byte) []byte {
	var b bytes.Buffer
	b.WriteString(method + " " + path + " HTTP/1.1\r\nHost: gsv\r\nConnection: close\r\nAccept: " + accept + "\r\n")
	if body != nil {
		b.WriteString("Content-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n")
	}
	b.WriteString("\r\n")
	b.Write(body)
	return b.Bytes()
}

// An answer is the head of an HTTP answer and its body, still to be read.
// Reading the body to its end gives io.EOF only if it is whole, else errCut.
type answer struct {
	Status int
	Type   string // the media type, without parameters
	Cursor string // of a log: where the body begins in it
	Body   io.Reader
}

// readAnswer reads the head of an answer.
func readAnswer(r *bufio.Reader) (answer, error) {
	var a answer
	for {
		line, err := readLine(r)
		if err != nil {
			return a, err
		}
		proto, rest, _ := strings.Cut(line, " ")
		code, _, _ := strings.Cut(rest, " ")
		a.Status, err = strconv.Atoi(code)
		if err != nil || !strings.HasPrefix(proto, "HTTP/1.") || a.Status < 100 || a.Status > 599 {
			return a, fmt.Errorf("what answers is not gsv: it said %.40q", line)
		}
		length, chunked := int64(-1), false
		for fields := 0; ; fields++ {
			line, err := readLine(r)
			if err != nil {
				return a, err
			}
			if line == "" {
				break
			}
			if fields == 100 {
				return a, errors.New("what answers is not gsv: its header has no end")
			}
			name, value, _ := strings.Cut(line, ":")
			value = strings.TrimSpace(value)
			switch strings.ToLower(name) {
			case "content-length":
				if length, err = strconv.ParseInt(value, 10, 64); err != nil || length < 0 {
					return a, fmt.Errorf("what answers is not gsv: its length is %.40q", value)
				}
			case "transfer-encoding":
				chunked = strings.EqualFold(value, "chunked")
			case "content-type":
				a.Type, _, _ = strings.Cut(value, ";")
			case "gsv-cursor":
				a.Cursor = value
			}
		}
		if a.Status < 200 { // 1xx: the answer proper follows (RFC 9110, 15.2)
			continue
		}
		switch {
		case chunked:
			a.Body = &chunks{r: r}
		case length >= 0:
			a.Body = &counted{r: r, left: length}
		default:
			a.Body = r
		}
		return a, nil
	}
}

// readLine reads a line of the head, without its end.
func readLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadSlice('\n')
	switch {
	case err == bufio.ErrBufferFull:
		return "", fmt.Errorf("what answers is not gsv: it said %.40q", line)
	case err != nil:
		return "", cut(err)
	}
	return string(bytes.TrimRight(line, "\r\n")), nil
}

// cut makes errCut of the errors that mean that the other side went away.
func cut(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return errCut
	}
	return err
}

// counted is a body of known length.
type counted struct {
	r    io.Reader
	left int64
}

func (c *counted) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	if err != nil {
		err = cut(err)
	}
	return n, err
}

// chunks is a body in chunks (RFC 9112, 7.1): the only way to tell the end of a stream from the end of the process that wrote it.
type chunks struct {
	r    *bufio.Reader
	left int64
	in   bool // a chunk was begun: its line end is still to be read
	end  bool
}

func (c *chunks) Read(p []byte) (int, error) {
	for c.left == 0 {
		if c.end {
			return 0, io.EOF
		}
		if c.in {
			if line, err := readLine(c.r); err != nil || line != "" {
				return 0, errors.Join(err, errors.New("a chunk of the answer has no end"))
			}
			c.in = false
		}
		line, err := readLine(c.r)
		if err != nil {
			return 0, err
		}
		size, _, _ := strings.Cut(line, ";")
		c.left, err = strconv.ParseInt(strings.TrimSpace(size), 16, 64)
		if err != nil || c.left < 0 {
			return 0, fmt.Errorf("a chunk of the answer has the length %.40q", line)
		}
		if c.left == 0 {
			c.end = true
			return 0, io.EOF
		}
		c.in = true
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	if err != nil {
		err = cut(err)
	}
	return n, err
}
