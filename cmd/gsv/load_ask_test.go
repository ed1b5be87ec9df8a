package main_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"
)

// Filler is the middle of each answer: one that was cut lacks some of it.
var filler = bytes.Repeat([]byte("x"), 2000)

const (
	parts    = 20
	partSize = 512
)

// errRetryable says that a kept connection was closed just when the next request came: nothing of an answer came, and
// a client may ask again on another (RFC 9112, 9.3.1). One that was closed before is noticed before it is used.
var errRetryable = errors.New("closed when it was asked again")

// Why a request was lost.
var (
	errRefused = errors.New("refused")
	errReset   = errors.New("reset")
	errCut     = errors.New("cut")
	errTimeout = errors.New("timeout")
)

// An asker asks one request at a time and keeps the connection if it may.
type asker struct {
	addr   string
	limit  time.Duration // an answer that takes longer is lost, and the time of an upload is not counted
	script string        // what FastCGI is asked for; "" asks by HTTP

	conn net.Conn
	in   *bufio.Reader
}

func (a *asker) close() {
	if a.conn != nil {
		a.conn.Close()
		a.conn = nil
	}
}

// Ask gives the release that answered.
func (a *asker) ask(c class) (release int, err error) {
	deadline := time.Now().Add(a.limit)
	if c == asksUpload {
		deadline = deadline.Add(uploadTime)
	}
	if a.conn != nil && hungUp(a.conn) {
		a.close()
	}
	again := a.conn != nil
	if !again {
		if a.conn, err = net.DialTimeout("tcp", a.addr, a.limit); err != nil {
			a.conn = nil
			return 0, lossOf(err)
		}
		a.in = bufio.NewReader(a.conn)
	}
	_ = a.conn.SetDeadline(deadline)
	err = a.send(c)
	begun := false
	if err == nil {
		_, err = a.in.Peek(1)
		begun = err == nil
	}
	keep := false
	if begun {
		release, keep, err = a.receive(c)
	}
	if err != nil || !keep || c != asksKept {
		a.close()
	}
	err = lossOf(err)
	if again && !begun && (err == errReset || err == errCut) {
		err = errRetryable
	}
	return release, err
}

// Send writes a request. An upload's body is written bit by bit.
func (a *asker) send(c class) error {
	way, size := ways[c], uploadSize(c)
	if a.script != "" {
		return sendFastCGI(a.conn, a.script, way.path, size, c == asksKept)
	}
	method, more := "GET", ""
	if size > 0 {
		method, more = "POST", fmt.Sprintf("Content-Type: application/octet-stream\r\nContent-Length: %d\r\n", size)
	}
	if c != asksKept {
		more += "Connection: close\r\n"
	}
	if _, err := fmt.Fprintf(a.conn, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", method, way.path, more); err != nil {
		return err
	}
	return trickle(size, func(part []byte) error {
		_, err := a.conn.Write(part)
		return err
	})
}

// UploadSize is how many bytes a request of the class has in its body.
func uploadSize(c class) int {
	if c == asksUpload {
		return parts * partSize
	}
	return 0
}

// Trickle writes so many bytes bit by bit.
func trickle(size int, write func(part []byte) error) error {
	part := bytes.Repeat([]byte("u"), partSize)
	pace := time.NewTimer(0)
	defer pace.Stop()
	for range size / partSize {
		<-pace.C
		pace.Reset(uploadTime / parts)
		if err := write(part); err != nil {
			return err
		}
	}
	return nil
}

// Receive reads an answer and looks at all of it.
func (a *asker) receive(c class) (release int, keep bool, err error) {
	body, keep, err := a.body()
	if err != nil {
		return 0, false, err
	}
	if _, err := fmt.Sscanf(body, "release=%d ", &release); err != nil || body != string(releaseText(release, uploadSize(c))) {
		return 0, false, fmt.Errorf("answered %.40q, %d bytes", body, len(body))
	}
	return release, keep, nil
}

// Body is that of an answer, and whether the connection stays.
func (a *asker) body() (body string, keep bool, err error) {
	if a.script != "" {
		text, err := receiveFastCGI(a.in)
		headers, body, _ := strings.Cut(text, "\r\n\r\n")
		if err == nil && strings.Contains(headers, "Status: ") {
			err = errors.New(headers)
		}
		return body, true, err
	}
	r, err := http.ReadResponse(a.in, nil)
	if err != nil {
		return "", false, err
	}
	defer r.Body.Close()
	all, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusOK {
		err = errors.New(r.Status)
	}
	return string(all), !r.Close, err
}

// ReleaseText is what an application of a release answers, got being the size of what was uploaded.
func releaseText(release, got int) []byte {
	return fmt.Appendf(nil, "release=%d got=%d\n%s\nend\n", release, got, filler)
}

// HungUp says whether the other side has closed a connection on which nothing is awaited.
func hungUp(c net.Conn) bool {
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		return true
	}
	over := false
	err = raw.Read(func(fd uintptr) bool {
		_, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		over = err != syscall.EAGAIN // its end, a reset, or an answer that nobody asked for (408)
		return true
	})
	return over || err != nil
}

// lossOf tells the kinds of losses apart.
func lossOf(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return errTimeout
	case errors.Is(err, syscall.ECONNREFUSED):
		return errRefused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return errReset
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		strings.HasSuffix(err.Error(), "http: server closed idle connection"): // net/http's name for an EOF before it has asked
		return errCut
	}
	return err
}
