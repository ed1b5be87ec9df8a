package main_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// The records of FastCGI that a client needs (FastCGI Specification 1.0, 3.3 and 8).
const (
	fcgiBegin  = 1
	fcgiEnd    = 3
	fcgiParams = 4
	fcgiStdin  = 5
	fcgiStdout = 6
)

// AskFastCGI has a script run, by a GET, and returns what it writes, headers included.
func askFastCGI(addr, script string, limit time.Duration) (string, error) {
	c, err := net.DialTimeout("tcp", addr, limit)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(limit)); err != nil {
		return "", err
	}
	return runFastCGI(c, map[string]string{"SCRIPT_FILENAME": script, "SCRIPT_NAME": "/", "REQUEST_METHOD": "GET", "REQUEST_URI": "/",
		"SERVER_PROTOCOL": "HTTP/1.1", "GATEWAY_INTERFACE": "CGI/1.1"}, nil)
}

// RunFastCGI sends one request, its body bit by bit as body gives it, and reads the answer to its end.
func runFastCGI(c io.ReadWriter, params map[string]string, body io.Reader) (string, error) {
	var vars []byte
	for name, value := range params {
		for _, text := range []string{name, value} {
			vars = binary.BigEndian.AppendUint32(vars, 1<<31|uint32(len(text)))
		}
		vars = append(append(vars, name...), value...)
	}
	if err := errors.Join(
		fcgiRecord(c, fcgiBegin, []byte{0, 1, 0, 0, 0, 0, 0, 0}), // as a responder, then close
		fcgiRecord(c, fcgiParams, vars), fcgiRecord(c, fcgiParams, nil)); err != nil {
		return "", err
	}
	for part := make([]byte, 8192); body != nil; {
		n, err := body.Read(part)
		if n > 0 {
			if err := fcgiRecord(c, fcgiStdin, part[:n]); err != nil {
				return "", err
			}
		}
		if err != nil {
			break
		}
	}
	if err := fcgiRecord(c, fcgiStdin, nil); err != nil {
		return "", err
	}
	var out strings.Builder
	for in := bufio.NewReader(c); ; {
		var head [8]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return out.String(), err
		}
		content := make([]byte, int(binary.BigEndian.Uint16(head[4:]))+int(head[6]))
		if _, err := io.ReadFull(in, content); err != nil {
			return out.String(), err
		}
		content = content[:len(content)-int(head[6])]
		switch head[1] {
		case fcgiStdout:
			out.Write(content)
		case fcgiEnd:
			if len(content) < 5 || content[4] != 0 {
				return out.String(), fmt.Errorf("the request ended with %v", content)
			}
			return out.String(), nil
		}
	}
}

func fcgiRecord(w io.Writer, kind byte, content []byte) error {
	record := []byte{1, kind, 0, 1, byte(len(content) >> 8), byte(len(content)), 0, 0}
	_, err := w.Write(append(record, content...))
	return err
}
