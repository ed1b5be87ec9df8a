// Package probe asks a server whether it serves: one try, by a connection or by
// an HTTP request.
//
// A try is done by the goroutine that asks for it, which has one connection of
// its own and closes it: nothing is left of it afterwards. An error is what the server
// does, in the words of a report: "answered 500 to GET /health".
package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Connect reports whether address accepts a connection. network is "tcp" or
// "unix". It returns ctx's error when ctx ends first.
func Connect(ctx context.Context, network, address string, timeout time.Duration) error {
	c, err := dial(ctx, network, address, timeout)
	if err != nil {
		return err
	}
	return c.Close()
}

func dial(ctx context.Context, network, address string, timeout time.Duration) (net.Conn, error) {
	d := net.Dialer{Timeout: timeout, KeepAliveConfig: net.KeepAliveConfig{Enable: false}, KeepAlive: -1}
	c, err := d.DialContext(ctx, network, address)
	switch {
	case err == nil:
		return c, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case late(err):
		return nil, fmt.Errorf("does not accept connections at %s within %s", printable(address), short(timeout))
	}
	return nil, fmt.Errorf("does not accept connections at %s (%s)", printable(address), bare(err))
}

// late reports whether a time that was set is what ended something.
func late(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}

// bare takes off an error what a report says in its own words.
func bare(err error) string {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		if errno == syscall.EAGAIN { // of a unix socket that does not block: connect(2)
			return "as many as may wait do so already"
		}
		return errno.Error()
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return printable(dns.Err)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	return printable(err.Error())
}

// shown is how much of what others wrote is shown, in bytes.
const shown = 200

// printable makes text fit for a line.
func printable(text string) string {
	quoted := strconv.QuoteToGraphic(strings.ToValidUTF8(text[:min(len(text), shown)], ""))
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// short writes a time limit as a service file does: "2s", "1m".
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}
