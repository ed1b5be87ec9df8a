package main_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
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
	if err := sendFastCGI(c, script, "/", 0, false); err != nil {
		return "", err
	}
	return receiveFastCGI(bufio.NewReader(c))
}

// SendFastCGI sends a request with a body of so many bytes, which is written bit by bit.
func sendFastCGI(w io.Writer, script, path string, size int, keep bool) error {
	method, flags := "GET", byte(0)
	if size > 0 {
		method = "POST"
	}
	if keep {
		flags = 1
	}
	var vars []byte
	for name, value := range map[string]string{"SCRIPT_FILENAME": script, "SCRIPT_NAME": path, "REQUEST_METHOD": method, "REQUEST_URI": path,
		"SERVER_PROTOCOL": "HTTP/1.1", "GATEWAY_INTERFACE": "CGI/1.1", "CONTENT_LENGTH": strconv.Itoa(size)} {
		for _, text := range []string{name, value} {
			vars = binary.BigEndian.AppendUint32(vars, 1<<31|uint32(len(text)))
		}
		vars = append(append(vars, name...), value...)
	}
	begin := []byte{0, 1, flags, 0, 0, 0, 0, 0} // as a responder
	if err := errors.Join(fcgiRecord(w, fcgiBegin, begin), fcgiRecord(w, fcgiParams, vars), fcgiRecord(w, fcgiParams, nil)); err != nil {
		return err
	}
	err := trickle(size, func(part []byte) error { return fcgiRecord(w, fcgiStdin, part) })
	if err == nil {
		err = fcgiRecord(w, fcgiStdin, nil)
	}
	return err
}

// ReceiveFastCGI reads an answer to its end, and leaves what comes after it.
func receiveFastCGI(in *bufio.Reader) (string, error) {
	for out := (strings.Builder{}); ; {
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

// TestFastCGITells: a load sees by FastCGI what it sees by HTTP.
func TestFastCGITells(t *testing.T) {
	said := func(headers string) string {
		var b strings.Builder
		_ = fcgiRecord(&b, fcgiStdout, []byte(headers+"\r\n"))
		_ = fcgiRecord(&b, fcgiStdout, releaseText(7, 0))
		_ = fcgiRecord(&b, fcgiEnd, make([]byte, 8))
		return b.String()
	}
	good := said("Content-Type: text/plain\r\n")
	for _, test := range []struct {
		name    string
		class   class
		answers []string // to the requests of each connection, which is closed then
		asks    int      // the last one's result counts
		want    string
	}{
		{"good", asksFresh, []string{good}, 1, "7"},
		{"kept", asksKept, []string{good, good}, 2, "7"},
		{"kept, and closed at the next request", asksKept, []string{good, ""}, 2, errRetryable.Error()},
		{"nothing", asksFresh, []string{""}, 1, "cut"},
		{"half", asksFresh, []string{good[:len(good)-20]}, 1, "cut"},
		{"an error", asksFresh, []string{said("Status: 500 Internal Server Error\r\n")}, 1, "Status: 500"},
		{"not all of the upload arrived", asksUpload, []string{good}, 1, "answered"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			a := &asker{script: "/app.php", limit: patience, addr: serving(t, func(c net.Conn, in *bufio.Reader) bool {
				for _, text := range test.answers {
					for ended := false; !ended; { // an empty record is the end of the body
						var head [8]byte
						if _, err := io.ReadFull(in, head[:]); err != nil {
							return false
						}
						n, _ := io.CopyN(io.Discard, in, int64(binary.BigEndian.Uint16(head[4:])))
						ended = head[1] == fcgiStdin && n == 0
					}
					_, _ = io.WriteString(c, text)
				}
				return false
			})}
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
}
