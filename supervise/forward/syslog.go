package forward

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	devLog = "/dev/log"
	// lookAgain is how long the address of a UDP receiver counts: nothing tells that
	// its name means another.
	lookAgain = 5 * time.Minute
	// sendBuffer bounds what is lost with a connection, in bytes; the kernel doubles it.
	sendBuffer = 64 << 10
)

// syslogTarget understands o.Syslog.
func syslogTarget(o Options) (*target, error) {
	app, host := field(o.Service, 48), field(o.Host, 255)
	to, write := "syslog at "+o.Syslog, rfc5424(host, app)
	bad := func(why string) (*target, error) {
		return nil, fmt.Errorf("cannot forward to syslog at %q: %s", o.Syslog, why)
	}
	if o.Syslog == "unix" {
		path := o.SyslogSocket
		if path == "" {
			path = devLog
		}
		return newTarget("syslog", local(app), dialUnix(path), o.Problem), nil
	}
	if path, ok := strings.CutPrefix(o.Syslog, "unix:"); ok {
		if !strings.HasPrefix(path, "/") {
			return bad("the path of its socket begins with a slash")
		}
		return newTarget(to, write, dialUnix(path), o.Problem), nil
	}
	network, addr, _ := strings.Cut(o.Syslog, "://")
	if network != "udp" && network != "tcp" {
		return bad(`it is "unix", "unix:/PATH", "udp://HOST:PORT" or "tcp://HOST:PORT"`)
	}
	name, port, err := net.SplitHostPort(addr)
	if err != nil || name == "" {
		return bad("it needs HOST:PORT")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return bad("its port is a number from 1 to 65535")
	}
	return newTarget(to, write, dialNet(network, addr), o.Problem), nil
}

// dialUnix connects to a socket of either kind.
func dialUnix(path string) dialer {
	return func(ctx context.Context) (*link, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, "unixgram", path)
		if err == nil {
			return &link{Conn: c}, nil
		}
		if !errors.Is(err, syscall.EPROTOTYPE) {
			return nil, err
		}
		if c, err = d.DialContext(ctx, "unix", path); err != nil {
			return nil, err
		}
		return &link{Conn: c, framing: ended}, nil
	}
}

func dialNet(network, addr string) dialer {
	return func(ctx context.Context) (*link, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		if network == "udp" {
			return &link{Conn: c, lossy: true, until: time.Now().Add(lookAgain)}, nil
		}
		_ = c.(*net.TCPConn).SetWriteBuffer(sendBuffer)
		return &link{Conn: c, framing: counted}, nil
	}
}

// rfc5424 is the form of RFC 5424. host and app are fields.
func rfc5424(host, app string) form {
	names := " " + host + " " + app + " - - [gsv@32473 run=\""
	return func(b []byte, m *message) []byte {
		b = append(b, '<')
		b = strconv.AppendInt(b, m.severity.priority(), 10)
		b = append(b, ">1 "...)
		b = m.at.UTC().AppendFormat(b, "2006-01-02T15:04:05.000000Z")
		b = append(b, names...)
		b = strconv.AppendInt(b, int64(m.gen), 10)
		if m.stream != Both {
			b = append(b, `" stream="`...)
			b = append(b, m.stream.String()...)
		}
		b = append(b, `"] `...)
		return append(b, m.text...)
	}
}

// local is the form that syslog(3) writes to the system's socket: local time, and
// no host.
func local(app string) form {
	return func(b []byte, m *message) []byte {
		b = append(b, '<')
		b = strconv.AppendInt(b, m.severity.priority(), 10)
		b = append(b, '>')
		b = m.at.Local().AppendFormat(b, time.Stamp)
		b = append(b, ' ')
		b = append(b, app...)
		b = append(b, ": "...)
		return append(b, m.text...)
	}
}

// field makes s a field of a header: printable ASCII without spaces, no longer
// than most, and "-" if there is nothing.
func field(s string, most int) string {
	b := []byte(s[:min(len(s), most)])
	for i, c := range b {
		if c < 33 || c > 126 {
			b[i] = '_'
		}
	}
	if len(b) == 0 {
		return "-"
	}
	return string(b)
}
